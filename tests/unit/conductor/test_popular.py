"""Which bitstreams agents are told to have before anybody asks."""

import time
from unittest import mock

from cyborg_fpga import nouns
from cyborg_fpga.conductor import popular
from cyborg_fpga.db import bitstreams
from cyborg_fpga.db import models
from tests.unit.db import base

_WEEK = 7 * 86400


class PopularTest(base.DatabaseTest):
    def setUp(self):
        super().setUp()
        self.region = self.stored()
        self.images = []

    def image(self, loads, *, ago=0.0, **members):
        """A bitstream that was loaded so often, so many seconds ago."""
        number = len(self.images)
        values = {
            'uuid': base.new_uuid(),
            'name': f'image {number}',
            'status': 'active',
            'visibility': 'public',
            'owner': 'ops',
            'vendor': 'intel',
            'type': 'crypto',
            'region_id': base.REGION_ID,
            'function_id': f'{number:032x}',
            'function_name': None,
            'version': None,
            'driver': None,
            'size': 1000 + number,
            'checksum': None,
            'hash_algo': 'sha512',
            'hash_value': f'{number:0128x}',
            'public': True,
            'usable': True,
            'reason': '',
            'image_updated_at': 'x',
        }
        image = nouns.Bitstream(**{**values, **members})
        self.images.append(image)
        bitstreams.upsert(self.ctx, [image])
        for _ in range(loads):
            operation = self.operation(self.region, image_uuid=image.uuid)
            self.finish(operation, succeeded=True, touched=True)
            self.change(
                models.Operation,
                models.Operation.uuid == operation.uuid,
                started_at=time.time() - ago,
            )
        return image

    def told(self, count=10, hostname=base.HOST, asked=None):
        answer = (asked or popular.Popular()).popular(
            self.ctx, hostname, count
        )
        names = {image.uuid: image.name for image in self.images}
        return [names[one['uuid']] for one in answer]

    def test_those_come_first_that_are_loaded_most_often(self):
        self.image(1)
        self.image(3)
        self.image(2)
        self.assertEqual(['image 1', 'image 2', 'image 0'], self.told())
        self.assertEqual(['image 1', 'image 2'], self.told(2))

    def test_they_are_told_as_glance_says_them(self):
        image = self.image(1)
        (told,) = popular.Popular().popular(self.ctx, base.HOST, 1)
        self.assertEqual(
            {
                'uuid': image.uuid,
                'algo': 'sha512',
                'value': image.hash_value,
                'size': image.size,
            },
            told,
        )

    def test_what_nobody_loaded_for_a_week_is_not_popular(self):
        self.image(0)
        self.image(5, ago=_WEEK + 3600)
        self.image(1, ago=_WEEK - 3600)
        self.assertEqual(['image 2'], self.told())

    def wipe(self, **values):
        """Wipe the card; it has begun now."""
        operation = self.operation(self.region, kind='wipe', **values)
        self.finish(operation, succeeded=True, touched=True)
        self.change(
            models.Operation,
            models.Operation.uuid == operation.uuid,
            started_at=time.time(),
        )

    def test_what_is_claimed_often_is_popular_if_it_is_always_warm(self):
        self.image(2)
        warm = self.image(0)
        for _ in range(3):
            self.wipe(wipe_level='reset', image_uuid=warm.uuid)
        self.assertEqual(['image 1', 'image 0'], self.told())

    def test_wipes_that_load_nothing_do_not_count(self):
        self.image(0)
        self.wipe(wipe_level='clear')
        self.assertEqual([], self.told())

    def test_what_is_somebodys_own_stays_where_it_is_claimed(self):
        self.image(5, public=False, visibility='private')
        self.image(4, usable=False)
        self.image(3, hash_value=None)
        self.image(2, size=None)
        self.image(1)
        self.assertEqual(['image 4'], self.told())

    def test_what_fits_no_card_of_the_host_is_not_told(self):
        self.image(2, region_id='b' * 32)
        self.image(1)
        self.assertEqual(['image 1'], self.told())
        self.assertEqual([], self.told(hostname='other.example.com'))

    def test_image_that_is_gone_is_not_told(self):
        image = self.image(1)
        bitstreams.forget(self.ctx, [image.uuid])
        self.assertEqual([], self.told())

    def test_hosts_that_ask_together_cost_one_look(self):
        self.image(1)
        asked = popular.Popular()
        self.told(asked=asked)
        with self.statements() as seen:
            self.told(asked=asked)
        self.assertEqual([], [s for s in seen if 'FROM operations' in s], seen)
        self.image(2)
        later = time.monotonic() + 120
        with mock.patch.object(
            time, 'monotonic', autospec=True, return_value=later
        ):
            self.assertEqual(['image 1', 'image 0'], self.told(asked=asked))
