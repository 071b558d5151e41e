"""Hosts and deployables that were imported, and their place in Placement."""

import threading

import fixtures
import sqlalchemy as sa
from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.conductor import audit
from cyborg_fpga.conductor import providers
from cyborg_fpga.db import engine
from cyborg_fpga.db import hosts
from cyborg_fpga.db import models
from tests.unit.conductor import base as conductor_base
from tests.unit.conductor import test_providers

OTHER = {
    'rp_uuid': '99999999-9999-4999-8999-999999999999',
    'rp_name': 'other_0000:5e:00.0',
    'resource_class': 'FPGA',
    'rp_fixed': True,
}


class TestProviders(base.BaseTestCase):
    def test_imported_provider_stays_though_nobody_holds_it(self):
        region = test_providers.region('d1', **OTHER)
        where = test_providers.host(layout=model.Layout.REGION)
        found, places, classes = test_providers.lay_out([region], host=where)
        self.assertEqual((OTHER['rp_uuid'], OTHER['rp_name']), places['d1'])
        self.assertEqual('FPGA', classes['d1'])
        self.assertEqual(
            [(OTHER['rp_name'], 'FPGA', 1, 0)],
            [(p.name, p.resource_class, p.total, p.reserved) for p in found],
        )

    def test_new_card_of_an_imported_host_has_one_of_its_own(self):
        old = test_providers.region('d1', **OTHER)
        new = test_providers.region('d2')
        where = test_providers.host(layout=model.Layout.REGION)
        _, places, _ = test_providers.lay_out([old, new], host=where)
        self.assertEqual('node1:fpga:d2', places['d2'][1])

    def test_parts_of_an_imported_provider_stay_in_it(self):
        parts = [test_providers.region(f'd{n}', **OTHER) for n in range(3)]
        where = test_providers.host(layout=model.Layout.REGION)
        [provider] = test_providers.lay_out(parts, host=where)[0]
        self.assertEqual((3, 3), (provider.total, provider.max_unit))

    def test_card_that_no_agent_has_seen_keeps_the_traits_it_came_with(self):
        region = test_providers.region(
            family='', vendor='0x1234', added_traits=('CUSTOM_X',), **OTHER
        )
        self.assertEqual({'CUSTOM_X'}, providers.fixed_traits(region))


class TestHost(conductor_base.ConductorTest):
    def setUp(self):
        super().setUp()
        self.fix(rp_fixed=True)

    def fix(self, **values):
        with engine.get_engine().begin() as connection:
            connection.execute(sa.update(models.Deployable).values(**values))

    def test_layout_is_not_that_of_the_configuration(self):
        before = self.regions()
        hosts.set_layout(
            self.ctx, conductor_base.base.HOST, model.Layout.REGION
        )
        self.ask('report', report=self.cards().to_wire())
        host = hosts.get(self.ctx, conductor_base.base.HOST)
        self.assertEqual(model.Layout.REGION, host.layout)
        self.assertEqual(
            [region.rp_uuid for region in before],
            [region.rp_uuid for region in self.regions()],
        )

    def test_providers_are_ours_whatever_their_names(self):
        self.tell_placement()
        wanted = {region.rp_uuid for region in self.regions()}
        self.assertEqual(wanted, self.rooms.ours)

    def test_audit_looks_at_them_too(self):
        self.useFixture(fixtures.MockPatchObject(audit, '_PAUSE_SECONDS', 0))
        self.fix(rp_name='other', resource_class='FPGA')
        self.tell_placement()
        [(name, provider)] = self.rooms.tree.items()
        self.assertEqual('other', name)
        self.rooms.held['stray'] = {provider.uuid: {'FPGA': 1}}
        self.manager.reconciler._audit.run(self.ctx, threading.Event())
        self.assertEqual({}, self.rooms.held)


class TestUnseenHost(conductor_base.ConductorTest):
    def setUp(self):
        super().setUp()
        with engine.get_engine().begin() as connection:
            connection.execute(sa.update(models.Host).values(boot_id=0))

    def test_placement_is_told_nothing_of_it(self):
        hosts.mark_stale(self.ctx)
        self.assertEqual([], hosts.stale(self.ctx))
        inventory = self.manager.reconciler._inventory
        self.assertRaises(
            errors.HostUnavailable,
            inventory.sync_host,
            self.ctx,
            conductor_base.base.HOST,
            force=True,
        )
        self.assertEqual([], self.asked)

    def test_it_is_told_once_an_agent_has_reported(self):
        self.ask('report', report=self.cards().to_wire())
        self.assertEqual([conductor_base.base.HOST], hosts.stale(self.ctx))
