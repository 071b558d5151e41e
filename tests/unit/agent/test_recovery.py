"""What an agent makes of the journal of one that was killed."""

import threading
from unittest import mock

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.agent import journal
from cyborg_fpga.agent import recovery
from tests.unit.agent import base
from tests.unit.agent import fakes

Stage = journal.Stage


class RecoveryTest(base.ExecutorTest):
    def recovered(self, operation):
        self.start()
        outcome = self.conductor.outcome(operation.uuid)
        self.assertIsNotNone(outcome, 'no outcome came')
        return outcome

    def test_operation_that_had_not_begun_is_taken_up(self):
        for fence, stage in enumerate(
            (Stage.ACCEPTED, Stage.FETCHING, Stage.VERIFYING)
        ):
            operation = fakes.program(self.images, fence=fence)
            self.left(operation, stage)
            self.assertTrue(self.recovered(operation).succeeded, stage)
            self.stop()
        self.assertEqual(3, len(self.cards.acts()))
        self.assertEqual(3, self.conductor.count('begin'))

    def test_operation_that_was_given_leave_before_is_taken_up(self):
        operation = fakes.program(self.images)
        self.left(operation, Stage.VERIFYING, attempt='one')
        self.conductor.attempts[operation.uuid] = 'one'
        self.assertTrue(self.recovered(operation).succeeded)
        self.assertEqual(1, len(self.cards.acts()))

    def test_leave_given_to_a_lost_journal_is_not_for_the_next(self):
        operation = fakes.program(self.images)
        self.run_to_end(operation)
        self.stop()
        (entry,) = (self.path / 'state' / 'operations').iterdir()
        entry.unlink()
        self.start().run(operation)
        outcomes = self.conductor.outcomes[operation.uuid]
        fakes.wait_for(lambda: len(outcomes) == 2)
        self.assertEqual(model.Cause.STALE, outcomes[-1].cause)
        self.assertEqual(1, len(self.cards.acts()))

    def test_operation_given_up_meanwhile_touches_nothing(self):
        operation = fakes.program(self.images)
        self.left(operation, Stage.ACCEPTED)
        self.conductor.ended.add(operation.uuid)
        outcome = self.recovered(operation)
        self.assertEqual(model.Cause.STALE, outcome.cause)
        self.assertEqual([], self.cards.acts())

    def test_operation_below_the_fence_touches_nothing(self):
        operation = fakes.program(self.images, fence=1)
        self.left(operation, Stage.ACCEPTED)
        self.left(fakes.program(self.images, fence=2), Stage.ACCEPTED)
        outcome = self.recovered(operation)
        self.assertEqual(model.Cause.STALE, outcome.cause)
        self.assertEqual(1, len(fakes.wait_for(self.cards.acts)))

    def test_wanted_function_on_the_card_is_a_success(self):
        self.cards.loaded[fakes.REGION] = fakes.CRYPTO
        for fence, stage in enumerate(journal.TOUCHED):
            operation = fakes.program(self.images, fence=fence)
            self.left(operation, stage, expected=fakes.CRYPTO, telling=True)
            outcome = self.recovered(operation)
            self.assertTrue(outcome.succeeded, stage)
            self.assertEqual(fakes.CRYPTO, outcome.function_id)
            self.stop()
        self.assertEqual([], self.cards.acts())

    def test_anything_else_on_the_card_is_interrupted(self):
        for fence, found in enumerate((fakes.ZIP, None)):
            self.cards.loaded[fakes.REGION] = found
            operation = fakes.program(self.images, fence=fence)
            self.left(
                operation,
                Stage.PROGRAMMED,
                expected=fakes.CRYPTO,
                telling=True,
            )
            outcome = self.recovered(operation)
            self.assertEqual(model.Cause.INTERRUPTED, outcome.cause)
            self.assertTrue(outcome.touched)
            self.assertEqual(found, outcome.function_id)
            self.stop()
        self.assertEqual([], self.cards.acts())

    def test_function_that_was_there_before_proves_nothing(self):
        self.cards.loaded[fakes.REGION] = fakes.CRYPTO
        operation = fakes.program(self.images)
        self.left(operation, Stage.PROGRAMMING, expected=fakes.CRYPTO)
        outcome = self.recovered(operation)
        self.assertEqual(model.Cause.INTERRUPTED, outcome.cause)
        self.assertEqual(fakes.CRYPTO, outcome.function_id)

    def test_worker_notes_whether_read_back_will_tell(self):
        seen = []
        program = self.cards.program

        def peeked(*args):
            seen.append(self.journal.load()[0][-1].telling)
            program(*args)

        self.cards.program = peeked
        self.run_to_end(fakes.program(self.images, fence=1))
        self.run_to_end(fakes.program(self.images, fence=2))
        self.run_to_end(
            fakes.program(self.images, function=fakes.ZIP, fence=3)
        )
        self.assertEqual([True, False, True], seen)

    def test_half_done_wipe_is_interrupted(self):
        operation = fakes.wipe(model.WipeLevel.CLEAR)
        self.left(operation, Stage.PROGRAMMING, expected=None)
        outcome = self.recovered(operation)
        self.assertEqual(model.Cause.INTERRUPTED, outcome.cause)
        self.assertTrue(outcome.touched)
        self.assertEqual([], self.cards.acts())

    def test_wipe_that_was_done_is_a_success(self):
        operation = fakes.wipe(model.WipeLevel.CLEAR)
        self.left(operation, Stage.PROGRAMMED, expected=None)
        self.assertTrue(self.recovered(operation).succeeded)

    def test_card_that_cannot_be_read_is_interrupted(self):
        self.cards.refuses['identify'] = errors.DeviceFailed(
            deployable=fakes.REGION, cause='device_error', detail='in reset'
        )
        operation = fakes.program(self.images)
        self.left(operation, Stage.READING_BACK, expected=fakes.CRYPTO)
        outcome = self.recovered(operation)
        self.assertEqual(model.Cause.INTERRUPTED, outcome.cause)
        self.assertIn('in reset', outcome.detail)
        self.assertTrue(outcome.touched)

    def test_card_that_is_busy_is_waited_for(self):
        """The kernel goes on loading when the agent is killed."""
        busy = [
            errors.DeviceFailed(
                deployable=fakes.REGION, cause='device_busy', detail='loading'
            )
        ] * 2
        identify = self.cards.identify

        def busy_at_first(*args):
            if busy:
                raise busy.pop()
            return identify(*args)

        self.cards.identify = busy_at_first
        self.cards.loaded[fakes.REGION] = fakes.CRYPTO
        operation = fakes.program(self.images)
        self.left(
            operation, Stage.PROGRAMMING, expected=fakes.CRYPTO, telling=True
        )
        with mock.patch.object(recovery, '_BUSY_PERIOD', 0.01):
            self.assertTrue(self.recovered(operation).succeeded)

    def test_card_that_stays_busy_is_interrupted_at_the_deadline(self):
        self.cards.refuses['identify'] = errors.DeviceFailed(
            deployable=fakes.REGION, cause='device_busy', detail='loading'
        )
        operation = fakes.program(self.images, seconds_left=0.1)
        self.left(operation, Stage.PROGRAMMING, expected=fakes.CRYPTO)
        with mock.patch.object(recovery, '_BUSY_PERIOD', 0.01):
            outcome = self.recovered(operation)
        self.assertEqual(model.Cause.INTERRUPTED, outcome.cause)

    def test_driver_that_is_gone_is_interrupted(self):
        operation = fakes.program(self.images, driver='gone')
        self.left(operation, Stage.PROGRAMMING, expected=fakes.CRYPTO)
        outcome = self.recovered(operation)
        self.assertEqual(model.Cause.INTERRUPTED, outcome.cause)

    def test_damaged_entry_is_told_as_interrupted(self):
        operation = fakes.program(self.images)
        self.left(operation, Stage.PROGRAMMING)
        [path] = (self.path / 'state' / 'operations').iterdir()
        path.write_text('{')
        outcome = self.recovered(operation)
        self.assertEqual(model.Cause.INTERRUPTED, outcome.cause)
        self.assertEqual(outcome, self.executor.status(operation.uuid))
        self.assertTrue(fakes.wait_for(lambda: not path.exists()))

    def test_card_is_busy_until_its_past_is_known(self):
        operation = fakes.program(self.images)
        self.left(operation, Stage.PROGRAMMING, expected=fakes.CRYPTO)
        identify, gate = self.cards.identify, threading.Event()
        self.addCleanup(gate.set)

        def slow(*args):
            gate.wait(5)
            return identify(*args)

        self.cards.identify = slow
        self.assertEqual({fakes.CARD}, self.start().activity().unfinished)
        # What is not yet known must not end what the conductor waits for.
        self.assertFalse(self.executor.raise_fences({fakes.REGION: 9}))
        gate.set()
        self.assertIsNotNone(self.conductor.outcome(operation.uuid))
        self.assertEqual({fakes.REGION: 9}, self.executor.fences())
