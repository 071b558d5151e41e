"""SIGKILL of the conductor at every named point of a server's cards.

Whatever it was doing: Nova is told of each accelerator request how it ended,
and what it is told is so.
"""

import contextlib
import signal
import uuid

import requests

from cyborg_fpga import killpoints
from cyborg_fpga.cmd import demo_http
from tests.fixtures import compute
from tests.fixtures import stack
from tests.functional.stack import base

_ONE_CARD = """
cards:
  - {address: '0000:3b:00.0', family: PAC_A10,
     program_fixed: 0, program_rate: 1000000000}
"""
_SERVICE = {'X-Service-Token': 'nova:service:service'}
_SECONDS = 60

#: A bind whose conductor dies there is completed by another.
_COMPLETED = ('arq_bound', 'event_taken', 'event_sent')


class NovaKillTest(base.StackTest):
    scenario = _ONE_CARD

    @classmethod
    def setUpClass(cls):
        cls.nova = compute.Compute()
        cls.nova.setUp()
        cls.addClassCleanup(cls.nova.cleanUp)
        cls.settings = {
            'conductor': {'deadline_min': 10, 'instance_interval': 0.5},
            'api': {'conductor_timeout': 2},
            'nova': {
                'auth_type': 'admin_token',
                'token': 'admin',
                'endpoint': cls.nova.url,
            },
        }
        super().setUpClass()

    def ask(self, method, path, body=None):
        """What Nova asks in a user's name; the answer."""
        return requests.request(
            method,
            f'{self.stack.url}{path}',
            json=body,
            headers={'X-Auth-Token': stack.MEMBER, **_SERVICE},
            timeout=60,
        )

    def requested(self):
        """A request for the card with a new function; the ARQ's uuid."""
        image, self.function = self.image()
        name = f'p{uuid.uuid4().hex}'
        group = {f'resources:{stack.PF}': '1', 'accel:bitstream_id': image}
        body = [{'name': name, 'groups': [group]}]
        self.stack.admin.post('/device_profiles', body)
        body = {'device_profile_name': name}
        answer = self.ask('POST', '/accelerator_requests', body)
        (arq,) = answer.json()['arqs']
        return arq['uuid']

    def bind(self, arq, instance):
        values = {
            'hostname': self.stack.hostname,
            'device_rp_uuid': self.stack.deployables()[0]['rp_uuid'],
            'instance_uuid': instance,
        }
        operations = [
            {'path': f'/{name}', 'op': 'add', 'value': value}
            for name, value in values.items()
        ]
        return self.ask('PATCH', '/accelerator_requests', {arq: operations})

    def victim(self, point):
        """The only conductor, which dies at *point*."""
        for conductor in self.stack.conductors:
            conductor.stop()
        self.stack.conductors = []
        victim = self.stack.start('conductor', kill_at=point)
        self.addCleanup(victim.stop)
        victim.says(stack.READY['conductor'])
        return victim

    def succeed(self, victim):
        """Start another once *victim* has died."""
        self.assertEqual(-signal.SIGKILL, victim.exit_code(30))
        successor = self.stack.start('conductor')
        self.stack.conductors = [successor]
        successor.says(stack.READY['conductor'])

    def told(self, instance, arq, status):
        self.stack.until(
            f'Nova is told {status}',
            lambda: self.nova.told(instance).get(arq),
            _SECONDS,
        )
        self.assertEqual({arq}, set(self.nova.told(instance)))
        self.assertEqual({status}, set(self.nova.told(instance)[arq]))

    def assert_free(self):
        self.agree()
        self.stack.until(
            'nothing is reserved', lambda: not self.stack.stock()['reserved']
        )
        self.assertEqual([], self.stack.claims())

    def kill_while_binding(self, point):
        arq, instance = self.requested(), str(uuid.uuid4())
        victim = self.victim(point)
        answer = self.bind(arq, instance)
        self.assertEqual(202, answer.status_code, answer.text)
        self.succeed(victim)
        self.told(instance, arq, 'completed')
        path = f'/accelerator_requests?instance={instance}'
        shown = self.ask('GET', path).json()['arqs']
        self.assertEqual(['Bound'], [one['state'] for one in shown])
        (region,) = self.stack.deployables()
        self.assertEqual(self.function, region['function_id'])
        self.assertEqual(204, self.ask('DELETE', path).status_code)
        self.assert_free()

    def test_killed_at_arq_released(self):
        arq, instance = self.requested(), str(uuid.uuid4())
        victim = self.victim('arq_released')
        self.assertEqual(202, self.bind(arq, instance).status_code)
        self.told(instance, arq, 'completed')
        path = f'/accelerator_requests?instance={instance}'
        self.assertEqual(204, self.ask('DELETE', path).status_code)
        self.succeed(victim)
        self.assert_free()

    def allocate(self, instance):
        """What Nova holds for a server whose flavor has no profile."""
        provider = self.stack.deployables()[0]['rp_uuid']
        path = f'/allocations/{instance}'
        body = {
            'allocations': {provider: {'resources': {stack.PF: 1}}},
            'project_id': 'demo',
            'user_id': 'alice',
            'consumer_generation': None,
            'consumer_type': 'INSTANCE',
        }
        self.stack.placement.call('PUT', path, json=body)
        self.addCleanup(self.let_go, instance)

    def let_go(self, instance):
        with contextlib.suppress(demo_http.Refused):
            self.stack.placement.call('DELETE', f'/allocations/{instance}')

    def claimed(self, instance):
        """The claim of what a server holds, ready."""
        claim = self.stack.api.post('/claims', {'instance_uuid': instance})
        return self.stack.claim_in(claim['uuid'], 'ready')

    def test_server_is_claimed_again_after_its_claim_was_cut_short(self):
        instance = str(uuid.uuid4())
        self.allocate(instance)
        victim = self.victim('claim_reserved')

        def dies():
            # What a slow conductor does not take in time is forgotten.
            if victim.alive:
                self.stack.api.post('/claims', {'instance_uuid': instance})
            return not victim.alive

        self.stack.until('the conductor dies of it', dies, _SECONDS)
        self.succeed(victim)
        (cut,) = self.stack.claims()
        self.stack.claim_in(cut['uuid'], 'failed')
        self.assertEqual(1, len(self.stack.placement.allocated(instance)))
        claim = self.claimed(instance)
        self.let_go(instance)
        self.stack.gone(claim['uuid'])
        self.stack.release(cut['uuid'])
        self.assert_free()


def _add_tests():
    for point in killpoints.NOVA:
        if point in _COMPLETED:

            def test(self, point=point):
                self.kill_while_binding(point)

            setattr(NovaKillTest, f'test_killed_at_{point}', test)


_add_tests()
