"""Attributes follow reports; given traits get to Placement."""

import dataclasses

from oslotest import base as test

from cyborg_fpga.db import attributes
from cyborg_fpga.db import deployables
from tests.unit.conductor import base
from tests.unit.conductor import test_providers as parts
from tests.unit.db import base as db


class TestReported(base.ConductorTest):
    def facts(self, region):
        return attributes.of_deployables(self.ctx, [region.id])[region.id]

    def give(self, region, value='CUSTOM_RACK_7'):
        return attributes.create(
            self.ctx,
            db.new_uuid(),
            deployable=region.id,
            key='trait77',
            value=value,
        )

    def sync(self):
        self.manager._inventory.sync_host(self.ctx, db.HOST)

    def test_a_report_tells_class_and_lasting_traits(self):
        region = self.regions()[0]
        found = dict(self.facts(region))
        self.assertEqual(region.resource_class, found['rc'])
        traits = [value for key, value in found.items() if key != 'rc']
        self.assertIn('CUSTOM_FPGA_INTEL', traits)
        self.assertEqual(sorted(traits), traits)
        self.assertEqual('trait0', sorted(found)[1])

    def test_a_changed_card_changes_them(self):
        region = self.regions()[0]
        self.give(region)
        cards = [db.card(address, family='NEW') for address in base.CARDS]
        self.ask('report', report=self.report(*cards).to_wire())
        values = [value for _, value in self.facts(region)]
        self.assertIn('CUSTOM_FPGA_INTEL_NEW', values)
        self.assertNotIn('CUSTOM_FPGA_INTEL_PAC_A10', values)
        self.assertEqual('CUSTOM_RACK_7', values[-1])

    def test_a_given_trait_is_told_to_placement_until_it_is_deleted(self):
        region, other = self.regions()
        self.sync()
        self.assertEqual(1, len(self.rooms.tree))
        made = self.give(region)
        self.sync()
        carriers = [
            provider
            for provider in self.rooms.tree.values()
            if 'CUSTOM_RACK_7' in provider.traits
        ]
        self.assertEqual([1], [provider.total for provider in carriers])
        self.assertEqual(2, len(self.rooms.tree))
        self.assertEqual(
            carriers[0].uuid,
            deployables.get(self.ctx, region.uuid).rp_uuid,
        )
        self.ask('report', report=self.cards().to_wire())
        self.sync()
        self.assertIn('CUSTOM_RACK_7', self.rooms.traits)
        attributes.delete(self.ctx, made.uuid)
        self.sync()
        self.assertNotIn('CUSTOM_RACK_7', self.rooms.traits)
        self.assertEqual(
            other.rp_uuid, deployables.get(self.ctx, region.uuid).rp_uuid
        )

    def test_a_claim_can_ask_for_a_given_trait(self):
        region = self.regions()[1]
        self.give(region)
        self.sync()
        uuid = self.claim(traits=['CUSTOM_RACK_7'])
        held = deployables.of_claim(self.ctx, uuid)
        self.assertEqual([region.uuid], [found.uuid for found in held])


class TestLayout(test.BaseTestCase):
    def test_a_claimed_deployable_keeps_its_provider(self):
        before = parts.stored([parts.region('a', 'c'), parts.region('b')])
        given = [
            dataclasses.replace(before[0], added_traits=('CUSTOM_X',)),
            before[1],
        ]
        providers, places, _ = parts.lay_out(given)
        self.assertEqual(places['a'], places['b'])
        # Not of all that is offered there, so not of the provider.
        self.assertNotIn('CUSTOM_X', providers[0].traits)

    def test_alike_with_the_same_given_traits_share_a_provider(self):
        regions = [
            parts.region(name, added_traits=('CUSTOM_X',)) for name in 'ab'
        ]
        self.assertIn('CUSTOM_X', parts.only(regions).traits)
