"""Operations: created once, begun once, taken over one at a time."""

import sqlalchemy as sa

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.db import claims
from cyborg_fpga.db import models
from cyborg_fpga.db import operations
from cyborg_fpga.db import orders
from tests.unit.db import base

State = model.OperationState


class TestCreate(base.DatabaseTest):
    def setUp(self):
        super().setUp()
        self.found = self.stored(base.card(base.CARD, base.region(vfs=2)))

    def test_operation_owns_its_deployable(self):
        operation = self.operation(self.found)
        now = self.again(self.found)
        self.assertIs(model.DeployableState.PROGRAMMING, now.state)
        self.assertEqual(operation.fence, now.fence)

    def test_each_has_a_higher_fence(self):
        first = self.operation(self.found)
        self.finish(first, succeeded=True)
        self.assertGreater(self.operation(self.found).fence, first.fence)

    def test_second_one_is_refused_until_the_first_ends(self):
        first = self.operation(self.found)
        self.assertRaises(errors.InUse, self.operation, self.found)
        self.finish(first, succeeded=True)
        self.operation(self.found)

    def test_refused_one_leaves_the_fence(self):
        first = self.operation(self.found)
        self.assertRaises(errors.InUse, self.operation, self.found)
        self.assertEqual(first.fence, self.again(self.found).fence)

    def test_who_read_the_record_before_another_one_is_refused(self):
        self.finish(self.operation(self.found, kind='wipe'), succeeded=True)
        with self.assertRaises(errors.InUse):
            self.operation(self.found, kind='wipe', fence=self.found.fence)

    def test_deployable_of_unknown_contents_is_refused(self):
        self.finish(self.operation(self.found))
        self.assertRaises(errors.InUse, self.operation, self.found)

    def test_operation_carries_all_that_an_agent_needs(self):
        operation = self.operation(
            self.found,
            image_uuid='image',
            image_hash_algo='sha512',
            image_hash_value='00',
            image_size=7,
            expected_function=base.FUNCTION,
            project_id='p',
            seconds=100,
        )
        self.assertIs(State.PENDING, operation.state)
        self.assertEqual(base.HOST, operation.hostname)
        self.assertEqual(self.found.name, operation.deployable)
        self.assertEqual(self.found.uuid, operation.deployable_uuid)
        self.assertEqual(base.CARD, str(operation.device))
        self.assertEqual('intel_dfl', operation.driver)
        self.assertEqual('image', operation.image_uuid)
        self.assertEqual(7, operation.image_size)
        self.assertTrue(90 < operation.seconds_left <= 100)

    def test_wipe_says_how_deep(self):
        operation = self.operation(self.found, kind='wipe', wipe_level='clear')
        self.assertIs(model.OperationKind.WIPE, operation.kind)
        self.assertIs(model.WipeLevel.CLEAR, operation.wipe_level)

    def test_queue_ends_with_the_last_deadline_of_the_card(self):
        card = base.CARD
        self.store(
            base.card(card, *(base.region(card, name=n) for n in 'abc'))
        )
        one, two, three = self.regions()[1:]
        first = self.operation(one, seconds=100)
        second = self.operation(two, seconds=10)
        self.assertTrue(100 < second.seconds_left <= 110)
        self.finish(second, succeeded=True)
        self.change(models.Operation, sa.true(), deadline=1.0)
        late = self.operation(two, seconds=10)
        self.assertTrue(0 < late.seconds_left <= 10, late)
        self.finish(late, succeeded=True)
        self.change(models.Operation, sa.true(), deadline=1e10)
        self.finish(first, succeeded=True)
        # Those that are created together come one after the other.
        wanted = [
            orders.New(
                deployable_id=region.id,
                values={'uuid': base.new_uuid(), 'kind': 'program'},
                seconds=10,
            )
            for region in (three, one)
        ]
        left = [
            operation.seconds_left
            for operation in orders.create(
                self.ctx, wanted, owner='me', lease=30
            )
        ]
        self.assertTrue(0 < left[0] <= 10 < left[1] <= 20, left)

    def test_all_are_created_or_none(self):
        self.store(base.card(), base.card(base.OTHER_CARD))
        busy, idle = self.regions()
        self.operation(busy)
        wanted = [
            orders.New(
                deployable_id=region.id,
                values={'uuid': base.new_uuid(), 'kind': 'program'},
                seconds=10,
            )
            for region in (idle, busy)
        ]
        with self.assertRaises(errors.InUse):
            orders.create(self.ctx, wanted, owner='me', lease=30)
        self.assertIs(model.DeployableState.IDLE, self.again(idle).state)
        self.assertEqual(idle.fence, self.again(idle).fence)


