"""Who gets which handle, and that it is all or nothing."""

import sqlalchemy as sa
from sqlalchemy import event

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.db import claims
from cyborg_fpga.db import devices
from cyborg_fpga.db import engine
from cyborg_fpga.db import hosts
from cyborg_fpga.db import models
from cyborg_fpga.db import reservations
from tests.unit.db import base


class TestReserve(base.DatabaseTest):
    def setUp(self):
        super().setUp()
        self.store(
            base.card(base.CARD, base.region(vfs=2)),
            base.card(base.OTHER_CARD),
        )
        self.shared, self.whole = self.regions()

    def _claims(self):
        return claims.list_page(self.ctx, filters={}, limit=99)

    def _free(self, found):
        handles = self.again(found).handles
        return sum(1 for handle in handles if handle.claim_uuid is None)

    def test_claim_gets_what_was_picked(self):
        uuid = base.new_uuid()
        reservations.reserve(
            self.ctx,
            {'uuid': uuid, 'origin': 'api', 'project_id': 'p'},
            {self.shared.id: 2, self.whole.id: 1},
        )
        claim = claims.get(self.ctx, uuid)
        self.assertIs(model.ClaimState.CLAIMING, claim.state)
        self.assertEqual(3, len(claim.addresses))
        self.assertEqual(base.HOST, claim.hostname)

    def test_last_handle_goes_to_one(self):
        self.reserve(self.whole)
        self.assertRaises(errors.NoCapacity, self.reserve, self.whole)
        self.assertEqual(1, len(self._claims()))

    def test_two_claims_may_share_a_deployable(self):
        one, two = self.reserve(self.shared), self.reserve(self.shared)
        self.assertNotEqual(
            claims.get(self.ctx, one).addresses,
            claims.get(self.ctx, two).addresses,
        )

    def test_placement_is_told_of_what_is_left_of_a_deployable(self):
        hosts.start_telling(self.ctx, base.HOST, 'me', 60)
        self.reserve(self.whole)
        self.assertEqual([], hosts.stale(self.ctx))
        self.reserve(self.shared)
        self.assertEqual([base.HOST], hosts.stale(self.ctx))

    def test_what_holds_a_projects_own_function_is_for_that_project(self):
        self.reserve(self.shared)
        self.change(
            models.Deployable,
            models.Deployable.id == self.shared.id,
            bitstream_private=True,
        )
        self.assertRaises(
            errors.NoCapacity,
            reservations.reserve,
            self.ctx,
            {'uuid': base.new_uuid(), 'origin': 'api', 'project_id': 'other'},
            {self.shared.id: 1},
        )
        mine = {'uuid': base.new_uuid(), 'origin': 'api', 'project_id': 'p'}
        found = reservations.reserve(self.ctx, mine, {self.shared.id: 1})
        # It is their own.
        self.assertEqual(frozenset(), found)

    def test_what_nobody_holds_may_hold_somebodys_own_function(self):
        self.change(
            models.Deployable,
            models.Deployable.id == self.whole.id,
            bitstream_private=True,
        )
        mine = {'uuid': base.new_uuid(), 'origin': 'api', 'project_id': 'p'}
        picks = {self.shared.id: 1, self.whole.id: 1}
        found = reservations.reserve(self.ctx, mine, picks)
        self.assertEqual({self.whole.id}, found)

    def test_deployable_to_be_programmed_gets_no_company(self):
        first = {'uuid': base.new_uuid(), 'origin': 'api', 'type': 'crypto'}
        only = {self.shared.id: 1}
        reservations.reserve(
            self.ctx, {**first, 'project_id': 'p'}, only, programmed=only
        )
        self.assertRaises(errors.NoCapacity, self.reserve, self.shared)

    def test_held_deployable_is_not_reserved_to_be_programmed(self):
        self.reserve(self.shared)
        only = {self.shared.id: 1}
        self.assertRaises(
            errors.NoCapacity,
            reservations.reserve,
            self.ctx,
            {'uuid': base.new_uuid(), 'origin': 'api', 'project_id': 'p'},
            only,
            programmed=only,
        )

    def test_exclusive_deployable_is_shared_within_a_project_only(self):
        self.reserve(self.shared)
        self.assertRaises(
            errors.NoCapacity,
            reservations.reserve,
            self.ctx,
            {'uuid': base.new_uuid(), 'origin': 'api', 'project_id': 'q'},
            {self.shared.id: 1},
            exclusive=True,
        )
        reservations.reserve(
            self.ctx,
            {'uuid': base.new_uuid(), 'origin': 'api', 'project_id': 'p'},
            {self.shared.id: 1},
            exclusive=True,
        )

    def test_too_few_handles_are_not_taken_at_all(self):
        self.assertRaises(errors.NoCapacity, self.reserve, self.shared, 3)
        self.assertEqual(2, self._free(self.shared))
        self.assertEqual([], self._claims())

    def test_one_pick_that_fails_takes_the_others_back(self):
        self.reserve(self.whole)
        self.assertRaises(
            errors.NoCapacity,
            reservations.reserve,
            self.ctx,
            {'uuid': base.new_uuid(), 'origin': 'api', 'project_id': 'p'},
            {self.shared.id: 1, self.whole.id: 1},
        )
        self.assertEqual(2, self._free(self.shared))
        self.assertEqual(1, len(self._claims()))

    def test_lost_card_is_not_reserved(self):
        self.store(base.card(base.CARD, base.region(vfs=2)))
        self.assertRaises(errors.NoCapacity, self.reserve, self.whole)

    def test_card_in_maintenance_is_not_reserved(self):
        devices.update(
            self.ctx,
            self.whole.device_uuid,
            status=model.DeviceStatus.MAINTAINING,
        )
        self.assertRaises(errors.NoCapacity, self.reserve, self.whole)

    def test_quarantined_card_is_not_reserved(self):
        devices.update(
            self.ctx,
            self.whole.device_uuid,
            health=model.Health.QUARANTINED,
        )
        self.assertRaises(errors.NoCapacity, self.reserve, self.whole)

    def test_suspect_card_is_not_reserved(self):
        devices.update(
            self.ctx, self.whole.device_uuid, health=model.Health.SUSPECT
        )
        self.assertRaises(errors.NoCapacity, self.reserve, self.whole)

    def test_host_that_went_down_is_not_reserved(self):
        hosts.mark_silent(self.ctx, -1)
        self.assertRaises(errors.NoCapacity, self.reserve, self.whole)

    def test_disabled_host_is_not_reserved(self):
        hosts.set_status(self.ctx, base.HOST, model.HostStatus.DISABLED, None)
        self.assertRaises(errors.NoCapacity, self.reserve, self.whole)

    def test_region_being_programmed_is_not_reserved(self):
        self.operation(self.shared)
        self.assertRaises(errors.NoCapacity, self.reserve, self.shared)

    def test_region_of_unknown_contents_is_not_reserved(self):
        self.finish(self.operation(self.shared))
        self.change(
            models.Deployable,
            models.Deployable.id == self.shared.id,
            wipe_pending=False,
        )
        devices.update(
            self.ctx, self.shared.device_uuid, health=model.Health.OK
        )
        self.assertRaises(errors.NoCapacity, self.reserve, self.shared)

    def test_region_to_be_wiped_is_not_reserved(self):
        self.change(
            models.Deployable,
            models.Deployable.id == self.shared.id,
            wipe_pending=True,
        )
        self.assertRaises(errors.NoCapacity, self.reserve, self.shared)

    def test_same_claim_twice_is_refused_at_once(self):
        uuid = self.reserve(self.shared)
        with self.statements() as seen:
            self.assertRaises(
                errors.Duplicate, self.reserve, self.shared, uuid=uuid
            )
        self.assertLess(len(seen), 10)
        self.assertEqual(1, self._free(self.shared))


