"""The accessor, on plain files and on the kernel's own nodes."""

import errno
import os
import pathlib
import threading

import fixtures
from oslotest import base

from cyborg_fpga.drivers import sysfs


class Recorder(sysfs.Sysfs):
    """Stops where the kernel would begin: looks at what it would get."""

    def _call(self, node, request, arg):
        self.seen = (node, request, arg)
        address = int.from_bytes(arg[-8:], 'little')
        fd = os.open('/proc/self/mem', os.O_RDONLY)
        try:
            self.memory = os.pread(fd, 6, address) if address else b''
        finally:
            os.close(fd)


class TestSysfs(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.fs = sysfs.Sysfs(str(self.root), '/dev')

    def test_an_attribute_is_read_without_its_newline(self):
        (self.root / 'numa_node').write_text('-1\n')
        self.assertEqual('-1', self.fs.read('numa_node'))

    def test_bytes_that_are_no_text_do_not_break_a_read(self):
        (self.root / 'a').write_bytes(b'\xff\n')
        self.assertEqual('\ufffd', self.fs.read('a'))

    def test_a_write_neither_creates_nor_truncates(self):
        (self.root / 'a').write_text('12345')
        self.fs.write('a', '1')
        self.assertEqual('12345', self.fs.read('a'))
        self._fails(errno.ENOENT, self.fs.write, 'b', '1')

    def test_a_write_that_waits_for_a_guest_is_left_behind(self):
        gone = threading.Event()
        self.addCleanup(gone.set)

        class Waiting(sysfs.Sysfs):
            patience = 0.05

            def _write(self, path, text):
                gone.wait(10)

        fs = Waiting(str(self.root), '/dev')
        self._fails(errno.ETIMEDOUT, fs.write, 'a/sriov_numvfs', '0')
        # No second thread is spent on the same card, but one on another is.
        self._fails(errno.EBUSY, fs.write, 'a/sriov_numvfs', '0')
        self._fails(errno.ETIMEDOUT, fs.write, 'b/sriov_numvfs', '0')

    def test_errors_of_the_kernel_come_out_unchanged(self):
        self._fails(errno.ENOENT, self.fs.read, 'missing')
        self._fails(errno.ENOENT, self.fs.listdir, 'missing')
        self._fails(errno.EISDIR, self.fs.read, '.')

    def test_links_are_read_and_followed(self):
        (self.root / 'devices').mkdir()
        (self.root / 'link').symlink_to('./devices')
        self.assertEqual('./devices', self.fs.readlink('link'))
        self.assertEqual('devices', self.fs.resolve('link'))

    def test_glob_and_listdir_are_sorted(self):
        for name in ('b', 'a', 'c'):
            (self.root / name).touch()
        self.assertEqual(['a', 'b', 'c'], self.fs.glob('*'))
        self.assertEqual(['a', 'b', 'c'], self.fs.listdir('.'))
        self.assertEqual([], self.fs.glob('x*'))
        self.assertTrue(self.fs.exists('a'))
        self.assertFalse(self.fs.exists('x'))

    def test_nothing_outside_the_roots_can_be_named(self):
        for path in ('/etc/passwd', '../x', 'a/../../x'):
            self.assertRaises(ValueError, self.fs.read, path)
            self.assertRaises(ValueError, self.fs.ioctl, path, 1, b'')

    def test_the_kernels_refusal_of_an_ioctl_comes_out(self):
        self._fails(errno.ENOTTY, self.fs.ioctl, 'null', 0xB640, b'')
        self._fails(errno.ENOENT, self.fs.ioctl, 'missing', 0xB640, b'')

    def test_a_request_without_argument_passes_no_pointer(self):
        # No node of a test machine tells the two apart; DFL ports do, and
        # answer EINVAL to a pointer.
        seen = []
        self.useFixture(
            fixtures.MonkeyPatch(
                'fcntl.ioctl', lambda *call: seen.append(call)
            )
        )
        self.fs.ioctl('null', 0xB640, b'')
        self.fs.ioctl('null', 0xB640, b'x')
        self.assertEqual([0, b'x'], [call[2] for call in seen])

    def test_an_image_is_mapped_and_its_address_goes_last(self):
        image = self.root / 'image'
        image.write_bytes(b'HEADERpayload')
        fs = Recorder(str(self.root), '/dev')
        fs.ioctl('n', 7, bytes(range(24)), image=image, offset=6)
        node, request, arg = fs.seen
        self.assertEqual(('n', 7), (node, request))
        self.assertEqual(bytes(range(16)), arg[:16])
        self.assertEqual(b'payloa', fs.memory)

    def test_an_image_that_ends_before_the_offset_is_refused(self):
        image = self.root / 'image'
        image.write_bytes(b'')
        fs = Recorder(str(self.root), '/dev')
        self._fails(
            errno.EINVAL, fs.ioctl, 'n', 1, bytes(24), image=image, offset=0
        )

    def _fails(self, number, call, *args, **kwargs):
        exc = self.assertRaises(OSError, call, *args, **kwargs)
        self.assertEqual(number, exc.errno)


class TestTools(base.BaseTestCase):
    """Real programs, in the place of a vendor's."""

    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.fs = sysfs.Sysfs(str(self.root), tools=[str(self.root)])

    def tool(self, script):
        path = self.root / 'xbutil'
        path.write_text(f'#!/bin/sh\n{script}\n')
        path.chmod(0o755)

    def run_tool(self, *words, **kwargs):
        return self.fs.run('xbutil', words, **{'seconds': 60, **kwargs})

    def test_code_words_and_report_come_back(self):
        self.tool('echo "$1"; echo wrong >&2; echo "{}" >"$3"; exit 3')
        ended = self.run_tool('-x', '-o', sysfs.REPORT)
        self.assertEqual((3, '-x\nwrong\n', '{}\n'), ended)

    def test_the_report_does_not_exist_before_and_goes_afterwards(self):
        self.tool('test -e "$1" && exit 1; echo "$1"; echo x >"$1"')
        ended = self.run_tool(sysfs.REPORT)
        self.assertEqual((0, 'x\n'), (ended.code, ended.report))
        self.assertFalse(pathlib.Path(ended.output.strip()).exists())

    def test_the_image_is_named_and_no_shell_comes_between(self):
        image = self.root / 'a $(b) c'
        image.write_text('bits')
        self.tool('cat "$2"; echo; echo "$3"')
        ended = self.run_tool('-u', sysfs.IMAGE, '$(x)', image=image)
        self.assertEqual('bits\n$(x)\n', ended.output)

    def test_what_does_not_end_is_ended(self):
        self.tool('exec sleep 600')
        exc = self.assertRaises(OSError, self.run_tool, seconds=0.2)
        self.assertEqual(errno.ETIMEDOUT, exc.errno)

    def test_a_tool_of_another_place_is_not_run(self):
        self.assertTrue(sysfs.Sysfs(str(self.root)).has_tool('ls'))
        self.assertFalse(self.fs.has_tool('ls'))
        exc = self.assertRaises(OSError, self.fs.run, 'ls', (), seconds=60)
        self.assertEqual(errno.ENOENT, exc.errno)

    def test_a_tool_that_is_missing_is_told(self):
        self.assertFalse(self.fs.has_tool('xbutil'))
        exc = self.assertRaises(OSError, self.run_tool)
        self.assertEqual(errno.ENOENT, exc.errno)
        self.tool('')
        self.assertTrue(self.fs.has_tool('xbutil'))
