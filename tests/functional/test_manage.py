"""``cyborg-fpga-manage`` and ``-status`` as an operator runs them."""

import pathlib
import subprocess
import sys

import fixtures
import sqlalchemy as sa
from oslotest import base

from cyborg_fpga.db import engine
from cyborg_fpga.db import models
from tests.fixtures import database


class TestPurge(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.database = self.useFixture(database.Database())
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.config = folder / 'cyborg-fpga.conf'
        self.config.write_text(
            f'[database]\nconnection = {self.database.url}\n'
        )
        with engine.get_engine().begin() as connection:
            connection.execute(
                sa.insert(models.Claim).values(
                    uuid='c', origin='api', state='failed'
                )
            )

    def manage(self, *words):
        command = [sys.executable, '-m', 'cyborg_fpga.cmd.manage']
        return subprocess.run(
            [*command, '--config-file', str(self.config), 'db', *words],
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )

    def test_sums_are_printed_and_a_dry_run_deletes_nothing(self):
        asked = ['purge', '--age-in-days', '30']
        for words, first in (
            ([*asked, '--dry-run'], 'would be deleted:'),
            (asked, 'deleted:'),
        ):
            done = self.manage(*words)
            self.assertEqual(0, done.returncode, done.stderr)
            self.assertEqual(first, done.stdout.splitlines()[0])
            self.assertRegex(done.stdout, r'claims +1\n')
        done = self.manage(*asked)
        self.assertRegex(done.stdout, r'claims +0\n')

    def test_age_must_be_a_number_of_days(self):
        for age in ('0', '-1', 'x', '99999999'):
            done = self.manage('purge', f'--age-in-days={age}')
            self.assertEqual(2, done.returncode, done.stderr)
            self.assertIn('number of days', done.stderr)
        self.assertEqual(2, self.manage('purge').returncode)


class TestStatus(base.BaseTestCase):
    def check(self, url):
        """Exit code and words of a check before an upgrade."""
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        config = folder / 'cyborg-fpga.conf'
        config.write_text(
            f'[database]\nconnection = {url}\n'
            'max_retries = 1\nretry_interval = 1\n'
        )
        command = [sys.executable, '-m', 'cyborg_fpga.cmd.status']
        done = subprocess.run(
            [*command, '--config-file', str(config), 'upgrade', 'check'],
            capture_output=True,
            check=False,
            text=True,
            timeout=120,
        )
        self.assertNotIn('Traceback', done.stdout + done.stderr)
        return done.returncode, ' '.join(done.stdout.split())

    def test_tables_of_this_release_are_good(self):
        code, said = self.check(self.useFixture(database.Database()).url)
        self.assertEqual(0, code, said)

    def test_others_are_to_be_brought_there(self):
        blank = self.useFixture(database.Database(migrated=False))
        code, said = self.check(blank.url)
        self.assertEqual(2, code, said)
        self.assertIn('at no revision', said)

    def test_database_that_cannot_be_read_is_no_crash(self):
        for url in (
            'mysql+pymysql://u:geheim@127.0.0.1:1/fpga',
            'nothing://host/fpga',
        ):
            code, said = self.check(url)
            self.assertEqual(2, code, said)
            self.assertIn('cannot be read', said)
            self.assertNotIn('geheim', said)