class TestExclusion(base.DatabaseTest):
    """A physical function and its virtual ones are never claimed together."""

    def setUp(self):
        super().setUp()
        self.store(
            base.card(
                base.CARD,
                base.region(name='pf'),
                base.region(name='vf', vfs=2),
            )
        )
        self.pf, self.vf = self.regions()

    def test_vf_of_a_claimed_pf_is_refused(self):
        self.reserve(self.pf)
        self.assertRaises(errors.NoCapacity, self.reserve, self.vf)

    def test_pf_of_a_claimed_vf_is_refused(self):
        self.reserve(self.vf)
        self.assertRaises(errors.NoCapacity, self.reserve, self.pf)

    def test_both_in_one_request_are_refused(self):
        self.assertRaises(
            errors.NoCapacity,
            reservations.reserve,
            self.ctx,
            {'uuid': base.new_uuid(), 'origin': 'api', 'project_id': 'p'},
            {self.pf.id: 1, self.vf.id: 1},
        )
        self.assertEqual([], claims.list_page(self.ctx, filters={}, limit=9))

    def test_pf_can_be_had_once_the_vfs_are_free(self):
        uuid = self.reserve(self.vf)
        reservations.drop(self.ctx, uuid)
        self.reserve(self.pf)


class TestDrop(base.DatabaseTest):
    def test_dropped_claim_leaves_nothing_behind(self):
        found = self.stored()
        uuid = self.reserve(found)
        reservations.drop(self.ctx, uuid)
        self.assertRaises(errors.NotFound, claims.get, self.ctx, uuid)
        now = self.again(found)
        self.assertIsNone(now.handles[0].claim_uuid)
        self.assertFalse(now.wipe_pending)

    def test_claim_that_got_further_is_not_dropped(self):
        uuid = self.reserve(self.stored())
        claims.set_state(
            self.ctx,
            uuid,
            [model.ClaimState.CLAIMING],
            model.ClaimState.READY,
        )
        self.assertRaises(errors.NotFound, reservations.drop, self.ctx, uuid)
        self.assertEqual(1, len(claims.get(self.ctx, uuid).addresses))


