"""Which deployables a claim gets: pure ranking."""

import itertools
import random
from importlib import metadata

from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.conductor import choice
from cyborg_fpga.conductor import wipes
from tests.unit.conductor import test_providers as build

CLEAR, RESET = model.WipeLevel.CLEAR, model.WipeLevel.RESET
LEVELS = (RESET, CLEAR)
RULES = wipes.Rules(RESET, CLEAR)


def place(number, pool='pool', *claims, **changes):
    """A deployable with so many handles; None: a free one."""
    values = {'id': number, 'rp_uuid': pool, 'resource_class': 'PF'}
    return build.region(f'd{number}', *claims, **{**values, **changes})


def warm(number, image, pool='pool', *claims, **changes):
    loaded = {'bitstream_id': image.uuid, 'function_id': image.function_id}
    return place(number, pool, *claims, **{**loaded, **changes})


def best(regions, wishes=(), **how):
    values = {'traits': (), 'count': 1, 'types': {}, 'rules': RULES}
    return choice.best(regions, wishes, **{**values, **how})


class TestFamilies(base.BaseTestCase):
    def fits(self, family, wanted):
        card = place(1, family=family)
        return choice.fits(card, build.image(family=wanted))

    def test_a_bitstream_of_no_family_fits_all(self):
        self.assertTrue(self.fits('PAC_A10', None))

    def test_one_of_a_family_fits_its_cards_alone(self):
        self.assertTrue(self.fits('PAC_A10', 'PAC_A10'))
        self.assertFalse(self.fits('PAC_D5005', 'PAC_A10'))

    def test_a_card_of_which_no_family_is_known_is_taken(self):
        self.assertTrue(self.fits('', 'PAC_A10'))

    def test_another_family_is_the_reason_where_the_region_is_none(self):
        image = build.image(family='PAC_A10')
        kinds = [
            nouns.RegionKind(region_id=region, vendor='intel', family=family)
            for region, family in ((build.R1, 'U50'), ('9' * 32, 'PAC_A10'))
        ]
        self.assertEqual(
            f'image {image.uuid} is for cards of family PAC_A10, those there '
            'are of U50',
            choice.misfit(kinds, image),
        )
        self.assertIn('is for region', choice.misfit(kinds[1:], image))


class TestDrivers(base.BaseTestCase):
    def fits(self, driver, wanted, **region):
        return choice.fits(
            place(1, driver=driver, **region), build.image(driver=wanted)
        )

    def test_one_of_a_driver_of_ours_fits_its_cards_alone(self):
        self.assertTrue(self.fits('intel_dfl', 'intel_dfl'))
        self.assertFalse(self.fits('pci', 'intel_dfl'))

    def test_what_else_is_called_a_driver_is_for_people(self):
        self.assertTrue(self.fits('intel_dfl', 'DPDK 23.11'))
        self.assertTrue(self.fits('intel_dfl', None))

    def test_imported_card_that_has_not_reported_is_taken(self):
        self.assertTrue(self.fits('intel', 'intel_dfl', family=''))

    def test_another_driver_is_the_reason_where_the_region_is_none(self):
        image = build.image(driver='pci')
        kinds = [
            nouns.RegionKind(
                region_id=build.R1, vendor='intel', driver='intel_dfl'
            )
        ]
        self.assertEqual(
            f'image {image.uuid} is for cards of driver pci, those there are '
            'of intel_dfl',
            choice.misfit(kinds, image),
        )

    def test_drivers_of_ours_are_those_that_are_installed(self):
        found = metadata.entry_points(group='cyborg_fpga.drivers')
        ours = {
            one.name for one in found if one.value.startswith('cyborg_fpga.')
        }
        self.assertEqual(ours, nouns.DRIVERS)


