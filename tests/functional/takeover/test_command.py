"""``import-cyborg`` where it cannot be done."""

import pathlib
import subprocess
import sys

import fixtures
from oslotest import base

from cyborg_fpga.db import schema
from tests.fixtures import cyborgs_tables
from tests.fixtures import database


class TestCommand(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        own = self.useFixture(database.Database(migrated=False))
        self.config = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path, 'fpga.conf'
        )
        self.config.write_text(f'[database]\nconnection = {own.url}\n')

    def refused(self, url):
        """What it says."""
        command = [sys.executable, '-m', 'cyborg_fpga.cmd.manage']
        done = subprocess.run(
            [
                *command,
                f'--config-file={self.config}',
                'import-cyborg',
                f'--from={url}',
            ],
            capture_output=True,
            check=False,
            text=True,
            timeout=120,
        )
        self.assertEqual(1, done.returncode, done.stdout)
        _, _, reason = done.stderr.partition('Nothing is imported:\n  ')
        self.assertNotIn('geheim', done.stdout + done.stderr)
        return reason

    def test_reason_is_told_in_a_line(self):
        cyborg = self.useFixture(cyborgs_tables.CyborgsTables())
        self.assertIn('db sync', self.refused(cyborg.url))
        schema.upgrade()
        url = 'mysql+pymysql://cyborg:geheim@127.0.0.1:1/cyborg'
        self.assertIn('mysql://127.0.0.1/cyborg cannot', self.refused(url))
        self.assertEqual(
            'sqlite:/// names no file: sqlite:////var/lib/cyborg.db does\n',
            self.refused('sqlite://'),
        )
