"""Idle deployables are given the functions that are to be had at once."""

import itertools
import pathlib
from unittest import mock

import fixtures
import sqlalchemy as sa
from oslo_config import cfg

from cyborg_fpga import conf as options
from cyborg_fpga import model
from cyborg_fpga.conductor import warm_pools
from cyborg_fpga.conductor import warming
from cyborg_fpga.db import models
from cyborg_fpga.db import operations
from tests.unit.conductor import base
from tests.unit.db import base as db

OTHER = 'd' * 32
ELSEWHERE = 'far.example.com'


class WarmingTest(base.ConductorTest):
    """One host with four like cards has reported."""

    def setUp(self):
        super().setUp()
        self.ask('report', report=self.cards().to_wire())
        self.now = 1000.0
        clock = mock.patch.object(
            warming.time, 'monotonic', autospec=True,
            side_effect=lambda: self.now,
        )  # fmt: skip
        clock.start()
        self.addCleanup(clock.stop)

    def cards(self, **members):
        buses = range(0x10, 0x14)
        return self.report(
            *(db.card(f'0000:{bus:02x}:00.0') for bus in buses), **members
        )

    def known(self, **how):
        """An image that the catalogue knows."""
        image = self.image(**how)
        self.manager._catalogue.cycle(self.ctx)
        return image

    def image(self, function=base.FUNCTION, **values):
        image = super().image(**values)
        self.images.images[image].properties['function_id'] = function
        return image

    def pools(self, *entries):
        self.database.conf.set_override('warm_pools', entries, 'conductor')

    def cycle(self, *, well=True):
        """Images that are loaded for the pools, as far as one look goes."""
        warm = self.manager.reconciler._warming
        started = warm.cycle(self.ctx)
        for operation in started if well is not None else ():
            ended = {} if well else {'cause': model.Cause.IMAGE_CORRUPT}
            self.end(operation, **ended)
        return [operation.image_uuid for operation in started]

    def loaded(self, image):
        return [r.uuid for r in self.regions() if r.bitstream_id == image]

    def unfinished(self):
        return [
            one
            for one in operations.list_page(self.ctx, filters={}, limit=99)
            if one.state in model.OPERATION_UNFINISHED
        ]


class TestWarming(WarmingTest):
    def test_a_pool_is_filled_and_then_left_alone(self):
        image = self.known()
        self.pools(f'{image}:2')
        self.assertEqual([image] * 2, self.cycle())
        self.assertEqual(2, len(self.loaded(image)))
        self.assertEqual([], self.cycle())

    def test_a_claim_finds_it_loaded_and_the_pool_is_filled_again(self):
        image = self.known()
        self.pools(f'{image}:1')
        self.cycle()
        claim = self.claim(image_uuid=image)
        self.assertEqual(model.ClaimState.READY, self.state(claim))
        self.assertEqual([image], self.cycle())

    def test_what_is_being_loaded_is_not_loaded_twice(self):
        image = self.known()
        self.pools(f'{image}:2')
        self.assertEqual(2, len(self.cycle(well=None)))
        self.assertEqual([], self.cycle())

    def test_a_function_is_its_newest_public_bitstream(self):
        old = self.known()
        new = self.known()
        for image, version in ((old, '1.9'), (new, '1.10')):
            self.change(
                models.Bitstream, models.Bitstream.uuid == image,
                version=version,
            )  # fmt: skip
            self.images.images[image].properties['version'] = version
        self.pools(f'{base.FUNCTION}:1')
        self.assertEqual([new], self.cycle())

    def test_what_nobody_but_its_owner_may_use_is_not_loaded(self):
        image = self.known(visibility='private', owner='alice')
        self.pools(f'{image}:1', f'{base.FUNCTION}:1')
        self.assertEqual([], self.cycle())

    def test_what_has_just_become_private_is_not_loaded(self):
        image = self.known()
        self.pools(f'{image}:1')
        old = self.images.images[image]
        self.images.add(
            image, owner='bob', visibility='private',
            properties=old.properties,
        )  # fmt: skip
        self.assertEqual([], self.cycle())

    def test_an_image_that_has_gone_is_not_loaded(self):
        image = self.known()
        self.pools(f'{image}:1')
        del self.images.images[image]
        self.assertEqual([], self.cycle())

    def test_the_last_that_is_free_is_left_to_claims(self):
        image = self.known()
        self.pools(f'{image}:4')
        for _ in range(3):
            self.claim()
        self.assertEqual([], self.cycle())
        self.assertEqual([], self.unfinished())

    def test_all_can_be_warm(self):
        image = self.known()
        self.pools(f'{image}:4')
        self.assertEqual(3, len(self.cycle()))
        self.assertEqual(1, len(self.cycle()))
        self.assertEqual(4, len(self.loaded(image)))

    def test_a_claim_of_something_else_takes_it_last(self):
        image, other = self.known(), self.known(function=OTHER)
        self.pools(f'{image}:2')
        self.cycle()
        kept = self.loaded(image)
        for region in self.regions():
            warm = region.uuid in kept
            self.change(
                models.Deployable, models.Deployable.id == region.id,
                last_used=0.0 if warm else 9e9,
            )  # fmt: skip
        self.claim(image_uuid=other)
        self.claim()
        self.assertEqual(kept, self.loaded(image))
        self.claim(image_uuid=other)
        self.assertEqual(1, len(warm_pools.spared(self.ctx, [f'{image}:2'])))

    def test_what_is_more_than_a_pool_is_not_kept(self):
        image = self.known()
        for region in self.regions():
            self.change(
                models.Deployable, models.Deployable.id == region.id,
                bitstream_id=image, function_id=base.FUNCTION,
            )  # fmt: skip
        self.assertEqual(1, len(warm_pools.spared(self.ctx, [f'{image}:1'])))
        other = self.known(function=OTHER)
        self.pools(f'{image}:2', f'{other}:2')
        self.assertEqual([other] * 2, self.cycle())
        self.assertEqual([], self.cycle())

    def test_pools_do_not_take_from_each_other(self):
        image, other = self.known(), self.known(function=OTHER)
        self.pools(f'{image}:3', f'{other}:3')
        for _ in range(4):
            self.cycle()
        self.assertEqual(3, len(self.loaded(image)))
        self.assertEqual(1, len(self.loaded(other)))
        self.assertEqual([], self.cycle())

    def test_only_what_is_on_the_host_counts(self):
        image = self.known()
        far = self.report(db.card(), db.card(db.OTHER_CARD), hostname='far')
        self.ask('report', report=far.to_wire())
        self.pools(f'{image}:1@far')
        self.cycle()
        self.assertEqual([], self.loaded(image))
        (region,) = [r for r in self.regions('far') if r.bitstream_id == image]
        self.assertEqual('far', region.hostname)

    def test_no_pool_costs_nothing(self):
        with self.statements() as seen:
            self.assertEqual(frozenset(), warm_pools.spared(self.ctx, []))
            self.assertFalse(self.manager.reconciler._warming.wanted)
        self.assertEqual([], seen)


