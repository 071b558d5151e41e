"""Chips behind the generic FPGA manager: what is loaded, and what is known."""

import array
import errno
import threading

from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.drivers import families
from cyborg_fpga.drivers import fpga_manager
from cyborg_fpga.drivers import sysfs
from cyborg_fpga.simulator import samples
from tests.fixtures import simulated_host
from tests.unit.agent import fakes

CHIP = model.PciAddress.parse('ffffffff:ff:00.0')
NAME = 'ffffffff:ff:00.0/full'
IDCODE = '03727093'
PART = '7z020clg484-1'
REGION = 'a1b2c3d4' * 4
SCENARIO = """
cards:
  - {address: 'ffffffff:ff:00.0', family: ZYNQ7000, program_fixed: 0,
     program_rate: 1000000000}
"""
SITE = """
families:
  - driver: fpga_manager
    vendor: xilinx
    name: ZYNQ7000
    managers: ['Xilinx Zynq FPGA Manager']
    region: {region}
"""


class ManagerTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.host = self.useFixture(simulated_host.SimulatedHost(SCENARIO))
        site = self.host.directory / 'site.yaml'
        site.write_text(SITE.format(region=REGION))
        self.table = families.Table.read(site)
        self.driver = self.driver_on(self.host.fs)
        self.firmware = self.host.directory / 'firmware/cyborg-fpga'
        self.manager = (
            self.host.directory / 'sys/class/fpga_manager/fpga0'
        ).resolve()

    def driver_on(self, fs):
        return fpga_manager.FPGAManagerDriver(fs, self.table)

    def image(self, name='adder', part=PART, idcode=IDCODE):
        path = self.host.directory / name
        path.write_bytes(samples.sample_bit(part, idcode, name=name))
        return path

    def load(self, image):
        self.driver.program(CHIP, NAME, image)

    def identify(self):
        return self.driver.identify(CHIP, NAME)

    def fails(self, cause, words, *args):
        exc = self.assertRaises(errors.DeviceFailed, *args)
        self.assertEqual(cause, exc.kwargs['cause'])
        self.assertIn(words, exc.kwargs['detail'])


class TestDiscover(ManagerTest):
    def test_a_chip_says_what_it_is(self):
        (found,) = self.driver.discover()
        (region,) = found.deployables
        self.assertEqual(
            ('xilinx', 'ZYNQ7000', '10ee', '0000', CHIP),
            (
                found.vendor,
                found.family,
                found.vendor_id,
                found.product_id,
                found.pci_address,
            ),
        )
        # Nobody can be given an address that is not there.
        self.assertEqual(model.HandleKind.TEST_PCI, region.handle_kind)
        self.assertEqual(REGION, region.region_id)

    def test_without_a_region_of_the_site_it_can_only_be_claimed(self):
        self.table = families.shipped()
        (found,) = self.driver_on(self.host.fs).discover()
        self.assertIsNone(found.deployables[0].region_id)

    def test_chips_are_found_beside_cards_that_have_managers_too(self):
        chips = ('ffffffff:ff:00.0', 'ffffffff:ff:00.2')
        cards = ['0000:3b:00.0', '0000:5e:00.0']
        text = '\n'.join(
            [
                'cards:',
                *(f"  - {{address: '{card}'}}" for card in cards),
                *(
                    f"  - {{address: '{chip}', family: ZYNQ7000}}"
                    for chip in chips
                ),
            ]
        )
        host = self.useFixture(simulated_host.SimulatedHost(text))
        self.assertEqual(
            [f'class/fpga_manager/fpga{number}' for number in range(4)],
            host.fs.glob('class/fpga_manager/fpga*'),
        )
        found = self.driver_on(host.fs).discover()
        self.assertEqual([*chips], [str(one.pci_address) for one in found])

    def test_managers_of_other_drivers_are_left_alone(self):
        text = "cards: [{address: '0000:3b:00.0'}]"
        host = self.useFixture(simulated_host.SimulatedHost(text))
        self.assertTrue(host.fs.glob('class/fpga_manager/fpga*'))
        self.assertEqual([], self.driver_on(host.fs).discover())

    def test_a_kernel_that_lets_nobody_load_has_no_cards(self):
        (self.manager / 'firmware').unlink()
        self.assertEqual([], self.driver.discover())

    def test_a_manager_in_an_error_makes_its_chip_suspect(self):
        self.assertEqual(model.Health.OK, self.driver.discover()[0].health)
        (self.manager / 'state').write_text('write error\n')
        (found,) = self.driver.discover()
        self.assertEqual(model.Health.SUSPECT, found.health)
        self.assertEqual('its last load: write error', found.health_reason)
        self.assertFalse(found.deployables[0].readable)


