"""What a GBS file may say, and what nobody may make us believe."""

import json

from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga.bitstream import formats
from cyborg_fpga.bitstream import gbs
from cyborg_fpga.bitstream import header
from cyborg_fpga.bitstream import source
from tests.fixtures import bitstreams

REGION = bitstreams.REGION
FUNCTION = bitstreams.FUNCTION
IMAGE = bitstreams.IMAGE
described = bitstreams.described
file = bitstreams.gbs


class GbsCase(base.BaseTestCase):
    def refused(self, words, data, *, read=formats.parse):
        exc = self.assertRaises(errors.BadBitstream, read, data)
        self.assertRegex(exc.message, words)

    def payload(self, data):
        said = formats.parse(data)
        return data[said.payload_offset :][: said.payload_size]


class TestParse(GbsCase):
    def test_a_vendors_file_says_what_it_is(self):
        data = file(described(), b'raw')
        self.assertEqual(
            header.Header(
                format=header.Format.GBS,
                size=len(data),
                payload_offset=len(data) - 3,
                payload_size=3,
                region_id=REGION,
                function_id=FUNCTION,
                name='nlb_400',
                version='1',
                platform='DCP',
            ),
            formats.parse(data),
        )

    def test_the_first_bytes_are_enough(self):
        data = file(image=b'x' * 99999)
        head = source.beginning(data[: source.HEAD], len(data))
        self.assertEqual(formats.parse(data), formats.read(head))

    def test_they_are_enough_for_the_longest_header_of_a_signed_one(self):
        told = described()
        told['filler'] = 'x' * (4095 - len(json.dumps(told)) - 14)
        data = file(told, bitstreams.blocks(bytes(256)))
        head = source.beginning(data[: source.HEAD], len(data))
        self.assertEqual(FUNCTION, formats.read(head).function_id)
        self.assertTrue(formats.parse(data).signed)

    def test_a_file_that_ends_with_its_header_is_refused(self):
        self.refused('ends', file(image=b''))

    def test_a_header_longer_than_the_limit_is_refused(self):
        self.refused('4096', file(b' ' * 5000, length=4096))

    def test_the_longest_header_is_read(self):
        told = described()
        told['filler'] = 'x' * (4095 - len(json.dumps(told)) - 14)
        self.assertEqual(4095, len(json.dumps(told)))
        self.assertEqual(FUNCTION, formats.parse(file(told)).function_id)

    def test_a_header_of_no_length_is_refused(self):
        self.refused('claims 0 bytes', file(length=0))

    def test_each_wrong_member_is_named(self):
        cluster = described()['afu-image']['accelerator-clusters'][0]
        for word, changes in (
            ('magic-no', {'magic-no': 1}),
            ('interface-uuid', {'interface-uuid': 'x' * 32}),
            ('interface-uuid', {'interface-uuid': None}),
            ('clusters', {'accelerator-clusters': []}),
            ('clusters', {'accelerator-clusters': {}}),
            ('clusters', {'accelerator-clusters': [1]}),
            (
                'accelerator-type-uuid',
                {'accelerator-clusters': [{'name': 'x'}]},
            ),
            ('name', {'accelerator-clusters': [{**cluster, 'name': '\x1b'}]}),
            (
                'name',
                {'accelerator-clusters': [{**cluster, 'name': '\ud800'}]},
            ),
        ):
            self.refused(word, file(described(**changes)))

    def test_json_made_to_hurt_is_refused(self):
        for told in (
            b'[' * 4000,
            b'{"a":' * 800,
            b'{"version":' + b'9' * 4000 + b'}',
            b'\xff\xfe',
            b'[]',
            b'"x"',
            b'{}',
        ):
            self.refused('header|afu-image', file(told))

    def test_a_version_of_thousands_of_digits_is_refused(self):
        told = {**described(), 'version': int('9' * 1000)}
        self.refused('version', file(told))


