"""Where the groups of one server go, when Nova has chosen the providers."""

import dataclasses

from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.conductor import placing
from cyborg_fpga.conductor import wipes
from tests.unit.conductor import test_choice as build
from tests.unit.conductor import test_providers

CRYPTO = test_providers.image('crypto1')
OTHER = test_providers.image(
    'crypto2', function_id=test_providers.F2, public=False
)
RESET, CLEAR = model.WipeLevel.RESET, model.WipeLevel.CLEAR
LOOSE = placing.Need()
CLEARED = placing.Need(wipe_level=CLEAR)
EITHER = placing.Need(what='with type crypto', wishes=(CRYPTO, OTHER))
THIS = placing.Need(what='with image crypto2', wishes=(OTHER,))
THAT = placing.Need(what='with image crypto1', wishes=(CRYPTO,))


def place(regions, *needs, spared=()):
    return placing.place(
        [
            placing.Want(arq_uuid=str(turn), rp_uuid='pool', need=need)
            for turn, need in enumerate(needs)
        ],
        regions,
        wipes.Rules(RESET, model.WipeLevel.NONE),
        spared,
    )


class TestSharedDeployable(base.BaseTestCase):
    """Its parts hold one function."""

    def setUp(self):
        super().setUp()
        self.shared = build.place(1, 'pool', None, None, None)

    def test_group_that_says_more_decides_for_all(self):
        plan = place([self.shared], EITHER, THIS, LOOSE)
        self.assertEqual({'0', '1', '2'}, set(plan.places))
        self.assertEqual({1: OTHER}, plan.images)
        self.assertEqual({1}, plan.cold)

    def test_what_is_loaded_is_for_all_that_want_it(self):
        loaded = build.warm(1, OTHER, 'pool', 'claim', None, None)
        plan = place([loaded], EITHER, THIS)
        self.assertEqual({1: OTHER}, plan.images)
        self.assertEqual(frozenset(), plan.cold)

    def test_groups_that_want_different_functions_are_told_the_way_out(self):
        exc = self.assertRaises(
            errors.NoCapacity, place, [self.shared], THIS, THAT
        )
        self.assertIn('another group of the device profile', exc.message)
        self.assertIn('group_policy=isolate', exc.message)

    def test_who_is_too_many_is_told_nothing_of_groups(self):
        exc = self.assertRaises(
            errors.NoCapacity, place, [self.shared], *[THIS] * 4
        )
        self.assertNotIn('group', exc.message)


class TestPool(base.BaseTestCase):
    def test_each_group_gets_a_deployable_of_its_own(self):
        plan = place([build.place(1), build.place(2)], THIS, THAT)
        self.assertEqual({OTHER, CRYPTO}, set(plan.images.values()))
        self.assertEqual({1, 2}, plan.cold)

    def test_who_wants_a_wipe_gets_what_can_do_it(self):
        clears = {'wipe_levels': (RESET, CLEAR)}
        regions = [build.place(1, **clears), build.place(2)]
        plan = place(regions, LOOSE, CLEARED)
        self.assertEqual(1, plan.places['1'].region_id)
        self.assertEqual('clear', plan.places['1'].wipe_level)
        self.assertIsNone(plan.places['0'].wipe_level)
        exc = self.assertRaises(
            errors.NoCapacity, place, regions, CLEARED, CLEARED
        )
        self.assertIn('wiped at level clear', exc.message)

    def test_one_that_must_be_programmed_for_it_must_be_wiped_so_too(self):
        wanted = dataclasses.replace(THAT, wipe_level=CLEAR)
        self.assertRaises(errors.NoCapacity, place, [build.place(1)], wanted)

    def test_what_is_kept_warm_is_taken_last(self):
        third = test_providers.image('third')
        regions = [build.warm(1, third), build.warm(2, CRYPTO)]
        plan = place(
            regions,
            THIS,
            spared={1},
        )
        self.assertEqual({2}, plan.cold)
        plan = place(regions[:1], THIS, spared={1})
        self.assertEqual({1}, plan.cold)
