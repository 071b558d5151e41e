"""One operation: its steps, their order, and every way to fail."""

import errno
import os
import threading
import time
from unittest import mock

import oslo_messaging as messaging

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.agent import journal
from cyborg_fpga.agent import outbox
from cyborg_fpga.agent import work
from tests.unit.agent import base
from tests.unit.agent import fakes


class ProgramTest(base.ExecutorTest):
    def test_card_shows_the_function_and_the_outcome_says_so(self):
        outcome = self.run_to_end(fakes.program(self.images))
        self.assertEqual(fakes.CRYPTO, self.cards.loaded[fakes.REGION])
        self.assertTrue(outcome.done)
        self.assertTrue(outcome.succeeded)
        self.assertTrue(outcome.touched)
        self.assertEqual(fakes.CRYPTO, outcome.function_id)
        self.assertIsNone(outcome.cause)

    def test_steps_are_on_disk_before_and_after_the_first_byte(self):
        order = []
        replace, program = os.replace, self.cards.program

        def recorded_replace(source, target):
            replace(source, target)
            entries, _damaged = self.journal.load()
            for entry in entries:
                order.append(entry.stage.value)

        def recorded_program(*args):
            order.append('first byte')
            program(*args)
            order.append('last byte')

        self.cards.program = recorded_program
        self.conductor.on_begin = lambda uuid: order.append('begin')
        with mock.patch.object(os, 'replace', recorded_replace):
            self.run_to_end(fakes.program(self.images))
            fakes.wait_for(lambda: order.count('done') == 2)
        seen = [step for n, step in enumerate(order) if step not in order[:n]]
        self.assertEqual(
            [
                'accepted',
                'fetching',
                'verifying',
                'begin',
                'programming',
                'first byte',
                'last byte',
                'programmed',
                'reading_back',
                'done',
            ],
            seen,
        )

    def test_no_byte_reaches_the_card_without_the_journal(self):
        self.start()
        write = self.journal.write

        def full(entry):
            if entry.stage is journal.Stage.PROGRAMMING:
                raise fakes.no_space()
            write(entry)

        with mock.patch.object(self.journal, 'write', full):
            outcome = self.run_to_end(fakes.program(self.images))
        self.assertEqual(model.Cause.NO_SPACE, outcome.cause)
        self.assertFalse(outcome.touched)
        self.assertEqual([], self.cards.acts())

    def test_journal_that_fails_later_does_not_hide_the_truth(self):
        self.start()
        write = self.journal.write

        def full(entry):
            if entry.stage is not journal.Stage.ACCEPTED and self.cards.acts():
                raise fakes.no_space()
            write(entry)

        with mock.patch.object(self.journal, 'write', full):
            operation = fakes.program(self.images)
            self.assertTrue(self.run_to_end(operation).succeeded)
        self.assertTrue(self.executor.status(operation.uuid).done)

    def test_given_up_operation_touches_nothing(self):
        operation = fakes.program(self.images)
        self.conductor.ended.add(operation.uuid)
        outcome = self.run_to_end(operation)
        self.assertEqual(model.Cause.STALE, outcome.cause)
        self.assertFalse(outcome.touched)
        self.assertEqual([], self.cards.acts())

    def test_operation_unknown_to_the_conductor_touches_nothing(self):
        self.conductor.on_begin = mock.Mock(
            side_effect=errors.NotFound(kind='operation', ident='x')
        )
        outcome = self.run_to_end(fakes.program(self.images))
        self.assertEqual(model.Cause.STALE, outcome.cause)
        self.assertEqual([], self.cards.acts())

    def test_leave_is_asked_for_until_a_conductor_answers(self):
        self.conductor.on_begin = mock.Mock(
            side_effect=[
                messaging.MessagingTimeout(),
                errors.ServiceUnavailable(service='database', reason='x'),
                None,
            ]
        )
        with mock.patch.object(work, '_FIRST_RETRY', 0.01):
            outcome = self.run_to_end(fakes.program(self.images))
        self.assertTrue(outcome.succeeded)
        self.assertEqual(3, self.conductor.on_begin.call_count)

    def test_leave_whose_answer_was_lost_is_given_again(self):
        lost = [messaging.MessagingTimeout(), messaging.MessagingTimeout()]

        def answer(_uuid):
            if lost:
                raise lost.pop()

        self.conductor.on_begun = answer
        with mock.patch.object(work, '_FIRST_RETRY', 0.01):
            outcome = self.run_to_end(fakes.program(self.images))
        self.assertTrue(outcome.succeeded, outcome)
        self.assertEqual(3, self.conductor.count('begin'))
        self.assertEqual(1, len(self.cards.acts()))

    def test_nobody_gives_leave_before_the_deadline(self):
        self.conductor.on_begin = mock.Mock(
            side_effect=messaging.MessagingTimeout()
        )
        with mock.patch.object(work, '_LAST_RETRY', 0.05):
            outcome = self.run_to_end(
                fakes.program(self.images, seconds_left=0.3)
            )
        self.assertEqual(model.Cause.TIMEOUT, outcome.cause)
        self.assertFalse(outcome.touched)
        self.assertEqual([], self.cards.acts())

    def test_download_ends_at_the_deadline(self):
        self.images.before_chunk = lambda: time.sleep(0.1)
        outcome = self.run_to_end(
            fakes.program(self.images, seconds_left=0.15)
        )
        self.assertEqual(model.Cause.TIMEOUT, outcome.cause)
        self.assertEqual(0, self.conductor.count('begin'))

    def test_progress_is_told_and_stays_below_the_end(self):
        self.images.chunk = 256
        self.images.before_chunk = lambda: time.sleep(0.05)
        with mock.patch.object(outbox, '_PROGRESS_PERIOD', 0.01):
            self.run_to_end(fakes.program(self.images))
        told = [c[2] for c in self.conductor.calls if c[0] == 'progress']
        self.assertGreater(len(set(told)), 5)
        self.assertEqual(sorted(told), told)
        self.assertLess(max(told), 100)

    def test_progress_is_told_at_most_twice_a_second(self):
        self.images.chunk = 16
        self.images.before_chunk = lambda: time.sleep(0.003)
        began = time.monotonic()
        self.run_to_end(fakes.program(self.images))
        passed = time.monotonic() - began
        self.assertLessEqual(self.conductor.count('progress'), 2 * passed + 1)


