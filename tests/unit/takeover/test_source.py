"""Whose database it is, and that it stays as it is."""

import pathlib
import sys
from unittest import mock

import fixtures
import sqlalchemy as sa
from oslotest import base

from cyborg_fpga.takeover import source
from tests.fixtures import cyborgs_tables

PASSWORD = 'geheim'


def read(url):
    with source.connected(url) as cyborg:
        return cyborg.device_types()


class TestSource(base.BaseTestCase):
    def refused(self, url):
        return str(self.assertRaises(source.Unusable, read, url))

    def test_nothing_can_be_written(self):
        cyborg = self.useFixture(cyborgs_tables.CyborgsTables())
        cyborg.card()
        with source.connected(cyborg.url) as opened:
            self.assertRaises(
                sa.exc.OperationalError,
                opened._connection.execute,
                sa.text('DELETE FROM devices'),
            )
        self.assertEqual({'FPGA': 1}, read(cyborg.url))

    def test_one_that_is_not_there_is_not_made(self):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        path = folder / 'none.db'
        self.assertIn('cannot be read', self.refused(f'sqlite:///{path}'))
        self.assertFalse(path.exists())

    def test_what_is_wrong_with_a_url_is_told_in_a_line(self):
        folder = self.useFixture(fixtures.TempDir()).path
        there = 'mysql+pymysql://u@127.0.0.1:1'
        for url, words in (
            ('mysql+nothing://host/cyborg', 'no driver mysql+nothing; tested'),
            ('postgres://host/cyborg', 'there is no driver postgres;'),
            ('sqlite+aiosqlite:////cyborg.db', 'is an asynchronous one;'),
            ('sqlite://', 'names no file'),
            ('sqlite:///:memory:', 'names no file'),
            (f'sqlite:///{folder}', 'there is no such file'),
            ('sqlite:///a%00b', 'there is no such file'),
            (f'{there}/', 'names no database'),
            (f'{there}/cyborg?bogus=1', 'what follows the ?: bogus'),
            (f'{there}/cyborg?charset=bogus', 'what follows the ?: charset'),
            (f'{there}/cyborg?ssl_ca=/none', 'what follows the ?: ssl_ca'),
            ('', 'is no database URL'),
        ):
            said = self.refused(url)
            self.assertIn(words, said)
            self.assertNotIn('\n', said)

    def test_driver_that_is_not_installed_is_named(self):
        # Hidden where it happens to be installed.
        with mock.patch.dict(sys.modules, {'MySQLdb': None}):
            said = self.refused('mysql://host/cyborg')
        self.assertIn('mysql:// needs the Python module MySQLdb, which', said)

    def test_another_release_is_refused(self):
        for revision in ('a35b4295a0e5', None):
            cyborg = self.useFixture(cyborgs_tables.CyborgsTables(revision))
            words = self.refused(cyborg.url)
            self.assertIn(f'is at revision {revision}'.lower(), words.lower())
            self.assertIn('cyborg-dbsync upgrade', words)

    def test_another_service_is_refused(self):
        cyborg = self.useFixture(cyborgs_tables.CyborgsTables())
        cyborg.execute('DROP TABLE controlpath_ids')
        self.assertIn("is not Cyborg's", self.refused(cyborg.url))

    def test_password_is_never_told(self):
        for url in (
            f'mysql+pymysql://u:{PASSWORD}@127.0.0.1:1/cyborg',
            f'mysql+nothing://u:{PASSWORD}@host/cyborg',
            f'u:{PASSWORD}@host/cyborg',
            f'postgresql://u@127.0.0.1:1/cyborg?password={PASSWORD}',
            f'mysql+pymysql://u:{PASSWORD}/cyborg',
            f'mysql+pymysql://u:{PASSWORD}@127.0.0.1:port/cyborg',
            f'mysql+pymysql://u:{PASSWORD}@[::1/cyborg',
        ):
            self.assertNotIn(PASSWORD, self.refused(url))