class TestBest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.image = build.image()

    def test_first_of_equals_is_taken(self):
        # Which is the one on whose host the file is, or the least recently
        # used: the database says them in this order.
        self.assertEqual({7: 1}, best([place(7), place(3)]).handles)

    def test_loaded_one_comes_before_the_first(self):
        pick = best([place(1), warm(2, self.image)], [self.image])
        self.assertEqual({2: 1}, pick.handles)
        self.assertEqual({2: self.image}, pick.images)
        self.assertEqual(frozenset(), pick.cold)

    def test_what_must_be_programmed_is_named(self):
        pick = best([place(1)], [self.image])
        self.assertEqual({1: self.image}, pick.images)
        self.assertEqual({1}, pick.cold)

    def test_provider_where_fewest_are_programmed_is_taken(self):
        regions = [
            place(1, 'cold'),
            place(2, 'cold'),
            place(3, 'half'),
            warm(4, self.image, 'half'),
        ]
        pick = best(regions, [self.image], count=2)
        self.assertEqual('half', pick.rp_uuid)
        self.assertEqual({3, 4}, set(pick.handles))
        self.assertEqual({3}, pick.cold)

    def test_of_equal_providers_the_first_is_taken(self):
        regions = [place(1, 'b'), place(2, 'a')]
        self.assertEqual('b', best(regions, [self.image]).rp_uuid)
        self.assertEqual('b', best(regions).rp_uuid)

    def test_several_come_from_one_provider_or_not_at_all(self):
        regions = [place(1, 'a'), place(2, 'b')]
        self.assertIsNone(best(regions, count=2))
        regions.append(place(3, 'b'))
        self.assertEqual({2: 1, 3: 1}, best(regions, count=2).handles)

    def test_no_more_of_one_are_taken_than_are_free(self):
        shared = place(1, 'pool', None, 'somebody', None)
        self.assertEqual({1: 2}, best([shared], count=2).handles)
        self.assertIsNone(best([shared], count=3))

    def test_loaded_part_of_what_another_uses_can_be_had(self):
        shared = warm(1, self.image, 'pool', 'somebody', None)
        self.assertEqual({1: 1}, best([shared], [self.image]).handles)

    def test_nobody_programs_what_another_uses(self):
        shared = place(1, 'pool', 'somebody', None)
        self.assertIsNone(best([shared], [self.image]))
        self.assertEqual({1: 1}, best([shared]).handles)

    def test_first_wish_that_fits_is_programmed(self):
        stranger = build.image('i0', region_id=build.R2)
        second = build.image('i2')
        pick = best([place(1)], [stranger, self.image, second])
        self.assertEqual({1: self.image}, pick.images)

    def test_any_wish_that_is_loaded_is_better_than_the_first(self):
        second = build.image('i2')
        pick = best([warm(1, second)], [self.image, second])
        self.assertEqual({1: second}, pick.images)
        self.assertEqual(frozenset(), pick.cold)

    def test_only_where_all_traits_are(self):
        regions = [place(1, 'a'), place(2, 'b', family='OTHER')]
        wanted = ['CUSTOM_FPGA', 'CUSTOM_FPGA_INTEL_OTHER']
        self.assertEqual({2: 1}, best(regions, traits=wanted).handles)
        self.assertIsNone(best(regions, traits=[*wanted, 'CUSTOM_X']))

    def test_somebodys_own_goes_only_where_it_can_be_wiped(self):
        own = build.image(public=False, visibility='private')
        regions = [place(1), place(2, wipe_levels=LEVELS)]
        self.assertEqual({2: 1}, best(regions, [own]).handles)
        self.assertIsNone(best(regions[:1], [own]))
        lax = wipes.Rules(RESET, model.WipeLevel.NONE)
        self.assertEqual({1: 1}, best(regions, [own], rules=lax).handles)

    def test_who_wants_a_wipe_gets_what_can_do_it(self):
        regions = [place(1), place(2, wipe_levels=LEVELS)]
        clear = RULES.asking(CLEAR)
        for wishes in ((), [self.image]):
            with self.subTest(wishes):
                pick = best(regions, wishes, rules=clear)
                self.assertEqual({2: 1}, pick.handles)
                self.assertIsNone(best(regions[:1], wishes, rules=clear))


class TestLoss(base.BaseTestCase):
    """What is lost least where several would do."""

    def setUp(self):
        super().setUp()
        self.image, self.other = build.image(), build.image('i2')

    def taken(self, regions, *wishes, **how):
        return set(best(regions, wishes, **how).handles)

    def test_what_holds_nothing_is_better(self):
        regions = [warm(1, self.other), place(2)]
        self.assertEqual({2}, self.taken(regions, self.image))
        self.assertEqual({2}, self.taken(regions))
        self.assertEqual({1}, self.taken(regions, self.other))

    def test_what_is_spared_is_taken_last(self):
        regions = [place(1, 'a'), warm(2, self.other, 'b')]
        self.assertEqual({2}, self.taken(regions, self.image, spared={1}))
        self.assertEqual({2}, self.taken(regions, spared={1}))
        self.assertEqual({1}, self.taken(regions[:1], self.image, spared={1}))

    def test_what_is_spared_is_for_whom_it_is_loaded(self):
        regions = [place(1), warm(2, self.image)]
        self.assertEqual({2}, self.taken(regions, self.image, spared={2}))

    def test_provider_where_the_least_is_lost_is_taken(self):
        regions = [
            warm(1, self.other, 'a'),
            warm(2, self.other, 'b'),
            place(3, 'b'),
        ]
        self.assertEqual({3}, self.taken(regions, self.image))
        self.assertEqual({2, 3}, self.taken(regions, self.image, count=2))

    def test_the_least_recently_used_is_the_first_of_equals(self):
        regions = [
            warm(1, self.other, 'a'),
            warm(3, self.other, 'b'),
            warm(2, self.other, 'a'),
        ]
        self.assertEqual({3}, self.taken(regions, self.image, spared={1}))


