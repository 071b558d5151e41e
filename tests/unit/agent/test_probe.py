"""What the agent finds, told without changing anything."""

import errno
import hashlib
import json
import os
from unittest import mock

from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.agent import probe
from cyborg_fpga.drivers import intel_dfl
from cyborg_fpga.drivers import sysfs
from cyborg_fpga.simulator import accessor
from tests.fixtures import simulated_host
from tests.unit import test_conf

CARD = '0000:3b:00.0'


class ReadOnly(probe.ReadOnly, accessor.SimulatedSysfs):
    pass


class TestProbe(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.host = self.useFixture(simulated_host.SimulatedHost())
        self.fs = ReadOnly(self.host.directory)
        self.conf = test_conf.configuration()

    def probed(self, *drivers):
        if drivers:
            self.conf.set_override('enabled_drivers', drivers, 'agent')
        found = probe.probe(self.conf, self.fs)
        return json.loads(json.dumps(found))

    def test_every_card_is_told_with_its_readings(self):
        self.conf.set_override('exclude', [CARD], 'devices')
        self.host.simulator.fault(CARD, 'errors', value=4)
        cards = self.probed()['drivers']['intel_dfl']['cards']
        self.assertEqual(3, len(cards))
        first = cards[0]
        self.assertEqual((CARD, False), (first['pci_address'], first['ours']))
        self.assertEqual(['fme_errors: 0x4'], first['readings']['problems'])
        self.assertTrue(cards[1]['ours'])

    def test_what_each_attribute_gave_is_told(self):
        self.host.simulator.fault(CARD, 'unreadable', errno='EBUSY')
        reads = self.probed()['reads']
        busy = [path for path, text in reads.items() if text == 'EBUSY']
        self.assertEqual(1, len(busy), busy)
        self.assertTrue(busy[0].endswith('/afu_id'))
        self.assertIn(
            '69528db6eb31577a8c3668f9faa081f6',
            [text for path, text in reads.items() if 'compat_id' in path],
        )

    def test_functions_are_told_whoever_has_them(self):
        driver = self.host.directory / f'sys/bus/pci/devices/{CARD}/driver'
        driver.unlink()
        found = {f['address']: f for f in self.probed()['functions']}
        self.assertEqual('0x8086', found[CARD]['vendor'])
        self.assertNotIn('driver', found[CARD])
        self.assertEqual('dfl-pci', found['0000:5e:00.0']['driver'])

    def test_a_driver_that_cannot_be_loaded_or_fails_is_told(self):
        with mock.patch.object(
            intel_dfl.IntelDFLDriver,
            'discover',
            autospec=True,
            side_effect=KeyError('bug'),
        ):
            found = self.probed('intel_dfl', 'nonesuch', 'pci')['drivers']
        self.assertEqual({'error': "KeyError: 'bug'"}, found['intel_dfl'])
        self.assertIn('nonesuch', found['nonesuch']['error'])
        self.assertEqual({'cards': []}, found['pci'])

    def test_a_mistake_in_the_selection_is_told(self):
        self.conf.set_override('include', ['card0'], 'devices')
        self.assertIn('card0', self.probed()['drivers']['error'])

    def test_a_host_without_any_card_is_told(self):
        self.fs = probe.ReadOnly(str(self.host.directory / 'nothing'))
        found = self.probed()
        self.assertEqual({'cards': []}, found['drivers']['intel_dfl'])
        self.assertEqual([], found['functions'])

    def test_no_secret_is_told(self):
        self.conf.set_override('connection', 'mysql://u:hush@db', 'database')
        self.assertNotIn('hush', json.dumps(self.probed()))

    def test_nothing_is_changed(self):
        def state():
            return {
                path: hashlib.sha256(path.read_bytes()).hexdigest()
                for path in self.host.directory.rglob('*')
                if path.is_file()
            }

        before = state()
        self.probed('intel_dfl', 'xilinx_xrt', 'pci', 'fpga_manager')
        self.assertEqual(before, state())


class TestReadOnly(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.host = self.useFixture(simulated_host.SimulatedHost())
        self.fs = ReadOnly(self.host.directory)

    def refused(self, call, *args, **kwargs):
        exc = self.assertRaises(OSError, call, *args, **kwargs)
        self.assertEqual(errno.EROFS, exc.errno)

    def test_no_door_to_the_hardware_is_open(self):
        path = f'bus/pci/devices/{CARD}/sriov_numvfs'
        self.refused(self.fs.write, path, '1')
        self.refused(self.fs.write, f'bus/pci/devices/{CARD}/reset', '1')
        self.refused(self.fs.ioctl, 'dfl-port.0', 0xB640, b'')
        self.refused(self.fs.run_function, CARD, b'')
        self.refused(self.fs.load_firmware, 0, self.host.directory)
        for tool, words in (
            ('xbutil', ('reset', '-d', CARD)),
            ('xbmgmt', ()),
            ('fpga-clear-local-image', ('-S', '0')),
            ('fpga-load-local-image', ()),
        ):
            self.refused(self.fs.run, tool, words, seconds=1)

    def test_a_driver_cannot_wipe_through_it(self):
        driver = intel_dfl.IntelDFLDriver(self.fs)
        driver.blank_images = self.host.blank_images()
        refused = self.assertRaises(
            errors.DeviceFailed,
            driver.wipe,
            model.PciAddress.parse(CARD),
            f'{CARD}/port0',
            model.WipeLevel.CLEAR,
        )
        self.assertIn(os.strerror(errno.EROFS), str(refused))

    def test_whatever_an_accessor_can_do_is_known_here(self):
        # A new way to the hardware is to be closed here too.
        reading = {
            'read', 'read_bytes', 'listdir', 'glob', 'exists', 'readlink',
            'resolve', 'boot_id', 'loaded_firmware', 'has_tool', 'opened_by',
            'is_kernels', 'patience', 'instance',
        }  # fmt: skip
        closed = {'write', 'load_firmware', 'run', 'ioctl', 'run_function'}
        public = {n for n in dir(sysfs.Sysfs) if not n.startswith('_')}
        self.assertEqual(set(), public - reading - closed)
