"""What a .bit file says, and what its lengths cannot make us do."""

import struct

from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga.bitstream import formats
from cyborg_fpga.bitstream import header
from cyborg_fpga.bitstream import xilinx_bit
from tests.fixtures import bitstreams

file = bitstreams.bit


class TestParse(base.BaseTestCase):
    def test_every_field_is_read(self):
        data = file()
        # 13 bytes, four fields of 3 bytes and their texts, 5 bytes.
        at = 13 + 4 * 3 + 37 + 21 + 11 + 9 + 5
        self.assertEqual(
            header.Header(
                format=header.Format.BIT,
                size=len(data),
                payload_offset=at,
                payload_size=len(data) - at,
                name='top',
                version='2020.2',
                part='xcu250-figd2104-2L-e',
                idcode=0x04B57093,
                partial=False,
            ),
            formats.parse(data),
        )

    def test_a_partial_one_says_so(self):
        data = file(design=b'top;UserID=0XFFFFFFFF;PARTIAL=TRUE')
        self.assertTrue(formats.parse(data).partial)

    def test_an_image_without_a_sync_word_shows_no_idcode(self):
        self.assertIsNone(formats.parse(file(b'\xff' * 99)).idcode)

    def test_an_idcode_is_found_where_one_is_written_early(self):
        sync = bytes.fromhex('aa995566')
        write = bytes.fromhex('3001800104b57093')
        for between in (
            # A packet of type 2, whose words say nothing of what they are.
            struct.pack('>I', 0x50000001) + bytes(4),
            # More than is searched.
            bytes.fromhex('20000000') * 600,
        ):
            data = file(sync + between + write)
            self.assertIsNone(formats.parse(data).idcode)
        # A register's word that looks like the write of an IDCODE.
        data = file(sync + bytes.fromhex('3000800130018001') + write)
        self.assertEqual(0x04B57093, formats.parse(data).idcode)

    def refused(self, words, data):
        exc = self.assertRaises(errors.BadBitstream, formats.parse, data)
        self.assertRegex(exc.message, words)

    def test_another_length_of_the_image_is_refused(self):
        size = len(bitstreams.IMAGE)
        for length in (0, 1, size, 2**32 - 1):
            self.refused(f'an image of {length} ', file(length=length))

    def test_a_field_that_is_too_long_is_refused(self):
        self.refused('field a', file(design=b'x' * 1024))
        self.refused('field b', file(part=b'x' * 65534))

    def test_a_field_without_a_length_is_refused(self):
        data = bytearray(file())
        data[14:16] = bytes(2)
        self.refused('field a', bytes(data))

    def test_fields_in_another_order_are_refused(self):
        data = bytearray(file())
        data[13] = ord('b')
        self.refused('field a', bytes(data))

    def test_a_text_that_is_not_printable_is_refused(self):
        self.refused('field b is not printable', file(part=b'\x1b[2J'))

    def test_a_field_behind_the_end_is_refused(self):
        self.refused('cut off', file()[:20])


class TestBuild(base.BaseTestCase):
    def test_what_we_build_is_read_back(self):
        data = xilinx_bit.build(
            'xczu9eg-ffvb1156-2-e',
            b'words',
            name='aes',
            partial=True,
            idcode=0x24738093,
        )
        said = formats.parse(data)
        self.assertEqual(
            ('xczu9eg-ffvb1156-2-e', 'aes', True, 0x24738093),
            (said.part, said.name, said.partial, said.idcode),
        )
        self.assertTrue(data.endswith(b'words'))
        self.assertEqual(len(data), said.payload_offset + said.payload_size)

    def test_an_image_is_taken_as_it_is(self):
        said = formats.parse(xilinx_bit.build('xc7z020', b'words'))
        self.assertEqual(5, said.payload_size)
