"""Admission, order, fences and cancellation."""

import threading
from unittest import mock

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.agent import journal
from tests.unit.agent import base
from tests.unit.agent import fakes


class AdmissionTest(base.ExecutorTest):
    def test_run_returns_before_the_card_is_done(self):
        self.gate = self.cards.hangs[fakes.REGION] = threading.Event()
        operation = fakes.program(self.images)
        status = self.start().run(operation)
        self.assertEqual(operation.uuid, status.uuid)
        self.assertFalse(status.done)

    def test_lower_fence_is_refused(self):
        self.run_to_end(fakes.program(self.images, fence=5))
        self.assertRaises(
            errors.StaleFence,
            self.executor.run,
            fakes.program(self.images, fence=4),
        )
        self.assertEqual(1, len(self.cards.acts()))

    def test_lower_fence_is_refused_after_a_restart(self):
        self.run_to_end(fakes.program(self.images, fence=5))
        self.start()
        self.assertRaises(
            errors.StaleFence,
            self.executor.run,
            fakes.program(self.images, fence=4),
        )

    def test_fence_of_one_deployable_says_nothing_about_another(self):
        self.run_to_end(fakes.program(self.images, fence=5))
        outcome = self.run_to_end(
            fakes.program(
                self.images,
                fence=1,
                device=fakes.OTHER_CARD,
                deployable=fakes.OTHER_REGION,
            )
        )
        self.assertTrue(outcome.succeeded)

    def test_known_operation_is_not_run_again(self):
        operation = fakes.program(self.images)
        outcome = self.run_to_end(operation)
        self.assertEqual(outcome, self.executor.run(operation))
        self.start()
        self.assertEqual(outcome, self.executor.run(operation))
        self.run_to_end(fakes.program(self.images, fence=2))
        self.assertEqual(2, len(self.cards.acts()))

    def test_running_operation_is_not_run_again(self):
        operation = self.hang()
        # Whoever asks is given leave.
        self.conductor.begin = lambda *args, **kwargs: None
        self.assertFalse(self.executor.run(operation).done)
        self.gate.set()
        self.assertTrue(self.conductor.outcome(operation.uuid).succeeded)
        # What was queued before this one has had its turn then.
        self.run_to_end(fakes.program(self.images))
        self.assertEqual(2, len(self.cards.acts()))

    def test_operation_that_cannot_be_journalled_is_refused(self):
        self.start()
        operation = fakes.program(self.images)
        with mock.patch.object(
            self.journal, 'write', autospec=True, side_effect=fakes.no_space()
        ):
            self.assertRaises(
                errors.ServiceUnavailable, self.executor.run, operation
            )
        self.assertIsNone(self.executor.status(operation.uuid))
        self.assertTrue(self.run_to_end(operation).succeeded)

    def test_unknown_operation_has_no_status(self):
        self.assertIsNone(self.start().status('nobody'))

    def test_stopping_agent_takes_nothing_more(self):
        self.start()
        self.stop()
        self.assertRaises(
            errors.ServiceUnavailable,
            self.executor.run,
            fakes.program(self.images),
        )

    def test_card_that_hangs_blocks_itself_only(self):
        self.hang()
        waiting = fakes.program(self.images, fence=2)
        self.executor.run(waiting)
        outcome = self.run_to_end(
            fakes.program(
                self.images,
                device=fakes.OTHER_CARD,
                deployable=fakes.OTHER_REGION,
            )
        )
        self.assertTrue(outcome.succeeded)
        self.assertFalse(self.executor.status(waiting.uuid).done)

    def test_delivered_outcomes_are_forgotten_after_a_day(self):
        operation = fakes.program(self.images)
        self.run_to_end(operation)
        recent = fakes.program(self.images, fence=2)
        self.run_to_end(recent)
        fakes.wait_for(self.delivered(recent))
        with mock.patch.object(journal, 'KEEP_SECONDS', 1e6):
            self.executor.purge()
        self.assertIsNotNone(self.executor.status(operation.uuid))
        with mock.patch.object(journal, 'KEEP_SECONDS', -1):
            self.executor.purge()
        self.assertIsNone(self.executor.status(operation.uuid))
        self.assertEqual(([], []), self.journal.load())
        self.assertRaises(errors.StaleFence, self.executor.run, operation)

    def delivered(self, operation):
        def is_delivered():
            return any(
                entry.delivered
                for entry in self.journal.load()[0]
                if entry.status.uuid == operation.uuid
            )

        return is_delivered


