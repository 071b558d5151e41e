"""Cards: guests' memories, faults, what is on disk, and who serves."""

import concurrent.futures
import errno
import time

from oslotest import base

from cyborg_fpga.drivers import sysfs
from cyborg_fpga.simulator import accessor
from cyborg_fpga.simulator import client
from cyborg_fpga.simulator import samples
from cyborg_fpga.simulator import scenario
from cyborg_fpga.simulator import server
from tests.fixtures import simulated_host

PF = '0000:3b:00.0'
VF = '0000:86:10.2'
REGION = '69528db6eb31577a8c3668f9faa081f6'
FUNCTION = 'd8424dc4a4a3c413f89e433683f9040b'
PR = 0xB680
RESET = 0xB640


def request(size, port=0):
    head = (24, 0, port, size)
    return b''.join(n.to_bytes(4, 'little') for n in head) + bytes(8)


class CardTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.host = self.useFixture(simulated_host.SimulatedHost())
        self.fs = self.host.fs
        self.simulator = self.host.simulator
        self.pool = concurrent.futures.ThreadPoolExecutor(2)
        self.addCleanup(self.pool.shutdown)

    def load(self, function=FUNCTION, size=4096, fs=None):
        """Program the first card; what a driver would do, without one."""
        data = samples.sample_gbs(REGION, function, size=size)
        raw = data[data.index(b'FPGASIM1') :]
        image = self.host.directory / f'raw-{function}'
        image.write_bytes(raw)
        (fs or self.fs).ioctl('dfl-fme.0', PR, request(len(raw)), image=image)

    def in_background(self, call, *args):
        """Its result() raises what the call did, within five seconds."""
        future = self.pool.submit(call, *args)
        self.addCleanup(future.exception, 5)
        return future

    def until(self, condition):
        end = time.monotonic() + 10
        while not condition():
            self.assertLess(time.monotonic(), end, 'waited in vain')
            time.sleep(0.005)

    def port(self):
        return self.simulator.cards()[0]['ports'][0]

    def fails(self, number, call, *args, **kwargs):
        exc = self.assertRaises(OSError, call, *args, **kwargs)
        self.assertEqual(number, exc.errno)
        return exc

    def afu_id(self):
        (path,) = self.fs.glob(
            f'bus/pci/devices/{PF}/fpga_region/region*/dfl-port.*/afu_id'
        )
        return self.fs.read(path)


class TestMemory(CardTest):
    def test_guests_of_different_functions_do_not_see_each_other(self):
        self.simulator.write_memory(VF, 0, b'mine')
        self.assertEqual(
            bytes(4), self.simulator.read_memory('0000:86:10.0', 0, 4)
        )
        self.assertEqual(b'mine', self.simulator.read_memory(VF, 0, 4))

    def test_a_pf_whose_port_was_released_is_no_guests_function(self):
        self.fails(
            errno.ENODEV, self.simulator.read_memory, '0000:86:00.0', 0, 4
        )
        self.fails(errno.ENODEV, self.simulator.read_memory, 'nonsense', 0, 4)

    def test_the_memory_ends(self):
        for offset, length in ((65536, 1), (65530, 7), (-1, 1), (0, -1)):
            self.fails(
                errno.EINVAL, self.simulator.read_memory, PF, offset, length
            )
        self.fails(
            errno.EINVAL, self.simulator.write_memory, PF, 65530, bytes(7)
        )

    def test_loading_any_image_clears_it(self):
        self.simulator.write_memory(PF, 9, b'secret')
        self.load()
        self.assertEqual(bytes(6), self.simulator.read_memory(PF, 9, 6))

    def test_a_reset_of_one_vf_leaves_the_others_alone(self):
        self.simulator.write_memory(VF, 0, b'kept')
        self.simulator.write_memory('0000:86:10.0', 0, b'gone')
        (node,) = self.fs.glob(
            'bus/pci/devices/0000:86:10.0/fpga_region/*/dfl-port.*'
        )
        self.fs.ioctl(node.rpartition('/')[2], RESET, b'')
        self.assertEqual(b'kept', self.simulator.read_memory(VF, 0, 4))
        self.assertEqual(
            bytes(4), self.simulator.read_memory('0000:86:10.0', 0, 4)
        )

    def test_it_outlives_the_card_process(self):
        self.simulator.write_memory(PF, 0, b'kept')
        self.host.stop()
        self.host.start()
        self.assertEqual(b'kept', self.simulator.read_memory(PF, 0, 4))


