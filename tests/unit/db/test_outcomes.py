"""How operations end, and what their cards are taken for since."""

import sqlalchemy as sa

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.db import devices
from cyborg_fpga.db import hosts
from cyborg_fpga.db import models
from cyborg_fpga.db import operations
from cyborg_fpga.db import outcomes
from tests.unit.db import base

State = model.OperationState
Health = model.Health


class OutcomeTest(base.DatabaseTest):
    def setUp(self):
        super().setUp()
        self.found = self.stored()

    def _health(self):
        return devices.get(self.ctx, self.found.device_uuid).health

    def _heal(self):
        """Let a report end ``unknown``, and a wipe what it left."""
        fence = self.again(self.found).fence
        self.store(base.card(base.CARD, base.region(fence=fence)))
        self.change(models.Deployable, sa.true(), wipe_pending=False)


class TestSuccess(OutcomeTest):
    def test_read_back_and_image_are_recorded(self):
        mine = self.operation(
            self.found, image_uuid='image', image_private=True
        )
        ended = self.finish(mine, succeeded=True, function_id=base.FUNCTION)
        self.assertIs(State.SUCCEEDED, ended.state)
        self.assertEqual(100, ended.progress)
        self.assertIsNotNone(ended.finished_at)
        now = self.again(self.found)
        self.assertIs(model.DeployableState.IDLE, now.state)
        self.assertEqual(base.FUNCTION, now.function_id)
        self.assertEqual('image', now.bitstream_id)
        self.assertTrue(now.bitstream_private)

    def test_it_ends_once(self):
        mine = self.operation(self.found, image_uuid='image')
        self.finish(mine, succeeded=True, function_id=base.FUNCTION)
        self.assertIsNone(self.finish(mine))
        now = self.again(self.found)
        self.assertIs(model.DeployableState.IDLE, now.state)
        self.assertEqual(base.FUNCTION, now.function_id)

    def test_wipe_makes_it_claimable(self):
        self.change(models.Deployable, sa.true(), wipe_pending=True)
        self.finish(self.operation(self.found, kind='wipe'), succeeded=True)
        self.assertFalse(self.again(self.found).wipe_pending)
        self.reserve(self.found)

    def test_reset_keeps_the_record_of_the_function(self):
        mine = self.operation(self.found, image_uuid='image')
        self.finish(mine, succeeded=True, function_id=base.FUNCTION)
        wipe = self.operation(
            self.found, kind='wipe', expected_function=base.FUNCTION
        )
        self.finish(wipe, succeeded=True, function_id=base.FUNCTION)
        self.assertEqual('image', self.again(self.found).bitstream_id)

    def test_clearing_forgets_it(self):
        mine = self.operation(
            self.found, image_uuid='image', image_private=True
        )
        self.finish(mine, succeeded=True, function_id=base.FUNCTION)
        wipe = self.operation(
            self.found, kind='wipe', expected_function=base.FUNCTION
        )
        self.finish(wipe, succeeded=True, function_id=None)
        now = self.again(self.found)
        self.assertIsNone(now.function_id)
        self.assertIsNone(now.bitstream_id)
        self.assertFalse(now.bitstream_private)

    def test_blank_card_is_nobodys(self):
        self.finish(self.operation(self.found))
        self._heal()
        # Nothing is expected after a failure, and nothing is found.
        self.finish(self.operation(self.found, kind='wipe'), succeeded=True)
        self.assertFalse(self.again(self.found).bitstream_private)

    def test_programming_does_not_replace_the_wipe(self):
        self.change(models.Deployable, sa.true(), wipe_pending=True)
        mine = self.operation(self.found, image_uuid='image')
        self.finish(mine, succeeded=True, function_id=base.FUNCTION)
        self.assertTrue(self.again(self.found).wipe_pending)

    def test_suspect_card_is_well_again(self):
        self.finish(self.operation(self.found))
        self._heal()
        self.assertIs(Health.SUSPECT, self._health())
        self.finish(self.operation(self.found), succeeded=True)
        self.assertIs(Health.OK, self._health())
        self.assertEqual('', self.again(self.found).health_reason)

    def test_what_its_agent_finds_wrong_with_a_card_outlives_a_success(self):
        self.store(base.card(health=Health.SUSPECT, health_reason='too hot'))
        self.finish(self.operation(self.found), succeeded=True)
        self.assertIs(Health.SUSPECT, self._health())
        self.assertEqual('too hot', self.again(self.found).health_reason)

    def test_placement_and_the_next_report_are_asked_for(self):
        last = self.report(base.card(), digest='digest 1')
        hosts.start_telling(self.ctx, base.HOST, 'me', 60)
        self.finish(self.operation(self.found), succeeded=True)
        self.assertEqual([base.HOST], hosts.stale(self.ctx))
        self.assertFalse(hosts.heartbeat(self.ctx, last))


