"""Claims of what an instance holds: once, and never beside its requests."""

from cyborg_fpga import errors
from cyborg_fpga.db import adoptions
from cyborg_fpga.db import arqs
from cyborg_fpga.db import bindings
from cyborg_fpga.db import claims
from cyborg_fpga.db import device_profiles
from cyborg_fpga.db import hosts
from cyborg_fpga.db import models
from cyborg_fpga.db import unbindings
from tests.unit.db import base

FAULT = ('device_error', 'it refused')


class AdoptionTest(base.DatabaseTest):
    def setUp(self):
        super().setUp()
        self.store(
            base.card(base.CARD, base.region(vfs=2)),
            base.card(base.OTHER_CARD),
        )
        self.shared, self.whole = self.regions()
        self.instance = base.new_uuid()
        self.profile = device_profiles.create(
            self.ctx, base.new_uuid(), name='one', groups=[{}]
        )

    def adopt(self, region=None, handles=1, **values):
        region = region or self.whole
        columns = {
            'instance_uuid': self.instance,
            'allocation': 'adopted',
            'rp_uuid': region.rp_uuid or f'provider of {region.name}',
            'resource_class': 'CLASS',
        }
        return self.reserve(region, handles, **{**columns, **values})

    def bind(self, region):
        (arq,) = arqs.create(self.ctx, self.profile, [0])
        place = bindings.Place(
            region_id=region.id,
            rp_uuid=base.new_uuid(),
            resource_class='CLASS',
            image_uuid=None,
        )
        bindings.bind(
            self.ctx,
            {arq.uuid: place},
            instance_uuid=self.instance,
            project_id=None,
            owner='me',
            lease=30,
        )
        return arq.uuid

    def free(self):
        return sum(
            handle.claim_uuid is None
            for region in self.regions()
            for handle in region.handles
        )


class TestGuard(AdoptionTest):
    def test_one_claim_of_an_instance_and_provider(self):
        one = self.adopt(self.shared)
        self.assertRaises(errors.Duplicate, self.adopt, self.shared)
        self.assertEqual(2, self.free())
        other = self.adopt(self.whole)
        self.assertEqual(
            {one, other},
            set(adoptions.of_instance(self.ctx, self.instance).values()),
        )

    def test_two_instances_have_one_each_of_a_provider(self):
        self.adopt(self.shared)
        self.adopt(self.shared, instance_uuid=base.new_uuid())

    def test_when_it_has_failed_another_can_be_made(self):
        claim = self.adopt()
        there = self.row(models.Claim, uuid=claim)['rp_uuid']
        claims.start_release(self.ctx, claim, fault=FAULT, dirty=False)
        self.assertRaises(
            errors.Duplicate, self.adopt, self.shared, rp_uuid=there
        )
        claims.finish_release(self.ctx, claim)
        again = self.adopt()
        found = adoptions.of_instance(self.ctx, self.instance)
        self.assertEqual([again], list(found.values()))

    def test_not_where_requests_are_bound(self):
        self.bind(self.shared)
        self.assertRaises(errors.InUse, self.adopt)
        self.assertEqual(2, self.free())

    def test_not_where_requests_are_bound_just_now(self):
        """Their guard is seen before they are."""
        arq = self.bind(self.shared)
        self.change(models.Claim, models.Claim.uuid == arq, instance_uuid=None)
        self.assertRaises(errors.InUse, self.adopt)

    def test_not_where_the_first_request_has_gone_and_another_is_left(self):
        first = self.bind(self.shared)
        second = self.bind_beside()
        unbindings.delete(self.ctx, [first], bound=True)
        self.assertRaises(errors.InUse, self.adopt)
        unbindings.delete(self.ctx, [second], bound=True)
        self.adopt()

    def bind_beside(self):
        """Another request of the instance, without its guard."""
        (arq,) = arqs.create(self.ctx, self.profile, [0])
        self.change(
            models.Claim,
            models.Claim.uuid == arq.uuid,
            instance_uuid=self.instance,
        )
        return arq.uuid

    def test_no_requests_are_bound_beside_a_claim(self):
        claim = self.adopt(self.shared)
        exc = self.assertRaises(errors.InUse, self.bind, self.whole)
        self.assertIn(claim, exc.message)
        self.assertEqual(2, self.free())
        claims.start_release(self.ctx, claim, dirty=False)
        claims.finish_release(self.ctx, claim)
        self.bind(self.whole)


class TestHeld(AdoptionTest):
    def test_what_is_held_is_told_in_one_statement(self):
        self.reserve(self.whole)
        claim = self.adopt(self.shared, 2)
        self.bind_other()
        with self.statements() as seen:
            (found,) = adoptions.held(self.ctx)
        self.assertEqual(1, len(seen))
        self.assertEqual(
            (claim, self.instance, 2, False, False),
            (
                found.uuid,
                found.instance_uuid,
                found.amount,
                found.gone,
                found.releasing,
            ),
        )
        self.assertEqual([], adoptions.held(self.ctx, ['another']))
        self.assertEqual([found], adoptions.held(self.ctx, [found.rp_uuid]))

    def bind_other(self):
        arqs.create(self.ctx, self.profile, [0])

    def test_failed_one_holds_nothing(self):
        claim = self.adopt()
        claims.start_release(self.ctx, claim, fault=FAULT, dirty=False)
        (found,) = adoptions.held(self.ctx)
        self.assertTrue(found.releasing)
        claims.finish_release(self.ctx, claim)
        self.assertEqual([], adoptions.held(self.ctx))

    def test_lost_allocation_covers_nothing_and_placement_is_told(self):
        claim = self.adopt()
        hosts.start_telling(self.ctx, base.HOST, 'me', 60)
        (handle,) = self.again(self.whole).handles
        self.assertTrue(handle.covered)
        adoptions.lose(self.ctx, claim)
        (handle,) = self.again(self.whole).handles
        self.assertFalse(handle.covered)
        self.assertEqual([base.HOST], hosts.stale(self.ctx))
        self.assertTrue(adoptions.held(self.ctx)[0].gone)

    def test_claim_of_our_own_door_never_loses_it(self):
        claim = self.reserve(self.whole)
        adoptions.lose(self.ctx, claim)
        self.assertEqual('own', claims.get(self.ctx, claim).allocation)
