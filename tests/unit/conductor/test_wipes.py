"""How deep a card is wiped: what is configured, and what who had it wants."""

import logging

import fixtures
from oslotest import base as oslotest

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.conductor import inventory
from cyborg_fpga.conductor import wipes
from cyborg_fpga.db import claims
from cyborg_fpga.db import models
from tests.unit.conductor import base
from tests.unit.conductor import test_arqs
from tests.unit.conductor import test_choice as build
from tests.unit.db import base as db

Level = model.WipeLevel
NONE, RESET, CLEAR, BLANK = wipes.STRENGTHS
ALL = (RESET, CLEAR, BLANK)


class TestRules(oslotest.BaseTestCase):
    def level(self, rules, *, private=False, **region):
        where = build.place(1, **{'wipe_levels': ALL, **region})
        return rules.level(where, private=private)

    def test_strongest_of_all_wins(self):
        for rules, region in (
            (wipes.Rules(CLEAR, NONE), {}),
            (wipes.Rules(NONE, NONE, {'*': CLEAR}), {}),
            (wipes.Rules(NONE, NONE, {'*': NONE}, CLEAR), {}),
            (wipes.Rules(RESET, RESET), {'wipe_at_least': CLEAR}),
            (wipes.Rules(CLEAR, CLEAR, {'*': RESET}, RESET), {}),
            (wipes.Rules(CLEAR, CLEAR), {'wipe_at_least': RESET}),
        ):
            with self.subTest(rules=rules, region=region):
                self.assertIs(CLEAR, self.level(rules, **region))

    def test_level_that_the_card_has_not_is_not_possible(self):
        rules = wipes.Rules(RESET, CLEAR)
        resets = build.place(1, wipe_levels=(RESET,))
        self.assertTrue(rules.possible(resets, private=False))
        self.assertFalse(rules.possible(resets, private=True))
        clears = build.place(1, wipe_levels=(CLEAR,))
        self.assertTrue(rules.possible(clears, private=False))
        self.assertFalse(rules.asking(BLANK).possible(clears, private=False))

    def test_what_nobody_asks_for_is_refused_to_nobody(self):
        # It is quarantined afterwards, and its operator was told of that.
        bare = build.place(1)
        self.assertTrue(wipes.Rules(CLEAR, CLEAR).allow(bare, None))
        self.assertTrue(wipes.Rules(CLEAR, NONE).allow(bare, None))

    def test_what_is_asked_for_must_do_with_what_is_configured(self):
        resets = build.place(1, wipe_levels=(RESET,))
        asking = wipes.Rules(RESET, CLEAR).asking(RESET)
        self.assertTrue(asking.allow(resets, None))
        stricter = wipes.Rules(CLEAR, CLEAR).asking(RESET)
        self.assertFalse(stricter.allow(resets, None))
        held = build.place(1, wipe_levels=(RESET,), bitstream_private=True)
        self.assertFalse(asking.allow(held, None))