class TestFailure(OutcomeTest):
    def test_touched_card_holds_nobody_knows_what(self):
        mine = self.operation(self.found, image_uuid='image')
        ended = self.finish(mine, cause=model.Cause.DEVICE_ERROR, detail='EIO')
        self.assertIs(State.FAILED, ended.state)
        self.assertIs(model.Cause.DEVICE_ERROR, ended.cause)
        self.assertEqual('EIO', ended.detail)
        now = self.again(self.found)
        self.assertIs(model.DeployableState.UNKNOWN, now.state)
        self.assertIsNone(now.function_id)
        self.assertIsNone(now.bitstream_id)
        self.assertTrue(now.wipe_pending)
        self.assertTrue(now.bitstream_private)

    def test_fence_is_raised_above_the_operations(self):
        mine = self.operation(self.found)
        self.finish(mine)
        self.assertGreater(self.again(self.found).fence, mine.fence)

    def test_card_is_suspect(self):
        mine = self.operation(self.found)
        self.finish(mine, cause=model.Cause.DEVICE_ERROR)
        self.assertIs(Health.SUSPECT, self._health())
        self.assertEqual(
            f'a program failed (device_error), operation {mine.uuid}',
            self.again(self.found).health_reason,
        )

    def test_untouched_card_is_as_it_was(self):
        first = self.operation(self.found, image_uuid='image')
        self.finish(first, succeeded=True, function_id=base.FUNCTION)
        second = self.operation(self.found, image_uuid='other')
        self.finish(second, touched=False, cause=model.Cause.IMAGE_CORRUPT)
        now = self.again(self.found)
        self.assertIs(model.DeployableState.IDLE, now.state)
        self.assertEqual(base.FUNCTION, now.function_id)
        self.assertEqual('image', now.bitstream_id)
        self.assertEqual(second.fence, now.fence)
        self.assertIs(Health.OK, self._health())

    def test_cancelled_operation_is_said_to_be_cancelled(self):
        ended = self.finish(
            self.operation(self.found),
            touched=False,
            cause=model.Cause.CANCELLED,
        )
        self.assertIs(State.CANCELLED, ended.state)

    def test_late_success_does_not_undo_the_failure(self):
        mine = self.operation(self.found, image_uuid='image')
        self.finish(mine, cause=model.Cause.AGENT_LOST)
        late = self.finish(mine, succeeded=True, function_id=base.FUNCTION)
        self.assertIsNone(late)
        now = self.again(self.found)
        self.assertIs(model.DeployableState.UNKNOWN, now.state)
        self.assertIsNone(now.function_id)
        self.assertIs(State.FAILED, operations.get(self.ctx, mine.uuid).state)

    def test_outcome_under_another_fence_is_not_believed(self):
        mine = self.operation(self.found)
        self.assertIsNone(
            self.finish(mine, fence=mine.fence - 1, succeeded=True)
        )
        self.assertIs(State.PENDING, operations.get(self.ctx, mine.uuid).state)

    def test_outcome_does_not_touch_a_deployable_that_went_on(self):
        mine = self.operation(self.found)
        self.change(models.Deployable, sa.true(), fence=mine.fence + 1)
        self.finish(mine, succeeded=True, function_id=base.FUNCTION)
        now = self.again(self.found)
        self.assertIsNone(now.function_id)
        self.assertIs(model.DeployableState.PROGRAMMING, now.state)

    def test_tools_words_are_stored_whatever_they_hold(self):
        words = 'bad\0byte \udcff ' + 'x' * 5000
        ended = self.finish(self.operation(self.found), detail=words)
        self.assertTrue(ended.detail.startswith('badbyte ? xxx'))
        self.assertLessEqual(len(ended.detail), 2000)


