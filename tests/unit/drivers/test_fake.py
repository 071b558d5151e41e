"""The card that is not there."""

import pathlib

import fixtures
from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.drivers import fake
from cyborg_fpga.drivers import registry
from cyborg_fpga.drivers import sysfs
from cyborg_fpga.simulator import samples

FUNCTION = 'ab' * 16


class TestFake(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        found = registry.load(['fake'], sysfs.Sysfs('/none', '/none'))
        self.driver = found['fake']
        (self.card,) = self.driver.discover()
        (self.region,) = self.card.deployables
        self.place = (self.card.pci_address, self.region.name)
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def file(self, region=fake.REGION, function=FUNCTION):
        path = self.folder / 'image'
        path.write_bytes(samples.sample_gbs(region, function, size=64))
        return path

    def test_it_is_one_card_with_sixteen_handles(self):
        self.assertEqual('0000:0c:00.0', str(self.card.pci_address))
        self.assertEqual('0xABCD', self.card.vendor)
        self.assertEqual(('CUSTOM_FAKE_DEVICE',), self.card.traits)
        handles = [str(handle) for handle in self.region.handles]
        self.assertEqual(16, len(set(handles)))
        # As Cyborg has them: the first function is the card's.
        self.assertEqual('0000:0c:00.1', handles[0])
        self.assertEqual('0000:0c:02.0', handles[-1])
        self.assertEqual(model.HandleKind.TEST_PCI, self.region.handle_kind)

    def test_what_is_loaded_is_read_back_until_it_is_cleared(self):
        self.assertIsNone(self.driver.identify(*self.place))
        image = self.file()
        self.driver.program(*self.place, image)
        self.assertEqual(FUNCTION, self.driver.expected_function(image))
        self.assertEqual(FUNCTION, self.driver.identify(*self.place))
        (card,) = self.driver.discover()
        self.assertEqual(FUNCTION, card.deployables[0].function_id)
        self.driver.wipe(*self.place, model.WipeLevel.RESET)
        self.assertEqual(FUNCTION, self.driver.identify(*self.place))
        self.driver.wipe(*self.place, model.WipeLevel.CLEAR)
        self.assertIsNone(self.driver.identify(*self.place))

    def test_a_blank_bitstream_leaves_it_blank(self):
        image = self.file(function=samples.BLANK)
        self.driver.program(*self.place, image)
        self.assertIsNone(self.driver.expected_function(image))
        self.assertIsNone(self.driver.identify(*self.place))

    def test_bad_files_do_not_touch_it(self):
        self.driver.program(*self.place, self.file())
        path = self.folder / 'noise'
        path.write_bytes(b'noise')
        self.assertRaises(
            errors.BadBitstream, self.driver.program, *self.place, path
        )
        other = self.file(region='cd' * 16, function='ef' * 16)
        self.assertRaises(
            errors.DoesNotFit, self.driver.program, *self.place, other
        )
        self.assertEqual(FUNCTION, self.driver.identify(*self.place))

    def test_there_is_no_other_region(self):
        exc = self.assertRaises(
            errors.DeviceFailed,
            self.driver.identify,
            model.PciAddress.parse('0000:0c:00.1'),
            self.region.name,
        )
        self.assertEqual(model.Cause.DEVICE_GONE, exc.kwargs['cause'])
