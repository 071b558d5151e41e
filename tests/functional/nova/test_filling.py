"""Whatever Placement agrees to can be bound, with a real Nova."""

import random
import uuid
from typing import NamedTuple

from tests.fixtures import openstack
from tests.functional.nova import base

_SEED = 20261121
_FULL = 'No valid host was found'
#: How often the hosts are filled; in between half of the servers goes.
_TIMES = 2
_FAMILIES = {openstack.PF: 'PAC_A10', openstack.VF: 'PAC_D5005'}
#: Units of each class; one card is of a third family.
_THERE = {openstack.PF: 2 * openstack.ALIKE + 1, openstack.VF: 5}


class Flavor(NamedTuple):
    ident: str
    resource_class: str
    amount: int


class TestFilling(base.CloudTest):
    """Pools of like cards, and regions that several servers share."""

    def flavors(self):
        """Of both kinds: one or two units, any type or one of two."""
        for resource_class, family in _FAMILIES.items():
            names = [f't{uuid.uuid4().hex[:8]}' for _ in range(2)]
            for name in names:
                self.new_function(family=family, type=name)
                trait = f'CUSTOM_ACCELERATOR_{name.upper()}'
                self.cloud.until(
                    f'{trait} is offered', lambda t=trait: self.offered(t)
                )
            for amount in (1, 2):
                for name in (None, *names):
                    group = {f'resources:{resource_class}': str(amount)}
                    if name is not None:
                        trait = f'trait:CUSTOM_ACCELERATOR_{name.upper()}'
                        group[trait] = 'required'
                    ident = self.cloud.profile(group)
                    yield Flavor(ident, resource_class, amount)

    def offered(self, trait):
        return any(
            trait in provider['traits'] for provider in self.cloud.providers()
        )

    def start(self, flavor, count):
        """So many servers, or none where Placement has not the room."""
        servers = self.cloud.boot_many(flavor.ident, count)
        self.assertEqual(count, len(servers))
        ends = [self.cloud.settled(server) for server in servers]
        if any(end['status'] == 'ERROR' for end in ends):
            for end in ends:
                self.assertEqual('ERROR', end['status'])
                self.assertIn(_FULL, end['fault']['message'])
            self.cloud.delete(*servers)
            return []
        for server in servers:
            states = [arq['state'] for arq in self.cloud.arqs(server)]
            self.assertEqual(['Bound'] * flavor.amount, states)
        return servers

    def test_no_bind_that_placement_agreed_to_fails(self):
        choice = random.Random(_SEED)
        flavors = list(self.flavors())
        running = {}
        for _ in range(_TIMES):
            self.fill(choice, flavors, running)
            self.assertEqual(_THERE, self.used())
            gone = choice.sample(sorted(running), len(running) // 2)
            self.cloud.delete(*gone)
            for server in gone:
                del running[server]
            self.cloud.until('what they had is offered', self.none_kept)

    def none_kept(self):
        """Neither for servers that go nor to be wiped."""
        kept = sum(
            inventory['reserved']
            for one in self.cloud.providers()
            for inventory in one['inventories'].values()
        )
        held = self.cloud.admin.accelerator.get('/accelerator_requests')
        units = sum(self.used().values())
        return not kept and units == len(held.json()['arqs'])

    def fill(self, choice, flavors, running):
        """Start servers until Placement has room for none of *flavors*.

        :param running: Flavors by server.
        """
        free = dict(_THERE)
        for flavor in running.values():
            free[flavor.resource_class] -= flavor.amount
        left = list(flavors)
        while left:
            flavor = choice.choice(left)
            name = flavor.resource_class
            started = self.start(
                flavor, 3 if free[name] > 4 * flavor.amount else 1
            )
            running.update(dict.fromkeys(started, flavor))
            free[name] -= flavor.amount * len(started)
            left = [
                one
                for one in left
                if (started or one is not flavor)
                and one.amount <= max(free[one.resource_class], 1)
            ]

    def used(self):
        providers = self.cloud.providers()
        return {
            name: sum(one['usages'].get(name, 0) for one in providers)
            for name in _THERE
        }
