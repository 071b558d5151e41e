"""How readings of cards become their health."""

import dataclasses
import pathlib

import fixtures
from oslotest import base

from cyborg_fpga import model
from cyborg_fpga.agent import health
from cyborg_fpga.agent import scan
from cyborg_fpga.drivers import pci_health
from cyborg_fpga.drivers import sysfs
from tests.unit import test_conf
from tests.unit.agent import fakes

OK = model.Health.OK
SUSPECT = model.Health.SUSPECT
QUARANTINED = model.Health.QUARANTINED
INTERVAL = 30


class Cards(fakes.Cards):
    """Cards whose readings the test says."""

    def __init__(self):
        super().__init__()
        self.said = {}
        self.gone = set()
        self.bare = set()
        self.looks = 0

    def discover(self):
        return [
            self.shown(c)
            for c in super().discover()
            if c.pci_address not in self.gone
        ]

    def shown(self, card):
        if card.pci_address not in self.bare:
            return card
        return dataclasses.replace(
            card,
            deployables=(),
            health=SUSPECT,
            health_reason='driver not bound',
        )

    def readings(self, card):
        self.looks += card.pci_address == fakes.CARD
        return self.said.get(card.pci_address, pci_health.Readings())


class JudgeTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.now = 1000.0
        self.sys = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.conf = test_conf.configuration()
        self.cards = Cards()
        self.judge = health.Judge(
            sysfs.Sysfs(str(self.sys)),
            self.conf.devices,
            INTERVAL,
            clock=lambda: self.now,
        )
        self.last = []

    def set(self, **limits):
        for name, value in limits.items():
            self.conf.set_override(name, value, 'devices')

    def look(self, *, later=INTERVAL, **said):
        """Scan after a while; the first card.

        :param said: What its readings are from now on.
        """
        self.now += later
        if said:
            self.cards.said[fakes.CARD] = pci_health.Readings(**said)
        self.last = self.judge.judge(
            self.cards, self.cards.discover(), self.last
        )
        return self.last[0]

    def looks(self, count, **said):
        return [self.look(**said).health for _ in range(count)]

    def hot(self, value=50.0, **more):
        sensor = {'name': 'Core', 'kind': 'temperature', 'value': value}
        return (pci_health.Sensor(**{**sensor, **more}),)


class TestStates(JudgeTest):
    def test_a_card_without_problems_is_well(self):
        card = self.look()
        self.assertEqual((OK, ''), (card.health, card.health_reason))
        self.assertEqual(
            [c.pci_address for c in self.cards.discover()],
            [c.pci_address for c in self.last],
        )

    def test_a_problem_makes_a_card_suspect_and_says_why(self):
        card = self.look(problems=('fme_errors: 0x4', 'a', 'a'))
        self.assertEqual(
            (SUSPECT, 'fme_errors: 0x4; a'), (card.health, card.health_reason)
        )
        self.assertIs(OK, self.last[1].health)

    def test_a_suspect_card_that_stays_good_comes_back_by_itself(self):
        self.set(recover_after=3)
        self.looks(1, problems=('a',))
        self.assertEqual(
            [SUSPECT, SUSPECT, OK, OK], self.looks(4, problems=())
        )
        self.assertEqual('', self.last[0].health_reason)

    def test_a_bad_look_begins_the_good_ones_anew(self):
        self.set(recover_after=2)
        self.looks(1, problems=('a',))
        self.looks(1, problems=())
        self.looks(1, problems=('b',))
        self.assertEqual([SUSPECT, OK], self.looks(2, problems=()))

    def test_a_card_that_stays_bad_is_quarantined(self):
        self.set(quarantine_after=3)
        self.assertEqual(
            [SUSPECT, SUSPECT, QUARANTINED, QUARANTINED],
            self.looks(4, problems=('a',)),
        )
        self.assertEqual('a', self.last[0].health_reason)
        self.assertIs(SUSPECT, self.look(problems=()).health)

    def test_bad_looks_that_are_not_in_a_row_do_not_quarantine(self):
        self.set(quarantine_after=2, recover_after=5)
        for _ in range(3):
            self.looks(1, problems=('a',))
            self.assertIs(SUSPECT, self.look(problems=()).health)

    def test_quarantine_can_be_left_to_failed_operations(self):
        self.set(quarantine_after=0)
        self.assertEqual({SUSPECT}, set(self.looks(20, problems=('a',))))

    def test_scans_that_follow_at_once_are_not_looks(self):
        self.set(quarantine_after=3)
        self.look(problems=('a',))
        for _ in range(5):
            card = self.look(later=1)
            self.assertEqual((SUSPECT, 'a'), (card.health, card.health_reason))
        self.assertEqual(1, self.cards.looks)
        self.look(later=INTERVAL)
        self.assertEqual(2, self.cards.looks)

    def test_what_a_driver_says_of_the_last_load_is_not_counted(self):
        self.set(quarantine_after=2)
        failed = [
            dataclasses.replace(
                card, health=SUSPECT, health_reason='its last load: error'
            )
            for card in self.cards.discover()
        ]
        for _ in range(5):
            self.now += INTERVAL
            card = self.judge.judge(self.cards, failed, ())[0]
            self.assertEqual(
                (SUSPECT, 'its last load: error'),
                (card.health, card.health_reason),
            )
        self.assertIs(OK, self.look().health)

    def test_reasons_do_not_change_from_one_report_to_the_next(self):
        reasons = {
            self.look(sensors=self.hot(101 + n)).health_reason
            for n in range(4)
        }
        self.assertEqual({'temperature Core is 100 °C or more'}, reasons)


