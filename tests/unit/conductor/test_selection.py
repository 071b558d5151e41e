"""Which bitstreams a claim means that names no image."""

import dataclasses

from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga.conductor import selection
from tests.unit.conductor import test_providers as build

OWN, OTHERS = 'mine', 'theirs'


def image(uuid, owner=OTHERS, **changes):
    values = {
        'uuid': uuid,
        'owner': owner,
        'function_name': 'aes',
        'function_id': 'f' * 32,
        'version': None,
    }
    return dataclasses.replace(build.image(), **{**values, **changes})


def preferred(*found):
    return [one.uuid for one in selection.preferred(found, OWN)]


class TestPreferred(base.BaseTestCase):
    def test_the_newest_version_is_meant_alone(self):
        for versions in (
            ('1.9', '1.10', '1.2'),
            ('9', '10', ''),
            ('v1', 'v2', None),
            ('2.0rc1', '2.0.1', '1.99'),
            ('2026-01-09', '2026-02-01', '2025-12-31'),
        ):
            found = [image(str(v), version=v) for v in versions]
            self.assertEqual([str(versions[1])], preferred(*found))

    def test_of_the_same_version_the_most_recent_comes_first(self):
        found = preferred(image('b', version='1'), image('a', version='1'))
        self.assertEqual(['b', 'a'], found)

    def test_ones_own_are_meant_and_not_others_for_the_same_cards(self):
        """Whatever cards hold already: who loads it must not depend on it."""
        found = preferred(
            image('new', version='3'),
            image('own', OWN, version='1'),
            image('sha', function_name='sha', function_id='e' * 32),
            image('other cards', region_id='9' * 32),
        )
        self.assertEqual(['own', 'other cards'], found)

    def test_ones_own_for_some_cards_leave_others_what_is_public(self):
        for narrow in ({'family': 'B'}, {'driver': 'pci'}):
            found = preferred(image('all'), image('own', OWN, **narrow))
            self.assertEqual(['own', 'all'], found)
            found = preferred(image('some', **narrow), image('own', OWN))
            self.assertEqual(['own'], found)

    def test_each_region_and_function_has_its_newest(self):
        found = preferred(
            image('a', version='2'),
            image('b', version='1', region_id='9' * 32),
            image('c', version='1', function_name='sha'),
            image('d', version='1', function_name=None),
            image('e', version='0', function_name=None),
        )
        self.assertEqual(['a', 'b', 'c', 'd'], found)

    def test_any_text_is_a_version(self):
        found = preferred(
            *(
                image(text, version=text, function_name=text)
                for text in ('', 'ß²', '-', 'v', '1.x', 'x.1', '٣', '9' * 60)
            )
        )
        self.assertEqual('9' * 60, found[0])


class TestUnambiguous(base.BaseTestCase):
    def meant(self, *found, column='function_name'):
        kept = selection.unambiguous(found, OWN, column, 'aes')
        return [one.uuid for one in kept]

    def test_a_name_of_several_functions_is_reported_with_their_images(self):
        exc = self.assertRaises(
            errors.Ambiguous,
            self.meant,
            image('b', function_id='1' * 32),
            image('a', function_id='2' * 32),
        )
        self.assertEqual(
            'There are several functions with function name aes; name one by '
            'the uuid of its image: a, b.',
            exc.message,
        )

    def test_ones_own_is_what_ones_name_means(self):
        found = self.meant(
            image('own', OWN, function_id='1' * 32),
            image('public', function_id='2' * 32),
        )
        self.assertEqual(['own'], found)

    def test_each_region_has_a_function_of_its_own(self):
        found = self.meant(
            image('a', function_id='1' * 32),
            image('b', function_id='2' * 32, region_id='9' * 32),
        )
        self.assertEqual(['a', 'b'], found)

    def test_a_type_means_any_of_its_functions(self):
        found = self.meant(
            image('a', function_id='1' * 32),
            image('b', function_id='2' * 32),
            column='type',
        )
        self.assertEqual(['a', 'b'], found)