class TestQuarantine(OutcomeTest):
    def _fail(self):
        self.finish(self.operation(self.found), quarantine_after=3)
        health = self._health()
        self._heal()
        return health

    def test_failures_in_a_row_end_in_quarantine(self):
        self.assertEqual(
            [Health.SUSPECT, Health.SUSPECT, Health.QUARANTINED],
            [self._fail() for _ in range(3)],
        )

    def test_success_in_between_starts_the_count_again(self):
        self._fail()
        self._fail()
        self.finish(self.operation(self.found), succeeded=True)
        self.assertIs(Health.SUSPECT, self._fail())

    def test_failed_wipe_quarantines_at_once(self):
        self.finish(self.operation(self.found, kind='wipe'))
        self.assertIs(Health.QUARANTINED, self._health())

    def test_a_wipe_that_never_came_to_the_card_is_forgiven_twice(self):
        for _ in range(2):
            self.finish(self.operation(self.found, kind='wipe'), touched=False)
            self.assertIs(Health.SUSPECT, self._health())
        self.finish(self.operation(self.found, kind='wipe'), touched=False)
        self.assertIs(Health.QUARANTINED, self._health())

    def test_a_wipe_that_a_dead_agent_left_is_forgiven_twice(self):
        for cause in ('interrupted', 'agent_lost', 'interrupted'):
            self.assertIsNot(Health.QUARANTINED, self._health())
            self.finish(
                self.operation(self.found, kind='wipe'),
                cause=model.Cause(cause),
            )
            health = self._health()
            self._heal()
        self.assertIs(Health.QUARANTINED, health)

    def test_success_does_not_end_a_quarantine(self):
        mine = self.operation(self.found)
        devices.update(
            self.ctx, self.found.device_uuid, health=Health.QUARANTINED
        )
        self.finish(mine, succeeded=True)
        self.assertIs(Health.QUARANTINED, self._health())

    def test_operator_ends_it_and_the_count(self):
        for _ in range(3):
            self._fail()
        devices.update(self.ctx, self.found.device_uuid, health=Health.OK)
        self.assertIs(Health.OK, self._health())
        self.assertIs(Health.SUSPECT, self._fail())

    def test_lost_card_is_not_made_less_lost(self):
        mine = self.operation(self.found)
        self.store(base.card(base.OTHER_CARD))
        self.finish(mine, quarantine_after=1)
        self.assertIs(Health.LOST, self._health())


class TestGivingUp(OutcomeTest):
    """The end of an operation without its agent's word."""

    def _give_up(self, operation, cause='timeout', **how):
        return outcomes.give_up(
            self.ctx,
            operation,
            model.Cause(cause),
            'words',
            quarantine_after=3,
            **how,
        )

    def _begun(self):
        mine = self.operation(self.found)
        operations.begin(self.ctx, mine.uuid, mine.fence)
        return mine

    def test_what_has_not_begun_leaves_the_card_as_it_was(self):
        mine = self.operation(self.found)
        ended = self._give_up(mine)
        self.assertIs(State.FAILED, ended.state)
        self.assertEqual('words', ended.detail)
        now = self.again(self.found)
        self.assertIs(model.DeployableState.IDLE, now.state)
        self.assertIs(Health.OK, self._health())
        self.assertRaises(
            errors.StaleFence,
            operations.begin,
            self.ctx,
            mine.uuid,
            mine.fence,
        )

    def test_what_has_begun_leaves_nobody_knows_what(self):
        # Known as pending still: it began after it was looked at.
        ended = self._give_up(self._begun(), 'cancelled')
        self.assertIs(State.CANCELLED, ended.state)
        now = self.again(self.found)
        self.assertIs(model.DeployableState.UNKNOWN, now.state)
        self.assertTrue(now.wipe_pending)

    def test_what_has_begun_can_be_left_alone(self):
        mine = self._begun()
        self.assertIsNone(self._give_up(mine, begun=False))
        self.assertIs(State.RUNNING, operations.get(self.ctx, mine.uuid).state)

    def test_what_has_ended_stays_ended(self):
        mine = self._begun()
        self.finish(mine, succeeded=True)
        self.assertIsNone(self._give_up(mine))
        now = self.again(self.found)
        self.assertIs(model.DeployableState.IDLE, now.state)

    def test_of_a_lost_agent_nothing_is_believed(self):
        self._give_up(self.operation(self.found), 'agent_lost')
        now = self.again(self.found)
        self.assertIs(model.DeployableState.UNKNOWN, now.state)
