"""The part of the drivers' contract that holds on any host, a real one too.

Nothing here changes a card, nor has to know which ones there are.
"""

import copy
import functools
import pathlib

import fixtures

from cyborg_fpga import errors
from cyborg_fpga import model


def refusing(fs, *, tools):
    """The accessor *fs*, but what would change a card fails the test.

    :param tools: Whether tools may run, which need not change anything.
    """

    class Refusing(type(fs)):
        def _refuse(self, *args, **kwargs):
            raise AssertionError(f'this would change a card: {args}')

        write = load_firmware = ioctl = _refuse

        def run(self, *args, image=None, **kwargs):
            if image is not None or not tools:
                self._refuse(*args)
            return super().run(*args, **kwargs)

    refuses = copy.copy(fs)
    refuses.__class__ = Refusing
    return refuses


class Looking:
    """A driver that can but look; mixed into a test class.

    That has ``fs``, the host's accessor, and ``make(fs)``, which makes the
    driver with an accessor.
    """

    @functools.cached_property
    def looking(self):
        return self.make(refusing(self.fs, tools=True))

    def regions(self):
        return [
            (report.pci_address, region)
            for report in self.looking.discover()
            for region in report.deployables
        ]


class AnyHost(Looking):
    """What holds for every driver."""

    def gone(self, card, name):
        exc = self.assertRaises(
            errors.DeviceFailed, self.looking.identify, card, name
        )
        self.assertEqual(model.Cause.DEVICE_GONE, exc.kwargs['cause'])

    def test_there_is_a_card_and_something_to_give(self):
        self.assertNotEqual([], self.regions())

    def test_cards_are_reported_in_the_order_of_their_addresses(self):
        found = [report.pci_address for report in self.looking.discover()]
        self.assertNotEqual([], found)
        self.assertEqual(sorted(set(found)), found)

    def test_two_looks_say_the_same(self):
        self.assertEqual(self.looking.discover(), self.looking.discover())

    def test_a_report_survives_the_wire(self):
        for report in self.looking.discover():
            self.assertEqual(self.looking.name, report.driver)
            again = model.DeviceReport.from_wire(report.to_wire())
            self.assertEqual(report, again)

    def test_ids_have_their_form(self):
        for report in self.looking.discover():
            self.assertRegex(report.vendor, '^[a-z][a-z0-9_]*$')
            self.assertRegex(report.family, '^[A-Z0-9_]+$')
            for value in (report.vendor_id, report.product_id):
                self.assertRegex(value, '^[0-9a-f]{4}$')
            for region in report.deployables:
                if region.region_id is not None:
                    self.assertRegex(region.region_id, '^[0-9a-f]{32}$')

    def test_names_and_handles_are_unique(self):
        regions = [region for _, region in self.regions()]
        names = [region.name for region in regions]
        handles = [h for region in regions for h in region.handles]
        self.assertEqual(len(set(names)), len(names))
        self.assertEqual(len(set(handles)), len(handles))

    def test_each_region_is_identified_or_said_to_be_unreadable(self):
        for card, region in self.regions():
            if region.readable:
                found = self.looking.identify(card, region.name)
                self.assertEqual(region.function_id, found, region.name)
            else:
                self.assertIsNone(region.function_id, region.name)

    def test_health_is_read_without_a_change(self):
        for report in self.looking.discover():
            self.looking.readings(report)

    def test_a_region_nobody_has_is_named_so(self):
        found = self.regions()
        self.assertNotEqual([], found)
        for card, region in found:
            for name in (f'{card}/x', '', '../../x'):
                self.gone(card, name)
            # No machine has a function so far up.
            other = model.PciAddress.parse('fffe:ff:1f.7')
            self.gone(other, region.name)

    def test_a_file_that_is_no_image_is_refused_before_a_card_is_touched(self):
        driver = self.make(refusing(self.fs, tools=False))
        image = pathlib.Path(self.useFixture(fixtures.TempDir()).path, 'x')
        image.write_bytes(b'#!/bin/sh\n')
        found = self.regions()
        self.assertNotEqual([], found)
        self.assertRaises(errors.BadBitstream, driver.expected_function, image)
        for card, region in found:
            self.assertRaises(
                errors.BadBitstream, driver.program, card, region.name, image
            )
