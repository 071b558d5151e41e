"""What Nova does with accelerator requests, as steps to be measured."""

import json
import time
import uuid

from benchmarks import sides

_SECONDS = 60
_PAUSE = 0.01


class Requests:
    """Accelerator requests for the one card of a side."""

    def __init__(self, side):
        self.side = side
        self._provider = self._region()['rp_uuid']
        for units in (1, 8):
            self._profile(units)

    def _profile(self, units):
        body = [
            {
                'name': f'units{units}',
                'groups': [{'resources:FPGA': str(units)}],
            }
        ]
        self.side.must(
            201, 'POST', '/device_profiles', body, token=sides.ADMIN
        )

    def _region(self):
        (region,) = self.side.get('/deployables')['deployables']
        return region

    def create(self, units=1):
        """New ones; their uuids."""
        body = {'device_profile_name': f'units{units}'}
        made = self.side.must(201, 'POST', '/accelerator_requests', body)
        return [arq['uuid'] for arq in json.loads(made)['arqs']]

    def bind(self, uuids, instance):
        values = {
            'hostname': self.side.hostname,
            'device_rp_uuid': self._provider,
            'instance_uuid': instance,
        }
        patch = [
            {'op': 'add', 'path': f'/{name}', 'value': value}
            for name, value in values.items()
        ]
        self.side.must(
            202,
            'PATCH',
            '/accelerator_requests',
            dict.fromkeys(uuids, patch),
            trusted=True,
        )

    def list(self, instance):
        path = f'/accelerator_requests?instance={instance}'
        return json.loads(self.side.must(200, 'GET', path))['arqs']

    def resolve(self, instance):
        """Wait until all of an instance's are bound."""
        path = f'/accelerator_requests?instance={instance}'
        end = time.monotonic() + _SECONDS
        while True:
            status, data = self.side.ask('GET', f'{path}&bind_state=resolved')
            if status == 200:
                break
            if status != 423 or time.monotonic() > end:
                raise sides.Refused(f'{status} {data[:500]!r}')
        states = {arq['state'] for arq in json.loads(data)['arqs']}
        if states != {'Bound'}:
            raise sides.Refused(f'they are {states}')

    def delete(self, instance):
        path = f'/accelerator_requests?instance={instance}'
        self.side.must(204, 'DELETE', path, trusted=True)

    def join(self, bound, unbound):
        """Let there be others; the bound ones keep the card in use."""
        self.bind(
            [arq for _ in range(bound) for arq in self.create()],
            str(uuid.uuid4()),
        )
        for _ in range(unbound // 8):
            self.create(8)

    def rest(self):
        """Wait until nothing is done to the card any more."""
        end = time.monotonic() + _SECONDS
        while True:
            region = self._region()
            idle = region.get('state', 'idle') == 'idle'
            if idle and not region.get('wipe_pending'):
                return
            if time.monotonic() > end:
                raise sides.Refused(f'it is not idle: {region}')
            time.sleep(_PAUSE)

    def costs(self):
        """Statements and ms of binding, listing and deleting eight."""
        self.rest()
        uuids, instance = self.create(8), str(uuid.uuid4())
        found = {}
        for name, step in (
            ('bind', lambda: self.bind(uuids, instance)),
            ('list', lambda: self.list(instance)),
            ('delete', lambda: self.delete(instance)),
        ):
            with self.side.statements() as seen:
                started = time.perf_counter()
                step()
                spent = time.perf_counter() - started
            found[name] = len(seen), 1000 * spent
        return found

    def cycle(self):
        """Create, bind, resolve and delete one; ms but for the deletion."""
        instance = str(uuid.uuid4())
        started = time.perf_counter()
        self.bind(self.create(), instance)
        self.resolve(instance)
        spent = time.perf_counter() - started
        self.delete(instance)
        return 1000 * spent