class TestEveryChoice(base.BaseTestCase):
    """Whatever there is, in any order: nothing better was left."""

    ROUNDS = 400

    def setUp(self):
        super().setUp()
        self.images = [build.image(f'i{number}') for number in range(3)]

    def regions(self, chance):
        found = []
        for number in range(1, chance.randint(1, 7)):
            image = chance.choice([None, *self.images])
            holders = [
                chance.choice([None, None, 'somebody'])
                for _ in range(chance.randint(1, 2))
            ]
            where = chance.choice('ab')
            # One with several handles has a provider of its own.
            pool = where if len(holders) == 1 else f'own{number}'
            if image is None:
                one = place(number, pool, *holders, hostname=where)
            else:
                one = warm(number, image, pool, *holders, hostname=where)
            found.append(one)
        return found

    def cost(self, region, image, spared):
        """As the documentation says it."""
        holds = region.bitstream_id
        if image is not None and holds == image.uuid:
            return 0, 0, 0
        return image is not None, region.id in spared, holds is not None

    def possible(self, region, image):
        free = [h for h in region.handles if h.claim_uuid is None]
        whole = len(free) == len(region.handles)
        warm_ = image is None or region.bitstream_id == image.uuid
        return len(free) if warm_ or whole else 0

    def test_nothing_is_cheaper_than_what_is_taken(self):
        for seed in range(self.ROUNDS):
            chance = random.Random(seed)
            regions = self.regions(chance)
            image = chance.choice([None, self.images[0]])
            spared = {r.id for r in regions if chance.random() < 0.3}
            count = chance.randint(1, 3)
            pick = best(
                regions, [image] if image else (), count=count, spared=spared
            )
            ways = [
                self.total(group, image, spared)
                for group in self.groups(regions, image, count)
            ]
            if pick is None:
                self.assertEqual([], ways, seed)
                continue
            taken = [r for r in regions if r.id in pick.handles]
            self.assertEqual(count, sum(pick.handles.values()))
            self.assertEqual(min(ways), self.total(taken, image, spared), seed)

    def groups(self, regions, image, count):
        """All sets of deployables of one provider that are enough, and
        of which none could be left out.
        """
        for size in range(1, count + 1):
            for group in itertools.combinations(regions, size):
                free = [self.possible(region, image) for region in group]
                enough = sum(free) >= count > sum(free) - min(free)
                if enough and len({region.rp_uuid for region in group}) == 1:
                    yield list(group)

    def total(self, group, image, spared):
        return tuple(
            map(
                sum,
                zip(
                    *(self.cost(r, image, spared) for r in group), strict=True
                ),
            )
        )


class TestLoaded(base.BaseTestCase):
    def test_record_must_say_so_in_every_respect(self):
        image = build.image()
        self.assertTrue(choice.loaded(warm(1, image), image))
        for changes in (
            {'state': model.DeployableState.UNKNOWN},
            {'state': model.DeployableState.PROGRAMMING},
            {'bitstream_id': 'other'},
            {'function_id': None},
            {'function_id': build.F2},
        ):
            with self.subTest(changes):
                found = warm(1, image, **changes)
                self.assertFalse(choice.loaded(found, image))

    def test_image_that_names_no_function_is_known_by_its_id(self):
        image = build.image(function_id=None)
        found = warm(1, image, function_id=build.F2)
        self.assertTrue(choice.loaded(found, image))


class TestFits(base.BaseTestCase):
    def test_region_and_vendor_must_be_the_same(self):
        self.assertTrue(choice.fits(place(1), build.image()))
        self.assertTrue(choice.fits(place(1), build.image(vendor=None)))
        for changes in (
            {'region_id': None},
            {'region_id': build.R2},
            {'vendor': 'xilinx'},
        ):
            with self.subTest(changes):
                image = build.image(**changes)
                self.assertFalse(choice.fits(place(1), image))

    def test_region_without_an_id_takes_nothing(self):
        bare = place(1, region_id=None)
        self.assertFalse(choice.fits(bare, build.image(region_id=None)))


class TestRefuse(base.BaseTestCase):
    KINDS = (nouns.RegionKind(region_id=build.R1, vendor='intel'),)

    def refuse(self, wishes, asked=None):
        return choice.refuse(
            self.KINDS,
            wishes,
            wanted='2',
            where='host n',
            rules=RULES.asking(asked),
        )

    def test_what_fits_nowhere_is_said_to_fit_nowhere(self):
        refusal = self.refuse([build.image(region_id=build.R2)])
        self.assertIsInstance(refusal, errors.DoesNotFit)
        self.assertIn(build.R1, refusal.message)
        self.assertIn(build.R2, refusal.message)

    def test_what_would_fit_is_short(self):
        refusal = self.refuse([build.image()])
        self.assertIsInstance(refusal, errors.NoCapacity)
        self.assertIn('host n', refusal.message)
        self.assertNotIn('wiped', refusal.message)

    def test_what_could_not_be_wiped_says_so(self):
        refusal = self.refuse([build.image(public=False)])
        self.assertIn('wiped at level clear', refusal.message)

    def test_level_that_is_asked_for_is_named(self):
        for wishes in ([], [build.image()], [build.image(public=False)]):
            with self.subTest(wishes):
                refusal = self.refuse(wishes, model.WipeLevel.BLANK)
                self.assertIn('wiped at level blank', refusal.message)
