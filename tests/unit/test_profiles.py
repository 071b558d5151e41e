"""What a device profile's groups may say, and what they are read as."""

import hypothesis
from hypothesis import strategies as st
from oslo_utils.fixture import uuidsentinel as uuids
from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga import profiles

EXAMPLES = hypothesis.settings(
    max_examples=100,
    deadline=None,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
UNIT = {'resources:FPGA': '1'}
CUSTOM = st.from_regex(r'CUSTOM_[A-Z0-9_]{1,20}', fullmatch=True)
CLASS = st.one_of(CUSTOM, st.sampled_from(['FPGA', 'VGPU', 'PGPU', 'GPU']))
TRAIT = st.one_of(CUSTOM, st.sampled_from(['HW_CPU_X86_AVX2', 'OWNER_NOVA']))
BLANKS = st.text(' \t', max_size=2)
LOADS = {
    'accel:bitstream_id': st.uuids().map(str),
    'accel:bitstream_name': st.from_regex('[a-z. ]{1,9}', fullmatch=True).map(
        lambda name: f'x{name}x'
    ),
    'accel:function_id': st.uuids().map(str),
    'accel:function_name': st.from_regex('[a-z]{1,9}', fullmatch=True),
    'accel:type': st.from_regex('[a-z0-9_]{1,32}', fullmatch=True),
}


@st.composite
def groups(draw):
    """A group that is right, and the same with blanks around."""
    members = {
        f'resources:{name}': str(draw(st.integers(1, 8)))
        for name in draw(st.sets(CLASS, min_size=1, max_size=3))
    }
    load = draw(st.sampled_from([None, *LOADS]))
    if load:
        members[load] = draw(LOADS[load])
    for name in draw(st.sets(TRAIT, max_size=4)):
        # Those with a meaning of their own have tests of their own.
        if not name.startswith('CUSTOM_ACCELERATOR'):
            members[f'trait:{name}'] = draw(
                st.sampled_from(['required', 'forbidden'])
            )
    loose = {}
    for key, value in members.items():
        kind, _, name = key.partition(':')
        around = draw(BLANKS)
        loose[f'{kind}:{around}{name}{around}'] = f'{value}{around}'
    return members, loose


class TestEveryProfile(base.BaseTestCase):
    @EXAMPLES
    @hypothesis.given(st.lists(groups(), min_size=1, max_size=4))
    def test_what_is_right_is_kept_without_its_blanks(self, drawn):
        right = [members for members, _ in drawn]
        self.assertEqual(right, profiles.normalised([x for _, x in drawn]))
        self.assertEqual(right, profiles.normalised(right))

    @EXAMPLES
    @hypothesis.given(groups())
    def test_every_member_is_read(self, drawn):
        members, _ = drawn
        group = profiles.read(members)
        for key, value in members.items():
            kind, _, name = key.partition(':')
            if kind == 'resources':
                self.assertEqual(int(value), group.amounts[name])
            elif kind == 'trait':
                self.assertEqual(value == 'required', name in group.required)
                self.assertEqual(value == 'forbidden', name in group.forbidden)
            elif name == 'function_id':
                self.assertEqual(value.replace('-', ''), group.function_id)
            else:
                self.assertEqual(value, getattr(group, name))
        self.assertEqual(len(group.amounts), str(members).count('resources:'))
        self.assertEqual(sum(group.amounts.values()), group.units)

    @EXAMPLES
    @hypothesis.given(groups(), st.sampled_from(list(LOADS)), st.data())
    def test_two_ways_to_say_what_to_load_are_refused(self, drawn, key, data):
        members, _ = drawn
        hypothesis.assume(key not in members)
        hypothesis.assume(any(load in members for load in LOADS))
        members[key] = data.draw(LOADS[key])
        self.assertRaises(errors.InvalidInput, profiles.normalised, [members])

    @EXAMPLES
    @hypothesis.given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.one_of(st.text(), st.just('resources:FPGA')),
                    inner,
                    max_size=3,
                )
            ),
        )
    )
    def test_anything_is_kept_or_refused(self, anything):
        try:
            kept = profiles.normalised(anything)
        except errors.InvalidInput:
            return
        self.assertEqual(kept, profiles.normalised(kept))


