"""What the tests keep in temporary folders goes, however they end."""

import os
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

    def grandchild(self, folder):
        """What a test process with that folder starts."""
        process = subprocess.Popen(
            ['sleep', '600'], env={**os.environ, 'TMPDIR': str(folder)}
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def end(self, process):
        process.kill()
        process.communicate()

    def test_a_killed_process_leaves_nothing_to_the_next(self):
        killed, left = self.child()
        _, living = self.child()
        orphan = self.grandchild(left)
        other = self.grandchild(pathlib.Path(self.base))
        self.end(killed)
        self.assertTrue((left / 'file').exists())
        mine = folders.own(self.base)
        self.assertEqual(-signal.SIGKILL, orphan.wait(60))
        self.assertIsNone(other.poll())
        self.assertEqual(
            {living, mine}, set(pathlib.Path(self.base).iterdir())
        )
        self.assertTrue((living / 'file').exists())

    def test_a_process_that_ends_leaves_nothing(self):
        process, path = self.child()
        process.communicate()
        self.assertFalse(path.exists())