class TestFailures(WarmingTest):
    def setUp(self):
        super().setUp()
        self.wanted = self.known()
        self.pools(f'{self.wanted}:1')

    def test_one_is_not_tried_again_at_once(self):
        self.assertEqual(1, len(self.cycle(well=False)))
        self.assertEqual([], self.cycle())
        self.now += 31
        self.assertEqual(1, len(self.cycle()))

    def test_each_is_followed_by_a_longer_pause(self):
        tried = []
        for second in range(0, 400, 10):
            self.now = 1000.0 + second
            self.change(models.Device, sa.true(), health='ok', failures=0)
            self.change(
                models.Deployable, sa.true(), state='idle', wipe_pending=False
            )
            if self.cycle(well=False):
                tried.append(second)
        pauses = [b - a for a, b in itertools.pairwise(tried)]
        self.assertEqual(sorted(pauses), pauses)
        self.assertGreater(pauses[-1], 2 * pauses[0])

    def test_another_card_is_tried_next(self):
        warm = self.manager.reconciler._warming
        (first,) = warm.cycle(self.ctx)
        self.end(first, cause=model.Cause.DEVICE_BUSY, touched=False)
        self.now += 29
        self.assertEqual([], warm.cycle(self.ctx))
        warm._records[f'{self.wanted}:1'].until = 0.0
        (second,) = warm.cycle(self.ctx)
        self.assertNotEqual(first.deployable_uuid, second.deployable_uuid)

    def test_why_it_is_short_is_said_once(self):
        for _ in range(4):
            self.claim()
        with self.assertLogs(warming.LOG.logger, 'WARNING') as seen:
            for _ in range(3):
                self.cycle()
        self.assertEqual(1, len(seen.output))
        self.assertIn('has 0 of 1', seen.output[0])


class TestOptions(WarmingTest):
    def read(self, value):
        """The pools of a configuration file, as a conductor has them."""
        path = pathlib.Path(self.useFixture(fixtures.TempDir()).path) / 'conf'
        path.write_text(f'[conductor]\nwarm_pools = {value}\n')
        conf = cfg.ConfigOpts()
        options.register_opts(conf)
        conf(['--config-file', str(path)], default_config_dirs=[])
        warming.Warming(conf, None, None)
        return warm_pools.read(conf.conductor.warm_pools)

    def test_function_image_number_and_host_are_told_apart(self):
        image = db.new_uuid()
        one, other = self.read(f'{"A" * 32}:2, {image}:10@far.example.com')
        self.assertEqual(('a' * 32, 2, None), self.parts(one))
        self.assertEqual((image, 10, 'far.example.com'), self.parts(other))

    def parts(self, pool):
        return pool.ident, pool.count, pool.hostname

    def test_what_is_no_pool_is_refused_at_once(self):
        good = 'a' * 32
        for value in (good, f'{good}:0', f'{good}:x', 'aes:1', f'{good}:1@'):
            self.assertRaises(ValueError, self.read, value)


class TestTurns(WarmingTest):
    def test_one_conductor_of_several_does_it(self):
        image = self.known()
        self.pools(f'{image}:2')
        other = self.conductor()
        self.addCleanup(other.reconciler.stop)
        asked = []
        for conductor in (self.manager, other):
            conductor.reconciler._jobs = mock.Mock()
            conductor.reconciler._fill_pools(self.ctx)
            asked += conductor.reconciler._jobs.start.mock_calls
        self.assertEqual(1, len(asked))
