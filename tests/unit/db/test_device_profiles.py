"""Device profiles: kept, found, and not lost under who names them."""

from cyborg_fpga import errors
from cyborg_fpga.db import device_profiles
from cyborg_fpga.db import engine
from tests.unit.db import base

GROUPS = [
    {'resources:FPGA': '1', 'trait:CUSTOM_FPGA_INTEL': 'required'},
    {'resources:CUSTOM_FPGA_INTEL_PF': '2', 'accel:type': 'crypto'},
]


class DeviceProfilesTest(base.DatabaseTest):
    def create(self, name='crypto', **values):
        uuid = values.pop('uuid', None) or base.new_uuid()
        return device_profiles.create(
            self.ctx, uuid, name=name, **{'groups': GROUPS, **values}
        )

    def test_a_profile_is_found_as_it_was_made(self):
        made = self.create(description='Sécurité')
        self.assertEqual(made, device_profiles.get(self.ctx, made.uuid))
        self.assertEqual(made, device_profiles.by_name(self.ctx, 'crypto'))
        self.assertEqual(GROUPS, list(made.groups))
        self.assertEqual('Sécurité', made.description)
        self.assertIsNotNone(made.created_at)
        self.assertIsNone(made.updated_at)

    def test_names_and_uuids_are_taken_once(self):
        made = self.create()
        exc = self.assertRaises(errors.Duplicate, self.create)
        self.assertEqual(
            'A device_profile with name crypto already exists.', exc.message
        )
        exc = self.assertRaises(
            errors.Duplicate, self.create, 'other', uuid=made.uuid
        )
        self.assertEqual(
            f'A device_profile with uuid {made.uuid} already exists.',
            exc.message,
        )

    def test_what_is_not_there_is_not_found(self):
        for function in (device_profiles.get, device_profiles.delete):
            exc = self.assertRaises(errors.NotFound, function, self.ctx, 'x')
            self.assertEqual(
                'Device Profile not found with uuid=x', exc.message
            )
        exc = self.assertRaises(
            errors.NotFound, device_profiles.by_name, self.ctx, 'x'
        )
        self.assertEqual('Device Profile not found with name=x', exc.message)

    def test_names_are_as_they_are_written(self):
        self.create('AES')
        self.assertRaises(
            errors.NotFound, device_profiles.by_name, self.ctx, 'aes'
        )

    def test_lists_have_those_names_that_there_are(self):
        for name in ('a', 'b', 'c'):
            self.create(name)
        for names, found in (
            (['b'], ['b']),
            (['c', 'a', 'nothing'], ['a', 'c']),
            (['nothing'], []),
        ):
            page = device_profiles.list_page(
                self.ctx, filters={'name': names}, limit=9
            )
            self.assertEqual(found, [profile.name for profile in page])
        page = device_profiles.list_page(
            self.ctx, filters={}, limit=2, sort_key='name', sort_dir='desc'
        )
        self.assertEqual(['c', 'b'], [profile.name for profile in page])

    def test_a_profile_that_a_request_names_stays(self):
        made = self.create()
        region = self.stored()
        self.reserve(region, origin='nova', device_profile_name='crypto')
        exc = self.assertRaises(
            errors.InUse, device_profiles.delete, self.ctx, made.uuid
        )
        self.assertIn('crypto', exc.message)
        device_profiles.get(self.ctx, made.uuid)

    def test_a_profile_that_no_request_names_goes(self):
        made = self.create()
        self.reserve(self.stored(), device_profile_name='crypto')
        device_profiles.delete(self.ctx, made.uuid)
        self.assertRaises(
            errors.NotFound, device_profiles.get, self.ctx, made.uuid
        )
        self.create()

    def test_a_held_profile_is_what_it_is(self):
        made = self.create()

        @engine.writer
        def hold(ctx):
            return device_profiles.hold(ctx, 'crypto')

        self.assertEqual(made, hold(self.ctx))
