"""What the tests keep in temporary folders goes, however they end."""

import pathlib
import signal
import subprocess
import sys

import fixtures
from oslotest import base

from tests.fixtures import folders

_CHILD = """
import sys
from tests.fixtures import folders
path = folders.own(sys.argv[1])
(path / 'file').write_text('something')
print(path, flush=True)
sys.stdin.read()
"""


class TestFolders(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.base = self.useFixture(fixtures.TempDir()).path

    def child(self):
        """A process that has a folder, and the folder."""
        process = subprocess.Popen(
            [sys.executable, '-c', _CHILD, self.base],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(self.end, process)
        return process, pathlib.Path(process.stdout.readline().strip())

    def end(self, process, number=signal.SIGKILL):
        process.send_signal(number)
        process.communicate()

    def test_a_killed_process_leaves_nothing_to_the_next(self):
        killed, left = self.child()
        _, living = self.child()
        self.end(killed)
        self.assertTrue((left / 'file').exists())
        mine = folders.own(self.base)
        self.assertEqual(
            {living, mine}, set(pathlib.Path(self.base).iterdir())
        )
        self.assertTrue((living / 'file').exists())

    def test_a_process_that_ends_leaves_nothing(self):
        process, path = self.child()
        process.communicate()
        self.assertFalse(path.exists())
