import os
import pathlib
import tempfile
import time
from unittest import mock

from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.agent import journal
from tests.unit.agent import fakes


def entry_of(operation, **values):
    return journal.Entry(
        operation=operation,
        status=model.OperationStatus(
            uuid=operation.uuid, fence=operation.fence
        ),
        **values,
    )


class JournalTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = pathlib.Path(directory.name)
        self.journal = self.opened()
        self.operation = fakes.program(fakes.Images())

    def opened(self):
        opened = journal.Journal(self.path)
        opened.open()
        self.addCleanup(opened.close)
        return opened

    def reopened(self):
        self.journal.close()
        self.journal = self.opened()
        return self.journal

    def test_entry_survives_with_everything_it_says(self):
        entry = entry_of(
            self.operation,
            stage=journal.Stage.PROGRAMMED,
            expected=fakes.CRYPTO,
            telling=True,
            accepted_at=1.5,
        )
        self.journal.write(entry)
        self.assertEqual(([entry], []), self.reopened().load())

    def test_write_is_on_disk_before_it_gets_its_name(self):
        calls = []
        fsync, replace = os.fsync, os.replace

        def recorded_fsync(number):
            calls.append(('fsync', os.readlink(f'/proc/self/fd/{number}')))
            fsync(number)

        def recorded_replace(source, target):
            calls.append(('replace', str(source), str(target)))
            replace(source, target)

        entry = entry_of(self.operation)
        # Whether bytes are on disk cannot be observed from outside.
        with mock.patch.object(os, 'fsync', recorded_fsync):
            with mock.patch.object(os, 'replace', recorded_replace):
                self.journal.write(entry)
                self.journal.raise_fence('region', 3)
        name = f'{self.operation.uuid}.1.json'
        operations = str(self.path / 'operations')
        self.assertEqual(
            [
                ('fsync', f'{operations}/{name}.tmp'),
                (
                    'replace',
                    f'{operations}/{name}.tmp',
                    f'{operations}/{name}',
                ),
                ('fsync', operations),
                ('fsync', f'{self.path}/fences.json.tmp'),
                (
                    'replace',
                    f'{self.path}/fences.json.tmp',
                    f'{self.path}/fences.json',
                ),
                ('fsync', str(self.path)),
            ],
            calls,
        )

    def test_half_written_entry_leaves_the_one_before(self):
        entry = entry_of(self.operation)
        self.journal.write(entry)
        half = self.path / 'operations' / f'{self.operation.uuid}.1.json.tmp'
        half.write_text('{"operation": {"uu')
        self.assertEqual(([entry], []), self.reopened().load())
        self.assertFalse(half.exists())

    def test_full_disk_leaves_the_entry_before_and_no_rest(self):
        entry = entry_of(self.operation)
        self.journal.write(entry)
        later = entry_of(self.operation, stage=journal.Stage.PROGRAMMING)
        with mock.patch.object(os, 'fsync', side_effect=fakes.no_space()):
            self.assertRaises(OSError, self.journal.write, later)
        self.assertEqual(([entry], []), self.journal.load())
        self.assertEqual([], list(self.path.rglob('*.tmp')))

    def test_damaged_entry_counts_as_interrupted(self):
        self.journal.write(entry_of(self.operation))
        [path] = (self.path / 'operations').iterdir()
        path.write_bytes(b'\0' * 100)
        entries, [status] = self.reopened().load()
        self.assertEqual([], entries)
        self.assertEqual(self.operation.uuid, status.uuid)
        self.assertEqual(self.operation.fence, status.fence)
        self.assertEqual(model.Cause.INTERRUPTED, status.cause)
        self.assertTrue(status.done)
        self.assertFalse(status.succeeded)

    def test_entry_without_a_member_is_damaged(self):
        self.journal.write(entry_of(self.operation))
        [path] = (self.path / 'operations').iterdir()
        path.write_text('{}')
        self.assertEqual(1, len(self.reopened().load()[1]))

    def test_fence_only_rises_and_survives(self):
        self.assertEqual(0, self.journal.fence('region'))
        self.assertTrue(self.journal.raise_fence('region', 5))
        self.assertFalse(self.journal.raise_fence('region', 5))
        self.assertFalse(self.journal.raise_fence('region', 4))
        self.assertEqual(5, self.reopened().fence('region'))
        self.assertEqual({'region': 5}, self.journal.fences())

    def test_fence_that_is_not_written_does_not_hold(self):
        with mock.patch.object(os, 'fsync', side_effect=fakes.no_space()):
            self.assertRaises(OSError, self.journal.raise_fence, 'region', 5)
        self.assertEqual(0, self.journal.fence('region'))

    def test_damaged_fences_are_taken_from_the_entries(self):
        self.journal.write(entry_of(self.operation))
        (self.path / 'fences.json').write_text('[]')
        self.assertEqual(1, self.reopened().fence(fakes.REGION))

    def test_boots_grow_across_starts_within_one_second(self):
        boots = [self.reopened().next_boot() for _ in range(3)]
        self.assertEqual(sorted(set(boots)), boots)
        self.assertGreaterEqual(boots[0], int(time.time()) - 60)

    def test_boot_grows_when_the_clock_went_back(self):
        last = self.journal.next_boot()
        with mock.patch.object(time, 'time', return_value=1000.0):
            self.assertEqual(last + 1, self.reopened().next_boot())

    def test_lost_boot_counter_goes_on_from_the_clock(self):
        self.journal.next_boot()
        (self.path / 'boot.json').write_text('what')
        self.assertGreater(self.reopened().next_boot(), 1000000000)

    def test_second_agent_is_refused_the_directory(self):
        with mock.patch.object(journal, '_LOCK_WAIT', 0.0):
            self.assertRaises(
                errors.ServiceUnavailable, journal.Journal(self.path).open
            )
        self.reopened()

    def test_closed_journal_is_not_written(self):
        self.journal.close()
        entry = entry_of(self.operation)
        self.assertRaises(OSError, self.journal.write, entry)
        self.assertRaises(OSError, self.journal.raise_fence, 'region', 1)