class TestClaim(base.ConductorTest):
    """One that wants more than is configured."""

    def setUp(self):
        super().setUp()
        self.store(*self.blankable())

    def blankable(self):
        return [
            db.card(card, db.region(card, wipe_levels=ALL))
            for card in base.CARDS
        ]

    def wiped(self, claim):
        """How it is wiped when it is given back."""
        self.ask('release', uuid=claim, force=False)
        return self.agents.taken[-1].wipe_level

    def demands(self, claim):
        """What the deployables of a claim are to be wiped like."""
        held = claims.get(self.ctx, claim).deployable_uuids
        return {r.wipe_at_least for r in self.regions() if r.uuid in held}

    def test_is_wiped_so(self):
        claim = self.programmed(image_uuid=self.image(), wipe_level='blank')
        self.assertIs(BLANK, claims.get(self.ctx, claim).wipe_level)
        self.assertIs(BLANK, self.wiped(claim))

    def test_cannot_have_it_wiped_less(self):
        image = self.image(visibility='private', owner='alice')
        claim = self.programmed(image_uuid=image, wipe_level='reset')
        self.assertIs(CLEAR, self.wiped(claim))

    def test_is_wiped_so_by_a_conductor_that_knows_nothing_of_it(self):
        claim = self.claim(wipe_level='blank')
        self.manager = self.conductor()
        self.addCleanup(self.manager.reconciler.stop)
        self.assertIs(BLANK, self.wiped(claim))

    def test_is_wiped_so_after_it_is_forgotten(self):
        claim = self.claim(wipe_level='blank')
        self.ask('release', uuid=claim, force=True)
        self.assertFalse(claims.exists(self.ctx, claim))
        self.manager.reconciler.cycle()
        self.manager.reconciler.stop()
        self.assertIs(BLANK, self.agents.taken[-1].wipe_level)

    def test_next_one_is_wiped_as_ever(self):
        claim = self.claim(wipe_level='blank', hostname=db.HOST, count=2)
        self.wiped(claim)
        for operation in list(self.agents.taken):
            self.end(operation)
        self.assertEqual([NONE] * 2, [r.wipe_at_least for r in self.regions()])
        self.assertIs(RESET, self.wiped(self.claim()))

    def test_wipe_that_comes_before_it_is_not_its_own(self):
        own = self.image(visibility='private', owner='alice')
        claim = self.programmed(image_uuid=own)
        region = claims.get(self.ctx, claim).deployable_uuids[0]
        self.ask('release', uuid=claim, force=False)
        # Something of somebody's own is found on it afterwards.
        wipe = self.agents.taken[-1]
        self.end(wipe)
        self.change_region(region, bitstream_private=True)
        taken = self.claim(ctx=base.BOB, count=2, wipe_level='blank')
        self.end(self.agents.taken[-1], function_id=None)
        self.assertEqual(model.ClaimState.READY, self.state(taken))
        self.assertEqual({BLANK}, self.demands(taken))

    def change_region(self, uuid, **values):
        table = models.Deployable
        self.change(table, table.uuid == uuid, **values)

    def test_card_that_cannot_do_it_is_not_claimed(self):
        self.store(*self.cards().devices)
        uuid = db.new_uuid()
        exc = self.assertRaises(
            errors.NoCapacity,
            self.ask,
            'claim',
            ctx=base.ALICE,
            uuid=uuid,
            request={'wipe_level': 'blank'},
        )
        self.assertIn('wiped at level blank', exc.message)
        self.assert_nothing_held(uuid)

    def test_one_that_can_do_it_is_found_among_others(self):
        plain, able = self.cards().devices[0], self.blankable()[1]
        self.store(plain, able)
        claim = self.claim(wipe_level='blank')
        addresses = claims.get(self.ctx, claim).addresses
        self.assertEqual((base.CARDS[1],), addresses)

    def test_one_that_placement_refuses_leaves_nothing_of_it(self):
        self.rooms.refuses['allocate'] = errors.NoCapacity(reason='used up')
        self.assertRaises(errors.NoCapacity, self.claim, wipe_level='blank')
        self.assertEqual([NONE] * 2, [r.wipe_at_least for r in self.regions()])


