"""Files that are checked while they go by."""

import fixtures
from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga.bitstream import gbs
from cyborg_fpga.bitstream import header
from cyborg_fpga.bitstream import passing
from cyborg_fpga.bitstream import xclbin
from tests.fixtures import bitstreams

REGION = '1' * 32
FUNCTION = '2' * 32
_FIRST = 8192


class PassingCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        # So that small files count as large ones.
        self.useFixture(
            fixtures.MonkeyPatch(f'{passing.__name__}.BEGINNING', _FIRST)
        )

    def passed(self, data, *, piece=1000, size=None):
        found = passing.Passing(data[:_FIRST], size or len(data))
        for at in range(_FIRST, len(data), piece):
            found.feed(data[at : at + piece])
        found.end()
        return found.header

    def refused(self, data, **kwargs):
        exc = self.assertRaises(
            errors.BadBitstream, self.passed, data, **kwargs
        )
        return exc.message


class TestPassing(PassingCase):
    def test_a_large_file_is_read_by_its_header(self):
        data = gbs.build(REGION, FUNCTION, bytes(50000), name='aes')
        said = self.passed(data)
        self.assertEqual(
            (REGION, FUNCTION, len(data)),
            (said.region_id, said.function_id, said.size),
        )

    def test_a_small_file_is_checked_at_once(self):
        data = gbs.build(REGION, FUNCTION, bytes(1000), signed=True)
        self.assertTrue(self.passed(data).signed)
        damaged = data[:-1] + b'x'
        exc = self.assertRaises(
            errors.BadBitstream, passing.Passing, damaged, len(damaged)
        )
        self.assertIn('does not match the hash', exc.message)

    def test_a_signed_file_passes_in_pieces_of_any_size(self):
        data = gbs.build(REGION, FUNCTION, b'abc' * 20000, signed=True)
        for piece in (1, 777, 1 << 20):
            self.assertTrue(self.passed(data, piece=piece).signed)

    def test_a_signed_file_that_was_changed_is_refused_at_its_end(self):
        data = gbs.build(REGION, FUNCTION, b'abc' * 20000, signed=True)
        for at in (_FIRST - 1, _FIRST, 30000, len(data) - 1):
            changed = bytearray(data)
            changed[at] ^= 1
            self.assertIn(
                'it does not match the hash in its signature',
                self.refused(bytes(changed)),
            )

    def test_a_file_signed_as_a_whole_is_checked_too(self):
        inner = bitstreams.padded(bitstreams.gbs(image=bytes(20000)))
        data = bitstreams.blocks(inner)
        self.assertTrue(self.passed(data).signed)
        self.assertIn('does not match', self.refused(data[:-1] + b'x'))

    def test_one_that_ends_early_is_refused(self):
        data = gbs.build(REGION, FUNCTION, bytes(50000))
        self.assertIn('it is cut off', self.refused(data, size=len(data) + 1))

    def test_one_that_goes_on_behind_its_end_is_refused(self):
        data = gbs.build(REGION, FUNCTION, bytes(_FIRST))
        found = passing.Passing(data[:_FIRST], len(data))
        sent = 0
        with self.assertRaises(errors.BadBitstream) as caught:
            while sent < 1 << 20:
                found.feed(bytes(1000))
                sent += 1000
            found.end()
        self.assertIn('longer than it was said', caught.exception.message)
        self.assertLess(sent, len(data))

    def test_what_is_none_is_refused_by_its_beginning(self):
        exc = self.assertRaises(
            errors.BadBitstream, passing.Passing, b'x' * _FIRST, 1 << 30
        )
        self.assertIn('its format is not known', exc.message)


class TestHeaderBehind(PassingCase):
    def test_an_xclbin_says_more_behind_its_image(self):
        data = bytearray(xclbin.build(REGION, FUNCTION, bytes(50000)))
        # The interface stands in its header too.
        data[336:352] = bytes(16)
        found = passing.Passing(bytes(data[:_FIRST]), len(data)).header
        self.assertIsNone(found.region_id)
        read = []

        def at(offset, length):
            read.append(length)
            return bytes(data[offset : offset + length])

        self.assertEqual(REGION, passing.header_behind(found, at).region_id)
        self.assertLess(sum(read), 10000)

    def test_other_formats_are_not_read_again(self):
        data = gbs.build(REGION, FUNCTION, bytes(50000))
        found = passing.Passing(data[:_FIRST], len(data)).header
        self.assertIs(found, passing.header_behind(found, self.fail))
        self.assertIs(header.Format.GBS, found.format)
