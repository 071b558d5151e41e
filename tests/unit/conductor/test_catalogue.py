"""What the catalogue forgets, and by which of its two ways.

Both ways cover for each other; on a real Glance, in
``tests/functional/test_catalogue.py``, either is enough.
"""

from unittest import mock

from cyborg_fpga import errors
from cyborg_fpga.db import bitstreams
from tests.unit.conductor import base


class TestForget(base.ConductorTest):
    def setUp(self):
        super().setUp()
        self.catalogue = self.manager._catalogue
        self.known = self.image()
        self.catalogue.cycle(self.ctx)
        self.assertEqual([self.known], self.recorded())

    def recorded(self):
        return bitstreams.sweep_page(self.ctx, None, 10)

    def test_image_that_lost_its_tag_is_forgotten(self):
        self.images.add(self.known, tags=())
        # The page of this cycle is another one.
        with mock.patch.object(
            self.catalogue, '_sweep', autospec=True, return_value=0
        ):
            self.assertTrue(self.catalogue.cycle(self.ctx))
        self.assertEqual([], self.recorded())

    def test_image_that_has_no_tag_when_it_is_claimed_is_forgotten(self):
        self.images.add(self.known, tags=())
        self.assertRaises(
            errors.BitstreamUnusable,
            self.catalogue.lookup,
            self.ctx,
            self.known,
        )
        self.assertEqual([], self.recorded())

    def test_image_that_was_deleted_is_forgotten(self):
        # Glance lists it among the changes of no time.
        del self.images.images[self.known]
        self.assertTrue(self.catalogue.cycle(self.ctx))
        self.assertEqual([], self.recorded())

    def test_image_that_glance_has_not_listed_yet_is_kept(self):
        other = self.image()
        page = self.images.page

        def late(marker, limit):
            found = page(marker, limit)
            # Recorded by a claim, right after Glance made its list.
            self.catalogue.lookup(self.ctx, other)
            return [image for image in found if image.id != other]

        self.images.page = late
        with mock.patch.object(
            self.catalogue, '_follow', autospec=True, return_value=0
        ):
            self.catalogue.cycle(self.ctx)
        self.assertIn(other, self.recorded())
