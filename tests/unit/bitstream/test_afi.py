"""Texts that name an Amazon FPGA image."""

from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga.bitstream import afi
from cyborg_fpga.bitstream import formats
from tests.fixtures import bitstreams


class TestAfi(base.BaseTestCase):
    def test_image_and_shell_are_read(self):
        found = formats.parse(bitstreams.amazon())
        self.assertEqual('agfi-0123456789abcdef0', found.name)
        self.assertEqual('0000000000000000123456789abcdef0', found.function_id)
        self.assertEqual('1d0f0000000000000000000010212415', found.region_id)

    def test_what_is_written_is_read(self):
        data = afi.build('agfi-0123456789abcdef0', 0x10212415)
        self.assertEqual(bitstreams.amazon(), data)

    def test_any_other_form_is_refused(self):
        good = bitstreams.amazon()
        for data in (
            good.replace(b'agfi', b'afi'),
            good.replace(b'agfi-0', b'agfi-'),
            good.replace(b'agfi-0', b'agfi-G'),
            good.replace(b'\n', b'\r\n'),
            good.replace(b'0x', b''),
            good + b'\n',
            good + bytes(4096),
            b' ' + good,
        ):
            self.assertRaises(errors.BadBitstream, formats.parse, data)