class FailureTest(base.ExecutorTest):
    def failed(self, cause, *, touched, **values):
        outcome = self.run_to_end(fakes.program(self.images, **values))
        self.assertTrue(outcome.done)
        self.assertFalse(outcome.succeeded)
        self.assertEqual(cause, outcome.cause)
        self.assertEqual(touched, outcome.touched, outcome)
        return outcome

    def test_read_back_decides_and_not_the_return_of_the_driver(self):
        self.cards.lies[fakes.REGION] = fakes.ZIP
        outcome = self.failed(model.Cause.READBACK_MISMATCH, touched=True)
        self.assertEqual(fakes.ZIP, outcome.function_id)
        self.assertIn(fakes.ZIP, outcome.detail)

    def test_blank_card_after_programming_is_a_failure(self):
        self.cards.lies[fakes.REGION] = None
        outcome = self.failed(model.Cause.READBACK_MISMATCH, touched=True)
        self.assertIsNone(outcome.function_id)

    def test_image_of_another_function_is_not_loaded(self):
        self.failed(
            model.Cause.IMAGE_MISMATCH,
            touched=False,
            expected_function=fakes.ZIP,
        )
        self.assertEqual([], self.cards.acts())

    def test_image_with_the_wrong_hash_is_not_loaded(self):
        self.failed(
            model.Cause.IMAGE_CORRUPT,
            touched=False,
            image_hash_value='a' * 128,
        )
        self.assertEqual([], self.cards.acts())

    def test_file_that_is_no_bitstream_is_not_loaded(self):
        outcome = self.failed(
            model.Cause.IMAGE_CORRUPT, touched=False, content=b'nonsense'
        )
        self.assertIn('no magic number', outcome.detail)
        self.assertEqual(0, self.conductor.count('begin'))

    def test_missing_image_is_unavailable(self):
        self.failed(
            model.Cause.IMAGE_UNAVAILABLE,
            touched=False,
            image_uuid='11111111-1111-1111-1111-111111111111',
        )

    def test_image_service_that_is_down_is_unavailable(self):
        def down(ident, start=0):
            raise errors.ServiceUnavailable(service='Glance', reason='down')

        self.images.download = down
        outcome = self.failed(model.Cause.IMAGE_UNAVAILABLE, touched=False)
        self.assertIn('Glance', outcome.detail)

    def test_full_cache_disk_is_no_space(self):
        def full():
            raise fakes.no_space()

        self.images.before_chunk = full
        outcome = self.failed(model.Cause.NO_SPACE, touched=False)
        self.assertIn('No space left', outcome.detail)
        self.assertEqual([], list((self.path / 'cache').iterdir()))

    def test_card_that_refuses_says_why_and_is_read_back(self):
        self.cards.refuses['program'] = errors.DeviceFailed(
            deployable=fakes.REGION,
            cause='device_busy',
            detail='Device or resource busy',
        )
        outcome = self.failed(model.Cause.DEVICE_BUSY, touched=True)
        self.assertEqual('Device or resource busy', outcome.detail)
        self.assertEqual(('identify', fakes.REGION), self.cards.calls[-1])

    def test_what_a_refusing_card_shows_is_told(self):
        self.cards.loaded[fakes.REGION] = fakes.ZIP
        self.cards.refuses['program'] = errors.DeviceFailed(
            deployable=fakes.REGION, cause='new cause', detail='EIO'
        )
        outcome = self.failed(model.Cause.DEVICE_ERROR, touched=True)
        self.assertEqual(fakes.ZIP, outcome.function_id)

    def test_file_refused_by_the_driver_leaves_the_record_alone(self):
        self.cards.refuses['program'] = errors.DoesNotFit(reason='region')
        outcome = self.failed(model.Cause.DOES_NOT_FIT, touched=False)
        self.assertIn('region', outcome.detail)

    def test_errors_of_the_kernel_have_causes(self):
        for fence, (number, cause) in enumerate(
            (
                (errno.EBUSY, model.Cause.DEVICE_BUSY),
                (errno.ENODEV, model.Cause.DEVICE_GONE),
                (errno.ENOENT, model.Cause.DEVICE_GONE),
                (errno.EIO, model.Cause.DEVICE_ERROR),
            )
        ):
            self.cards.refuses['program'] = OSError(number, 'kernel says')
            outcome = self.failed(cause, touched=True, fence=fence)
            self.assertEqual('kernel says', outcome.detail)

    def test_unreadable_card_is_a_failure(self):
        self.cards.refuses['identify'] = errors.DeviceFailed(
            deployable=fakes.REGION, cause='device_error', detail='in reset'
        )
        outcome = self.failed(model.Cause.DEVICE_ERROR, touched=True)
        self.assertIsNone(outcome.function_id)
        self.assertEqual(1, len(self.cards.acts()))

    def test_bug_of_a_driver_ends_the_operation_and_not_the_worker(self):
        self.cards.refuses['program'] = AttributeError('secret of the code')
        outcome = self.failed(model.Cause.INTERNAL, touched=True)
        self.assertNotIn('secret', outcome.detail)
        del self.cards.refuses['program']
        outcome = self.run_to_end(fakes.program(self.images, fence=2))
        self.assertTrue(outcome.succeeded)

    def test_bug_in_reading_back_ends_the_operation_too(self):
        self.cards.refuses['identify'] = KeyError('bug')
        self.failed(model.Cause.INTERNAL, touched=False)
        del self.cards.refuses['identify']
        outcome = self.run_to_end(fakes.program(self.images, fence=2))
        self.assertTrue(outcome.succeeded)

    def test_driver_that_is_not_enabled_has_no_cards(self):
        self.failed(model.Cause.DEVICE_GONE, touched=False, driver='other')

    def test_failed_operation_says_so_once_and_for_all(self):
        self.cards.refuses['program'] = OSError(errno.EIO, 'EIO')
        operation = fakes.program(self.images)
        outcome = self.run_to_end(operation)
        del self.cards.refuses['program']
        self.start()
        self.assertEqual(outcome, self.executor.run(operation))
        self.assertEqual(1, len(self.cards.acts()))