class TestRefused(base.BaseTestCase):
    def refused(self, groups):
        exc = self.assertRaises(
            errors.InvalidInput, profiles.normalised, groups
        )
        return exc.message

    def test_groups_that_are_none(self):
        for groups in (None, [], '', {}, 'x', UNIT):
            with self.subTest(groups):
                self.assertEqual(
                    'DeviceProfile needs groups field.', self.refused(groups)
                )
        for group in ({}, None, [], 'x', 1):
            with self.subTest(group):
                self.assertIn('a group of a dev', self.refused([UNIT, group]))
        many = {f'trait:CUSTOM_{n}': 'required' for n in range(128)}
        self.assertIn('1 to 128 members', self.refused([{**UNIT, **many}]))
        self.assertIn('more than 32', self.refused([UNIT] * 33))
        large = {
            **UNIT,
            **{f'trait:CUSTOM_{"X" * 200}{n}': 'required' for n in range(100)},
        }
        profiles.normalised([large] * 2)
        self.assertIn('longer than', self.refused([large] * 3))

    def test_keys_of_another_kind(self):
        for key in (
            'resources1:FPGA',
            'FPGA',
            '',
            'Trait:CUSTOM_A',
            ' accel:',
        ):
            with self.subTest(key):
                self.assertIn(
                    '^(resources:|trait:|accel:)',
                    self.refused([{**UNIT, key: '1'}]),
                )

    def test_amounts_that_are_none(self):
        for amount in ('0', '-3', -3, 0, 'x', '', '1.0', '1_0', '٣', '0x1',
                       '9' * 5000, 10**5000, 257):  # fmt: skip
            with self.subTest(str(amount)[:9] if amount != 10**5000 else '!'):
                self.assertIn(
                    'Resources number',
                    self.refused([{**UNIT, 'resources:VGPU': amount}]),
                )
        for amount in (None, True, 1.5, [], {}):
            with self.subTest(str(amount)):
                self.assertIn(
                    'must be text', self.refused([{'resources:FPGA': amount}])
                )

    def test_more_units_than_an_instance_can_have(self):
        self.assertIn(
            '257 units', self.refused([{'resources:FPGA': 256}, UNIT])
        )

    def test_classes_and_traits_that_placement_does_not_take(self):
        for name in ('VCPU', 'fpga', 'CUSTOM_', 'CUSTOM_a', 'CUSTOM_A-B', '',
                     'CUSTOM_' + 'A' * 249, 'CUSTOM_A\n B'):  # fmt: skip
            with self.subTest(name):
                self.assertIn(
                    'resource class', self.refused([{f'resources:{name}': 1}])
                )
                self.assertIn(
                    'neither CUSTOM',
                    self.refused([{**UNIT, f'trait:{name}': 'required'}]),
                )

    def test_traits_that_are_neither_required_nor_forbidden(self):
        for value in ('yes', '', 'Required', 'preferred'):
            with self.subTest(value):
                self.assertIn(
                    'required or forbidden',
                    self.refused([{**UNIT, 'trait:CUSTOM_A': value}]),
                )

    def test_a_group_without_resources(self):
        self.assertIn(
            'needs resources:', self.refused([{'trait:CUSTOM_A': 'required'}])
        )

    def test_the_same_name_twice(self):
        self.assertEqual(
            'Invalid request: resources:FPGA is there twice',
            self.refused([{**UNIT, 'resources: FPGA': '2'}]),
        )

    def test_accel_keys_that_mean_nothing(self):
        sentence = self.refused([{**UNIT, 'accel:bitstreamid': uuids.image}])
        self.assertIn('accel:bitstreamid means nothing', sentence)
        self.assertIn('accel:bitstream_id, ', sentence)

    def test_accel_values_that_mean_nothing(self):
        for key, value in (
            ('bitstream_id', 'my-image'),
            ('bitstream_name', ''),
            ('bitstream_name', 'a\nb'),
            ('function_id', 'a b'),
            ('function_name', 'x' * 256),
            ('type', 'Crypto'),
            ('type', 'x' * 33),
            ('attach_target', 'moon'),
            ('wipe_level', 'none'),
            ('wipe_level', 'Blank'),
            ('bitstream_at_runtime', 'perhaps'),
        ):
            with self.subTest(f'{key}={value}'):
                self.assertIn(
                    f'accel:{key} must be',
                    self.refused([{**UNIT, f'accel:{key}': value}]),
                )

    def test_a_bitstream_now_and_later(self):
        self.assertIn(
            'accel:type, accel:bitstream_at_runtime',
            self.refused(
                [
                    {
                        **UNIT,
                        'accel:type': 'a',
                        'accel:bitstream_at_runtime': 'True',
                    }
                ]
            ),
        )


