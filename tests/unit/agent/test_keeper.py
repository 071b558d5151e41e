"""What an agent does for its cache while no card waits for it."""

import os
import pathlib
import shutil
import tempfile
import threading
from unittest import mock

from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga.agent import cache
from cyborg_fpga.agent import keeper
from tests.unit.agent import fakes

_SECONDS = 60
_SIZE = 4096


class Popular:
    """A conductor that knows which images are popular."""

    def __init__(self, operations):
        self.operations = operations
        self.asked = []

    def popular(self, ctx, hostname, count):
        self.asked.append((hostname, count))
        return [
            {
                'uuid': operation.image_uuid,
                'algo': operation.image_hash_algo,
                'value': operation.image_hash_value,
                'size': operation.image_size,
            }
            for operation in self.operations[:count]
        ]


class KeeperTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = pathlib.Path(directory.name) / 'cache'
        self.images = fakes.Images()
        self.operations = [
            fakes.program(self.images, function=digit * 32) for digit in '1234'
        ]
        self.conductor = Popular(self.operations)
        self.working = threading.Event()

    def keep(self, count=2, limit=2**20, interval=0.01):
        self.cache = cache.Cache(self.path, limit, self.images.download)
        self.cache.open()
        self.keeper = keeper.Keeper(
            'host1',
            self.cache,
            self.conductor,
            count=count,
            busy=self.working.is_set,
            interval=interval,
        )
        self.addCleanup(self.keeper.stop)
        self.keeper.start()

    def figure(self, name):
        return self.cache.contents()[0][name]

    def until(self, condition):
        self.assertTrue(fakes.wait_for(condition, _SECONDS))

    def asked(self, times):
        """Wait until the conductor was asked so many times more."""
        wanted = len(self.conductor.asked) + times
        self.until(lambda: len(self.conductor.asked) >= wanted)

    def names(self):
        return set(self.cache.contents()[1])

    def name(self, operation):
        return f'sha512-{operation.image_hash_value}'

    def fetch(self, operation):
        with self.cache.fetch(operation, lambda done, total: None) as path:
            return path.read_bytes()

    def test_popular_bitstreams_come_before_anybody_asks(self):
        self.keep(count=2)
        self.until(lambda: self.figure('prefetched') == 2)
        self.assertEqual(('host1', 2), self.conductor.asked[0])
        wanted = set(map(self.name, self.operations[:2]))
        self.assertEqual(wanted, self.names())
        self.assertGreater(self.figure('last_prefetch_at'), 0)
        self.fetch(self.operations[0])
        self.assertEqual(2, len(self.images.downloads))
        self.assertEqual((1, 0), (self.figure('hits'), self.figure('misses')))

    def test_what_is_there_is_not_brought_again(self):
        self.keep(count=2)
        self.asked(3)
        self.assertEqual(2, len(self.images.downloads))

    def test_nobody_is_asked_where_none_is_wanted(self):
        self.keep(count=0)
        self.fetch(self.operations[0])
        self.keeper.wake()
        side = self.path / f'{self.name(self.operations[0])}.md5'
        self.until(side.exists)
        self.assertEqual([], self.conductor.asked)

    def test_sums_are_written_after_operations(self):
        self.keep(interval=3600)
        self.working.set()
        self.fetch(self.operations[0])
        self.keeper.wake()
        side = self.path / f'{self.name(self.operations[0])}.md5'
        self.assertFalse(side.exists())
        self.working.clear()
        self.keeper.wake()
        self.until(side.exists)

    def test_nothing_leaves_for_what_nobody_asked_for(self):
        self.keep(count=0, limit=2 * _SIZE)
        self.keeper.stop()
        for operation in self.operations[2:]:
            self.fetch(operation)
        self.keep(count=2, limit=2 * _SIZE)
        self.asked(2)
        wanted = set(map(self.name, self.operations[2:]))
        self.assertEqual(wanted, self.names())
        self.assertEqual(2, len(self.images.downloads))

    def test_a_part_of_the_disk_stays_free(self):
        full = shutil.disk_usage('/')._replace(total=10**9, free=10**8)
        with mock.patch.object(
            shutil, 'disk_usage', autospec=True, return_value=full
        ):
            self.keep()
            self.asked(2)
            self.assertEqual([], self.images.downloads)

    def test_what_nobody_has_used_leaves_first(self):
        self.keep(count=0, limit=2 * _SIZE)
        self.keeper.stop()
        self.fetch(self.operations[1])
        self.keep(count=1, limit=2 * _SIZE)
        self.until(lambda: self.figure('prefetched') == 1)
        self.keeper.stop()
        self.fetch(self.operations[2])
        wanted = set(map(self.name, self.operations[1:3]))
        self.assertEqual(wanted, self.names())

    def test_operations_come_first(self):
        halfway, go_on = threading.Event(), threading.Event()

        def wait():
            halfway.set()
            go_on.wait(_SECONDS)

        self.images.before_chunk = wait
        self.addCleanup(go_on.set)
        self.keep(count=1)
        self.assertTrue(halfway.wait(_SECONDS))
        self.working.set()
        self.images.before_chunk = lambda: None
        go_on.set()
        # Whoever waits for the same image has it, from a download of its own.
        self.fetch(self.operations[0])
        self.assertEqual(2, len(self.images.downloads))
        self.assertEqual(0, self.figure('prefetched'))
        self.working.clear()
        self.keeper.wake()
        self.asked(2)

    def test_what_cannot_be_had_does_not_stop_the_others(self):
        del self.images.images[self.operations[0].image_uuid]
        self.keep(count=2)
        self.until(lambda: self.figure('prefetched') == 1)
        self.assertEqual({self.name(self.operations[1])}, self.names())

    def test_image_that_is_not_what_glance_says_does_not_come(self):
        ident = self.operations[0].image_uuid
        self.images.images[ident] = b'X' * _SIZE
        self.keep(count=2)
        self.until(lambda: self.figure('prefetched') == 1)
        self.assertEqual({self.name(self.operations[1])}, self.names())

    def test_conductor_that_is_away_is_asked_again(self):
        answer = self.conductor.popular
        away = iter(range(2))

        def popular(ctx, hostname, count):
            if next(away, None) is not None:
                raise errors.ServiceUnavailable(service='C', reason='away')
            return answer(ctx, hostname, count)

        self.conductor.popular = popular
        self.keep()
        self.until(lambda: self.figure('prefetched') == 2)

    def test_read_of_a_sum_does_not_make_a_file_used(self):
        self.keep(count=1)
        self.until(lambda: self.figure('prefetched') == 1)
        (name,) = self.names()
        self.assertTrue((self.path / f'{name}.md5').exists())
        self.assertEqual(0, os.stat(self.path / name).st_atime_ns)