class WipeTest(base.ExecutorTest):
    def setUp(self):
        super().setUp()
        self.cards.loaded[fakes.REGION] = fakes.CRYPTO
        self.start()
        self.executor.learn(self.cards.discover())

    def levels(self):
        return [call[2] for call in self.cards.acts()]

    def reset(self, **values):
        return fakes.wipe(
            model.WipeLevel.RESET, **{'images': self.images, **values}
        )

    def test_reset_keeps_the_function(self):
        outcome = self.run_to_end(self.reset())
        self.assertTrue(outcome.succeeded)
        self.assertTrue(outcome.touched)
        self.assertEqual(fakes.CRYPTO, outcome.function_id)
        self.assertEqual([model.WipeLevel.RESET], self.levels())
        self.assertEqual(1, self.conductor.count('begin'))

    def test_reset_is_given_what_is_to_be_loaded_again(self):
        self.run_to_end(self.reset())
        self.assertEqual(fakes.CRYPTO, self.cards.given)

    def test_reset_of_what_is_blank_needs_no_file(self):
        self.cards.loaded[fakes.REGION] = None
        outcome = self.run_to_end(self.reset(function=None, images=None))
        self.assertTrue(outcome.succeeded)
        self.assertEqual([model.WipeLevel.RESET], self.levels())

    def test_function_that_cannot_be_loaded_again_is_cleared(self):
        gone = {'image_uuid': '11111111-1111-1111-1111-111111111111'}
        damaged = {'image_hash_value': 'a' * 128}
        for fence, values in enumerate(({'images': None}, gone, damaged)):
            self.cards.loaded[fakes.REGION] = fakes.CRYPTO
            outcome = self.run_to_end(self.reset(fence=fence, **values))
            self.assertTrue(outcome.succeeded, values)
            self.assertIsNone(outcome.function_id)
        self.assertEqual([model.WipeLevel.CLEAR] * 3, self.levels())

    def test_reset_of_another_function_clears(self):
        self.cards.loaded[fakes.REGION] = fakes.ZIP
        outcome = self.run_to_end(self.reset())
        self.assertTrue(outcome.succeeded)
        self.assertIsNone(outcome.function_id)
        self.assertEqual([model.WipeLevel.CLEAR], self.levels())

    def test_reset_of_an_unreadable_function_clears(self):
        shown = [errors.DeviceFailed(
            deployable=fakes.REGION, cause='device_error', detail='x'
        )]  # fmt: skip
        identify = self.cards.identify

        def unreadable_once(*args):
            if shown:
                raise shown.pop()
            return identify(*args)

        self.cards.identify = unreadable_once
        outcome = self.run_to_end(self.reset())
        self.assertTrue(outcome.succeeded)
        self.assertEqual([model.WipeLevel.CLEAR], self.levels())

    def test_card_that_cannot_reset_is_cleared(self):
        self.cards.levels = (model.WipeLevel.CLEAR,)
        self.executor.learn(self.cards.discover())
        outcome = self.run_to_end(self.reset())
        self.assertIsNone(outcome.function_id)
        self.assertEqual([model.WipeLevel.CLEAR], self.levels())

    def test_reset_that_lost_the_function_has_failed(self):
        identify = self.cards.identify

        def lost(device, deployable):
            found = identify(device, deployable)
            return None if self.cards.acts() else found

        self.cards.identify = lost
        outcome = self.run_to_end(self.reset())
        self.assertEqual(model.Cause.READBACK_MISMATCH, outcome.cause)

    def test_clear_leaves_nothing(self):
        outcome = self.run_to_end(fakes.wipe(model.WipeLevel.CLEAR))
        self.assertTrue(outcome.succeeded)
        self.assertIsNone(outcome.function_id)
        self.assertEqual([model.WipeLevel.CLEAR], self.levels())

    def test_clear_that_leaves_the_function_has_failed(self):
        self.cards.lies[fakes.REGION] = fakes.CRYPTO
        outcome = self.run_to_end(fakes.wipe(model.WipeLevel.CLEAR))
        self.assertEqual(model.Cause.READBACK_MISMATCH, outcome.cause)
        self.assertTrue(outcome.touched)

    def test_blank_image_may_show_a_function_of_its_own(self):
        self.cards.lies[fakes.REGION] = 'b' * 32
        outcome = self.run_to_end(fakes.wipe(model.WipeLevel.BLANK))
        self.assertTrue(outcome.succeeded)
        self.assertEqual('b' * 32, outcome.function_id)
        self.assertEqual([model.WipeLevel.BLANK], self.levels())

    def test_level_none_touches_nothing_and_reads_back(self):
        outcome = self.run_to_end(fakes.wipe(model.WipeLevel.NONE))
        self.assertTrue(outcome.succeeded)
        self.assertEqual(fakes.CRYPTO, outcome.function_id)
        self.assertEqual([], self.cards.acts())

    def test_given_up_wipe_touches_nothing(self):
        operation = fakes.wipe(model.WipeLevel.CLEAR)
        self.conductor.ended.add(operation.uuid)
        outcome = self.run_to_end(operation)
        self.assertEqual(model.Cause.STALE, outcome.cause)
        self.assertEqual([], self.cards.acts())

    def test_card_that_refuses_the_wipe_has_failed(self):
        self.cards.refuses['wipe'] = errors.DeviceFailed(
            deployable=fakes.REGION, cause='device_error', detail='no'
        )
        outcome = self.run_to_end(self.reset())
        self.assertEqual(model.Cause.DEVICE_ERROR, outcome.cause)
        self.assertTrue(outcome.touched)