class TestRead(base.BaseTestCase):
    def read(self, **accel):
        traits = accel.pop('traits', ())
        return profiles.read(
            {
                **UNIT,
                **{f'accel:{key}': value for key, value in accel.items()},
                **{f'trait:{name}': 'required' for name in traits},
            }
        )

    def test_what_upstream_and_its_spec_know_is_accepted(self):
        for accel in (
            {'attach_target': 'VM'},
            {'bitstream_at_runtime': 'True'},
            {'bitstream_at_runtime': 'false', 'type': 'crypto'},
            {'function_id': '3AFB'},
        ):
            with self.subTest(accel):
                later = accel.get('bitstream_at_runtime') == 'True'
                self.assertEqual(later, self.read(**accel).loaded_later)

    def test_ids_have_one_form(self):
        image = str(uuids.image)
        for text in (image, image.upper(), image.replace('-', '')):
            group = self.read(bitstream_id=text)
            self.assertEqual(image, group.bitstream_id)
            group = self.read(function_id=text)
            self.assertEqual(image.replace('-', ''), group.function_id)

    def test_a_type_is_what_an_accelerator_trait_says(self):
        group = self.read(traits=['CUSTOM_ACCELERATOR_CRYPTO', 'CUSTOM_HW_X'])
        self.assertEqual('crypto', group.type)
        self.assertEqual('crypto', group.type_among([]))
        self.assertEqual(
            'crypto',
            self.read(
                type='crypto', traits=['CUSTOM_ACCELERATOR_CRYPTO']
            ).type,
        )

    def test_a_type_may_be_what_a_hardware_trait_says(self):
        group = self.read(traits=['CUSTOM_HW_INTEL', 'CUSTOM_HW_CRYPTO'])
        self.assertIsNone(group.type)
        self.assertEqual({'intel', 'crypto'}, group.perhaps_types)
        self.assertEqual('crypto', group.type_among(['gzip', 'crypto']))
        self.assertIsNone(group.type_among(['gzip']))
        self.assertRaises(
            errors.InvalidInput, group.type_among, ['intel', 'crypto']
        )

    def test_traits_say_no_type_where_something_else_does(self):
        traits = ['CUSTOM_ACCELERATOR_CRYPTO', 'CUSTOM_HW_GZIP']
        for accel in (
            {'bitstream_id': uuids.image},
            {'function_id': 'f'},
            {'bitstream_name': 'n'},
            {'function_name': 'n'},
            {'bitstream_at_runtime': 'True'},
        ):
            with self.subTest(accel):
                group = self.read(traits=traits, **accel)
                self.assertIsNone(group.type_among(['crypto', 'gzip']))

    def test_a_forbidden_trait_says_no_type(self):
        group = profiles.read(
            {**UNIT, 'trait:CUSTOM_ACCELERATOR_A': 'forbidden'}
        )
        self.assertIsNone(group.type)

    def test_two_types_are_refused(self):
        for values in (
            {'traits': ['CUSTOM_ACCELERATOR_A', 'CUSTOM_ACCELERATOR_B']},
            {'traits': ['CUSTOM_ACCELERATOR_A'], 'type': 'b'},
        ):
            exc = self.assertRaises(errors.InvalidInput, self.read, **values)
            self.assertIn('types a and b', exc.message)
