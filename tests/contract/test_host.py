"""The contract of drivers on a host that is named in the environment.

It may be a real one, or one that the simulator has mounted; the accessor is
that of a real host. There are tests here only where all of these are set:

FPGA_TEST_SYSROOT, FPGA_TEST_DEVROOT
    What the host has as ``/sys`` and ``/dev``.
FPGA_TEST_DRIVER
    The driver's name.

Nothing is changed unless one more is set:

FPGA_TEST_IMAGE
    A file that is loaded, read back and wiped. It stays loaded where the
    card can only be reset, or not even that.

These may be set:

FPGA_TEST_DEPLOYABLE
    The name of the region that is loaded; must be where there are several.
FPGA_TEST_FAMILIES
    A table of families, as ``[devices] families``.
"""

import os
import pathlib

from oslotest import base

from cyborg_fpga import model
from cyborg_fpga.drivers import families
from cyborg_fpga.drivers import registry
from cyborg_fpga.drivers import sysfs
from tests.unit.drivers import anyhost

SYSROOT, DEVROOT, DRIVER, IMAGE, DEPLOYABLE, FAMILIES = (
    os.environ.get(f'FPGA_TEST_{word}', '')
    for word in (
        'SYSROOT',
        'DEVROOT',
        'DRIVER',
        'IMAGE',
        'DEPLOYABLE',
        'FAMILIES',
    )
)


class Given:
    """The backend: what the environment names."""

    fs = sysfs.Sysfs(SYSROOT, DEVROOT)

    def make(self, fs):
        site = pathlib.Path(FAMILIES) if FAMILIES else None
        table = families.Table.read(site)
        return registry.load([DRIVER], fs, table)[DRIVER]


class Loading(anyhost.Looking):
    """What is loaded is read back, and wiped as far as the card can."""

    def setUp(self):
        super().setUp()
        self.driver = self.make(self.fs)
        found = [
            (card, region)
            for card, region in self.regions()
            if DEPLOYABLE in ('', region.name)
        ]
        self.assertEqual(1, len(found), 'FPGA_TEST_DEPLOYABLE is to name one')
        ((self.card, self.region),) = found
        # The kernel would reprogram it under a guest.
        self.driver.refuse_users(
            self.card, self.driver.users(self.card, self.region.name)
        )

    def shown(self):
        """What both ways of looking say is loaded."""
        (reported,) = [
            region.function_id
            for _, region in self.regions()
            if region.name == self.region.name
        ]
        found = self.driver.identify(self.card, self.region.name)
        self.assertEqual(found, reported)
        return found

    def test_an_image_is_loaded_read_back_and_wiped(self):
        image = pathlib.Path(IMAGE)
        expected = self.driver.expected_function(image)
        self.assertIsNotNone(expected)
        for _ in range(2):
            self.driver.program(self.card, self.region.name, image)
            self.assertEqual(expected, self.shown())
        for level in (model.WipeLevel.NONE, *self.region.wipe_levels):
            self.driver.wipe(self.card, self.region.name, level, image=image)
            if level in (model.WipeLevel.CLEAR, model.WipeLevel.BLANK):
                expected = None
            self.assertEqual(expected, self.shown(), level)


if SYSROOT and DEVROOT and DRIVER:

    class TestLooking(Given, anyhost.AnyHost, base.BaseTestCase):
        pass

    if IMAGE:

        class TestLoading(Given, Loading, base.BaseTestCase):
            pass
