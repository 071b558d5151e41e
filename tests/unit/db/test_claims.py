"""What becomes of a claim after its reservation."""

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.db import claims
from cyborg_fpga.db import deployables
from cyborg_fpga.db import hosts
from cyborg_fpga.db import models
from cyborg_fpga.db import offers
from cyborg_fpga.db import reservations
from tests.unit.db import base

State = model.ClaimState


class TestState(base.DatabaseTest):
    def setUp(self):
        super().setUp()
        self.uuid = self.reserve(self.stored())

    def _set(self, old, new):
        return claims.set_state(self.ctx, self.uuid, old, new)

    def test_state_changes_from_one_of_the_expected_only(self):
        self.assertFalse(self._set([State.PROGRAMMING], State.READY))
        self.assertIs(State.CLAIMING, claims.get(self.ctx, self.uuid).state)
        self.assertTrue(
            self._set([State.CLAIMING, State.PROGRAMMING], State.READY)
        )
        self.assertIs(State.READY, claims.get(self.ctx, self.uuid).state)

    def test_released_claim_does_not_become_ready(self):
        claims.start_release(self.ctx, self.uuid)
        self.assertFalse(
            self._set([State.CLAIMING, State.PROGRAMMING], State.READY)
        )

    def test_time_of_the_change_is_the_databases(self):
        before = claims.get(self.ctx, self.uuid).state_changed_at
        self._set([State.CLAIMING], State.READY)
        after = claims.get(self.ctx, self.uuid).state_changed_at
        self.assertGreaterEqual(after, before)
        self.assertGreater(after, 1e9)


class TestRelease(base.DatabaseTest):
    def setUp(self):
        super().setUp()
        self.found = self.stored(base.card(base.CARD, base.region(vfs=2)))

    def _end(self, uuid):
        claims.start_release(self.ctx, uuid)
        claims.finish_release(self.ctx, uuid)

    def _pending(self):
        return self.again(self.found).wipe_pending

    def test_released_deployable_is_to_be_wiped(self):
        claims.start_release(self.ctx, self.reserve(self.found))
        self.assertTrue(self._pending())

    def test_handle_is_held_until_the_release_ends(self):
        uuid = self.reserve(self.found)
        claims.start_release(self.ctx, uuid)
        held = [h.claim_uuid for h in self.again(self.found).handles]
        self.assertIn(uuid, held)
        claims.finish_release(self.ctx, uuid)
        held = [h.claim_uuid for h in self.again(self.found).handles]
        self.assertEqual([None, None], held)

    def test_shared_deployable_is_wiped_by_the_last_to_leave(self):
        one, two = self.reserve(self.found), self.reserve(self.found)
        claims.start_release(self.ctx, one)
        self.assertFalse(self._pending())
        claims.start_release(self.ctx, two)
        self.assertTrue(self._pending())

    def test_claim_that_ended_does_not_hold_back_the_wipe(self):
        one, two = self.reserve(self.found), self.reserve(self.found)
        self._end(one)
        self.assertFalse(self._pending())
        claims.start_release(self.ctx, two)
        self.assertTrue(self._pending())

    def test_every_deployable_of_a_claim_is_marked(self):
        self.store(base.card(), base.card(base.OTHER_CARD))
        one, two = self.regions()
        uuid = base.new_uuid()
        reservations.reserve(
            self.ctx,
            {'uuid': uuid, 'origin': 'api', 'project_id': 'p'},
            {one.id: 1, two.id: 1},
        )
        claims.start_release(self.ctx, uuid)
        self.assertTrue(self.again(one).wipe_pending)
        self.assertTrue(self.again(two).wipe_pending)

    def test_deployable_to_be_wiped_is_not_given_to_anybody(self):
        self._end(self.reserve(self.found))
        self.assertRaises(errors.NoCapacity, self.reserve, self.found)
        self.assertEqual(
            [],
            offers.claimable(
                self.ctx, hostname=None, resource_class=None, limit=9
            ),
        )

    def test_release_begins_once(self):
        uuid = self.reserve(self.found)
        self.assertTrue(claims.start_release(self.ctx, uuid))
        self.assertFalse(claims.start_release(self.ctx, uuid))

    def test_release_of_nothing_says_so(self):
        self.assertFalse(claims.start_release(self.ctx, base.new_uuid()))

    def test_finished_release_leaves_no_row(self):
        uuid = self.reserve(self.found)
        self._end(uuid)
        self.assertRaises(errors.NotFound, claims.get, self.ctx, uuid)

    def test_finishing_twice_is_harmless(self):
        uuid = self.reserve(self.found)
        self._end(uuid)
        claims.finish_release(self.ctx, uuid)

    def test_only_a_releasing_claim_is_freed(self):
        uuid = self.reserve(self.found)
        claims.finish_release(self.ctx, uuid)
        self.assertIs(State.CLAIMING, claims.get(self.ctx, uuid).state)
        self.assertEqual(1, len(claims.get(self.ctx, uuid).addresses))

    def test_placement_is_told_when_handles_become_free(self):
        uuid = self.reserve(self.found)
        claims.start_release(self.ctx, uuid)
        hosts.start_telling(self.ctx, base.HOST, 'me', 60)
        claims.finish_release(self.ctx, uuid)
        self.assertEqual([base.HOST], hosts.stale(self.ctx))