class CancelTest(base.ExecutorTest):
    def test_waiting_operation_is_dropped_at_once(self):
        self.hang()
        waiting = fakes.program(self.images, fence=2)
        self.executor.run(waiting)
        self.executor.cancel(waiting.uuid)
        outcome = self.conductor.outcome(waiting.uuid)
        self.assertEqual(model.Cause.CANCELLED, outcome.cause)
        self.assertFalse(outcome.touched)
        self.gate.set()
        self.run_to_end(fakes.program(self.images, fence=3))
        self.assertEqual(2, len(self.cards.acts()))

    def test_download_stops(self):
        operation = fakes.program(self.images)
        self.images.before_chunk = lambda: self.executor.cancel(operation.uuid)
        outcome = self.run_to_end(operation)
        self.assertEqual(model.Cause.CANCELLED, outcome.cause)
        self.assertEqual([], self.cards.acts())
        self.assertEqual(0, self.conductor.count('begin'))

    def test_cancelled_while_asking_for_leave_touches_nothing(self):
        self.conductor.on_begin = lambda uuid: self.executor.cancel(uuid)
        outcome = self.run_to_end(fakes.program(self.images))
        self.assertEqual(model.Cause.CANCELLED, outcome.cause)
        self.assertEqual([], self.cards.acts())

    def test_begun_operation_goes_on(self):
        operation = self.hang()
        self.executor.cancel(operation.uuid)
        self.gate.set()
        self.assertTrue(self.conductor.outcome(operation.uuid).succeeded)

    def test_unknown_operation_is_ignored(self):
        self.start().cancel('nobody')


class FenceTest(base.ExecutorTest):
    def test_raised_fence_survives_and_refuses_what_is_below(self):
        self.assertTrue(self.start().raise_fences({fakes.REGION: 7}))
        self.assertFalse(self.executor.raise_fences({fakes.REGION: 7}))
        self.start()
        self.assertRaises(
            errors.StaleFence,
            self.executor.run,
            fakes.program(self.images, fence=6),
        )

    def test_waiting_operation_below_it_is_dropped(self):
        self.hang(fence=1)
        waiting = fakes.program(self.images, fence=2)
        self.executor.run(waiting)
        # The one on the card is as old, so the fence itself has to wait;
        # a newer operation is what makes the waiting one stale now.
        self.executor.run(fakes.program(self.images, fence=3))
        outcome = self.conductor.outcome(waiting.uuid)
        self.assertEqual(model.Cause.STALE, outcome.cause)
        self.assertFalse(outcome.touched)

    def test_operation_that_waits_for_its_card_is_dropped_at_once(self):
        self.hang(fence=1)
        waiting = fakes.program(self.images, deployable='card0_region1')
        self.executor.run(waiting)
        self.assertTrue(self.executor.raise_fences({'card0_region1': 2}))
        outcome = self.conductor.outcome(waiting.uuid)
        self.assertEqual(model.Cause.STALE, outcome.cause)
        self.assertFalse(outcome.touched)

    def test_fence_waits_for_the_operation_on_the_card(self):
        operation = self.hang(fence=1)
        self.assertFalse(self.executor.raise_fences({fakes.REGION: 4}))
        self.assertEqual({fakes.REGION: 1}, self.executor.fences())
        self.changes.clear()
        self.gate.set()
        self.assertTrue(self.conductor.outcome(operation.uuid).succeeded)
        self.assertEqual({fakes.REGION: 4}, self.executor.fences())
        self.assertTrue(fakes.wait_for(self.changes.is_set))

    def test_dropping_a_waiting_operation_does_not_end_that_wait(self):
        self.hang(fence=1)
        waiting = fakes.program(self.images, fence=1)
        self.executor.run(waiting)
        self.executor.raise_fences({fakes.REGION: 4})
        self.executor.cancel(waiting.uuid)
        self.assertEqual({fakes.REGION: 1}, self.executor.fences())

    def test_fence_of_a_free_deployable_does_not_wait(self):
        self.hang(fence=1)
        self.assertTrue(self.executor.raise_fences({fakes.OTHER_REGION: 4}))

    def test_fence_raised_while_asking_for_leave_touches_nothing(self):
        self.conductor.on_begin = lambda uuid: self.executor.raise_fences(
            {fakes.REGION: 9}
        )
        outcome = self.run_to_end(fakes.program(self.images, fence=8))
        self.assertEqual(model.Cause.STALE, outcome.cause)
        self.assertFalse(outcome.touched)
        self.assertEqual([], self.cards.acts())


class BusyTest(base.ExecutorTest):
    def test_free_card_is_not_busy(self):
        before = self.start().activity()
        self.assertEqual(set(), self.executor.busy_since(before))

    def test_card_is_busy_before_during_and_after_an_operation(self):
        self.gate = self.cards.hangs[fakes.REGION] = threading.Event()
        operation = fakes.program(self.images)
        before = self.start().activity()
        self.executor.run(operation)
        during = self.executor.activity()
        self.assertEqual({fakes.CARD}, self.executor.busy_since(before))
        self.assertEqual({fakes.CARD}, self.executor.busy_since(during))
        self.gate.set()
        self.conductor.outcome(operation.uuid)
        # Began and ended within one scan, or only ended.
        self.assertEqual({fakes.CARD}, self.executor.busy_since(before))
        self.assertEqual({fakes.CARD}, self.executor.busy_since(during))
        after = self.executor.activity()
        self.assertEqual(set(), self.executor.busy_since(after))
