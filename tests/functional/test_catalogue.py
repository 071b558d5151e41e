"""The catalogue against a real Glance and a real database."""

import datetime
import uuid
from unittest import mock

from oslotest import base

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga.bitstream import gbs
from cyborg_fpga.bitstream import xclbin
from cyborg_fpga.clients import glance
from cyborg_fpga.conductor import catalogue
from cyborg_fpga.db import bitstreams
from tests.fixtures import cloud
from tests.fixtures import database

ALICE = 'alice:project-a'
BOB = 'bob:project-b'
REGION = '1' * 32
FUNCTION = '2' * 32


def caller(token):
    return context.RequestContext(auth_token=token, overwrite=False)


class CatalogueCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(cloud.Cloud())
        self.useFixture(database.Database())
        self.ctx = context.service()
        self.conf = self.cloud.conf
        self.conf.set_override('sweep_page', 1000, group='bitstream')
        self.glance = glance.Glance(self.conf)
        self.catalogue = catalogue.Catalogue(self.conf, self.glance)

    def upload(self, **kwargs):
        values = {
            'vendor': 'intel',
            'type': 'crypto',
            'region_id': REGION,
            'function_id': FUNCTION,
        }
        return self.cloud.upload(**{**values, **kwargs})

    def known(self):
        return set(bitstreams.sweep_page(self.ctx, None, 10000))

    def cycle(self):
        return self.catalogue.cycle(self.ctx)

    def lookup(self, image_id, token=None):
        ctx = caller(token) if token else self.ctx
        return self.catalogue.lookup(ctx, image_id)


