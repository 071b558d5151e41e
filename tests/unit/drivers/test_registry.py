"""Drivers are found by name, or the agent does not start."""

from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga.drivers import intel_dfl
from cyborg_fpga.drivers import registry
from cyborg_fpga.drivers import sysfs


class TestRegistry(base.BaseTestCase):
    def test_a_driver_is_made_by_its_name(self):
        loaded = registry.load(['intel_dfl'], sysfs.Sysfs('/none', '/none'))
        self.assertEqual(['intel_dfl'], list(loaded))
        self.assertIsInstance(loaded['intel_dfl'], intel_dfl.IntelDFLDriver)
        self.assertEqual([], loaded['intel_dfl'].discover())

    def test_a_driver_that_is_missing_stops_the_start(self):
        exc = self.assertRaises(
            errors.InvalidInput,
            registry.load,
            ['intel_dfl', 'intel_dlf'],
            sysfs.Sysfs('/none', '/none'),
        )
        self.assertIn('intel_dlf', str(exc))

    def test_no_drivers_are_no_error(self):
        self.assertEqual({}, registry.load([], sysfs.Sysfs()))
