"""In which order deployables are offered to a claim."""

from cyborg_fpga.db import deployables
from cyborg_fpga.db import models
from tests.unit.db import base
from tests.unit.db import test_bitstreams

_FAR, _FAR_TOO = 'far.example.com', 'farther.example.com'


class TestOrder(base.DatabaseTest):
    """Two cards on one host, one on each of two others."""

    def setUp(self):
        super().setUp()
        self.wish = test_bitstreams._image(region_id=base.REGION_ID)
        self.store(base.card(), base.card(base.OTHER_CARD))
        self.store(hostname=_FAR)
        self.store(hostname=_FAR_TOO)
        self.warm, self.near = self.regions()
        (self.far,) = self.regions(_FAR)
        (self.farther,) = self.regions(_FAR_TOO)
        self.used(self.far, 5)
        self.used(self.farther, 10)
        self.used(self.near, 20)
        self.used(self.warm, 30)

    def used(self, region, when):
        this = models.Deployable.id == region.id
        self.change(models.Deployable, this, last_used=float(when))

    def load(self, region, image):
        this = models.Deployable.id == region.id
        self.change(models.Deployable, this, bitstream_id=image)

    def order(self, **how):
        values = {'hostname': None, 'resource_class': None, **how}
        return [
            region.uuid for region in deployables.claimable(self.ctx, **values)
        ]

    def uuids(self, *regions):
        return [region.uuid for region in regions]

    def test_loaded_then_file_on_host_then_least_recently_used(self):
        self.load(self.warm, self.wish.uuid)
        self.assertEqual(
            self.uuids(self.warm, self.near, self.far, self.farther),
            self.order(wishes=[self.wish]),
        )

    def test_what_another_loaded_counts_for_nothing(self):
        self.load(self.warm, base.new_uuid())
        self.assertEqual(
            self.uuids(self.far, self.farther, self.near, self.warm),
            self.order(wishes=[self.wish]),
        )

    def test_without_a_wish_use_alone_decides(self):
        self.load(self.warm, self.wish.uuid)
        self.assertEqual(
            self.uuids(self.far, self.farther, self.near, self.warm),
            self.order(),
        )

    def test_only_the_first_are_looked_at(self):
        self.load(self.warm, self.wish.uuid)
        self.assertEqual(
            self.uuids(self.warm, self.near),
            self.order(wishes=[self.wish], limit=2),
        )

    def test_what_is_made_for_another_region_is_not_asked_for(self):
        other = test_bitstreams._image(region_id='b' * 32)
        self.assertEqual([], self.order(wishes=[other]))