class TestStrangers(base.DatabaseTest):
    def setUp(self):
        super().setUp()
        self.found = self.stored(base.card(base.CARD, base.region(vfs=2)))
        self.claim = self.reserve(self.found)

    def _refused(self, **values):
        self.assertRaises(errors.InUse, self.operation, self.found, **values)
        now = self.again(self.found)
        self.assertIs(model.DeployableState.IDLE, now.state)
        self.assertEqual(0, now.fence)

    def test_holder_may_program(self):
        self.operation(self.found, claim_uuid=self.claim)

    def test_nobody_else_may(self):
        self._refused(claim_uuid=base.new_uuid())

    def test_not_even_an_administrator(self):
        self._refused()

    def test_holder_of_a_part_may_not(self):
        self.reserve(self.found)
        self._refused(claim_uuid=self.claim)

    def test_holder_of_everything_may(self):
        claims.start_release(self.ctx, self.claim)
        claims.finish_release(self.ctx, self.claim)
        self.change(models.Deployable, sa.true(), wipe_pending=False)
        mine = self.reserve(self.found, 2)
        self.operation(self.found, claim_uuid=mine)

    def test_releasing_holder_still_keeps_others_out(self):
        claims.start_release(self.ctx, self.claim)
        self._refused()

    def test_releasing_holder_may_not_program_either(self):
        claims.start_release(self.ctx, self.claim)
        self._refused(claim_uuid=self.claim)

    def test_claimed_deployable_is_not_wiped(self):
        claims.set_state(
            self.ctx,
            self.claim,
            [model.ClaimState.CLAIMING],
            model.ClaimState.READY,
        )
        self._refused(kind='wipe')
        self._refused(kind='wipe', claim_uuid=self.claim)

    def test_deployable_is_wiped_for_who_has_not_got_it_yet(self):
        self.operation(self.found, kind='wipe', claim_uuid=self.claim)

    def test_not_even_then_under_its_other_holder(self):
        self.reserve(self.found)
        self._refused(kind='wipe', claim_uuid=self.claim)

    def test_released_deployable_is_wiped(self):
        claims.start_release(self.ctx, self.claim)
        self.operation(self.found, kind='wipe', claim_uuid=self.claim)

    def test_deployable_is_not_wiped_under_its_other_holder(self):
        self.reserve(self.found)
        claims.start_release(self.ctx, self.claim)
        self._refused(kind='wipe', claim_uuid=self.claim)


class TestBegin(base.DatabaseTest):
    def setUp(self):
        super().setUp()
        self.found = self.stored()
        self.mine = self.operation(self.found)

    def _begin(self, *, fence=None, attempt=None):
        operations.begin(
            self.ctx,
            self.mine.uuid,
            self.mine.fence if fence is None else fence,
            attempt=attempt,
        )

    def _state(self):
        return operations.get(self.ctx, self.mine.uuid).state

    def test_begun_operation_runs(self):
        self._begin()
        self.assertIs(State.RUNNING, self._state())
        self.assertIsNotNone(
            operations.get(self.ctx, self.mine.uuid).started_at
        )

    def test_it_begins_once(self):
        self._begin()
        self.assertRaises(errors.StaleFence, self._begin)

    def test_attempt_that_began_it_is_told_so_again(self):
        self._begin(attempt='one')
        began = operations.get(self.ctx, self.mine.uuid).started_at
        self._begin(attempt='one')
        self.assertIs(State.RUNNING, self._state())
        self.assertEqual(
            began, operations.get(self.ctx, self.mine.uuid).started_at
        )

    def test_another_attempt_does_not_begin_it(self):
        self._begin(attempt='one')
        for attempt in ('two', None):
            self.assertRaises(errors.StaleFence, self._begin, attempt=attempt)
        self._begin(attempt='one')

    def test_attempt_that_began_it_is_refused_once_it_ended(self):
        self._begin(attempt='one')
        self.finish(self.mine, cause=model.Cause.TIMEOUT)
        self.assertRaises(errors.StaleFence, self._begin, attempt='one')

    def test_another_fence_does_not_begin_it(self):
        fence = self.mine.fence
        self.assertRaises(errors.StaleFence, self._begin, fence=fence - 1)
        self.assertRaises(errors.StaleFence, self._begin, fence=fence + 1)
        self.assertIs(State.PENDING, self._state())

    def test_it_does_not_begin_after_its_deadline(self):
        self.change(models.Operation, sa.true(), deadline=1.0)
        self.assertRaises(errors.StaleFence, self._begin)

    def test_given_up_operation_does_not_begin(self):
        self.finish(self.mine, cause=model.Cause.AGENT_LOST)
        self.assertRaises(errors.StaleFence, self._begin)

    def test_cancelled_operation_does_not_begin(self):
        self.finish(self.mine, touched=False, cause=model.Cause.CANCELLED)
        self.assertRaises(errors.StaleFence, self._begin)
        self.assertIs(State.CANCELLED, self._state())

    def test_operation_whose_deployable_went_on_does_not_begin(self):
        self.change(models.Deployable, sa.true(), fence=self.mine.fence + 1)
        self.assertRaises(errors.StaleFence, self._begin)

    def test_unknown_operation_does_not_begin(self):
        self.assertRaises(
            errors.StaleFence,
            operations.begin,
            self.ctx,
            base.new_uuid(),
            self.mine.fence,
        )


