"""What fits where: both sides' words, and never on a guess."""

import dataclasses

from oslotest import base

from cyborg_fpga.bitstream import header

REGION = '1' * 32
OTHER = '2' * 32


def said(**changes):
    return header.Header(
        format=header.Format.GBS,
        size=100,
        payload_offset=20,
        payload_size=80,
        **changes,
    )


def target(**changes):
    return header.Target(name='card/port0', **changes)


class TestFits(base.BaseTestCase):
    def _fits(self, made_for, there):
        self.assertIsNone(header.fits(said(**made_for), target(**there)))

    def _not(self, words, made_for, there):
        reason = header.fits(said(**made_for), target(**there))
        self.assertIn(words, reason or 'it fits')

    def test_a_region_among_those_offered(self):
        self._fits({'region_id': REGION}, {'region_ids': [REGION, OTHER]})
        self._not(
            f'made for region {REGION}, card/port0 is region {OTHER}',
            {'region_id': REGION},
            {'region_ids': [OTHER]},
        )

    def test_time_stamps_must_be_the_same(self):
        self._fits({'feature_timestamp': 7}, {'feature_timestamp': 7})
        self._not(
            'shell of 0x7, card/port0 is shell of 0x8',
            {'feature_timestamp': 7, 'region_id': REGION},
            {'feature_timestamp': 8, 'region_ids': [REGION]},
        )

    def test_chips_must_be_the_same(self):
        self._fits({'idcode': 0x41111043}, {'idcode': 0x41111043})
        self._not(
            'chip 0x41111043, card/port0 is chip 0x21111043',
            {'idcode': 0x41111043},
            {'idcode': 0x21111043},
        )

    def test_platforms_are_compared_however_they_are_written(self):
        self._fits(
            {'platform': 'xilinx:u250:xdma:1.1'},
            {'platform': 'xilinx_U250_xdma_1_1'},
        )
        self._not('platform a', {'platform': 'a'}, {'platform': 'b'})

    def test_a_part_is_known_with_and_without_package_and_vendor(self):
        for made_for, there in (
            ('xcu250-figd2104-2L-e', 'xcu250'),
            ('7z020clg484-1', 'xc7z020'),
            ('xczu9eg-ffvb1156-2-e', 'XCZU9EG-ffvb1156-2-e'),
            ('LFE5U-25F-6CABGA381', 'LFE5U-25F'),
        ):
            self._fits({'part': made_for}, {'part': there})
        for made_for, there in (
            ('xcu250-figd2104', 'xcu25'),
            ('xcu25', 'xcu250'),
            ('xcu280-fsvh2892', 'xcu250'),
            ('xcu250', 'xcu250-figd2104-2L-e'),
        ):
            self._not(f'part {made_for}', {'part': made_for}, {'part': there})

    def test_an_image_that_is_too_large(self):
        self._not(
            'it has 80 bytes, card/port0 takes 79',
            {'region_id': REGION},
            {'region_ids': [REGION], 'capacity': 79},
        )
        self._fits(
            {'region_id': REGION}, {'region_ids': [REGION], 'capacity': 80}
        )

    def test_nothing_in_common_is_no_fit(self):
        words = 'it does not say that it was made for card/port0'
        self._not(words, {}, {})
        self._not(words, {'region_id': REGION}, {})
        self._not(words, {}, {'region_ids': [REGION]})
        self._not(words, {'part': 'xcu250'}, {'region_ids': [REGION]})
        self._not(words, {}, {'capacity': 99})

    def test_nothing_stands_for_a_region_where_there_are_some(self):
        self._not(
            'it does not say that it was made for card/port0',
            {'platform': 'u50'},
            {'platform': 'u50', 'region_ids': [REGION]},
        )

    def test_one_that_differs_outweighs_all_that_agree(self):
        same = {
            'platform': 'p',
            'part': 'xcu250',
            'idcode': 1,
            'feature_timestamp': 2,
        }
        file = said(region_id=REGION, **same)
        there = target(region_ids=[REGION], **same)
        self.assertIsNone(header.fits(file, there))
        for change in (
            {'region_ids': [OTHER]},
            {'platform': 'q'},
            {'part': 'xcu280'},
            {'idcode': 3},
            {'feature_timestamp': 4},
        ):
            other = dataclasses.replace(there, **change)
            self.assertIn('was made for', header.fits(file, other))
