"""What a machine lacks to mount a simulated host is said."""

import os
import pathlib

import fixtures
from oslotest import base

from cyborg_fpga.simulator import mount


class TestMissing(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        program = self.folder / 'fusermount3'
        program.touch()
        program.chmod(0o755)
        self.useFixture(fixtures.EnvironmentVariable('PATH', str(self.folder)))
        self.patch_module('_missing', '')
        self.patch_module('_DEVICE', os.devnull)
        self.useFixture(fixtures.MonkeyPatch('os.geteuid', lambda: 0))

    def patch_module(self, name, value):
        self.useFixture(
            fixtures.MonkeyPatch(f'{mount.__name__}.{name}', value)
        )

    def refused(self):
        point = self.folder / 'point'
        exc = self.assertRaises(mount.MountError, mount.Mount(point).start, {})
        self.assertFalse(point.exists())
        return str(exc)

    def test_nothing(self):
        self.assertEqual('', mount.missing())

    def test_the_kernels_part(self):
        self.patch_module('_DEVICE', '/nowhere/fuse')
        self.assertIn('there is no /nowhere/fuse', self.refused())

    def test_the_helper(self):
        (self.folder / 'fusermount3').unlink()
        self.assertIn('fusermount3 is not installed', self.refused())

    def test_rights(self):
        self.useFixture(fixtures.MonkeyPatch('os.geteuid', lambda: 1000))
        self.assertIn('only root', self.refused())

    def test_the_library(self):
        self.patch_module('_missing', 'no library')
        self.assertIn('no library', self.refused())
