"""iCE40 and ECP5: which chip, and every check word in them."""

import gzip
import pathlib

from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga.bitstream import ecp5
from cyborg_fpga.bitstream import formats
from cyborg_fpga.bitstream import header
from cyborg_fpga.bitstream import ice40
from tests.fixtures import bitstreams

SAMPLES = pathlib.Path(__file__).parents[2] / 'samples' / 'bitstreams'


class LatticeCase(base.BaseTestCase):
    def refused(self, words, data, *, read=formats.verify):
        exc = self.assertRaises(errors.BadBitstream, read, data)
        self.assertRegex(exc.message, words)


class TestToolchains(LatticeCase):
    """Files that the open toolchains made, see their folder."""

    def _file(self, name):
        return gzip.decompress((SAMPLES / f'{name}.gz').read_bytes())

    def test_icepacks_files_are_what_they_are(self):
        for name, part in (
            ('ice40-384-counter.bin', 'iCE40-384'),
            ('ice40-8k-memory.bin', 'iCE40-8k'),
        ):
            data = self._file(name)
            self.assertEqual(part, formats.parse(data).part)
            formats.verify(data)
            for at in (len(data) // 3, len(data) - 40):
                changed = bytearray(data)
                changed[at] ^= 0x10
                self.refused('CRC is wrong', bytes(changed))

    def test_ecppacks_files_are_what_they_are(self):
        for name in (
            'ecp5-25f-counter.bit',
            'ecp5-25f-memory-compressed.bit',
        ):
            data = self._file(name)
            said = formats.parse(data)
            self.assertEqual(
                ('LFE5U-25F-6CABGA381', 0x41111043), (said.part, said.idcode)
            )
            formats.verify(data)
            # In the frames, and in the memory behind them.
            for at in (700, len(data) - 40):
                changed = bytearray(data)
                changed[at] ^= 0x10
                self.refused('.', bytes(changed))


class TestICE40(LatticeCase):
    def test_the_size_of_its_banks_tells_the_chip(self):
        for width, height, part in (
            (182, 80, 'iCE40-384'),
            (332, 144, 'iCE40-1k'),
            (872, 272, 'iCE40-8k'),
            (100, 16, ''),
        ):
            data = bitstreams.ice40(width=width, height=height)
            said = formats.parse(data)
            self.assertEqual(
                (header.Format.ICE40, part, len(data)),
                (said.format, said.part, said.payload_size),
            )
            formats.verify(data)

    def test_a_comment_may_precede(self):
        data = bitstreams.ice40(comment=b'made by hand\0')
        self.assertEqual('iCE40-384', formats.parse(data).part)
        formats.verify(data)

    def test_a_flipped_bit_is_noticed_wherever_it_is(self):
        data = bitstreams.ice40()
        for at in (20, 30, 40, 1000, 3000, len(data) - 5):
            changed = bytearray(data)
            changed[at] ^= 4
            self.refused('.', bytes(changed))

    def test_a_wrong_crc_is_named(self):
        self.refused('CRC is wrong', bitstreams.ice40(crc=0))

    def test_one_without_a_crc_is_refused(self):
        data = bitstreams.ice40()
        self.refused('no CRC', data[:-6] + data[-3:])

    def test_every_truncation_is_refused(self):
        data = bitstreams.ice40()
        for size in (*range(60), *range(60, len(data) - 1, 97)):
            self.refused('.', data[:size])

    def test_an_unknown_command_is_refused(self):
        data = bytearray(bitstreams.ice40())
        data[8] = 0xA1
        self.refused('unknown command a', bytes(data), read=formats.parse)

    def test_commands_without_end_are_refused(self):
        data = bitstreams.ice40()
        many = b'\x10' * 5000
        self.refused('many', data[:8] + many + data[8:], read=formats.parse)
        self.refused('many', data[:-6] + many + data[-6:])

    def test_a_bank_of_no_size_is_refused(self):
        start = bytes.fromhex('ff0000ff7eaa997e')
        self.refused('within a bank', start + bytes.fromhex('0101') * 9)

    def test_a_file_that_is_far_too_large_is_not_read(self):
        data = bitstreams.ice40() + bytes(1 << 20)
        self.refused('larger', data)

    def test_one_that_configures_nothing_is_refused(self):
        start = bytes.fromhex('ff0000ff7eaa997e0106')
        self.refused('nothing', start, read=formats.parse)

    def test_what_we_build_is_read_back(self):
        data = ice40.build(332, 144, [bytes(5976)] * 4, comment='aes')
        self.assertEqual('iCE40-1k', formats.parse(data).part)
        formats.verify(data)


class TestECP5(LatticeCase):
    def test_part_and_idcode_are_read(self):
        data = bitstreams.ecp5()
        said = formats.parse(data)
        self.assertEqual(
            (header.Format.ECP5, 'LFE5U-25F-6CABGA381', 0x41111043),
            (said.format, said.part, said.idcode),
        )
        formats.verify(data)

    def test_one_without_a_comment_is_read_too(self):
        data = bitstreams.ecp5(comment=b'')
        said = formats.parse(data)
        self.assertEqual(('', 0x41111043), (said.part, said.idcode))

    def test_every_flipped_bit_is_noticed(self):
        data = bitstreams.ecp5()
        start = data.index(bytes.fromhex('e2000000'))
        end = data.index(bytes.fromhex('ffffffffffff'), start)
        for at in range(start, end):
            changed = bytearray(data)
            changed[at] ^= 1
            self.refused('.', bytes(changed))

    def test_a_wrong_crc_is_named(self):
        self.refused('CRC in it is wrong', bitstreams.ecp5(damage=1))

    def test_a_damaged_block_of_memory_is_noticed(self):
        data = bytearray(bitstreams.ecp5())
        data[-20] ^= 1
        self.refused('CRC in it is wrong', bytes(data))

    def test_every_truncation_is_refused(self):
        data = bitstreams.ecp5()
        for size in range(len(data) - 8):
            self.refused('.', data[:size])

    def test_frames_without_a_crc_are_refused(self):
        self.refused('no CRC', bitstreams.ecp5(options=0x11))

    def test_more_frames_than_the_chip_has_are_refused(self):
        self.refused('more than 7562', bitstreams.ecp5(count=7563))
        self.refused('cut off|CRC', bitstreams.ecp5(count=7562))

    def test_an_unknown_chip_is_named(self):
        self.refused('IDCODE 41111044', bitstreams.ecp5(idcode=0x41111044))

    def test_one_that_names_no_chip_is_refused(self):
        data = bitstreams.ecp5()
        at = data.index(bytes.fromhex('e2000000'))
        self.refused(
            'begin with an IDCODE', data[:at] + data[at + 8 :],
            read=formats.parse,
        )  # fmt: skip

    def test_commands_without_end_are_refused(self):
        data = bitstreams.ecp5(comment=b'')
        start = data.index(bytes.fromhex('3b000000'))
        for at in (start, len(data) - 8):
            many = b'\x3b\0\0\0' * 5000
            self.refused('many commands|cut off', data[:at] + many + data[at:])

    def test_compressed_frames_are_followed(self):
        # Symbols of one, six and ten bits; a frame is 80 of them, padded.
        head = bytes.fromhex(
            'ff00ffffffbdb33b000000' 'e200000041111043' '0200000001020304'
            '05060708' 'b8910001'
        )  # fmt: skip
        bits = '0' * 77 + '100' + '011' + '101' + '000' + '11' + '10100101'
        bits += '0' * (-len(bits) % 8)
        frame = int(bits, 2).to_bytes(len(bits) // 8, 'big')
        data = head + frame
        crc = bitstreams.crc_bits(data[11:], 0x8005, 0)
        data += crc.to_bytes(2, 'big') + b'\xff' + bytes.fromhex('5e000000')
        formats.verify(data)
        for at in range(len(head), len(head) + len(frame)):
            changed = bytearray(data)
            changed[at] ^= 1
            self.refused('.', bytes(changed))

    def test_what_we_build_is_read_back(self):
        data = ecp5.build('LFE5U-45F', 0x41112043, [bytes(106)] * 3)
        said = formats.parse(data)
        self.assertEqual(('LFE5U-45F', 0x41112043), (said.part, said.idcode))
        formats.verify(data)