class TestFollowing(CatalogueCase):
    def test_the_first_cycle_finds_what_is_there(self):
        ids = {
            self.upload(),
            self.upload(token=ALICE, visibility='private'),
            self.upload(token=BOB, visibility='community'),
        }
        untagged = self.upload(tags=())
        self.assertTrue(self.cycle())
        self.assertLessEqual(ids, self.known())
        self.assertNotIn(untagged, self.known())

    def test_a_new_image_is_found_by_the_next_cycle(self):
        self.cycle()
        image_id = self.upload()
        self.assertTrue(self.cycle())
        found = bitstreams.get(self.ctx, image_id)
        self.assertEqual(
            ('intel', 'crypto', REGION, FUNCTION, True, ''),
            (
                found.vendor,
                found.type,
                found.region_id,
                found.function_id,
                found.usable,
                found.reason,
            ),
        )

    def test_nothing_changed_costs_two_requests_and_no_change(self):
        self.upload()
        self.cycle()
        before = self.glance.requests
        self.assertFalse(self.cycle())
        self.assertEqual(2, self.glance.requests - before)

    def test_a_bulk_is_not_read_again_once_it_is_old(self):
        self.upload()
        self.cycle()
        self.cycle()
        since = bitstreams.cursor(self.ctx, 'glance_changes')
        self.assertLess(self.catalogue._from(since), since)
        self.catalogue._moved -= 61
        self.assertGreater(self.catalogue._from(since), since)
        newer = list(self.glance.changed_since(self.catalogue._from(since)))
        self.assertEqual([], newer)

    def test_a_change_that_appears_late_is_found(self):
        """With a time before the newest that was seen already."""
        self.upload()
        self.cycle()
        late = self.upload()
        newest = self.glance.newest_change()
        ahead = datetime.datetime.fromisoformat(newest)
        ahead += datetime.timedelta(seconds=20)
        bitstreams.set_cursor(
            self.ctx, 'glance_changes', ahead.strftime('%Y-%m-%dT%H:%M:%SZ')
        )
        with mock.patch.object(
            self.catalogue, '_sweep', autospec=True, return_value=0
        ):
            self.cycle()
        self.assertIn(late, self.known())

    def test_a_removed_tag_is_noticed(self):
        image_id = self.upload()
        self.cycle()
        self.cloud.untag(image_id)
        self.assertTrue(self.cycle())
        self.assertNotIn(image_id, self.known())

    def test_a_deleted_image_is_noticed(self):
        image_id = self.upload()
        self.cycle()
        self.cloud.delete(image_id)
        self.assertTrue(self.cycle())
        self.assertNotIn(image_id, self.known())

    def test_a_queued_image_becomes_usable_when_it_is_whole(self):
        image_id = self.upload(data=None)
        self.cycle()
        found = bitstreams.get(self.ctx, image_id)
        self.assertEqual('its status is queued', found.reason)
        self.cloud.put(image_id, b'bits')
        self.assertTrue(self.cycle())
        self.assertTrue(bitstreams.get(self.ctx, image_id).usable)

    def test_a_glance_that_is_away_loses_nothing(self):
        image_id = self.upload()
        away = {
            'auth_type': 'admin_token',
            'endpoint': 'http://127.0.0.1:9',
            'token': 'admin',
        }
        self.cycle()
        conf = cloud.configuration({'glance': away})
        other = catalogue.Catalogue(conf, glance.Glance(conf))
        self.assertRaises(errors.ServiceUnavailable, other.cycle, self.ctx)
        self.assertIn(image_id, self.known())
        later = self.upload()
        self.cycle()
        self.assertIn(later, self.known())

    def test_a_tag_that_came_since_glance_was_asked_is_no_lost_one(self):
        image_id = self.upload(tags=())
        seen = self.glance.get(image_id)
        self.cloud.glance().image_tags.update(image_id, 'FPGA')
        self.assertTrue(self.catalogue.refresh(self.ctx, image_id))
        self.catalogue._record(self.ctx, [seen])
        self.assertIn(image_id, self.known())

    def test_one_is_looked_at_now_whatever_became_of_it(self):
        image_id = self.upload()
        self.assertTrue(self.catalogue.refresh(self.ctx, image_id))
        self.assertFalse(self.catalogue.refresh(self.ctx, image_id))
        self.cloud.untag(image_id)
        self.assertTrue(self.catalogue.refresh(self.ctx, image_id))
        self.assertNotIn(image_id, self.known())
        other = self.upload()
        self.catalogue.refresh(self.ctx, other)
        self.cloud.delete(other)
        self.assertTrue(self.catalogue.refresh(self.ctx, other))
        self.assertNotIn(other, self.known())


class TestSweep(CatalogueCase):
    def setUp(self):
        super().setUp()
        self.conf.set_override('sweep_page', 3, group='bitstream')

    def rounds(self):
        """As many cycles as the stated bound on staleness."""
        images = len(self.known()) + 20
        return images // 3 + 2

    def test_deleted_images_go_within_one_round(self):
        ids = [self.upload() for _ in range(8)]
        self.cycle()
        for image_id in ids[:5]:
            self.cloud.delete(image_id)
        for _ in range(self.rounds()):
            self.cycle()
        self.assertEqual(set(ids[5:]), self.known() & set(ids))

    def test_a_long_row_of_deleted_images_is_got_over(self):
        ids = [self.upload() for _ in range(10)]
        last = self.upload()
        self.cycle()
        for image_id in ids:
            self.cloud.delete(image_id)
        for _ in range(self.rounds()):
            self.cycle()
        self.assertEqual({last}, self.known() & {*ids, last})

    def test_an_image_missing_here_comes_back(self):
        ids = [self.upload() for _ in range(5)]
        self.cycle()
        self.catalogue._moved -= 61
        bitstreams.forget(self.ctx, ids)
        for _ in range(self.rounds()):
            self.cycle()
        self.assertLessEqual(set(ids), self.known())

    def test_a_purged_marker_begins_again(self):
        self.cycle()
        bitstreams.set_cursor(self.ctx, 'glance_sweep', str(uuid.uuid4()))
        self.cycle()
        self.assertIsNone(bitstreams.cursor(self.ctx, 'glance_sweep'))


