"""The catalogue: who sees what, and what it costs to keep."""

import dataclasses

from cyborg_fpga import errors
from cyborg_fpga import nouns
from cyborg_fpga.db import bitstreams
from tests.unit.db import base


def _image(uuid=None, **members):
    values = {
        'uuid': uuid or base.new_uuid(),
        'name': 'adder',
        'status': 'active',
        'visibility': 'private',
        'owner': 'theirs',
        'vendor': 'intel',
        'type': 'crypto',
        'region_id': base.REGION_ID,
        'function_id': base.FUNCTION,
        'function_name': None,
        'version': None,
        'driver': None,
        'size': 100,
        'checksum': None,
        'hash_algo': 'sha512',
        'hash_value': '00',
        'public': False,
        'usable': True,
        'reason': '',
        'image_updated_at': '2026-01-01T00:00:00Z',
    }
    return nouns.Bitstream(**{**values, **members})


class CatalogueTest(base.DatabaseTest):
    def add(self, name, **members):
        image = _image(name=name, **members)
        bitstreams.upsert(self.ctx, [image])
        return image


class TestUpsert(CatalogueTest):
    def test_new_and_changed_images_are_counted(self):
        one, two = _image(), _image()
        self.assertEqual(2, bitstreams.upsert(self.ctx, [one, two]))
        other = dataclasses.replace(two, name='renamed')
        self.assertEqual(1, bitstreams.upsert(self.ctx, [one, other]))
        self.assertEqual(other, bitstreams.get(self.ctx, two.uuid))

    def test_unchanged_images_cost_no_write(self):
        images = [_image() for _ in range(5)]
        bitstreams.upsert(self.ctx, images)
        with self.statements() as seen:
            self.assertEqual(0, bitstreams.upsert(self.ctx, images))
        self.assertEqual(1, len(seen), seen)

    def test_nothing_is_stored_for_nothing(self):
        self.assertEqual(0, bitstreams.upsert(self.ctx, []))

    def test_forgotten_images_are_gone(self):
        image = self.add('x')
        gone = [image.uuid, base.new_uuid()]
        self.assertEqual(1, bitstreams.forget(self.ctx, gone))
        self.assertRaises(
            errors.NotFound, bitstreams.get, self.ctx, image.uuid
        )


class TestVisibility(CatalogueTest):
    def setUp(self):
        super().setUp()
        self.add('mine', owner='mine')
        self.add('theirs')
        self.add('public', visibility='public', public=True)
        self.add('community', visibility='community')
        self.add('trusted', public=True)
        self.add('broken', owner='mine', usable=False, reason='corrupt')
        self.add('no type', owner='mine', type=None)

    def _names(self, found):
        return [image.name for image in found]

    def test_project_sees_its_own_and_what_is_for_all(self):
        found = bitstreams.list_page(
            self.ctx,
            filters={'project_id': 'mine'},
            limit=99,
            sort_key='name',
        )
        self.assertEqual(
            ['broken', 'mine', 'no type', 'public', 'trusted'],
            self._names(found),
        )

    def test_strangers_community_images_are_listed_where_asked_for(self):
        self.add('my community', visibility='community', owner='mine')
        for asked, names in (
            ({'name': 'community'}, []),
            ({'name': 'my community'}, ['my community']),
            ({'visibility': 'community'}, ['community', 'my community']),
            ({'visibility': 'private', 'name': 'theirs'}, []),
        ):
            found = bitstreams.list_page(
                self.ctx,
                filters={'project_id': 'mine', **asked},
                limit=99,
                sort_key='name',
            )
            self.assertEqual(names, self._names(found))

    def test_administrator_sees_all(self):
        found = bitstreams.list_page(self.ctx, filters={}, limit=99)
        self.assertEqual(7, len(found))

    def test_filters_are_combined_with_what_may_be_seen(self):
        found = bitstreams.list_page(
            self.ctx,
            filters={'project_id': 'mine', 'name': 'theirs'},
            limit=99,
        )
        self.assertEqual([], found)

    def of_type(self, accelerator_type, project_id):
        return bitstreams.offered(
            self.ctx, project_id, 'type', accelerator_type
        )

    def test_own_bitstream_of_a_type_comes_first_then_the_newest(self):
        found = self.of_type('crypto', 'mine')
        self.assertEqual(['mine', 'trusted', 'public'], self._names(found))

    def test_nobodys_project_owns_nothing(self):
        found = self.of_type('crypto', None)
        self.assertEqual({'trusted', 'public'}, set(self._names(found)))

    def test_community_image_decides_only_what_its_owner_gets_by_type(self):
        found = self.of_type('crypto', 'theirs')
        self.assertIn('community', self._names(found))
        found = self.of_type('crypto', 'mine')
        self.assertNotIn('community', self._names(found))

    def test_other_type_is_not_offered(self):
        self.assertEqual([], self.of_type('x', 'mine'))

    def test_names_are_as_they_are_written(self):
        self.add('AES', owner='mine')
        for name, count in (('AES', 1), ('aes', 0), ('ÁES', 0)):
            found = bitstreams.offered(self.ctx, 'mine', 'name', name)
            self.assertEqual(count, len(found), name)

    def test_traits_are_made_of_what_everybody_may_use(self):
        self.assertEqual(
            ['public', 'trusted'], self._names(bitstreams.public(self.ctx))
        )

    def test_of_those_only_what_is_for_some_regions_can_be_had(self):
        self.add('other', region_id='9' * 32, public=True)
        for wanted, names in (
            ([], []),
            (['9' * 32], ['other']),
            (['9' * 32, base.REGION_ID], ['public', 'trusted', 'other']),
        ):
            found = bitstreams.public(self.ctx, region_ids=wanted)
            self.assertEqual(names, self._names(found))

    def test_types_are_counted_for_who_asks(self):
        self.add('net', type='network', owner='theirs')
        self.assertEqual([('crypto', 3)], bitstreams.types(self.ctx, 'mine'))
        self.assertEqual(
            [('crypto', 4), ('network', 1)],
            bitstreams.types(self.ctx, 'theirs'),
        )
        self.assertEqual(
            [('crypto', 5), ('network', 1)],
            bitstreams.types(self.ctx, None),
        )


