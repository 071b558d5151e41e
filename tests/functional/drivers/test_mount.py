"""A mounted simulated host, from its start to each of its ends."""

import concurrent.futures
import errno
import os
import pathlib
import signal
import struct
import subprocess
import sys
import time

import psutil
from oslotest import base

from cyborg_fpga.simulator import samples
from tests.fixtures import folders
from tests.fixtures import mounted

PF = '0000:3b:00.0'
SRIOV = '0000:5e:00.0'
CARDS = f"""
cards:
  - {{address: '{PF}', family: PAC_A10, program_fixed: 0}}
  - {{address: '{SRIOV}', family: SRIOV, total_vfs: 8}}
"""
REGION = '69528db6eb31577a8c3668f9faa081f6'
FUNCTION = 'd8424dc4a4a3c413f89e433683f9040b'
LOAD = 0xB680
#: More than the library serves at a time unless it is told.
MANY = 14


class MountTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.mounted = self.useFixture(mounted.Mounted(CARDS))
        self.host = self.useFixture(mounted.Host(self.mounted))
        self.fs, self.simulator = self.host.fs, self.host.simulator
        self.pool = concurrent.futures.ThreadPoolExecutor(MANY)
        self.addCleanup(self.pool.shutdown)
        # Before the pool waits for its threads.
        self.addCleanup(self.mounted.kill)
        self.gbs = samples.sample_gbs(REGION, FUNCTION, size=10000)
        self.image = self.mounted.directory / 'image'
        self.image.write_bytes(self.gbs)

    def load(self):
        at = 20 + int.from_bytes(self.gbs[16:20], 'little')
        arg = struct.pack('<IIIIQ', 24, 0, 0, len(self.gbs) - at, 0)
        self.fs.ioctl('dfl-fme.0', LOAD, arg, image=self.image, offset=at)

    def loading(self):
        return self.simulator.cards()[0]['ports'][0]['loading'] is not None

    def shown(self):
        """What is mounted, whoever serves it."""
        return str(self.mounted.point) in {
            line.split()[1]
            for line in pathlib.Path('/proc/self/mounts')
            .read_text()
            .splitlines()
        }

    def until(self, condition):
        end = time.monotonic() + 60
        while not condition():
            self.assertLess(time.monotonic(), end, 'waited in vain')
            time.sleep(0.02)

    def leave_stale(self):
        """Kill the process and what would clean up after it."""
        process = psutil.Process(self.mounted.process.pid)
        for child in process.children():
            child.kill()
        self.mounted.kill()
        exc = self.assertRaises(OSError, os.stat, self.mounted.point)
        self.assertEqual(errno.ENOTCONN, exc.errno)


