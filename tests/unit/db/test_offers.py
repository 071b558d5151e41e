"""In which order deployables are offered to a claim, and what is warm."""

from cyborg_fpga import model
from cyborg_fpga.db import devices
from cyborg_fpga.db import models
from cyborg_fpga.db import offers
from tests.unit.db import base
from tests.unit.db import test_bitstreams

_FAR, _FAR_TOO = 'far.example.com', 'farther.example.com'
_OTHER_REGION = 'b' * 32


class OffersTest(base.DatabaseTest):
    """Two cards on one host, one on each of two others."""

    def setUp(self):
        super().setUp()
        self.wish = test_bitstreams._image(region_id=base.REGION_ID)
        self.store(base.card(), base.card(base.OTHER_CARD))
        self.store(hostname=_FAR)
        self.store(hostname=_FAR_TOO)
        self.last, self.third = self.regions()
        (self.first,) = self.regions(_FAR)
        (self.second,) = self.regions(_FAR_TOO)
        every = (self.first, self.second, self.third, self.last)
        for turn, region in enumerate(every):
            self.write(region, last_used=10.0 * turn)

    def write(self, region, **values):
        this = models.Deployable.id == region.id
        self.change(models.Deployable, this, **values)

    def load(self, *regions, image=None):
        """Have them hold *image*, or something else each."""
        for region in regions:
            self.write(region, bitstream_id=image or base.new_uuid())

    def order(self, **how):
        values = {'hostname': None, 'resource_class': None, 'limit': 9, **how}
        return [region.uuid for region in offers.claimable(self.ctx, **values)]

    def wished(self, **how):
        return self.order(wishes=[self.wish], **how)

    def uuids(self, *regions):
        return [region.uuid for region in regions]


class TestOrder(OffersTest):
    def test_least_recently_used_comes_first(self):
        expected = self.uuids(self.first, self.second, self.third, self.last)
        self.assertEqual(expected, self.order())
        self.assertEqual(expected, self.wished())

    def test_what_holds_the_wish_comes_before_all(self):
        self.load(self.third, image=self.wish.uuid)
        self.assertEqual(
            self.uuids(self.third, self.first, self.second, self.last),
            self.wished(),
        )

    def test_then_comes_whose_host_has_the_file(self):
        self.load(self.last, image=self.wish.uuid)
        self.assertEqual(
            self.uuids(self.last, self.second, self.first, self.third),
            self.wished(near=[_FAR_TOO]),
        )

    def test_of_what_holds_something_too_whose_host_has_the_file(self):
        self.load(self.first, self.second, self.third, self.last)
        self.assertEqual(
            self.uuids(self.third, self.last, self.first, self.second),
            self.wished(near=[base.HOST]),
        )

    def test_what_was_used_lately_is_not_overwritten_for_the_file(self):
        self.load(self.first, self.second, self.third, self.last)
        self.write(self.last, last_used=9e9)
        self.assertEqual(
            self.uuids(self.third, self.first, self.second, self.last),
            self.wished(near=[base.HOST]),
        )

    def test_what_holds_nothing_is_better_than_to_have_the_file(self):
        self.load(self.third, self.last)
        self.assertEqual(
            self.uuids(self.first, self.second, self.third, self.last),
            self.wished(near=[base.HOST]),
        )

    def test_what_holds_nothing_comes_before_what_does(self):
        self.load(self.first, self.third)
        expected = self.uuids(self.second, self.last, self.first, self.third)
        self.assertEqual(expected, self.order())
        self.assertEqual(expected, self.wished())

    def test_what_is_spared_comes_last_of_all(self):
        self.load(self.first)
        for near in ([], [_FAR]):
            self.assertEqual(
                self.first.uuid,
                self.wished(spared=[self.first.id], near=near)[-1],
            )
        self.assertEqual(
            self.first.uuid, self.order(spared=[self.first.id])[-1]
        )

    def test_who_wants_what_is_spared_gets_it_first(self):
        self.load(self.last, image=self.wish.uuid)
        found = self.wished(spared=[self.last.id])
        self.assertEqual(self.last.uuid, found[0])
        self.assertEqual(4, len(found))

    def test_each_comes_once_whatever_it_is(self):
        self.load(self.third, image=self.wish.uuid)
        self.load(self.last)
        for near in ([], [base.HOST], [base.HOST, _FAR]):
            for spared in ([], [self.last.id], [self.third.id]):
                found = self.wished(near=near, spared=spared)
                self.assertEqual(4, len(found))
                self.assertEqual(4, len(set(found)))

    def test_only_the_first_are_looked_at(self):
        self.load(self.last, image=self.wish.uuid)
        self.assertEqual(
            self.uuids(self.last, self.first), self.wished(limit=2)
        )

    def test_kinds_of_regions_are_looked_at_by_their_use(self):
        for region in (self.first, self.third):
            self.write(region, region_id=_OTHER_REGION)
        wishes = [self.wish, test_bitstreams._image(region_id=_OTHER_REGION)]
        self.assertEqual(
            self.uuids(self.first, self.second, self.third),
            self.order(wishes=wishes, limit=3),
        )

    def test_what_is_made_for_another_region_is_not_asked_for(self):
        other = test_bitstreams._image(region_id=_OTHER_REGION)
        self.assertEqual([], self.order(wishes=[other]))
        self.assertEqual([], self.order(wishes=[other], hostname=_FAR))

    def test_all_of_a_host_are_told(self):
        self.assertEqual(
            self.uuids(self.third, self.last),
            self.order(hostname=base.HOST, limit=1),
        )

    def test_the_others_of_a_provider_come_with_the_first(self):
        for region in (self.first, self.third):
            self.write(region, rp_uuid='pool')
        self.assertEqual(
            self.uuids(self.first, self.third),
            self.order(limit=1, whole=True),
        )
        self.assertEqual(self.uuids(self.first), self.order(limit=1))


class TestWarm(OffersTest):
    def warm(self):
        found = offers.warm(self.ctx, [self.wish.uuid])
        return [one.region_id for one in found]

    def test_the_last_used_comes_first(self):
        self.load(self.first, self.last, image=self.wish.uuid)
        self.load(self.second)
        self.assertEqual([self.last.id, self.first.id], self.warm())
        holding = offers.holding(
            self.ctx, [self.wish], resource_class=None, limit=9
        )
        self.assertEqual(
            self.uuids(self.first, self.last), [one.uuid for one in holding]
        )

    def test_what_cannot_be_claimed_is_none(self):
        self.load(self.first, self.second, self.last, image=self.wish.uuid)
        self.reserve(self.first)
        devices.update(
            self.ctx, self.second.device_uuid, health=model.Health.SUSPECT
        )
        self.assertEqual([self.last.id], self.warm())

    def test_what_is_loaded_for_nobody_is_told(self):
        uuids = [self.wish.uuid]
        mine = self.operation(self.first, image_uuid=self.wish.uuid)
        self.operation(
            self.second,
            image_uuid=self.wish.uuid,
            claim_uuid=self.reserve(self.second),
        )
        self.operation(self.third, kind='wipe', image_uuid=self.wish.uuid)
        self.operation(self.last, image_uuid=base.new_uuid())
        self.assertEqual(
            [offers.Warm(self.first.id, self.wish.uuid, _FAR)],
            offers.warming(self.ctx, uuids),
        )
        self.finish(mine, succeeded=True)
        self.assertEqual([], offers.warming(self.ctx, uuids))
