"""What a mount answers, asked without one."""

import ctypes
import errno
import os
import stat
import struct
import subprocess
import sys

from oslotest import base

from cyborg_fpga.simulator import memory
from cyborg_fpga.simulator import samples
from cyborg_fpga.simulator import view
from tests.fixtures import simulated_host

PF = 'bus/pci/devices/0000:3b:00.0'
REGION = '69528db6eb31577a8c3668f9faa081f6'
FUNCTION = 'd8424dc4a4a3c413f89e433683f9040b'
CARDS = """
cards:
  - {address: '0000:3b:00.0', program_fixed: 0, program_rate: 1.0e+9}
  - {address: 'ffffffff:ff:00.1', family: ZYNQ7000}
"""
RESET, LOAD, TERMINAL = 0xB640, 0xB680, 0x5401


class ViewTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.host = self.useFixture(simulated_host.SimulatedHost(CARDS))
        self.asks = view.Identity(os.geteuid(), os.getpid())
        self.view = view.View({'': self.host.served}, lambda: self.asks)

    def real(self, path):
        """Its name without links: a kernel follows them itself."""
        return '/sys/' + self.host.fs.resolve(path)

    def fails(self, number, call, *args):
        exc = self.assertRaises(OSError, call, *args)
        self.assertEqual(number, exc.errno, exc)

    def read(self, path):
        number = self.view.open(path, os.O_RDONLY)
        try:
            return self.view.read(path, 4096, 0, number)
        finally:
            self.view.release(path, number)


class TestFiles(ViewTest):
    def test_an_attribute_that_is_only_read_is_not_opened_for_writing(self):
        path = self.real(f'{PF}/vendor')
        self.assertEqual(b'0x8086\n', self.read(path))
        for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC):
            self.fails(errno.EACCES, self.view.open, path, flags)

    def test_an_attribute_that_is_only_written_is_not_opened_to_read(self):
        path = self.real('class/fpga_manager/fpga1/firmware')
        mode = self.view.getattr(path)['st_mode']
        self.assertEqual(0o200, stat.S_IMODE(mode))
        for flags in (os.O_RDONLY, os.O_RDWR):
            self.fails(errno.EACCES, self.view.open, path, flags)
        self.assertTrue(self.view.open(path, os.O_WRONLY))

    def test_an_attribute_that_is_both_is_opened_for_both(self):
        path = self.real('class/fpga_manager/fpga1/flags')
        number = self.view.open(path, os.O_RDWR)
        self.assertEqual(b'0\n', self.view.read(path, 4096, 0, number))
        self.assertEqual(2, self.view.write(path, b'1\n', 0, number))
        self.assertEqual(b'1\n', self.view.read(path, 4096, 0, number))

    def test_others_read_what_they_may_and_change_nothing(self):
        self.asks = view.Identity(os.geteuid() + 1, os.getpid())
        self.assertEqual(b'0x8086\n', self.read(self.real(f'{PF}/vendor')))
        flags = self.real('class/fpga_manager/fpga1/flags')
        self.assertEqual(b'0\n', self.read(flags))
        self.fails(errno.EACCES, self.view.open, flags, os.O_WRONLY)
        node = '/dev/dfl-fme.0'
        self.fails(errno.EACCES, self.view.open, node, os.O_RDONLY)

    def test_sizes_and_modes_are_those_of_sysfs(self):
        found = self.view.getattr(self.real(f'{PF}/vendor'))
        self.assertEqual(4096, found['st_size'])
        self.assertEqual(stat.S_IFREG | 0o444, found['st_mode'])
        found = self.view.getattr(f'/sys/{PF}')
        self.assertEqual(stat.S_IFLNK | 0o777, found['st_mode'])
        for path in ('/', '/sys', '/dev', '/sys/bus/pci'):
            found = self.view.getattr(path)
            self.assertEqual(stat.S_IFDIR | 0o755, found['st_mode'])

    def test_an_error_of_an_attribute_comes_from_reading_it(self):
        path = self.real(f'{PF}/fpga_region/region0/dfl-port.0/afu_id')
        number = self.view.open(path, os.O_RDONLY)
        self.host.simulator.fault('0000:3b:00.0', 'unreadable', errno='EBUSY')
        self.fails(errno.EBUSY, self.view.read, path, 4096, 0, number)
        self.host.simulator.clear('0000:3b:00.0')
        first = self.view.read(path, 10, 0, number)
        rest = self.view.read(path, 4096, 10, number)
        self.assertEqual(b'0' * 32 + b'\n', first + rest)
        self.assertEqual(b'', self.view.read(path, 4096, 33, number))

    def test_what_was_open_when_its_card_vanished_has_no_device(self):
        path = self.real(f'{PF}/vendor')
        number = self.view.open(path, os.O_RDONLY)
        self.host.simulator.fault('0000:3b:00.0', 'vanish')
        self.fails(errno.ENODEV, self.view.read, path, 4096, 0, number)
        self.fails(errno.ENOENT, self.view.open, path, os.O_RDONLY)

    def test_the_group_of_a_guest_is_nobody_elses(self):
        self.host.simulator.fault('0000:3b:00.0', 'guest')
        (name,) = os.listdir(self.host.directory / 'dev/vfio')
        path = f'/dev/vfio/{name}'
        self.fails(errno.EBUSY, self.view.open, path, os.O_RDWR)
        self.assertIn('st_mode', self.view.getattr(path))

    def test_nothing_can_be_made_or_removed(self):
        path = self.real(f'{PF}/vendor')
        self.fails(errno.EACCES, self.view.create, '/sys/x', 0o644, 0)
        for call in (self.view.unlink, self.view.rmdir):
            self.fails(errno.EPERM, call, path)
        self.fails(errno.EPERM, self.view.mkdir, '/sys/x', 0o755)
        for call in (self.view.symlink, self.view.link, self.view.rename):
            self.fails(errno.EPERM, call, path, '/sys/x')

    def test_only_what_a_kernel_shows_is_shown(self):
        self.assertEqual(
            ['.', '..', 'dev', 'sys'],
            [name for name, *_ in self.view.readdir('/', 0)],
        )
        for path in ('/state', '/scenario.yaml', '/sys/x'):
            self.fails(errno.ENOENT, self.view.getattr, path)

    def test_several_hosts_have_their_directories(self):
        several = view.View({'b': self.host.served}, lambda: self.asks)
        names = [name for name, *_ in several.readdir('/', 0)]
        self.assertEqual(['.', '..', 'b'], names)
        names = [name for name, *_ in several.readdir('/b', 0)]
        self.assertEqual(['.', '..', 'dev', 'sys'], names)
        self.fails(errno.ENOENT, several.getattr, '/sys')
        self.fails(errno.ENOENT, several.getattr, '/c/sys')
        self.assertIn('st_mode', several.getattr('/b/dev/dfl-fme.0'))