class TestFailure(base.DatabaseTest):
    FAULT = ('image_corrupt', 'The image is corrupt.')

    def setUp(self):
        super().setUp()
        self.uuid = self.reserve(self.stored())

    def _fail(self):
        claims.start_release(self.ctx, self.uuid, fault=self.FAULT)
        claims.finish_release(self.ctx, self.uuid)

    def test_failed_claim_keeps_its_row_and_nothing_else(self):
        self._fail()
        claim = claims.get(self.ctx, self.uuid)
        self.assertIs(State.FAILED, claim.state)
        self.assertEqual(self.FAULT, (claim.fault_code, claim.fault_message))
        self.assertEqual((), claim.addresses)
        self.assertEqual((), claim.deployable_uuids)

    def test_failed_claim_can_be_forgotten(self):
        self.assertFalse(claims.forget_failed(self.ctx, self.uuid))
        self._fail()
        self.assertTrue(claims.forget_failed(self.ctx, self.uuid))
        self.assertRaises(errors.NotFound, claims.get, self.ctx, self.uuid)

    def test_failed_claim_is_not_released_again(self):
        self._fail()
        self.assertFalse(claims.start_release(self.ctx, self.uuid))

    def test_claim_released_while_it_fails_leaves_no_row(self):
        claims.start_release(self.ctx, self.uuid, fault=self.FAULT)
        claims.clear_fault(self.ctx, self.uuid)
        claims.finish_release(self.ctx, self.uuid)
        self.assertRaises(errors.NotFound, claims.get, self.ctx, self.uuid)

    def test_fault_of_an_ended_claim_is_kept(self):
        self._fail()
        claims.clear_fault(self.ctx, self.uuid)
        self.assertEqual(
            self.FAULT[0], claims.get(self.ctx, self.uuid).fault_code
        )


class TestTakeOver(base.DatabaseTest):
    def setUp(self):
        super().setUp()
        self.uuid = self.reserve(
            self.stored(), lease_owner='me', lease_expires=claims.lease(30)
        )

    def _taken(self, owner, **arguments):
        found = claims.take_unfinished(self.ctx, owner, 30, **arguments)
        return [claim.uuid for claim in found]

    def test_leased_claim_stays_with_its_owner(self):
        self.assertEqual([], self._taken('you'))
        self.assertEqual([self.uuid], self._taken('me'))

    def test_expired_lease_passes_to_who_asks_first(self):
        self.expire_leases()
        self.assertEqual([self.uuid], self._taken('you'))
        self.assertEqual([], self._taken('me'))

    def test_asking_extends_the_lease(self):
        self.expire_leases()
        self._taken('me')
        self.assertEqual([], self._taken('you'))

    def test_busy_claim_is_kept_but_not_returned(self):
        self.expire_leases()
        self.assertEqual([], self._taken('me', busy=[self.uuid]))
        self.assertEqual([], self._taken('you'))

    def test_settled_claims_are_nobodys_business(self):
        self.expire_leases()
        for state in (State.READY, State.FAILED):
            self.change(
                models.Claim,
                models.Claim.uuid == self.uuid,
                state=state.value,
            )
            self.assertEqual([], self._taken('me'))

    def test_release_takes_the_lease(self):
        claims.start_release(self.ctx, self.uuid, owner='you', lease=30)
        self.assertEqual([], self._taken('me'))
        self.assertEqual([self.uuid], self._taken('you'))

    def test_release_without_an_owner_is_anybodys(self):
        claims.start_release(self.ctx, self.uuid, lease=-1)
        self.assertEqual([self.uuid], self._taken('other'))


class TestShow(base.DatabaseTest):
    def test_claim_shows_what_it_holds(self):
        found = self.stored(base.card(base.CARD, base.region(vfs=2)))
        uuid = self.reserve(
            found, 2, count=2, traits='["CUSTOM_FPGA"]', user_id='u'
        )
        operation = self.operation(found, claim_uuid=uuid)
        claim = claims.get(self.ctx, uuid)
        self.assertEqual(base.HOST, claim.hostname)
        self.assertEqual(('CUSTOM_FPGA',), claim.traits)
        self.assertEqual((found.uuid,), claim.deployable_uuids)
        self.assertEqual((operation.uuid,), claim.operation_uuids)
        self.assertEqual(
            tuple(str(a) for a in base.addresses(base.CARD, 1, 2)),
            claim.addresses,
        )

    def test_claim_of_another_project_is_not_found(self):
        uuid = self.reserve(self.stored(), project_id='mine')
        self.assertEqual(uuid, claims.get(self.ctx, uuid, 'mine').uuid)
        self.assertRaises(errors.NotFound, claims.get, self.ctx, uuid, 'other')

    def test_page_costs_the_same_whatever_its_length(self):
        self.store(*(base.card(f'0000:{bus:02x}:00.0') for bus in range(12)))
        counts = []
        for found in self.regions():
            self.reserve(found)
        for limit in (2, 12):
            with self.statements() as seen:
                claims.list_page(self.ctx, filters={}, limit=limit)
            counts.append(len(seen))
        self.assertEqual([3, 3], counts)

    def test_claims_of_a_deployable_are_found_from_the_claim(self):
        found = self.stored()
        uuid = self.reserve(found)
        of_claim = deployables.of_claim(self.ctx, uuid)
        self.assertEqual([found.uuid], [r.uuid for r in of_claim])
