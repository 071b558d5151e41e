"""How a simulated iCE40 takes its configuration."""

import random

from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga.bitstream import formats
from cyborg_fpga.bitstream import ice40 as writer
from cyborg_fpga.simulator import functions
from cyborg_fpga.simulator import ice40


class TestLoad(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.bank = bytes(range(256)) * 8
        self.image = writer.build(128, 128, [self.bank] * 2, comment='abc')
        #: Where its commands begin.
        self.begin = self.image.index(bytes.fromhex('7eaa997e')) + 4

    def refused(self, image, words):
        exc = self.assertRaises(ice40.Damaged, ice40.load, image)
        self.assertIn(words, str(exc))

    def replaced(self, old, new):
        at = self.image.index(old, self.begin)
        return self.image[:at] + new + self.image[at + len(old) :]

    def test_a_whole_one_wakes_the_chip(self):
        self.assertEqual((128, 128), ice40.load(self.image))
        self.assertEqual('abc', ice40.text(self.image))

    def test_shipped_ones_are_for_the_large_chip(self):
        for name in functions.FUNCTIONS:
            image = functions.load(name).image
            self.assertEqual((872, 272), ice40.load(image), name)
            self.assertIn(functions.FUNCTIONS[name], ice40.text(image))

    def test_what_stands_before_is_not_looked_at(self):
        behind = self.image[self.begin - 4 :]
        for before in (b'', b'\xff\0\0\xff', bytes(100)):
            self.assertEqual((128, 128), ice40.load(before + behind))
            self.assertEqual('', ice40.text(before + behind))

    def test_nothing_else_wakes_it(self):
        wake, check = b'\1\6', self.image[-6:-3]
        for image, words in (
            (b'', 'nothing'),
            (self.image[: self.begin], 'early'),
            (self.image[:3000], 'early'),
            (self.image.replace(wake, b''), 'early'),
            (self.replaced(check, b''), 'never checked'),
            (self.replaced(check, b'\x22\0\0'), 'check sum'),
            (self.replaced(b'\x62', b'\x42'), 'no command 4'),
            (self.replaced(b'\x62\0\x7f', b'\x62\0\x7e'), 'length'),
        ):
            self.refused(image, words)

    def test_a_bank_after_the_check_sum_is_not_covered(self):
        check = self.image[-6:-3]
        more = b'\x11\2\1\1' + self.bank + bytes(2)
        self.refused(self.replaced(check, check + more), 'never checked')

    def test_any_bit_that_is_wrong_is_found(self):
        chosen = random.Random(7)
        for _ in range(300):
            damaged = bytearray(self.image)
            # What stands before the check sum's start is not under it.
            at = chosen.randrange(self.begin + 4, len(damaged) - 3)
            damaged[at] ^= 1 << chosen.randrange(8)
            self.assertRaises(ice40.Damaged, ice40.load, bytes(damaged))

    def test_what_it_takes_the_service_takes_too(self):
        chosen = random.Random(11)
        image = self.image
        for _ in range(300):
            damaged = bytearray(image)
            damaged[chosen.randrange(self.begin, len(image))] ^= 1
            try:
                formats.verify(bytes(damaged))
            except errors.BadBitstream:
                self.assertRaises(ice40.Damaged, ice40.load, bytes(damaged))
