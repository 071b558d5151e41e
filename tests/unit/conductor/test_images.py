import dataclasses

import hypothesis
from hypothesis import given
from hypothesis import strategies as st
from oslotest import base

from cyborg_fpga.bitstream import formats
from cyborg_fpga.bitstream import gbs
from cyborg_fpga.clients import glance
from cyborg_fpga.conductor import images
from tests.fixtures import bitstreams

REGION = '69528db6-eb31-577a-8c36-68f9faa081f6'
FUNCTION = 'D8424DC4-A4A3-C413-F89E-433683F9040B'
PLAIN_REGION = '69528db6eb31577a8c3668f9faa081f6'
PLAIN_FUNCTION = 'd8424dc4a4a3c413f89e433683f9040b'


def image(properties=None, **changes):
    values = {
        'id': '7e1b4a0e-94a9-4d0e-a7b0-5a5f4f0c7e11',
        'name': 'aes',
        'status': 'active',
        'visibility': 'public',
        'owner': 'project-a',
        'tags': frozenset({'FPGA'}),
        'properties': {'region_id': REGION, **(properties or {})},
        'size': 10,
        'checksum': 'c',
        'os_hash_algo': 'sha512',
        'os_hash_value': 'h',
        'created_at': '2026-01-01T00:00:00Z',
        'updated_at': '2026-01-02T00:00:00Z',
    }
    return glance.Image(**{**values, **changes})


def read(properties=None, **changes):
    return images.read_image(image(properties, **changes), ['trusted'])


def header(**changes):
    return dataclasses.replace(
        formats.parse(
            gbs.build(PLAIN_REGION, PLAIN_FUNCTION, b'x', name='aes')
        ),
        **changes,
    )