class DeliveryTest(base.ExecutorTest):
    def test_outcome_is_told_until_a_conductor_answers(self):
        self.start()
        operation = fakes.program(self.images)
        self.conductor.on_begin = lambda uuid: self.conductor.silent.set()
        with mock.patch.object(outbox, '_FIRST_RETRY', 0.01):
            self.executor.run(operation)
            self.assertTrue(
                fakes.wait_for(lambda: self.conductor.count('finish') > 2, 2)
            )
            self.assertEqual({}, self.conductor.outcomes)
            self.conductor.silent.clear()
            outcome = self.conductor.outcome(operation.uuid)
        self.assertTrue(outcome.succeeded)

    def test_outcome_is_told_after_a_restart(self):
        self.start()
        operation = fakes.program(self.images)
        self.conductor.on_begin = lambda uuid: self.conductor.silent.set()
        self.executor.run(operation)
        fakes.wait_for(lambda: self.conductor.count('finish'))
        self.stop()
        self.conductor.silent.clear()
        self.start()
        self.assertTrue(self.conductor.outcome(operation.uuid).succeeded)
        self.assertEqual(1, len(self.cards.acts()))

    def test_delivered_outcome_is_not_told_again(self):
        operation = fakes.program(self.images)
        self.run_to_end(operation)
        fakes.wait_for(lambda: self.journal.load()[0][0].delivered)
        self.start()
        other = fakes.program(self.images, fence=2)
        self.run_to_end(other)
        self.assertEqual(1, len(self.conductor.outcomes[operation.uuid]))

    def test_refusal_is_an_answer(self):
        operation = fakes.program(self.images)
        self.conductor.finish = mock.Mock(
            side_effect=errors.StaleFence(operation='x', fence=1)
        )
        self.start().run(operation)
        fakes.wait_for(lambda: self.journal.load()[0][0].delivered)
        self.assertEqual(1, self.conductor.finish.call_count)

    def test_silent_conductor_does_not_keep_the_card_waiting(self):
        self.start()
        gate = threading.Event()
        self.addCleanup(gate.set)
        first = fakes.program(self.images)
        self.conductor.finish = lambda ctx, status: gate.wait(10)
        self.conductor.progress = lambda ctx, status: gate.wait(10)
        self.executor.run(first)
        second = fakes.program(self.images, function=fakes.ZIP, fence=2)
        self.executor.run(second)
        self.assertTrue(
            fakes.wait_for(lambda: self.executor.status(second.uuid).done)
        )
        gate.set()