class TestGuards(base.DatabaseTest):
    """The order of locks, and the compare-and-swap below them."""

    def test_card_and_region_are_locked_before_handles_are_looked_at(self):
        found = self.stored()
        with self.statements() as seen:
            self.reserve(found)
        places = base.order(
            seen,
            'UPDATE devices',
            'UPDATE deployables',
            'SELECT attach_handles',
            'UPDATE attach_handles',
        )
        self.assertEqual(sorted(places), places)

    def test_reservation_takes_few_statements(self):
        found = self.stored()
        with self.statements() as seen:
            self.reserve(found)
        self.assertEqual(7, len(seen), seen)

    def test_reservation_of_a_part_takes_one_more(self):
        found = self.stored(base.card(base.CARD, base.region(vfs=4)))
        self.reserve(found)
        with self.statements() as seen:
            self.reserve(found)
        self.assertEqual(8, len(seen), seen)

    def test_release_locks_the_region_before_it_looks_who_is_left(self):
        uuid = self.reserve(self.stored())
        with self.statements() as seen:
            claims.start_release(self.ctx, uuid)
        locks, looks = (
            [n for n, text in enumerate(seen) if text.startswith(start)]
            for start in ('UPDATE deployables', 'SELECT attach_handles')
        )
        self.assertLess(locks[0], looks[-1], seen)

    def test_report_locks_cards_before_it_reads_their_handles(self):
        with self.statements() as seen:
            self.store()
            self.store()
        places = base.order(
            seen, 'SELECT devices', 'SELECT deployables', 'UPDATE hosts'
        )
        self.assertEqual(sorted(places), places)

    def test_handle_taken_behind_our_back_is_not_taken_again(self):
        """Somebody who does not lock takes it between look and swap."""
        found = self.stored(base.card(base.CARD, base.region(vfs=2)))
        other = self.row(models.Claim, uuid=self.reserve(found))['id']
        swaps = []

        def steal(connection, cursor, statement, *rest):
            if not statement.startswith('UPDATE attach_handles'):
                return
            swaps.append(statement)
            if len(swaps) == 1:
                # The second handle is the free one.
                cursor.execute(f'UPDATE attach_handles SET claim_id = {other}')

        target = engine.get_engine()
        event.listen(target, 'before_cursor_execute', steal)
        self.addCleanup(event.remove, target, 'before_cursor_execute', steal)
        uuid = self.reserve(found)
        # The first attempt found itself robbed and was rolled back.
        self.assertEqual(2, len(swaps))
        self.assertEqual(1, len(claims.get(self.ctx, uuid).addresses))

    def test_one_function_of_a_host_cannot_be_two_handles(self):
        self.stored()
        handle = dict(self.row(models.AttachHandle, pci_address=base.CARD))
        del handle['id']
        handle['uuid'] = base.new_uuid()
        with engine.get_engine().connect() as connection:
            self.assertRaisesRegex(
                Exception,
                '(?i)unique|duplicate',
                connection.execute,
                sa.insert(models.AttachHandle).values(**handle),
            )
