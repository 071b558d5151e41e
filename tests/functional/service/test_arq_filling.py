"""Whatever Placement agrees to can be bound."""

import random
import uuid
from urllib import parse

from cyborg_fpga import errors
from tests.fixtures import inprocess
from tests.functional.service import novas

_MIXED = """
cards:
  - {address: '0000:3b:00.0', family: PAC_A10,
     program_fixed: 0, program_rate: 1000000000}
  - {address: '0000:5e:00.0', family: PAC_A10,
     program_fixed: 0, program_rate: 1000000000}
  - {address: '0000:86:00.0', family: PAC_D5005, vfs: 3,
     serial: '00a1b2c3d4e5f600', program_fixed: 0, program_rate: 1000000000}
  - {address: '0000:af:00.0', family: PAC_D5005, vfs: 2,
     serial: '00a1b2c3d4e5f601', program_fixed: 0, program_rate: 1000000000}
"""
_STEPS = 40
_SEED = 20261121


class TestFilling(novas.NovaTest):
    scenario = _MIXED

    def setUp(self):
        super().setUp()
        self.random = random.Random(_SEED)
        self.known = []
        for region in (inprocess.REGION, inprocess.VF_REGION):
            for _ in range(2):
                self.service.new_type()
                self.service.known_image(region=region)
                self.known.append((region, self.service.type))
        self.servers = {}

    def wishes(self):
        """What flavors there are: (class, amount, type or None)."""
        pf, vf = inprocess.PF, inprocess.VF
        types = [None] + [
            kind for region, kind in self.known if region == inprocess.REGION
        ]
        shared = [None] + [
            kind for region, kind in self.known if region != inprocess.REGION
        ]
        yield from ((pf, amount, kind) for amount in (1, 2) for kind in types)
        yield from ((vf, amount, kind) for amount in (1, 2) for kind in shared)

    def candidates(self, resource_class, amount, kind):
        """Providers that Placement offers."""
        query = {'resources': f'{resource_class}:{amount}'}
        if kind is not None:
            query['required'] = f'CUSTOM_ACCELERATOR_{kind.upper()}'
        path = f'/allocation_candidates?{parse.urlencode(query)}'
        try:
            found = self.service.rooms._http.get(path)
        except errors.ServiceUnavailable:  # the trait is not known yet
            return []
        ours = {one['uuid'] for one in self.service.providers()}
        return sorted(
            ours.intersection(
                provider
                for request in found['allocation_requests']
                for provider in request['allocations']
            )
        )

    def start(self, resource_class, amount, kind):
        """What Nova does; False: Placement has nothing."""
        offered = self.candidates(resource_class, amount, kind)
        if not offered:
            return False
        instance, provider = str(uuid.uuid4()), self.random.choice(offered)
        self._allocated.append(instance)
        try:
            self.service.rooms.claim(
                instance,
                {provider: {resource_class: amount}},
                project_id='demo',
                user_id='alice',
            )
        except errors.NoCapacity:
            return False
        group = {f'resources:{resource_class}': str(amount)}
        if kind is not None:
            group[f'trait:CUSTOM_ACCELERATOR_{kind.upper()}'] = 'required'
        arqs = self.request(self.profile(group))
        answer = self.bind(arqs, instance, provider)
        self.assertEqual(202, answer.status_int, answer.text)
        found = self.resolved(instance)
        self.assertEqual(['Bound'] * amount, [arq['state'] for arq in found])
        self.servers[instance] = arqs
        return True

    def test_no_bind_that_placement_agreed_to_fails(self):
        started = 0
        flavors = list(self.wishes())
        for _ in range(_STEPS):
            if self.servers and self.random.random() < 0.35:
                instance = self.random.choice(sorted(self.servers))
                del self.servers[instance]
                self.delete(instance)
            else:
                self.random.shuffle(flavors)
                started += any(self.start(*flavor) for flavor in flavors)
        self.assertGreater(started, _STEPS / 4)
        for instance in sorted(self.servers):
            self.delete(instance)
        self.assert_nothing_left()