class TestHeaders(CatalogueCase):
    def test_missing_ids_are_read_from_the_file_once(self):
        data = gbs.build(REGION, FUNCTION, bytes(3 << 20), name='aes')
        image_id = self.cloud.upload(data, vendor='intel', type='crypto')
        self.cycle()
        found = bitstreams.get(self.ctx, image_id)
        self.assertEqual(
            (REGION, FUNCTION, 'aes', True),
            (
                found.region_id,
                found.function_id,
                found.function_name,
                found.usable,
            ),
        )
        before = self.glance.requests
        self.cycle()
        self.assertEqual(2, self.glance.requests - before)

    def test_an_xclbin_is_read_as_far_as_it_says_something(self):
        data = bytearray(xclbin.build(REGION, FUNCTION, bytes(3 << 20)))
        # So that only what lies behind its image says it.
        data[336:352] = bytes(16)
        image_id = self.cloud.upload(bytes(data), type='crypto')
        self.cycle()
        found = bitstreams.get(self.ctx, image_id)
        self.assertEqual(
            (REGION, FUNCTION, True),
            (found.region_id, found.function_id, found.usable),
        )

    def test_a_file_of_another_kind_says_so(self):
        image_id = self.cloud.upload(b'not a bitstream', type='crypto')
        self.cycle()
        found = bitstreams.get(self.ctx, image_id)
        self.assertFalse(found.usable)
        self.assertIn('its format is not known', found.reason)

    def test_a_file_that_glance_cannot_give_does_not_stop_the_rest(self):
        broken = self.cloud.upload(b'x', type='crypto')
        good = self.upload()
        real = self.glance.part
        sick = errors.ServiceUnavailable(service='Glance', reason='sick')

        def part(image_uuid, offset, length):
            if image_uuid == broken:
                raise sick
            return real(image_uuid, offset, length)

        # A store that has lost one file: nothing outside makes ours do so.
        with mock.patch.object(
            self.glance, 'part', autospec=True, side_effect=part
        ):
            self.cycle()
        self.assertIn(good, self.known())
        self.assertIn(
            'cannot be read now', bitstreams.get(self.ctx, broken).reason
        )
        self.cycle()
        self.assertIn(
            'is no bitstream', bitstreams.get(self.ctx, broken).reason
        )


class TestLookup(CatalogueCase):
    def test_an_unknown_image_is_asked_for_and_recorded(self):
        image_id = self.upload()
        self.assertNotIn(image_id, self.known())
        self.assertEqual(image_id, self.lookup(image_id).uuid)
        self.assertIn(image_id, self.known())

    def test_a_private_image_is_for_its_owner_alone(self):
        image_id = self.upload(token=ALICE, visibility='private')
        self.assertRaises(errors.NotFound, self.lookup, image_id, BOB)
        self.assertEqual(image_id, self.lookup(image_id, ALICE).uuid)
        # Now it is known here, which must not make it known to others.
        self.assertRaises(errors.NotFound, self.lookup, image_id, BOB)

    def test_an_untagged_image_is_refused_and_not_recorded(self):
        image_id = self.upload(tags=())
        exc = self.assertRaises(
            errors.BitstreamUnusable, self.lookup, image_id
        )
        self.assertIn('it has no tag FPGA', exc.message)
        self.assertNotIn(image_id, self.known())

    def test_a_deleted_image_is_not_found(self):
        image_id = self.upload()
        self.cycle()
        self.cloud.delete(image_id)
        self.assertRaises(errors.NotFound, self.lookup, image_id)

    def test_an_unusable_one_is_refused_with_its_reason(self):
        image_id = self.upload(type='no type')
        exc = self.assertRaises(
            errors.BitstreamUnusable,
            self.catalogue.usable,
            self.ctx,
            image_id,
        )
        self.assertIn("'no type' is not", exc.message)
        self.assertFalse(bitstreams.get(self.ctx, image_id).usable)
