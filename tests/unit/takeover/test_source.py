"""Whose database it is, and that it stays as it is."""

import pathlib

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
