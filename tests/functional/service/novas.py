"""What Nova does with accelerator requests, step by step."""

import contextlib
import uuid

from tests.fixtures import inprocess
from tests.functional.service import base

SERVICE = 'nova:service:service'
PF, VF = inprocess.PF, inprocess.VF


class NovaTest(base.ServiceTest):
    def setUp(self):
        super().setUp()
        self._allocated = []
        # Before what the service is mended with.
        self.addCleanup(self._let_go)

    def nova(self, method, path, body=None, *, token=inprocess.ALICE):
        """What Nova asks in a user's name."""
        return self.service.call(
            method, path, body, token=token, X_Service_Token=SERVICE
        )

    def profile(self, *groups, resource_class=PF, amount=1, **accel):
        """A new profile, of one group unless some are given; its name."""
        group = {f'resources:{resource_class}': str(amount)}
        group.update({f'accel:{key}': value for key, value in accel.items()})
        name = f'p{uuid.uuid4().hex}'
        body = [{'name': name, 'groups': list(groups) or [group]}]
        answer = self.service.call('POST', '/device_profiles', body)
        self.assertEqual(201, answer.status_int, answer.text)
        return name

    def request(self, profile, *, token=inprocess.ALICE):
        """New ARQs of a profile."""
        body = {'device_profile_name': profile}
        answer = self.nova('POST', '/accelerator_requests', body, token=token)
        self.assertEqual(201, answer.status_int, answer.text)
        return answer.json['arqs']

    def provider(self, resource_class=PF):
        return next(
            one['uuid']
            for one in self.service.providers()
            if resource_class in one['inventories']
        )

    def allocate(self, instance, amount=1, resource_class=PF):
        """What the scheduler does; the provider."""
        provider = self.provider(resource_class)
        self._allocated.append(instance)
        self.service.rooms.claim(
            instance,
            {provider: {resource_class: amount}},
            project_id='demo',
            user_id='alice',
        )
        return provider

    def patch(self, arqs, instance, provider, **members):
        values = {
            'hostname': self.service.hostname,
            'device_rp_uuid': provider,
            'instance_uuid': instance,
            **members,
        }
        operations = [
            {'path': f'/{name}', 'op': 'add', 'value': value}
            for name, value in values.items()
        ]
        return {arq['uuid']: operations for arq in arqs}

    def bind(self, arqs, instance, provider, *, token=inprocess.ALICE):
        """The answer to what Nova's conductor asks."""
        body = self.patch(arqs, instance, provider)
        return self.nova('PATCH', '/accelerator_requests', body, token=token)

    def boot(self, profile, amount=1, resource_class=PF):
        """ARQs that are being bound; the instance and its ARQs."""
        instance = str(uuid.uuid4())
        provider = self.allocate(instance, amount, resource_class)
        arqs = self.request(profile)
        answer = self.bind(arqs, instance, provider)
        self.assertEqual(202, answer.status_int, answer.text)
        self.assertEqual(b'', answer.body)
        return instance, arqs

    def of(self, instance, *, token=inprocess.ALICE):
        """As a user sees them, by uuid."""
        path = f'/accelerator_requests?instance={instance}'
        found = self.service.get(path, token=token)['arqs']
        return {arq['uuid']: arq for arq in found}

    def states(self, instance):
        return sorted(arq['state'] for arq in self.of(instance).values())

    def resolved(self, instance):
        """Wait until nothing more happens; what Nova then sees."""

        def found():
            path = f'/accelerator_requests?instance={instance}'
            answer = self.service.call('GET', f'{path}&bind_state=resolved')
            return answer.status_int == 200

        self.service.until(f'{instance} is resolved', found)
        path = f'/accelerator_requests?instance={instance}'
        return self.nova('GET', path).json['arqs']

    def told(self, instance, status, arqs):
        """Wait until Nova knows of all of *arqs*."""
        wanted = {arq['uuid'] for arq in arqs}

        def found():
            told = self.service.nova.told(instance)
            return told if set(told) == wanted else None

        told = self.service.until(f'Nova is told of {instance}', found)
        self.assertEqual({status}, {s for all_ in told.values() for s in all_})

    def delete(self, instance):
        """What Nova's compute does when a server goes."""
        path = f'/accelerator_requests?instance={instance}'
        answer = self.nova('DELETE', path)
        self.assertEqual(204, answer.status_int, answer.text)
        self.service.rooms.release(instance)

    def _let_go(self):
        for instance in self._allocated:
            with contextlib.suppress(Exception):
                self.delete(instance)