class TestProgress(base.DatabaseTest):
    def setUp(self):
        super().setUp()
        self.mine = self.operation(self.stored())

    def _tell(self, **members):
        values = {
            'uuid': self.mine.uuid,
            'fence': self.mine.fence,
            'progress': 40,
            'step': 'programming',
        }
        operations.progress(
            self.ctx, model.OperationStatus(**{**values, **members})
        )
        found = operations.get(self.ctx, self.mine.uuid)
        return found.progress, found.step

    def test_progress_is_kept(self):
        self.assertEqual((40, 'programming'), self._tell())

    def test_news_under_another_fence_are_ignored(self):
        self.assertEqual((0, ''), self._tell(fence=self.mine.fence - 1))

    def test_late_news_are_ignored(self):
        self.finish(self.mine, succeeded=True)
        self.assertEqual((100, ''), self._tell())


class TestTakeOver(base.DatabaseTest):
    def setUp(self):
        super().setUp()
        self.found = self.stored()
        self.mine = self.operation(self.found, owner='me')

    def _taken(self, owner):
        found = operations.take_unfinished(self.ctx, owner, 30)
        return [operation.uuid for operation in found]

    def test_leased_operation_stays_with_its_owner(self):
        self.assertEqual([], self._taken('you'))
        self.assertEqual([self.mine.uuid], self._taken('me'))

    def test_expired_lease_passes_to_who_asks_first(self):
        self.expire_leases()
        self.assertEqual([self.mine.uuid], self._taken('you'))
        self.assertEqual([], self._taken('me'))

    def test_asking_extends_the_lease(self):
        self.expire_leases()
        self._taken('me')
        self.assertEqual([], self._taken('you'))

    def test_running_operation_is_taken_over_too(self):
        operations.begin(self.ctx, self.mine.uuid, self.mine.fence)
        self.expire_leases()
        self.assertEqual([self.mine.uuid], self._taken('you'))

    def test_finished_operation_is_nobodys_business(self):
        self.finish(self.mine, succeeded=True)
        self.expire_leases()
        self.assertEqual([], self._taken('me'))

    def test_new_owner_is_told_how_long_is_left(self):
        self.change(
            models.Operation,
            sa.true(),
            deadline=models.Operation.deadline - 100,
        )
        self.expire_leases()
        found = operations.take_unfinished(self.ctx, 'you', 30)
        self.assertTrue(-50 < found[0].seconds_left <= -39, found)


class TestShow(base.DatabaseTest):
    def test_operation_of_another_project_is_not_found(self):
        mine = self.operation(self.stored(), project_id='mine')
        self.assertEqual(
            mine.uuid, operations.get(self.ctx, mine.uuid, 'mine').uuid
        )
        self.assertRaises(
            errors.NotFound, operations.get, self.ctx, mine.uuid, 'other'
        )

    def test_operations_of_a_claim_come_oldest_first(self):
        found = self.stored()
        uuid = self.reserve(found)
        first = self.operation(found, claim_uuid=uuid)
        self.finish(first, succeeded=True)
        second = self.operation(found, claim_uuid=uuid)
        self.assertEqual(
            [first.uuid, second.uuid],
            [o.uuid for o in operations.of_claim(self.ctx, uuid)],
        )

    def test_record_outlives_its_claim(self):
        found = self.stored()
        uuid = self.reserve(found)
        mine = self.operation(found, claim_uuid=uuid)
        self.finish(mine, succeeded=True)
        claims.start_release(self.ctx, uuid)
        claims.finish_release(self.ctx, uuid)
        self.assertEqual(uuid, operations.get(self.ctx, mine.uuid).claim_uuid)
