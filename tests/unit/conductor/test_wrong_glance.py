"""The catalogue while Glance answers nonsense: it keeps what it knows."""

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga.conductor import catalogue
from cyborg_fpga.db import bitstreams
from tests.fixtures import cloud
from tests.fixtures import database
from tests.unit.clients import test_glance


class TestWrong(test_glance.GlanceTest):
    def setUp(self):
        super().setUp()
        self.useFixture(database.Database())
        self.ctx = context.service()
        conf = cloud.configuration({})
        self.catalogue = catalogue.Catalogue(conf, self.client)
        self.known = self.hold(
            *(
                test_glance.record(function_id='2' * 32, number=str(number))
                for number in range(3)
            )
        )
        self.assertTrue(self.catalogue.cycle(self.ctx))

    def recorded(self):
        return bitstreams.sweep_page(self.ctx, None, 10)

    def test_nonsense_changes_nothing(self):
        since = bitstreams.cursor(self.ctx, 'glance_changes')
        good = test_glance.record()
        for body in (
            b'<html>',
            {},
            {'images': [7]},
            {'images': [{**good, 'updated_at': '9999'}]},
            {'images': [{**good, 'size': 'large'}]},
        ):
            self.answer(body)
            self.assertRaises(
                errors.ServiceUnavailable, self.catalogue.cycle, self.ctx
            )
            self.assertRaises(
                errors.ServiceUnavailable,
                self.catalogue.lookup,
                self.ctx,
                self.known[0],
            )
        self.assertEqual(self.known, self.recorded())
        self.assertEqual(since, bitstreams.cursor(self.ctx, 'glance_changes'))

    def test_an_image_of_too_many_properties_is_there_and_not_usable(self):
        bloated = test_glance.record(
            **{f'type{n}': 'x' * 250 for n in range(300)}
        )
        self.hold(bloated)
        self.catalogue.cycle(self.ctx)
        found = bitstreams.get(self.ctx, bloated['id'])
        self.assertFalse(found.usable)
        self.assertIn('more properties', found.reason)
        self.assertRaises(
            errors.BitstreamUnusable,
            self.catalogue.usable,
            self.ctx,
            bloated['id'],
        )

    def test_less_at_a_time_than_was_asked_for_is_not_the_end(self):
        """Else all that is behind it would count as deleted."""
        ids = self.hold(
            *(test_glance.record(function_id='2' * 32) for _ in range(9)),
            most=4,
        )
        for _ in range(3):
            self.catalogue.cycle(self.ctx)
            self.assertEqual(ids, self.recorded())
