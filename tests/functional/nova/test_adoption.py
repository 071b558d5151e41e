"""Flavors as ``openstack fpga flavor create`` makes them, both styles."""

import json
import uuid

from openstack import connection

from cyborg_fpga.osc import client
from cyborg_fpga.osc import flavor
from tests.fixtures import keystone
from tests.fixtures import openstack
from tests.functional.nova import base
from tests.unit.osc import base as osc

PF, VF = openstack.PF, openstack.VF


class TestFlavors(base.CloudTest):
    def made(self, *words):
        """What the command shows of a flavor that it has made."""
        admin = self.cloud.admin
        nova = connection.Connection(
            session=admin._session, region_name=keystone.REGION
        )
        self.addCleanup(nova.close)
        small = ('--ram', '1', '--disk', '1', '-f', 'json')
        argv = (f'f{uuid.uuid4().hex}', *words, *small)
        api = client.Client(admin.accelerator)
        return json.loads(osc.run(flavor.CreateFlavor, argv, api, nova))

    def booted(self, flavor_id):
        """An ACTIVE server of it; its uuid and host."""
        server = self.cloud.boot(flavor_id)
        shown = self.cloud.settled(server)
        self.assertEqual('ACTIVE', shown['status'], shown.get('fault'))
        return server, shown['OS-EXT-SRV-ATTR:host']

    def functions(self, claim):
        """What the cards show behind its addresses."""
        found = set()
        for address in claim['addresses']:
            domain, bus, rest = address.split(':')
            device, function = rest.split('.')
            info = {
                'domain': domain,
                'bus': bus,
                'device': device,
                'function': function,
            }
            place = {
                'hostname': claim['hostname'],
                'attach_handle_info': info,
            }
            found.add(self.cloud.function(place))
        return found

    def test_profiles_flavor_boots_with_its_type_loaded(self):
        accelerator = f't{uuid.uuid4().hex[:12]}'
        _, function = self.new_function(type=accelerator)
        made = self.made('--vendor', 'intel', '--type', accelerator)
        server = self.cloud.boot(made['id'])
        self.assert_has(server, function)
        # What its requests have nobody claims beside them.
        answer = self.ask(server)
        self.assertEqual(409, answer.status_code, answer.text)
        self.assertIn('fpga.in_use', answer.text)
        self.cloud.delete(server)
        self.assert_all_free()

    def test_proof_of_concepts_flavor_is_claimed_by_server(self):
        accelerator = f't{uuid.uuid4().hex[:12]}'
        _, function = self.new_function(type=accelerator)
        made = self.made(
            *('--style', 'resources', '--vendor', 'intel'),
            *('--count', '2', '--trait', openstack.A10),
        )
        server, host = self.booted(made['id'])
        numbered = self.cloud.flavor(
            {
                f'resources1:{PF}': '1',
                f'trait1:{openstack.A10}': 'required',
                f'resources2:{VF}': '1',
                'trait2:CUSTOM_HW_INTEL': 'required',
                'group_policy': 'none',
            }
        )
        other, where = self.booted(numbered)
        claim = self.claimed(server, type=accelerator)
        self.assertEqual(host, claim['hostname'])
        self.assertEqual(2, len(claim['addresses']))
        self.assertEqual({function}, self.functions(claim))
        groups = [
            self.claimed(other, resource_class=name) for name in (PF, VF)
        ]
        self.assertEqual(
            [(where, 1)] * 2,
            [(one['hostname'], len(one['addresses'])) for one in groups],
        )
        addresses = {
            (one['hostname'], address)
            for one in (claim, *groups)
            for address in one['addresses']
        }
        self.assertEqual(4, len(addresses))
        self.cloud.delete(server, other)
        # Nobody tells us: it is noticed.
        self.assert_all_free()