class TestCalls(ViewTest):
    def call(self, request, pointer=0, data=None, node='dfl-fme.0'):
        path = f'/dev/{node}'
        number = self.view.open(path, os.O_RDWR)
        try:
            self.view.ioctl(path, request, pointer, number, 0, data)
        finally:
            self.view.release(path, number)

    def load(self, length, address):
        arg = struct.pack('<IIIIQ', 24, 0, 0, length, address)
        kept = ctypes.create_string_buffer(arg, 24)
        self.call(LOAD, ctypes.addressof(kept))

    def test_an_image_is_fetched_from_the_memory_of_the_caller(self):
        gbs = samples.sample_gbs(REGION, FUNCTION, size=1 << 20)
        image = gbs[20 + int.from_bytes(gbs[16:20], 'little') :]
        kept = ctypes.create_string_buffer(image, len(image))
        self.load(len(image), ctypes.addressof(kept))
        (card, _) = self.host.simulator.cards()
        self.assertEqual(FUNCTION, card['ports'][0]['function_id'])

    def test_memory_that_is_not_there_is_a_fault(self):
        for address in (0, 4096, 1 << 62, (1 << 64) - 8):
            self.fails(errno.EFAULT, self.load, 100, address)
        self.fails(errno.EFAULT, self.call, LOAD, 4096)
        (card, _) = self.host.simulator.cards()
        self.assertEqual(0, card['ports'][0]['loads'])

    def test_no_more_is_taken_than_a_card_could_take(self):
        self.fails(errno.ENOMEM, self.load, (1 << 32) - 1, 4096)

    def test_nothing_is_read_behind_what_the_kernel_has_copied(self):
        kept = ctypes.create_string_buffer(b'abcdefgh', 8)
        process = view._Process(
            os.getpid(), 0x4004B681, 1, ctypes.addressof(kept)
        )
        self.assertEqual(b'abcd', process.argument(4))
        self.fails(errno.EFAULT, process.argument, 5)

    def test_a_node_is_no_terminal_and_an_attribute_no_node(self):
        self.fails(errno.ENOTTY, self.call, TERMINAL)
        path = self.real(f'{PF}/vendor')
        self.fails(errno.ENOTTY, self.view.ioctl, path, RESET, 0, 0, 0, None)

    def test_a_reset_has_no_argument(self):
        self.call(RESET, node='dfl-port.0')
        self.fails(errno.EINVAL, self.call, RESET, 4096, None, 'dfl-port.0')

    def test_a_node_is_neither_read_nor_written(self):
        path = '/dev/dfl-fme.0'
        number = self.view.open(path, os.O_RDWR)
        self.fails(errno.EINVAL, self.view.read, path, 1, 0, number)
        self.fails(errno.EINVAL, self.view.write, path, b'1', 0, number)


class TestMemory(base.BaseTestCase):
    def test_it_is_read_as_it_is(self):
        kept = ctypes.create_string_buffer(b'kept', 4)
        found = memory.copy('self', ctypes.addressof(kept), 4)
        self.assertEqual(b'kept', found)

    def test_a_process_that_has_ended_has_none(self):
        child = subprocess.Popen([sys.executable, '-c', ''])
        child.wait()
        exc = self.assertRaises(OSError, memory.copy, child.pid, 4096, 1)
        self.assertEqual(errno.EFAULT, exc.errno)

    def test_a_process_that_ends_meanwhile_has_none(self):
        child = subprocess.Popen(['sleep', '600'])
        fd = os.open(f'/proc/{child.pid}/mem', os.O_RDONLY)
        self.addCleanup(os.close, fd)
        child.kill()
        child.wait()
        # Reading it does not fail then, but has nothing.
        exc = self.assertRaises(OSError, memory._exactly, fd, 4096, 1)
        self.assertEqual(errno.EFAULT, exc.errno)