class TestProperties(base.BaseTestCase):
    def test_every_known_name_is_understood(self):
        for name in (
            'region_id',
            'region_uuid',
            'interface_uuid',
            'interface-id',
            'shell_id',
            'bs-region-uuid',
            'bs-region_uuid',
            'fpga:region-id',
        ):
            found = read({'region_id': '', name: REGION})
            self.assertEqual(PLAIN_REGION, found.region_id, name)
        for name in (
            'function_id',
            'function_uuid',
            'accel:function_id',
            'bs-function-uuid',
        ):
            self.assertEqual(
                PLAIN_FUNCTION, read({name: FUNCTION}).function_id, name
            )

    def test_a_board_is_a_family_however_it_is_written(self):
        for name, value in (
            ('family', 'PAC_A10'),
            ('board', 'pac-a10'),
            ('bs-board', ' PAC A10 '),
            ('fpga:board_name', 'Pac (A10)'),
        ):
            self.assertEqual('PAC_A10', read({name: value}).family, name)
        self.assertIsNone(read({'board': ' - '}).family)

    def test_the_names_of_cyborgs_specification_are_understood(self):
        found = read({'bs-name': 'aes-128', 'bs-uuid': FUNCTION})
        self.assertEqual('aes-128', found.function_name)
        self.assertEqual(PLAIN_FUNCTION, found.function_id)
        found = read({'bs-name': 'aes-128', 'function_name': 'aes'})
        self.assertEqual('aes', found.function_name)

    def test_the_id_of_a_file_says_less_than_all_others(self):
        other = {'bs-uuid': '3' * 32}
        found = read({**other, 'function_id': FUNCTION})
        self.assertEqual(PLAIN_FUNCTION, found.function_id)
        found = images.read_image(image(other), [], header=header())
        self.assertEqual(
            (PLAIN_FUNCTION, True), (found.function_id, found.usable)
        )
        self.assertTrue(images.needs_header(image(other)))
        self.assertTrue(read({'bs-uuid': 'as you like'}).usable)

    def test_a_shell_is_a_name_or_the_regions_id(self):
        found = read({'shell': 'xilinx_u250'})
        self.assertEqual(
            ('xilinx_u250', PLAIN_REGION), (found.shell, found.region_id)
        )
        found = read({'region_id': '', 'shell': '2' * 32})
        self.assertEqual(('2' * 32, True), (found.region_id, found.usable))

    def test_the_file_says_its_shell(self):
        full = header(platform='xilinx:u250:xdma:1.1')
        found = images.read_image(image(), [], header=full)
        self.assertEqual('xilinx:u250:xdma:1.1', found.shell)
        for said, usable in (('Xilinx_U250', True), ('xilinx_u50', False)):
            found = images.read_image(image({'shell': said}), [], header=full)
            self.assertEqual(usable, found.usable, said)
        self.assertEqual(
            "its shell is 'xilinx_u50', in the file it is "
            "'xilinx:u250:xdma:1.1'",
            found.reason,
        )

    def test_a_plain_name_goes_before_one_with_a_prefix(self):
        found = read({'bs-type': 'dpi', 'type': 'crypto'})
        self.assertEqual('crypto', found.type)

    def test_words_are_put_in_order(self):
        found = read(
            {
                'vendor': '0x8086',
                'type': ' Crypto ',
                'function_name': 'AES',
                'version': '1.2',
                'driver': 'intel_dfl',
                'board': '',
            }
        )
        self.assertEqual(
            ('intel', 'crypto', 'AES', '1.2', 'intel_dfl', True),
            (
                found.vendor,
                found.type,
                found.function_name,
                found.version,
                found.driver,
                found.usable,
            ),
        )

    def test_public_are_public_images_and_those_of_trusted_projects(self):
        self.assertTrue(read().public)
        for visibility in ('private', 'shared', 'community'):
            self.assertFalse(read(visibility=visibility).public)
            self.assertTrue(
                read(visibility=visibility, owner='trusted').public
            )

    @hypothesis.settings(
        deadline=None,
        database=None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    @given(
        st.dictionaries(st.text(max_size=40), st.text(max_size=300)),
        st.text(max_size=300),
    )
    def test_whatever_people_write_fits_the_columns(self, properties, name):
        found = read(properties, name=name)
        for value, limit in (
            (found.name, 255),
            (found.vendor, 64),
            (found.family, 64),
            (found.shell, 255),
            (found.type, 32),
            (found.region_id, 32),
            (found.function_id, 32),
            (found.function_name, 255),
            (found.version, 64),
            (found.driver, 64),
            (found.reason, 255),
        ):
            self.assertLessEqual(len(value or ''), limit)
        self.assertEqual(found.usable, not found.reason)


class TestUsable(base.BaseTestCase):
    def test_what_is_wrong_is_said(self):
        for changes, said in (
            ({'tags': frozenset()}, 'it has no tag FPGA'),
            ({'status': 'queued'}, 'its status is queued'),
            ({'status': 'deactivated'}, 'its status is deactivated'),
            ({'size': 0}, 'it is empty'),
            ({'size': None}, 'it is empty'),
            ({'os_hash_value': None}, 'it has no os_hash_value'),
            ({'properties': {'type': 'a b'}}, "its type 'a b' is not 1 to 32"),
            ({'properties': {'type': 'x' * 33}}, 'is not 1 to 32'),
            (
                {'properties': {'type': 'Xilinx'}},
                "'xilinx' is a vendor's name",
            ),
            (
                {'properties': {'region_id': 'x'}},
                "region_id 'x' is not a UUID",
            ),
            (
                {'properties': {'accel:function_id': 'y'}},
                "its function_id 'y' is not a UUID",
            ),
        ):
            found = read(changes.pop('properties', {}), **changes)
            self.assertFalse(found.usable, changes)
            self.assertIn(said, found.reason)

    def test_an_image_without_a_type_is_usable(self):
        self.assertTrue(read().usable)
        self.assertIsNone(read().type)

    def test_one_without_a_region_is_not(self):
        found = images.read_image(
            image(properties={'region_id': ''}), [], fault='is no GBS (x)'
        )
        self.assertEqual(
            'it does not say for which region it is, and its file is no GBS '
            '(x)',
            found.reason,
        )


class TestHeader(base.BaseTestCase):
    def test_it_is_wanted_where_properties_leave_a_gap(self):
        self.assertTrue(images.needs_header(image()))
        full = image({'function_id': FUNCTION})
        self.assertFalse(images.needs_header(full))
        queued = image(status='queued')
        self.assertFalse(images.needs_header(queued))

    def test_it_fills_the_gaps(self):
        found = images.read_image(
            image({'region_id': ''}), [], header=header()
        )
        self.assertEqual(
            (PLAIN_REGION, PLAIN_FUNCTION, 'aes', '1', True),
            (
                found.region_id,
                found.function_id,
                found.function_name,
                found.version,
                found.usable,
            ),
        )

    def test_properties_that_say_otherwise_make_it_unusable(self):
        other = header(region_id='1' * 32)
        found = images.read_image(image(), [], header=other)
        self.assertEqual(
            f'its region_id is {PLAIN_REGION}, in the file it is {"1" * 32}',
            found.reason,
        )

    def test_a_file_is_of_the_vendor_who_made_its_format(self):
        for vendor, usable in (
            ('0x10ee', False),
            ('xilinx', False),
            ('8086', True),
            ('Intel', True),
            # Some make cards with others' chips.
            ('silicom', True),
        ):
            found = images.read_image(
                image({'vendor': vendor}), [], header=header()
            )
            self.assertEqual(usable, found.usable, found.reason)
        found = images.read_image(
            image({'vendor': 'intel', 'region_id': ''}),
            [],
            header=formats.parse(bitstreams.xclbin()),
        )
        self.assertEqual(
            'its vendor is intel, and its file is an xclbin for Alveo cards',
            found.reason,
        )

    def test_a_file_that_does_not_name_its_function_contradicts_nothing(self):
        found = images.read_image(
            image({'function_id': FUNCTION}),
            [],
            header=header(function_id=None, version=''),
        )
        self.assertEqual(
            (PLAIN_FUNCTION, None, True),
            (found.function_id, found.version, found.usable),
        )

    def test_a_file_that_names_no_region_says_what_it_is(self):
        found = images.read_image(
            image({'region_id': ''}),
            [],
            header=formats.parse(bitstreams.bit()),
        )
        self.assertEqual(
            'it does not say for which region it is, and its file is a '
            'Xilinx .bit file',
            found.reason,
        )

    def test_an_xclbin_fills_the_gaps_too(self):
        found = images.read_image(
            image({'region_id': ''}),
            [],
            header=formats.parse(bitstreams.xclbin()),
        )
        self.assertEqual(
            (PLAIN_REGION, PLAIN_FUNCTION, None, '2.16.5', True),
            (
                found.region_id,
                found.function_id,
                found.function_name,
                found.version,
                found.usable,
            ),
        )

    def test_a_file_that_leaves_the_region_blank_has_no_function(self):
        found = images.read_image(
            image(), [], header=header(function_id='0' * 32)
        )
        self.assertIsNone(found.function_id)
        self.assertTrue(found.usable)
