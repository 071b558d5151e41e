import contextlib
import errno
import hashlib
import os
import pathlib
import tempfile
import threading
import time
from unittest import mock

from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.agent import cache
from cyborg_fpga.agent import transfer
from tests.unit.agent import fakes


def no_progress(done=0, total=None):
    pass


def nonzero(figures):
    return {name: value for name, value in figures.items() if value}


class CacheTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = pathlib.Path(directory.name) / 'cache'
        self.images = fakes.Images()
        self.cache = self.opened()

    def opened(self, limit=2**20):
        opened = cache.Cache(self.path, limit, self.images.download)
        opened.open()
        return opened

    def fetched(self, operation):
        with self.cache.fetch(operation, no_progress) as path:
            return path.read_bytes()

    def test_image_arrives_as_it_was_uploaded(self):
        operation = fakes.program(self.images)
        self.assertEqual(
            self.images.images[operation.image_uuid], self.fetched(operation)
        )

    def test_checksum_files_lie_beside_it(self):
        operation = fakes.program(self.images)
        with self.cache.fetch(operation, no_progress) as path:
            content = path.read_bytes()
        self.cache.settle(no_progress)
        for kind in ('sha512', 'md5'):
            side = path.with_name(f'{path.name}.{kind}')
            self.assertEqual(
                f'{hashlib.new(kind, content).hexdigest()}  {path.name}\n',
                side.read_text(),
            )

    def test_checksum_files_wait_until_there_is_time(self):
        operation = fakes.program(self.images)
        self.fetched(operation)

        def busy():
            raise KeyError

        self.assertRaises(KeyError, self.cache.settle, busy)
        self.assertEqual({'', '.sha512'}, self.suffixes())
        self.cache.settle(no_progress)
        self.assertEqual({'', '.sha512', '.md5'}, self.suffixes())
        # Nothing is left to be done.
        self.cache.settle(busy)

    def test_file_that_left_gets_no_checksum_files(self):
        self.cache = self.opened(limit=5000)
        first, second = (
            fakes.program(self.images, function=digit * 32) for digit in '12'
        )
        self.fetched(first)
        self.fetched(second)
        self.cache.settle(no_progress)
        self.assertEqual(3, len(list(self.path.iterdir())))

    def suffixes(self):
        return {path.suffix for path in self.path.iterdir()}

    def test_second_fetch_downloads_nothing(self):
        operation = fakes.program(self.images)
        self.fetched(operation)
        self.fetched(operation)
        self.assertEqual(1, len(self.images.downloads))

    def test_file_of_an_earlier_process_is_hashed_before_use(self):
        operation = fakes.program(self.images)
        self.fetched(operation)
        self.cache = self.opened()
        with mock.patch.object(
            transfer, 'digest', wraps=transfer.digest
        ) as hashed:
            self.fetched(operation)
            self.fetched(operation)
        self.assertEqual(1, hashed.call_count)
        self.assertEqual(1, len(self.images.downloads))

    def test_file_changed_on_disk_is_downloaded_again(self):
        operation = fakes.program(self.images)
        good = self.fetched(operation)
        [path] = (p for p in self.path.iterdir() if not p.suffix)
        path.write_bytes(good[:-1] + b'x')
        self.assertEqual(good, self.fetched(operation))
        self.assertEqual(2, len(self.images.downloads))

    def test_file_changed_while_the_agent_was_away_is_downloaded_again(self):
        operation = fakes.program(self.images)
        good = self.fetched(operation)
        [path] = (p for p in self.path.iterdir() if not p.suffix)
        path.write_bytes(b'x' * len(good))
        self.cache = self.opened()
        self.assertEqual(good, self.fetched(operation))

    def test_wrong_hash_is_refused_and_nothing_stays(self):
        operation = fakes.program(self.images)
        changed = b'X' + self.images.images[operation.image_uuid][1:]
        self.images.images[operation.image_uuid] = changed
        self.assertRaises(errors.BadBitstream, self.fetched, operation)
        self.assertEqual(2, len(self.images.downloads))
        self.assertEqual([], list(self.path.iterdir()))

    def test_image_damaged_on_its_way_is_downloaded_once_more(self):
        operation = fakes.program(self.images)
        good = self.images.images[operation.image_uuid]
        for bad in (b'X' + good[1:], good[:-1], good + b'X'):
            del self.images.downloads[:]
            self.images.images[operation.image_uuid] = bad

            def second():
                if len(self.images.downloads) == 2:
                    self.images.images[operation.image_uuid] = good

            with mock.patch.object(
                self.cache, '_download', self.preceded(second)
            ):
                self.assertEqual(good, self.fetched(operation))
            self.assertEqual(2, len(self.images.downloads))
            for path in self.path.iterdir():
                path.unlink()

    def preceded(self, act):
        """The download, after *act*."""

        def download(ident):
            self.images.downloads.append(ident)
            act()
            yield self.images.images[ident]

        return download

    def test_truncated_image_is_refused_and_nothing_stays(self):
        operation = fakes.program(self.images)
        short = self.images.images[operation.image_uuid][:-1]
        self.images.images[operation.image_uuid] = short
        refused = self.assertRaises(
            errors.BadBitstream, self.fetched, operation
        )
        self.assertIn('4095 bytes instead of 4096', refused.message)
        self.assertEqual([], list(self.path.iterdir()))

    def streaming(self, chunk):
        """Download so many times *chunk* that it cannot be an image."""
        taken = []

        def download(ident):
            # It does end: a test of a missing limit must not fill the disk.
            for _ in range(100):
                taken.append(ident)
                yield chunk

        self.cache = cache.Cache(self.path, 2**20, download)
        return taken

    def test_endless_stream_is_cut_at_the_size(self):
        operation = fakes.program(self.images, content=b'x' * 3500)
        taken = self.streaming(b'x' * 1000)
        self.assertRaises(errors.BadBitstream, self.fetched, operation)
        self.assertEqual(2 * 4, len(taken))
        self.assertEqual([], list(self.path.iterdir()))

    def test_endless_stream_of_unknown_size_is_cut_at_the_limit(self):
        operation = fakes.program(self.images, image_size=None)
        taken = self.streaming(b'x' * 2**16)
        self.assertRaises(errors.BadBitstream, self.fetched, operation)
        self.assertEqual(2 * 17, len(taken))

    def test_image_without_a_usable_hash_is_refused(self):
        for values in (
            {'image_hash_value': None},
            {'image_hash_algo': None},
            {'image_hash_algo': 'md5', 'image_hash_value': 'a' * 32},
            {'image_hash_algo': 'shake_128', 'image_hash_value': 'a' * 32},
            {'image_hash_algo': 'nonsense'},
            {'image_hash_value': '../../etc/passwd'},
            {'image_hash_value': 'a' * 127},
        ):
            operation = fakes.program(self.images, **values)
            self.assertRaises(errors.BadBitstream, self.fetched, operation)
        self.assertEqual([], self.images.downloads)

    def test_concurrent_fetches_download_once(self):
        operation = fakes.program(self.images)
        gate = threading.Event()
        self.images.before_chunk = lambda: gate.wait(5)
        read = []
        threads = [
            threading.Thread(
                target=lambda: read.append(self.fetched(operation))
            )
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.05)
        gate.set()
        for thread in threads:
            thread.join(5)
        self.assertEqual(4, len(read))
        self.assertEqual(1, len(self.images.downloads))

    def test_waiting_for_another_download_can_be_stopped(self):
        operation = fakes.program(self.images)
        gate = threading.Event()
        self.addCleanup(gate.set)
        self.images.before_chunk = lambda: gate.wait(5)
        first = threading.Thread(target=self.fetched, args=(operation,))
        first.start()
        fakes.wait_for(lambda: self.images.downloads)

        def stop(done, total):
            raise KeyError

        with contextlib.ExitStack() as stack:
            self.assertRaises(
                KeyError,
                stack.enter_context,
                self.cache.fetch(operation, stop),
            )
        gate.set()
        first.join(5)

    def test_least_recently_used_file_leaves_first(self):
        self.cache = self.opened(limit=10000)
        first, second, third = (
            fakes.program(self.images, function=digit * 32) for digit in '123'
        )
        for operation in (first, second, first, third):
            self.fetched(operation)
        self.assertEqual(3, len(self.images.downloads))
        self.fetched(first)
        self.assertEqual(3, len(self.images.downloads))
        self.fetched(second)
        self.assertEqual(4, len(self.images.downloads))
        self.assertEqual(4, len(list(self.path.iterdir())))

    def test_order_of_use_survives_a_restart(self):
        self.cache = self.opened(limit=10000)
        first, second, third = (
            fakes.program(self.images, function=digit * 32) for digit in '123'
        )
        for operation in (first, second, first):
            self.fetched(operation)
        self.cache = self.opened(limit=10000)
        self.fetched(third)
        self.fetched(first)
        self.assertEqual(3, len(self.images.downloads))

    def test_file_in_use_never_leaves(self):
        self.cache = self.opened(limit=5000)
        first, second = (
            fakes.program(self.images, function=digit * 32) for digit in '12'
        )
        with self.cache.fetch(first, no_progress) as path:
            refused = self.assertRaises(OSError, self.fetched, second)
            self.assertEqual(errno.ENOSPC, refused.errno)
            self.assertTrue(path.exists())
        self.fetched(second)
        self.assertFalse(path.exists())

    def test_image_larger_than_the_cache_is_not_downloaded(self):
        self.cache = self.opened(limit=100)
        refused = self.assertRaises(
            OSError, self.fetched, fakes.program(self.images)
        )
        self.assertEqual(errno.ENOSPC, refused.errno)
        self.assertEqual([], self.images.downloads)

    def crowd(self, count):
        """Have so many files, and a disk that takes no more."""
        operations = [
            fakes.program(self.images, function=digit * 32)
            for digit in '123456789'[:count]
        ]
        for operation in operations:
            self.fetched(operation)

        def full():
            if len(self.names()) >= count:
                raise fakes.no_space()

        self.images.before_chunk = full
        del self.images.downloads[:]
        return operations

    def names(self):
        return {p.name for p in self.path.iterdir() if not p.suffix}

    def name(self, operation):
        return f'sha512-{operation.image_hash_value}'

    def test_full_disk_takes_the_least_recently_used_file(self):
        new = fakes.program(self.images)
        stay = [*self.crowd(3)[1:], new]
        self.fetched(new)
        self.assertEqual(set(map(self.name, stay)), self.names())
        self.assertEqual(2, len(self.images.downloads))

    def test_full_disk_takes_no_file_that_is_in_use(self):
        first, second = self.crowd(2)
        new = fakes.program(self.images)
        with self.cache.fetch(first, no_progress):
            self.fetched(new)
            self.assertIn(self.name(first), self.names())
            self.assertNotIn(self.name(second), self.names())

    def test_disk_that_stays_full_is_said_to_be(self):
        (first,) = self.crowd(1)
        new = fakes.program(self.images)
        with self.cache.fetch(first, no_progress):
            refused = self.assertRaises(OSError, self.fetched, new)
        self.assertEqual(errno.ENOSPC, refused.errno)
        self.assertIn('bitstream cache', refused.strerror)
        self.assertIn('No space left', refused.strerror)
        self.assertEqual({self.name(first)}, self.names())
        self.assertEqual(2, len(self.images.downloads))

    def test_full_disk_leaves_nothing(self):
        operation = fakes.program(self.images)
        # The error of a file system that is full, at the latest moment.
        with mock.patch.object(os, 'replace', side_effect=fakes.no_space()):
            self.assertRaises(OSError, self.fetched, operation)
        self.assertEqual([], list(self.path.iterdir()))
        self.fetched(operation)

    def test_rest_of_a_killed_agent_is_removed(self):
        operation = fakes.program(self.images)
        self.fetched(operation)
        (self.path / ('sha512-' + 'a' * 128 + '.part')).write_bytes(b'half')
        (self.path / ('sha512-' + 'b' * 128 + '.md5')).write_text('half')
        self.cache = self.opened()
        self.assertEqual({'', '.sha512'}, self.suffixes())
        self.fetched(operation)
        self.assertEqual(1, len(self.images.downloads))

    def test_missing_image_leaves_nothing(self):
        operation = fakes.program(self.images)
        del self.images.images[operation.image_uuid]
        self.assertRaises(errors.NotFound, self.fetched, operation)
        self.assertEqual([], list(self.path.iterdir()))

    def test_progress_counts_bytes_and_can_stop_the_download(self):
        seen = []

        def progress(done, total):
            seen.append((done, total))
            if done >= 2048:
                raise KeyError

        with contextlib.ExitStack() as stack:
            self.assertRaises(
                KeyError,
                stack.enter_context,
                self.cache.fetch(fakes.program(self.images), progress),
            )
        self.assertEqual([(1024, 4096), (2048, 4096)], seen)
        self.assertEqual([], list(self.path.iterdir()))

    def test_what_it_holds_is_told(self):
        nothing, names = self.cache.contents()
        self.assertEqual((), names)
        self.assertEqual({'size_limit': 2**20}, nonzero(nothing))
        operations = [
            fakes.program(self.images, function=digit * 32) for digit in '12'
        ]
        for operation in (*operations, operations[0]):
            self.fetched(operation)
        figures, names = self.cache.contents()
        self.assertEqual(sorted(map(self.name, operations)), [*names])
        self.assertEqual(
            {
                'size_limit': 2**20,
                'bytes': 8192,
                'files': 2,
                'hits': 1,
                'misses': 2,
            },
            nonzero(figures),
        )
        self.assertEqual(names, self.opened().contents()[1])

    def test_what_left_is_not_told(self):
        self.cache = self.opened(limit=5000)
        first, second = (
            fakes.program(self.images, function=digit * 32) for digit in '12'
        )
        self.fetched(first)
        self.cache.contents()
        self.fetched(second)
        figures, names = self.cache.contents()
        self.assertEqual((self.name(second),), names)
        self.assertEqual((1, 1), (figures['files'], figures['evictions']))

    def test_downloads_that_come_to_nothing_are_counted(self):
        damaged, missing = (fakes.program(self.images) for _ in range(2))
        self.images.images[damaged.image_uuid] = b'X' * 4096
        self.assertRaises(errors.BadBitstream, self.fetched, damaged)
        del self.images.images[missing.image_uuid]
        self.assertRaises(errors.NotFound, self.fetched, missing)
        figures, _names = self.cache.contents()
        self.assertEqual(2, figures['downloads_damaged'])
        self.assertEqual(1, figures['downloads_failed'])

    def test_of_too_many_files_the_last_used_are_told(self):
        operations = [
            fakes.program(self.images, function=digit * 32) for digit in '1234'
        ]
        for operation in (*operations, operations[0]):
            self.fetched(operation)
        with mock.patch.object(cache, '_TOLD', 2):
            figures, names = self.opened().contents()
        last = (operations[0], operations[3])
        self.assertEqual(sorted(map(self.name, last)), [*names])
        self.assertEqual(4, figures['files'])

    def test_directory_that_cannot_be_read_is_told_empty(self):
        lost = cache.Cache(self.path / 'lost', 2**20, self.images.download)
        figures, names = lost.contents()
        self.assertEqual((0, ()), (figures['files'], names))

    def broken_off(self, size=5 * 2**19, **values):
        """An image whose download has got as far as half a MiB more than one.

        :returns: Its operation, and its bytes.
        """
        self.cache = self.opened(limit=2**23)
        self.images.chunk = 2**19
        content = fakes.image_of(fakes.CRYPTO, size=size)
        operation = fakes.program(self.images, content=content, **values)
        left = iter(range(3))

        def cut():
            if next(left, None) is None:
                raise errors.ServiceUnavailable(service='G', reason='cut')

        self.images.before_chunk = cut
        self.assertRaises(errors.ServiceUnavailable, self.fetched, operation)
        self.images.before_chunk = no_progress
        return operation, content

    def test_download_that_was_cut_off_goes_on(self):
        operation, content = self.broken_off()
        self.assertEqual(content, self.fetched(operation))
        self.assertEqual([0, 3 * 2**19], self.images.starts)
        self.assertEqual({'', '.sha512'}, self.suffixes())

    def test_download_of_a_killed_agent_goes_on(self):
        operation, content = self.broken_off()
        self.cache = self.opened(limit=2**23)
        self.assertEqual(content, self.fetched(operation))
        self.assertEqual([0, 3 * 2**19], self.images.starts)

    def test_download_that_only_lacked_its_name_is_not_repeated(self):
        operation, content = self.broken_off()
        (part,) = self.path.iterdir()
        part.write_bytes(content)
        self.assertEqual(content, self.fetched(operation))
        self.assertEqual([0], self.images.starts)

    def test_beginning_that_is_not_the_images_is_not_served(self):
        operation, content = self.broken_off()
        (part,) = self.path.iterdir()
        for bad in (
            b'X' + content[1 : 3 * 2**19],
            bytes(2**21),
            bytes(len(content)),
            content + b'X',
        ):
            del self.images.starts[:]
            part.write_bytes(bad)
            self.assertEqual(content, self.fetched(operation))
            self.assertEqual(0, self.images.starts[-1])
            for path in self.path.iterdir():
                path.unlink()

    def test_beginning_of_an_unknown_size_goes_on_too(self):
        operation, content = self.broken_off(image_size=None)
        self.assertEqual(content, self.fetched(operation))
        self.assertEqual([0, 3 * 2**19], self.images.starts)

    def test_beginning_of_an_image_that_is_gone_is_removed(self):
        operation, _content = self.broken_off()
        del self.images.images[operation.image_uuid]
        self.assertRaises(errors.NotFound, self.fetched, operation)
        self.assertEqual([], list(self.path.iterdir()))

    def test_beginnings_leave_before_whole_files(self):
        broken, _content = self.broken_off()
        small, large = (
            fakes.program(
                self.images,
                content=fakes.image_of(digit * 32, size=size),
            )
            for digit, size in (('1', 2**12), ('2', 7 * 2**20))
        )
        self.fetched(small)
        self.fetched(large)
        self.assertEqual({self.name(small), self.name(large)}, self.names())
        self.assertNotIn('.part', self.suffixes())
        self.fetched(broken)
        self.assertEqual(0, self.images.starts[-1])

    def test_beginning_that_nobody_wanted_for_a_week_is_removed(self):
        self.broken_off()
        (part,) = self.path.iterdir()
        week = time.time() - 7 * 86400
        os.utime(part, (week + 3600, week + 3600))
        self.opened()
        self.assertTrue(part.exists())
        os.utime(part, (week - 1, week - 1))
        self.opened()
        self.assertFalse(part.exists())

    def test_every_accepted_algorithm_works(self):
        for algo in ('sha256', 'sha3_512', 'blake2b', 'sha512'):
            content = fakes.image_of(fakes.CRYPTO)
            operation = fakes.program(
                self.images,
                content=content,
                image_hash_algo=algo,
                image_hash_value=hashlib.new(algo, content).hexdigest(),
            )
            self.assertIsInstance(operation, model.Operation)
            self.assertEqual(content, self.fetched(operation))