class TestLoad(ManagerTest):
    def test_only_the_record_stays_among_the_kernels_firmware(self):
        image = self.image()
        self.load(image)
        function = self.driver.expected_function(image)
        self.assertEqual(
            [f'fpga0.{function}.simulate'],
            [path.name for path in self.firmware.iterdir()],
        )

    def test_a_partial_image_is_flagged(self):
        self.load(self.image())
        self.assertEqual(0, self.host.simulator.cards()[0]['flags'])
        path = self.image('partial')
        data = path.read_bytes()
        # Same length, so the file stays whole.
        data = data.replace(b'Version=2023.2', b'PARTIAL=TRUE;;')
        path.write_bytes(data)
        self.load(path)
        self.assertEqual(1, self.host.simulator.cards()[0]['flags'])

    def test_the_kernel_gets_the_image_with_swapped_bytes(self):
        class Straight(type(self.host.fs)):
            def write(self, path, text):
                if path.endswith('/firmware'):
                    (file,) = self._firmware.glob('*.loading')
                    words = array.array('I', file.read_bytes())
                    words.byteswap()
                    file.write_bytes(words.tobytes())
                super().write(path, text)

        self.driver = self.driver_on(Straight(self.host.directory))
        self.fails(
            model.Cause.DEVICE_ERROR,
            'write init error',
            self.load,
            self.image(),
        )

    def test_an_image_for_another_chip_is_found_by_the_chip(self):
        self.fails(
            model.Cause.TIMEOUT,
            'write complete error',
            self.load,
            self.image(idcode='04738093'),
        )
        self.fails(model.Cause.DEVICE_ERROR, 'error', self.identify)

    def test_a_damaged_image_is_found_by_the_chip(self):
        image = self.image()
        data = bytearray(image.read_bytes())
        data[-5000] ^= 1
        image.write_bytes(data)
        self.fails(model.Cause.DEVICE_ERROR, 'write error', self.load, image)

    def test_while_it_is_loaded_it_is_busy(self):
        self.host.simulator.fault(str(CHIP), 'hang')
        thread = threading.Thread(target=self.load, args=(self.image(),))
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.host.simulator.clear, str(CHIP))
        self.assertTrue(
            fakes.wait_for(
                lambda: (
                    self.host.fs.read('class/fpga_manager/fpga0/state')
                    == 'write'
                ),
                seconds=60,
            )
        )
        self.fails(model.Cause.DEVICE_BUSY, 'write', self.identify)


class TestRecord(ManagerTest):
    def test_a_record_of_another_boot_does_not_count(self):
        self.load(self.image())
        self.assertIsNotNone(self.identify())

        class Rebooted(type(self.host.fs)):
            def boot_id(self):
                return 'rebooted'

        driver = self.driver_on(Rebooted(self.host.directory))
        self.assertIsNone(driver.identify(CHIP, NAME))

    def test_a_chip_that_lost_its_power_holds_nothing(self):
        self.load(self.image())
        (self.manager / 'state').write_text('unknown\n')
        self.assertIsNone(self.identify())

    def unknown(self):
        # Neither blank nor what was there before.
        self.fails(model.Cause.DEVICE_ERROR, 'may hold', self.identify)
        (found,) = self.driver.discover()
        self.assertFalse(found.deployables[0].readable)

    def test_after_a_refused_load_the_chip_may_hold_what_it_held(self):
        self.load(self.image())
        self.host.simulator.fault(str(CHIP), 'refuse', times=1)
        image = self.image('other')
        self.fails(model.Cause.DEVICE_BUSY, 'operating', self.load, image)
        self.unknown()
        # Of the agent that is started next, too.
        self.driver = self.driver_on(self.host.fs)
        self.unknown()
        self.load(image)
        self.assertEqual(self.driver.expected_function(image), self.identify())
        self.assertTrue(self.driver.discover()[0].deployables[0].readable)

    def test_a_load_that_never_came_to_the_chip_changes_no_record(self):
        image = self.image()
        self.load(image)
        (self.firmware / 'fpga0.loading').mkdir()
        exc = self.assertRaises(
            errors.DeviceFailed, self.load, self.image('other')
        )
        self.assertIn('Is a directory', str(exc))
        (self.firmware / 'fpga0.loading').rmdir()
        self.assertEqual(self.driver.expected_function(image), self.identify())

    def test_an_agent_that_dies_while_loading_leaves_no_function(self):
        self.load(self.image())

        class Killed(BaseException):
            pass

        class Dying(type(self.host.fs)):
            def write(self, path, text):
                super().write(path, text)
                if path.endswith('/firmware'):
                    raise Killed

        driver = self.driver_on(Dying(self.host.directory))
        self.assertRaises(
            Killed, driver.program, CHIP, NAME, self.image('other')
        )
        self.unknown()

    def test_an_agent_that_dies_between_two_records_leaves_no_function(self):
        self.load(self.image())
        (self.firmware / 'fpga0.unknown.simulate').touch()
        self.unknown()

    def test_what_a_boot_loader_loaded_is_not_known(self):
        (self.manager / 'state').write_text('operating\n')
        self.assertIsNone(self.identify())


class TestKernel(ManagerTest):
    """The simulated kernel's side of the attribute."""

    def test_a_name_is_looked_up_below_the_firmware_only(self):
        write = self.host.fs.write
        path = 'class/fpga_manager/fpga0/firmware'
        for name, number in (
            ('missing.bin', errno.ENOENT),
            ('../site.yaml', errno.EINVAL),
            ('/etc/hosts', errno.EINVAL),
            ('', errno.EINVAL),
        ):
            exc = self.assertRaises(OSError, write, path, f'{name}\n')
            self.assertEqual(number, exc.errno)
        state = self.host.fs.read('class/fpga_manager/fpga0/state')
        self.assertEqual('firmware request error', state)

    def test_firmware_cannot_be_read_and_flags_are_a_number(self):
        fs = self.host.fs
        path = 'class/fpga_manager/fpga0'
        exc = self.assertRaises(OSError, fs.read, f'{path}/firmware')
        self.assertEqual(errno.EACCES, exc.errno)
        exc = self.assertRaises(OSError, fs.write, f'{path}/flags', 'x')
        self.assertEqual(errno.EINVAL, exc.errno)
        fs.write(f'{path}/flags', '1')
        self.assertEqual('1', fs.read(f'{path}/flags'))

    def test_a_real_host_says_when_it_was_started(self):
        found = sysfs.Sysfs().boot_id()
        self.assertRegex(found, '^[0-9a-f]{8}$')
        self.assertEqual(found, sysfs.Sysfs().boot_id())
