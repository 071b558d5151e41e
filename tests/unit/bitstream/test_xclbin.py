"""What an xclbin says, and what its numbers cannot make us do."""

from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga.bitstream import fdt
from cyborg_fpga.bitstream import formats
from cyborg_fpga.bitstream import header
from cyborg_fpga.bitstream import source
from cyborg_fpga.bitstream import xclbin
from tests.fixtures import bitstreams

REGION = bitstreams.REGION
FUNCTION = bitstreams.FUNCTION
IMAGE = bitstreams.IMAGE
NONE = '0' * 32
file = bitstreams.xclbin
device_tree = bitstreams.device_tree


class XclbinCase(base.BaseTestCase):
    def refused(self, words, data):
        exc = self.assertRaises(errors.BadBitstream, formats.parse, data)
        self.assertRegex(exc.message, words)


class TestParse(XclbinCase):
    def test_every_field_is_read(self):
        data = file(timestamp=1527112233)
        at = 456 + 2 * 40
        self.assertEqual(
            header.Header(
                format=header.Format.XCLBIN,
                size=len(data),
                payload_offset=at,
                payload_size=len(IMAGE),
                region_id=REGION,
                function_id=FUNCTION,
                version='2.16.5',
                platform='xilinx_u250_gen3x16_xdma_shell_4_1',
                feature_timestamp=1527112233,
                partial=True,
            ),
            formats.parse(data),
        )
        self.assertEqual(IMAGE, data[at:][: len(IMAGE)])

    def test_the_interface_may_stand_in_the_metadata_alone(self):
        self.assertEqual(REGION, formats.parse(file(interface=NONE)).region_id)

    def test_the_interface_may_stand_in_the_header_alone(self):
        said = formats.parse(file([(0, IMAGE)]))
        self.assertEqual(REGION, said.region_id)

    def test_an_older_one_has_a_time_stamp_instead(self):
        said = formats.parse(file([(0, IMAGE)], interface=NONE, timestamp=9))
        self.assertEqual((None, 9), (said.region_id, said.feature_timestamp))

    def test_of_a_file_that_is_far_away_the_head_will_do(self):
        data = file([(0, bytes(20000)), (20, device_tree())])
        head = source.beginning(data[: source.HEAD], len(data))
        self.assertEqual(formats.parse(data), formats.read(head))

    def test_one_with_versals_images_is_read_too(self):
        for kind in (18, 19):
            self.assertEqual(
                len(IMAGE), formats.parse(file([(kind, IMAGE)])).payload_size
            )

    def test_a_signature_may_follow(self):
        data = file(signature=100, tail=bytes(100))
        self.assertTrue(formats.parse(data).signed)
        self.refused('claims', file(signature=100, tail=bytes(99)))


class TestRefuse(XclbinCase):
    def test_one_for_an_emulator(self):
        for mode in (4, 5, 6, 65535):
            self.refused('emulator', file(mode=mode))

    def test_one_of_another_length(self):
        for length in (0, 455, 10**6, 2**64 - 1):
            self.refused(f'claims {length} bytes', file(length=length))
        self.refused('claims', file(tail=b'x'))

    def test_too_many_sections_and_none(self):
        for count in (0, 65, 2**32 - 1):
            self.refused(f'claims {count} sections', file(count=count))

    def test_a_table_behind_the_end(self):
        self.refused('cut off', file([(0, IMAGE)], count=60))

    def test_a_section_outside_of_the_file(self):
        end = len(file([(0, IMAGE)]))
        for lie in (
            (end, 1),
            (end - 1, 2),
            (2**64 - 1, 2**64 - 1),
            (496, 2**64 - 1),
            (0, 8),
            (495, 8),
        ):
            self.refused('section 0 lies', file([(0, IMAGE, *lie)]))

    def test_one_without_an_image(self):
        self.refused('no image', file([(20, device_tree())]))
        self.refused('no image', file([(0, b'')]))

    def test_two_interfaces(self):
        other = '1' * 32
        self.refused('more than one', file(interface=other))
        tree = device_tree((REGION, other))
        self.refused('more than one', file([(0, IMAGE), (20, tree)]))

    def test_an_interface_that_is_no_uuid(self):
        for word in ('', 'x' * 32, '1' * 31, '1' * 34, 'é' * 16):
            tree = device_tree((word,))
            self.refused('not a UUID', file([(0, IMAGE), (20, tree)]))

    def test_metadata_that_is_too_long(self):
        tree = device_tree() + bytes(1 << 16)
        self.refused('too long', file([(0, IMAGE), (20, tree)]))

    def test_more_metadata_than_may_be_read(self):
        tree = device_tree() + bytes(60000)
        sections = [(0, IMAGE), (20, tree), (20, tree), (20, tree)]
        self.refused('too much', file(sections))

    def test_a_platform_that_is_not_printable(self):
        for platform in (b'\x1b[2J', b'\xff\xfe'):
            self.refused('not printable', file(platform=platform))


class TestDeviceTree(XclbinCase):
    def test_a_property_is_found_in_any_node(self):
        tree = device_tree((REGION, FUNCTION))
        self.assertEqual(
            [REGION.encode() + b'\0', FUNCTION.encode() + b'\0'],
            fdt.values(tree, b'interface_uuid'),
        )
        self.assertEqual([], fdt.values(tree, b'interface'))
        self.assertEqual([], fdt.values(tree, b'uuid'))

    def test_every_truncation_is_refused(self):
        tree = device_tree()
        # The strings lie behind all else; a name that is cut off is another.
        for size in range(len(tree) - 27):
            self.assertRaises(
                errors.BadBitstream, fdt.values, tree[:size], b'uuid'
            )

    def test_every_changed_byte_is_refused_or_read(self):
        tree = device_tree()
        for at in range(len(tree)):
            for value in (0, 1, 3, 9, 0x7F, 0xFF):
                changed = tree[:at] + bytes([value]) + tree[at + 1 :]
                try:
                    fdt.values(changed, b'interface_uuid')
                except errors.BadBitstream:
                    continue


class TestBuild(XclbinCase):
    def test_what_we_build_is_read_back(self):
        data = xclbin.build(
            REGION, FUNCTION, IMAGE, platform='u50', feature_timestamp=7
        )
        said = formats.parse(data)
        self.assertEqual(
            (REGION, FUNCTION, 'u50', 7, True),
            (
                said.region_id,
                said.function_id,
                said.platform,
                said.feature_timestamp,
                said.partial,
            ),
        )
        self.assertEqual(0, said.payload_offset % 8)
        self.assertEqual(IMAGE, data[said.payload_offset :][: len(IMAGE)])

    def test_the_metadata_alone_names_the_interface_too(self):
        data = bytearray(xclbin.build(REGION, FUNCTION, IMAGE))
        data[336:352] = bytes(16)
        self.assertEqual(REGION, formats.parse(bytes(data)).region_id)

    def test_one_for_an_older_shell_names_no_interface(self):
        data = xclbin.build(None, FUNCTION, IMAGE, feature_timestamp=7)
        self.assertIsNone(formats.parse(data).region_id)