class TestServing(MountTest):
    def test_loads_that_hang_hold_up_nobody_else(self):
        self.simulator.fault(PF, 'hang')
        loads = [self.pool.submit(self.load) for _ in range(MANY)]
        process = psutil.Process(self.mounted.process.pid)
        self.until(lambda: self.loading() and process.num_threads() > MANY)
        path = f'bus/pci/devices/{SRIOV}/vendor'
        self.assertEqual('0x1172', self.fs.read(path))
        self.simulator.clear(PF)
        for load in loads:
            load.result(60)
        self.assertEqual(MANY, self.simulator.cards()[0]['ports'][0]['loads'])

    def test_an_attribute_ends_once_it_was_read_until_it_is_read_anew(self):
        path = self.mounted.point / f'sys/bus/pci/devices/{SRIOV}'
        with open(path / 'sriov_numvfs', 'rb', buffering=0) as attribute:
            self.assertEqual((b'0\n', b''), self.twice(attribute))
            (path / 'sriov_numvfs').write_text('2')
            self.assertEqual((b'', b''), self.twice(attribute))
            attribute.seek(0)
            self.assertEqual((b'2\n', b''), self.twice(attribute))
            found = os.fstat(attribute.fileno())
        # Whatever is in it, it has one page and takes none on a disk.
        self.assertEqual((4096, 0), (found.st_size, found.st_blocks))

    def twice(self, attribute):
        return attribute.read(4096), attribute.read(4096)

    def test_a_shell_makes_and_removes_vfs(self):
        pf = self.mounted.point / f'sys/bus/pci/devices/{SRIOV}'
        self.assertEqual('', self.shell(f'echo 2 | tee {pf}/sriov_numvfs'))
        self.assertEqual(
            ['../0000:5e:10.0', '../0000:5e:10.2'],
            [os.readlink(pf / f'virtfn{n}') for n in range(2)],
        )
        vf = pf.parent / '0000:5e:10.2'
        self.assertEqual('0xe002\n', (vf / 'device').read_text())
        said = self.shell(f'echo 3 | tee {pf}/sriov_numvfs')
        self.assertIn('Device or resource busy', said)
        said = self.shell(f'echo 9 | tee {pf}/sriov_numvfs')
        self.assertIn('out of range', said)
        self.assertEqual('', self.shell(f'echo 0 | tee {pf}/sriov_numvfs'))
        self.assertFalse(vf.exists())
        self.assertEqual([], [*pf.glob('virtfn*')])
        self.assertEqual('0\n', (pf / 'sriov_numvfs').read_text())

    def test_a_shell_gives_a_function_to_another_driver(self):
        pci = self.mounted.point / 'sys/bus/pci'
        device = pci / f'devices/{SRIOV}'
        old = (device / 'driver').resolve()
        for line in (
            f'echo {SRIOV} | tee {old}/unbind',
            f'echo vfio-pci | tee {device}/driver_override',
            f'echo {SRIOV} | tee {pci}/drivers_probe',
        ):
            self.assertEqual('', self.shell(line))
        self.assertEqual('vfio-pci', (device / 'driver').resolve().name)
        self.assertFalse((old / SRIOV).exists())
        self.assertEqual(1, len([*self.mounted.point.glob('dev/vfio/*')]))

    def test_a_shell_unplugs_a_card_and_plugs_it_in(self):
        pci = self.mounted.point / 'sys/bus/pci'
        for _ in range(2):
            said = self.shell(f'echo 1 | tee {pci}/devices/{PF}/remove')
            self.assertEqual('', said)
            self.assertEqual([SRIOV], os.listdir(pci / 'devices'))
            self.assertFalse((pci / f'devices/{PF}/vendor').exists())
            self.assertEqual([], [*self.mounted.point.glob('dev/dfl*')])
            self.assertEqual('', self.shell(f'echo 1 | tee {pci}/rescan'))
            self.load()

    def shell(self, line):
        done = subprocess.run(
            ['sh', '-c', line],
            env={**os.environ, 'LC_ALL': 'C'},
            capture_output=True,
            text=True,
        )
        return done.stderr


class TestEnds(MountTest):
    def test_each_signal_unmounts(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self.mounted.process.send_signal(number)
            self.assertEqual(0, self.mounted.process.wait(60))
            self.mounted.stop()
            self.assertFalse(self.shown(), number)
            self.mounted.start()
            self.assertTrue(self.shown())

    def test_a_load_that_hangs_ends_with_its_card(self):
        self.simulator.fault(PF, 'hang')
        load = self.pool.submit(self.load)
        self.until(self.loading)
        self.mounted.process.terminate()
        exc = self.assertRaises(OSError, load.result, 60)
        self.assertEqual(errno.EIO, exc.errno)
        self.assertEqual(0, self.mounted.process.wait(60))
        self.assertFalse(self.shown())

    def test_a_process_that_is_killed_leaves_nothing_mounted(self):
        self.mounted.kill()
        self.until(lambda: not self.shown())

    def test_what_is_left_all_the_same_is_cleared_at_the_next_start(self):
        self.leave_stale()
        self.mounted.start()
        path = f'bus/pci/devices/{PF}/vendor'
        self.assertEqual('0x8086', self.fs.read(path))

    def test_what_is_left_all_the_same_is_cleared_by_the_tests(self):
        self.leave_stale()
        folders.unmount(self.mounted.point.parent)
        self.assertFalse(self.shown())

    def test_who_is_unmounted_by_another_ends_and_says_so(self):
        point = str(self.mounted.point)
        subprocess.run(['fusermount3', '-u', '-z', point], check=True)
        self.assertEqual(1, self.mounted.process.wait(60))


class TestRefusals(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.mounted = mounted.Mounted(CARDS)
        self.useFixture(self.mounted)

    def run_second(self, name, **env):
        top = self.mounted.point.parent
        done = subprocess.run(
            [
                *(sys.executable, '-m', 'cyborg_fpga.cmd.simulator', 'run'),
                *(top / 'second', '--mount', top / name),
            ],
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual(1, done.returncode, done.stderr)
        self.assertNotIn('Traceback', done.stderr)
        return done.stderr

    def test_a_directory_in_use_is_not_covered(self):
        for name in ('cards', 'mount'):
            self.assertIn('not an empty directory', self.run_second(name))

    def test_a_machine_without_the_library_is_told_so(self):
        said = self.run_second('new', FUSE_LIBRARY_PATH='/nowhere')
        self.assertIn('libfuse3 is not installed', said)