class TestWarning(base.ConductorTest):
    """What the operator is told of cards before they are quarantined."""

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(
            fixtures.FakeLogger(inventory.__name__, level=logging.WARNING)
        )

    def said(self):
        """What was said since the last look."""
        self.manager.reconciler._inventory.sync_host(self.ctx, db.HOST)
        found = self.log.output
        self.log.reset_output()
        return found

    def without_levels(self):
        bare = db.card(db.CARD, db.region(wipe_levels=()))
        self.store(bare, db.card(db.OTHER_CARD))

    def wipe_public(self, level):
        self.database.conf.set_override('wipe_public', level, 'conductor')

    def test_card_without_any_level_is_named_once(self):
        self.assertEqual('', self.said())
        self.without_levels()
        words = self.said()
        self.assertIn(f'{db.CARD}/0 (clear)', words)
        self.assertNotIn(db.OTHER_CARD, words)
        self.assertEqual('', self.said())

    def test_it_is_named_again_by_a_conductor_that_starts(self):
        self.without_levels()
        self.said()
        self.manager = self.conductor()
        self.addCleanup(self.manager.reconciler.stop)
        self.assertIn(db.CARD, self.said())

    def test_cards_without_the_level_that_is_configured_are_named(self):
        self.ask('report', report=self.only_resetting().to_wire())
        self.assertEqual('', self.said())
        self.wipe_public('clear')
        self.assertIn(f'{db.OTHER_CARD}/0 (clear)', self.said())

    def test_nobody_is_warned_of_cards_that_are_not_wiped(self):
        self.wipe_public('none')
        self.without_levels()
        self.assertEqual('', self.said())


class TestShared(base.ConductorTest):
    """A card of which several have parts."""

    def setUp(self):
        super().setUp()
        shared = db.region(vfs=4, wipe_levels=ALL)
        self.store(db.card(base.CARDS[0], shared))

    def level(self, *asked):
        """How it is wiped once all have left in the order they came."""
        held = [self.claim(wipe_level=level) for level in asked]
        for claim in held:
            self.ask('release', uuid=claim, force=False)
        (wipe,) = self.agents.taken
        return wipe.wipe_level

    def test_the_first_who_left_wanted_it(self):
        self.assertIs(BLANK, self.level('blank', None, 'reset'))

    def test_the_last_who_came_wanted_it(self):
        self.assertIs(CLEAR, self.level(None, 'reset', 'clear'))


class TestArq(test_arqs.ArqTest):
    """A device profile wants more than is configured."""

    def setUp(self):
        super().setUp()
        cards = [
            db.card(card, db.region(card, wipe_levels=ALL))
            for card in base.CARDS
        ]
        self.ask('report', report=self.report(*cards).to_wire())

    def levels(self):
        """Wipes that have begun, by what they began with."""
        self.manager.reconciler.cycle()
        self.manager.reconciler.stop()
        return [operation.wipe_level for operation in self.agents.taken]

    def test_is_wiped_so_when_it_is_deleted(self):
        uuids = self.request(self.group(wipe_level='blank'), self.group())
        self.bind(uuids)
        shown = [claims.get(self.ctx, uuid).wipe_level for uuid in uuids]
        self.assertEqual([BLANK, None], shown)
        self.arqs.delete(self.ctx, uuids, None, bound=True)
        self.assertEqual({BLANK, RESET}, set(self.levels()))

    def test_is_wiped_so_when_it_is_unbound(self):
        uuids = self.request(self.group(wipe_level='clear'))
        self.bind(uuids)
        self.arqs.unbind(self.ctx, uuids, None)
        self.assertIsNone(claims.get(self.ctx, uuids[0]).wipe_level)
        self.assertEqual([CLEAR], self.levels())

    def test_bind_that_is_undone_leaves_nothing_of_it(self):
        image = self.image()
        uuids = self.request(
            self.group(bitstream_id=image, wipe_level='blank')
        )
        refusal = errors.InUse(kind='Deployable', ident='x', reason='x')
        self.manager._programming.commit = base.mock.Mock(
            spec=self.manager._programming.commit, side_effect=refusal
        )
        self.refused(errors.InUse, uuids)
        self.assertEqual([NONE] * 2, [r.wipe_at_least for r in self.regions()])

    def test_card_that_cannot_do_it_is_not_bound(self):
        self.ask('report', report=self.cards().to_wire())
        uuids = self.request(self.group(wipe_level='blank'))
        sentence = self.refused(errors.NoCapacity, uuids)
        self.assertIn('wiped at level blank', sentence)
