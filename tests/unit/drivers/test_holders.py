"""Who has a device node open."""

import errno
import os
import pathlib

import fixtures
from oslotest import base

from cyborg_fpga.drivers import holders


class TestFind(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (self.root / 'vfio').mkdir()
        for name in ('vfio/7', 'vfio/17', 'dfl-port.0'):
            (self.root / name).touch()

    def find(self, *nodes):
        return holders.find(str(self.root), nodes)

    def test_a_node_is_known_by_what_it_is(self):
        with open(self.root / 'vfio/17') as other:
            self.assertEqual([], self.find('vfio/7', 'dfl-port.0'))
            (found,) = self.find('vfio/17')
            self.assertTrue(other.readable())
        self.assertEqual((os.getpid(), 'vfio/17'), (found[0], found.node))
        self.assertIn(f'process {os.getpid()} (', str(found))
        # Another file of the same name is another node.
        elsewhere = self.root / 'elsewhere'
        elsewhere.mkdir()
        with open(elsewhere / '7', 'w'):
            self.assertEqual([], self.find('vfio/7'))
        # The same one below another name of its directory is not.
        (self.root / 'dev').symlink_to('.')
        with open(self.root / 'dev/vfio/7'):
            self.assertEqual(1, len(self.find('vfio/7')))

    def test_a_device_is_the_same_whatever_its_directory(self):
        with open('/dev/null'):
            found = holders.find('/dev', ['null'])
        self.assertIn(os.getpid(), [holder.process for holder in found])

    def test_nodes_that_are_not_there_have_no_holders(self):
        self.assertEqual([], self.find('vfio/8', 'dfl-port.1'))

    def test_a_group_that_refuses_another_is_held_by_who_is_not_seen(self):
        opened = os.open

        def refusing(path, flags):
            # As the kernel does where a guest in another PID namespace has
            # it; nothing but a kernel with VFIO can be made to.
            if str(path).endswith('vfio/7'):
                raise OSError(errno.EBUSY, 'busy')
            return opened(path, flags)

        self.useFixture(fixtures.MonkeyPatch('os.open', refusing))
        (found,) = self.find('vfio/7', 'vfio/17')
        self.assertEqual((0, 'vfio/7'), (found.process, found.node))
        self.assertIn('not visible', str(found))