class TestFits(CatalogueTest):
    def setUp(self):
        super().setUp()
        self.add('for all vendors', vendor=None)
        self.add('for this vendor')
        self.add('for another vendor', vendor='xilinx')
        self.add('for another region', region_id='9' * 32)
        self.add('for no region', region_id=None)

    def fitting(self, region_id, family=''):
        found = bitstreams.list_page(
            self.ctx,
            filters={'fits': nouns.RegionKind(
                region_id=region_id, vendor='intel', family=family
            )},
            limit=99,
            sort_key='name',
        )  # fmt: skip
        return [image.name for image in found]

    def test_what_is_made_for_a_region_is_found(self):
        self.assertEqual(
            ['for all vendors', 'for this vendor'],
            self.fitting(base.REGION_ID),
        )

    def test_what_is_made_for_another_family_is_left_out(self):
        self.add('for one family', region_id='8' * 32, family='PAC_A10')
        self.add('for all families', region_id='8' * 32)
        both = ['for all families', 'for one family']
        for family, names in (
            ('PAC_A10', both),
            ('', both),
            ('U50', both[:1]),
        ):
            self.assertEqual(names, self.fitting('8' * 32, family), family)

    def test_nothing_is_made_for_a_region_that_nobody_knows(self):
        self.assertEqual([], self.fitting(None))


class TestSweep(CatalogueTest):
    def test_pages_follow_each_other(self):
        uuids = sorted(self.add('x').uuid for _ in range(5))
        first = bitstreams.sweep_page(self.ctx, None, 3)
        self.assertEqual(uuids[:3], first)
        self.assertEqual(
            uuids[3:], bitstreams.sweep_page(self.ctx, first[-1], 3)
        )
        self.assertEqual([], bitstreams.sweep_page(self.ctx, uuids[-1], 3))

    def test_cursor_is_kept(self):
        self.assertIsNone(bitstreams.cursor(self.ctx, 'sweep'))
        bitstreams.set_cursor(self.ctx, 'sweep', 'a')
        bitstreams.set_cursor(self.ctx, 'sweep', 'b')
        self.assertEqual('b', bitstreams.cursor(self.ctx, 'sweep'))
        bitstreams.set_cursor(self.ctx, 'sweep', None)
        self.assertIsNone(bitstreams.cursor(self.ctx, 'sweep'))