class TestLegacy(GbsCase):
    def test_the_oldest_header_names_the_region_backwards(self):
        said = formats.parse(bitstreams.legacy())
        self.assertEqual(header.Format.GBS, said.format)
        self.assertEqual((REGION, None), (said.region_id, said.function_id))
        self.assertEqual(IMAGE, self.payload(bitstreams.legacy()))

    def test_it_needs_an_image_too(self):
        self.refused('ends', bitstreams.legacy(b''))


class TestSigned(GbsCase):
    def test_the_card_gets_the_blocks_before_the_image(self):
        data = bitstreams.signed()
        said = formats.parse(data)
        content = bitstreams.padded(IMAGE)
        self.assertEqual(bitstreams.blocks(content), self.payload(data))
        self.assertTrue(said.signed)
        self.assertEqual(FUNCTION, said.function_id)
        formats.verify(data)

    def test_blocks_may_lie_around_it_all(self):
        data = bitstreams.wrapped()
        said = formats.parse(data)
        self.assertEqual((REGION, True), (said.region_id, said.signed))
        self.assertTrue(self.payload(data).startswith(IMAGE))
        formats.verify(data)

    def test_the_oldest_header_may_be_signed_too(self):
        data = bitstreams.blocks(bitstreams.padded(bitstreams.legacy()))
        self.assertEqual(REGION, formats.parse(data).region_id)
        self.assertTrue(self.payload(data).startswith(IMAGE))

    def test_the_hash_is_shown_and_compared(self):
        for make in (bitstreams.signed, bitstreams.wrapped):
            data = make(sha=b'\x01' * 32)
            said = formats.parse(data)
            self.assertEqual('sha256:' + '01' * 32, said.checksum)
            self.refused('match the hash', data, read=formats.verify)

    def test_a_changed_image_does_not_match(self):
        for make in (bitstreams.signed, bitstreams.wrapped):
            data = bytearray(make())
            data[-1] ^= 1
            formats.parse(bytes(data))
            self.refused('match the hash', bytes(data), read=formats.verify)

    def test_what_cannot_be_undone_is_refused(self):
        for make in (bitstreams.signed, bitstreams.wrapped):
            for kind in (0x102, 0x202, 0x302, 0x100, 0x10002):
                self.refused('change keys', make(kind=kind))

    def test_what_is_no_function_is_named(self):
        for kind, words in (
            (0, 'the static region, not'),
            (1, 'the board controller'),
            (3, 'the factory image'),
            (7, 'content 7'),
        ):
            self.refused(words, bitstreams.wrapped(kind=kind))

    def test_its_length_must_be_that_of_the_rest(self):
        for length in (0, 128, 127, 2**32 - 1):
            self.refused('claims', bitstreams.signed(length=length))

    def test_a_wrong_second_block_is_refused(self):
        self.refused('damaged', bitstreams.signed(second=0))

    def test_only_a_gbs_may_be_inside(self):
        self.refused('magic', bitstreams.blocks(bytes(256)))


class TestBuild(GbsCase):
    def test_what_we_build_is_read_back(self):
        data = gbs.build(REGION, FUNCTION, b'raw image', name='aes')
        said = formats.parse(data)
        self.assertEqual(
            (REGION, FUNCTION, 'aes', False),
            (said.region_id, said.function_id, said.name, said.signed),
        )
        self.assertEqual(b'raw image', self.payload(data))

    def test_a_signed_one_has_the_vendors_blocks(self):
        data = gbs.build(REGION, FUNCTION, IMAGE, signed=True)
        found = self.payload(data)
        expected = bitstreams.blocks(bitstreams.padded(IMAGE))
        # The chain of keys is the vendor's affair.
        self.assertEqual(expected[:132], found[:132])
        self.assertEqual(expected[1024:], found[1024:])
        formats.verify(data)

    def test_the_oldest_is_byte_for_byte_the_same(self):
        self.assertEqual(bitstreams.legacy(), gbs.build_legacy(REGION, IMAGE))