class TestLoading(CardTest):
    def test_a_port_is_in_reset_until_the_load_ends(self):
        self.simulator.fault(PF, 'hang')
        loading = self.in_background(self.load)
        self.addCleanup(self.simulator.clear, PF)
        self.until(lambda: self.port()['loading'] is not None)
        self.fails(errno.EBUSY, self.afu_id)
        self.assertEqual(b'\xff' * 4, self.simulator.read_memory(PF, 0, 4))
        self.simulator.write_memory(PF, 0, b'lost')
        self.simulator.clear(PF, 'hang')
        loading.result(5)
        self.assertEqual(FUNCTION, self.afu_id())
        self.assertEqual(bytes(4), self.simulator.read_memory(PF, 0, 4))

    def test_a_power_cut_leaves_half_an_image(self):
        self.load()
        self.simulator.fault(PF, 'slow', seconds=3)
        size = 100000
        loading = self.in_background(
            self.fails, errno.EIO, self.load, 'ab' * 16, size
        )
        self.until(lambda: (self.port()['written'] or 0) > 10)
        self.host.stop()
        loading.result(5)
        image = self.host.directory / f'state/{PF}.port0.image'
        written = image.stat().st_size
        self.assertTrue(0 < written < size, written)
        self.host.start()
        self.assertTrue(self.port()['broken'])
        self.fails(errno.EBUSY, self.afu_id)
        self.assertEqual(
            'write error', self.simulator.cards()[0]['manager']['state']
        )
        self.assertEqual(written, image.stat().st_size)
        self.simulator.clear(PF)
        self.load()
        self.assertEqual(FUNCTION, self.afu_id())

    def test_what_was_loaded_outlives_the_card_process(self):
        self.load()
        self.host.stop()
        self.host.start()
        self.assertEqual(FUNCTION, self.afu_id())

    def test_two_loads_of_one_card_follow_each_other(self):
        self.simulator.fault(PF, 'slow', seconds=0.2)
        first = self.in_background(self.load)
        self.until(lambda: self.port()['loads'] == 1)
        self.load('ab' * 16)
        first.result(5)
        self.assertEqual('ab' * 16, self.afu_id())

    def test_time_is_fixed_plus_bytes_by_rate(self):
        text = """
        cards: [{address: '0000:3b:00.0', program_fixed: 0.1,
                 program_rate: 1000000}]
        """
        self.host = self.useFixture(simulated_host.SimulatedHost(text))
        begun = time.monotonic()
        self.load(size=100000, fs=self.host.fs)
        self.assertGreaterEqual(time.monotonic() - begun, 0.2)

    def test_a_wrong_address_is_efault_and_nothing_is_touched(self):
        for address in (0, 8, 1 << 62, (1 << 64) - 4096):
            arg = request(4096)[:-8] + address.to_bytes(8, 'little')
            self.fails(errno.EFAULT, self.fs.ioctl, 'dfl-fme.0', PR, arg)
        self.assertEqual(0, self.port()['loads'])

    def test_a_port_that_the_card_does_not_have_is_einval(self):
        image = self.host.directory / 'raw'
        image.write_bytes(b'x' * 100)
        self.fails(
            errno.EINVAL,
            self.fs.ioctl,
            'dfl-fme.0',
            PR,
            request(100, port=1),
            image=image,
        )

    def test_a_node_that_is_not_there_is_enoent(self):
        self.fails(errno.ENOENT, self.fs.ioctl, 'dfl-fme.9', PR, b'')
        self.simulator.fault(PF, 'vanish')
        self.fails(errno.ENOENT, self.fs.ioctl, 'dfl-port.0', RESET, b'')

    def test_harmless_requests_answer_as_the_kernel_does(self):
        for number in (0xB600, 0xB601):
            self.fs.ioctl('dfl-fme.0', number, b'')
            self.fs.ioctl('dfl-port.0', number, b'')

    def test_attributes_cannot_be_written(self):
        path = f'bus/pci/devices/{PF}/vendor'
        self.fails(errno.EACCES, self.fs.write, path, '1')
        self.fails(errno.ENOENT, self.fs.write, f'{path}x', '1')