class TestLimits(JudgeTest):
    def is_bad(self, **said):
        self.set(recover_after=1)
        return self.look(**said).health is not OK

    def test_growing_counters_count_and_not_what_they_are(self):
        self.set(correctable_errors_limit=10, fatal_errors_limit=0)
        for expected, counters in (
            (False, {'correctable': 5000, 'fatal': 3}),
            (False, {'correctable': 5010, 'fatal': 3}),
            (True, {'correctable': 5021, 'fatal': 3}),
            (False, {'correctable': 5021, 'fatal': 3}),
            (True, {'correctable': 5021, 'fatal': 4}),
            # The card was reset.
            (False, {'correctable': 0, 'fatal': 0}),
            (False, {}),
            (False, {'nonfatal': 7}),
            (True, {'nonfatal': 8}),
        ):
            self.assertIs(expected, self.is_bad(counters=counters), counters)

    def test_counters_can_be_left_out(self):
        self.set(nonfatal_errors_limit=-1)
        self.assertFalse(self.is_bad(counters={'nonfatal': 0}))
        self.assertFalse(self.is_bad(counters={'nonfatal': 9}))

    def test_a_card_is_too_hot_by_our_limit_or_its_own(self):
        self.set(temperature_limit=90.0)
        for expected, sensor in (
            (False, {'value': 89.9}),
            (True, {'value': 90.0}),
            (True, {'value': 85.0, 'critical': 85.0}),
            (True, {'value': 95.0, 'critical': 120.0}),
            (True, {'value': 20.0, 'alarm': True}),
        ):
            self.assertIs(
                expected, self.is_bad(sensors=self.hot(**sensor)), sensor
            )

    def test_a_limit_of_nothing_leaves_the_cards_own(self):
        self.set(temperature_limit=0)
        self.assertFalse(self.is_bad(sensors=self.hot(500.0)))
        self.assertTrue(self.is_bad(sensors=self.hot(500.0, critical=100.0)))

    def test_a_card_may_draw_too_much_power(self):
        drawn = self.hot(80.0, kind='power', name='Board')
        self.assertFalse(self.is_bad(sensors=drawn))
        self.set(power_limit=75.0)
        self.assertTrue(self.is_bad(sensors=drawn))
        self.assertEqual(
            'power Board is 75 W or more', self.last[0].health_reason
        )


class TestStrayed(JudgeTest):
    """Cards that their driver does not find any more."""

    def setUp(self):
        super().setUp()
        self.set(quarantine_after=3, recover_after=1)
        self.function = self.sys / 'bus/pci/devices' / str(fakes.CARD)
        self.function.mkdir(parents=True)
        self.look()
        self.cards.gone = {fakes.CARD}

    def bind(self, name):
        (self.function / 'driver').symlink_to(f'../../drivers/{name}')

    def test_a_card_that_is_gone_is_left_out(self):
        self.function.rmdir()
        self.assertEqual(fakes.OTHER_CARD, self.look().pci_address)

    def test_a_card_without_a_driver_is_ill_until_it_has_one(self):
        card = self.look()
        self.assertEqual(fakes.CARD, card.pci_address)
        self.assertEqual(
            (SUSPECT, f'driver not bound to {fakes.CARD}'),
            (card.health, card.health_reason),
        )
        self.assertTrue(card.deployables[0].busy)
        self.assertEqual({SUSPECT}, set(self.looks(6)))
        self.cards.gone = set()
        self.assertIs(OK, self.look().health)

    def test_a_card_that_shows_no_regions_any_more_keeps_those_it_had(self):
        before = self.last[0]
        self.cards.gone = set()
        self.cards.bare = {fakes.CARD}
        for _ in range(6):
            card = self.look()
            self.assertIs(SUSPECT, card.health)
            self.assertEqual(
                [d.name for d in before.deployables],
                [d.name for d in card.deployables],
            )
            self.assertTrue(card.deployables[0].busy)
        self.cards.bare = set()
        self.assertEqual(before, self.look())

    def test_a_card_that_never_had_regions_gets_none(self):
        self.cards.gone = set()
        self.cards.bare = {fakes.CARD}
        self.last = []
        self.assertEqual((), self.look().deployables)

    def test_a_card_that_a_guest_was_given_is_not_quarantined(self):
        self.bind('vfio-pci')
        self.assertEqual({SUSPECT}, set(self.looks(6)))
        self.assertEqual(
            'driver vfio-pci has it, so its regions are not seen',
            self.last[0].health_reason,
        )
        self.cards.gone = set()
        card = self.look(later=0)
        self.assertEqual((OK, ''), (card.health, card.health_reason))
        self.assertFalse(card.deployables[0].busy)


class TestScan(JudgeTest):
    def test_a_scan_gives_its_cards_their_health(self):
        self.cards.said[fakes.CARD] = pci_health.Readings(problems=('a',))
        looking = scan.Scan('fake', self.cards, self.judge.judge)
        looking.start()
        self.assertIs(SUSPECT, looking.cards(60)[0].health)

    def test_a_scan_that_fails_says_so_of_its_cards(self):
        looking = scan.Scan('fake', self.cards, self.judge.judge)
        looking.start()
        looking.cards(60)
        self.cards.refuses['discover'] = OSError()
        looking.start()
        self.assertIn('cannot look', looking.cards(60)[0].health_reason)
