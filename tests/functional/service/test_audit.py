"""What a crash or a lost answer left in Placement is put right."""

import uuid

import fixtures

from cyborg_fpga.conductor import audit
from cyborg_fpga.db import deployables
from cyborg_fpga.db import reservations
from tests.fixtures import inprocess
from tests.functional.service import base
from tests.functional.service import novas

PF = inprocess.PF


class TestAudit(base.ServiceTest):
    settings = {'conductor': {'audit_interval': 0.2}}

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(audit, '_PAUSE_SECONDS', 0.1))

    def provider(self):
        (found,) = (
            one for one in self.service.providers() if PF in one['inventories']
        )
        return found['uuid']

    def allocate(self, consumer_type='FPGA_CLAIM', consumer=None):
        """Have a consumer hold a card; its uuid."""
        consumer = consumer or str(uuid.uuid4())
        answer = self.service.rooms._http.call(
            'PUT',
            f'/allocations/{consumer}',
            {
                'allocations': {self.provider(): {'resources': {PF: 1}}},
                'project_id': 'demo',
                'user_id': 'alice',
                'consumer_generation': None,
                'consumer_type': consumer_type,
            },
        )
        self.assertTrue(answer.ok)
        self.addCleanup(self.service.rooms.release, consumer)
        return consumer

    def deleted(self, consumer):
        self.service.until(
            f'{consumer} holds nothing',
            lambda: not self.service.allocated(consumer),
        )

    def test_stray_allocation_goes_and_an_instances_stays(self):
        instance = self.allocate('INSTANCE')
        self.deleted(self.allocate())
        self.assertEqual(1, self.service.allocated(instance))

    def test_claim_that_is_made_and_one_that_is_held_stay(self):
        held = self.service.claim(resource_class=PF)
        region = next(
            region
            for region in deployables.of_host(
                inprocess.CTX, self.service.hostname
            )
            if region.resource_class == PF
            and not any(handle.claim_uuid for handle in region.handles)
        )
        made = str(uuid.uuid4())
        reservations.reserve(
            inprocess.CTX,
            {
                'uuid': made,
                'origin': 'api',
                'project_id': 'demo',
                'lease_owner': 'another conductor',
                'lease_expires': 4e9,
            },
            {region.id: 1},
        )
        self.allocate(consumer=made)
        self.service.rooms.claim(
            stray := str(uuid.uuid4()),
            {self.free_vf(): {inprocess.VF: 1}},
            project_id='demo',
            user_id='alice',
        )
        self.deleted(stray)
        self.assertEqual(1, self.service.allocated(made))
        self.assertEqual(1, self.service.allocated(held['uuid']))
        reservations.drop(inprocess.CTX, made)
        self.deleted(made)

    def free_vf(self):
        return next(
            one['uuid']
            for one in self.service.providers()
            if inprocess.VF in one['inventories']
        )

    def test_claim_that_lost_its_allocation_gets_it_back(self):
        claim = self.service.claim(resource_class=PF, count=2)
        self.service.rooms.release(claim['uuid'])
        self.service.until(
            'it is back', lambda: self.service.allocated(claim['uuid']) == 2
        )
        self.service.released(claim['uuid'])
        self.assert_nothing_left()

    def test_what_somebody_changed_in_placement_is_put_right(self):
        before = self.service.traits()
        http = self.service.rooms._http
        path = f'/resource_providers/{self.provider()}'
        http.call('DELETE', f'{path}/traits')
        self.service.until(
            'its traits are back', lambda: self.service.traits() == before
        )


class TestServers(novas.NovaTest):
    settings = {'conductor': {'audit_interval': 0.2}}

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(audit, '_PAUSE_SECONDS', 0.1))
        self.addCleanup(self.service.nova.servers.clear)

    def boot_without_an_allocation(self):
        instance = str(uuid.uuid4())
        arqs = self.request(self.profile())
        answer = self.bind(arqs, instance, self.provider())
        self.assertEqual(202, answer.status_int, answer.text)
        self.resolved(instance)
        return instance

    def asked_for(self, what):
        """Wait until Nova has said *what* of two more audits."""
        asked = self.service.nova.asked
        del asked[:]
        self.service.until(f'{what} is asked for', lambda: what in asked)
        del asked[:]
        self.service.until(f'and again for {what}', lambda: what in asked)

    def test_requests_of_one_that_is_gone_go_too(self):
        nova = self.service.nova
        nova.narrow = True
        self.addCleanup(setattr, nova, 'narrow', False)
        instance = self.boot_without_an_allocation()
        self.asked_for('servers?all_tenants=true&limit=1')
        self.assertEqual(['Bound'], self.states(instance))
        nova.servers.add(instance)
        nova.narrow = False
        self.asked_for(instance)
        self.assertEqual(['Bound'], self.states(instance))
        nova.servers.clear()
        self.service.until('they are gone', lambda: not self.of(instance))
        self.assert_nothing_left()