class TestFaults(CardTest):
    def test_a_load_fails_at_its_percentage(self):
        self.simulator.fault(PF, 'fail', percent=25)
        self.fails(errno.EIO, self.load, FUNCTION, 10000)
        image = self.host.directory / f'state/{PF}.port0.image'
        self.assertEqual((10000 + 80) // 4, image.stat().st_size)
        self.fails(errno.EBUSY, self.afu_id)

    def test_a_card_that_vanishes_ends_its_load(self):
        self.simulator.fault(PF, 'hang')
        loading = self.in_background(self.fails, errno.ENODEV, self.load)
        self.until(lambda: self.port()['loading'] is not None)
        self.simulator.fault(PF, 'vanish')
        loading.result(5)
        self.simulator.clear(PF)
        self.fails(errno.EBUSY, self.afu_id)

    def test_a_fault_can_be_over_after_some_strikes(self):
        self.simulator.fault(PF, 'fail', times=2)
        self.fails(errno.EIO, self.load)
        self.fails(errno.EIO, self.load)
        self.load()
        self.assertEqual({}, self.simulator.cards()[0]['faults'])

    def test_a_dirty_reset_leaves_everything(self):
        self.simulator.write_memory(PF, 0, b'secret')
        self.simulator.fault(PF, 'dirty')
        self.fs.ioctl('dfl-port.0', RESET, b'')
        self.assertEqual(b'secret', self.simulator.read_memory(PF, 0, 6))

    def test_faults_outlive_the_card_process(self):
        self.simulator.fault(PF, 'unreadable', errno='EINVAL')
        self.host.stop()
        self.host.start()
        self.fails(errno.EINVAL, self.afu_id)

    def test_mistakes_are_named(self):
        for words, card, kind, arguments in (
            ('no card', '0000:00:00.0', 'slow', {}),
            ('none of slow', PF, 'smoke', {}),
            ('no argument', PF, 'slow', {'minutes': 1}),
            ('seconds', PF, 'slow', {'seconds': 'x'}),
            ('errno', PF, 'unreadable', {'errno': 'EXYZ'}),
            ('function_id', PF, 'lie', {'function_id': 'x'}),
            ('times', PF, 'slow', {'times': -1}),
        ):
            exc = self.fails(
                errno.EINVAL, self.simulator.fault, card, kind, **arguments
            )
            self.assertIn(words, str(exc))


class TestServing(CardTest):
    def test_without_a_card_process_the_devices_are_gone(self):
        self.host.stop()
        self.fails(errno.ENODEV, self.simulator.cards)
        self.fails(errno.ENODEV, self.fs.ioctl, 'dfl-port.0', RESET, b'')

    def test_one_process_serves_a_directory(self):
        other = server.Host(self.host.directory)
        self.assertRaises(server.AlreadyServed, other.start)
        self.assertEqual(3, len(self.simulator.cards()))

    def test_a_directory_keeps_its_scenario(self):
        self.host.stop()
        wanted = scenario.parse(scenario.DEFAULT)
        other = server.Host(self.host.directory, wanted)
        self.assertRaises(scenario.ScenarioError, other.start)
        other = server.Host(self.host.directory)
        other.start()
        self.addCleanup(other.stop)
        self.assertEqual(3, len(self.simulator.cards()))

    def test_nonsense_from_a_caller_harms_nobody(self):
        for header in ({}, {'op': 'ioctl'}, {'op': 'memory-read'}, {'op': []}):
            self.fails(errno.EINVAL, self.simulator._ask, header)
        with client.wire.connect(self.host.directory) as sock:
            sock.sendall(b'\xff' * 64)
        with client.wire.connect(self.host.directory) as sock:
            sock.sendall(b'\0')
        self.assertEqual(3, len(self.simulator.cards()))

    def test_attributes_are_read_by_the_very_code_of_a_real_host(self):
        real = sysfs.Sysfs(str(self.host.directory / 'sys'), '/dev')
        path = f'bus/pci/devices/{PF}/numa_node'
        self.assertEqual(real.read(path), self.fs.read(path))
        ours = set(vars(accessor.SimulatedSysfs))
        self.assertEqual(
            set(), ours & {'read', 'glob', 'listdir', 'readlink', 'ioctl'}
        )
