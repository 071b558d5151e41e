"""A cloud that runs Cyborg, with everything that it can leave behind."""

import contextlib
import json
import pathlib
import uuid
from collections.abc import Sequence
from typing import Any

import fixtures
import requests
import sqlalchemy as sa

from cyborg_fpga.clients import placement
from tests.fixtures import servers
from tests.functional.conformance import original

_CHILD = pathlib.Path(__file__).with_name('cyborg_child.py')
_PROJECT = 'b' * 32
_ADMIN = f'admin:{"a" * 32}:admin,member,reader'
_ALICE = f'alice:{_PROJECT}:member,reader'
_SERVICE = f'nova:{"d" * 32}:service'

FUNCTION = 'f' * 32

PROFILES: dict[str, list[dict[str, str]]] = {
    'one': [{'resources:FPGA': '1', 'trait:CUSTOM_FAKE_DEVICE': 'required'}],
    'two': [{'resources:FPGA': '2'}],
    'intel': [{'resources:FPGA': '1', 'trait:CUSTOM_FPGA_INTEL': 'required'}],
    'gpu': [{'resources:PGPU': '1'}],
    'image': [
        {
            'resources:FPGA': '1',
            'trait:CUSTOM_FPGA_INTEL': 'required',
            'accel:bitstream_id': str(uuid.uuid4()),
        }
    ],
    'function': [{'resources:FPGA': '1', 'accel:function_id': FUNCTION}],
}


def card(
    address: str,
    *vfs: str,
    traits: Sequence[str] = (),
    resource_class: str = 'FPGA',
    kind: str = 'FPGA',
) -> dict[str, Any]:
    return {
        'address': address,
        'vfs': vfs,
        'traits': [*traits],
        'class': resource_class,
        'type': kind,
    }


class OldCloud(fixtures.Fixture):
    """Cyborg with a host that has its fake card and some of Intel's.

    :param cards: Made with :func:`card`.
    :param rooms: Placement.
    :param where: Of Placement and Nova.
    :param database: URL of an empty one.
    """

    def __init__(
        self,
        hostname: str,
        cards: Sequence[dict[str, Any]],
        rooms: placement.Placement,
        *,
        database: str,
        **where: str,
    ) -> None:
        super().__init__()
        self.hostname = hostname
        self._cards = [*cards]
        self._rooms = rooms
        self.database = database
        self._where = where

    def _setUp(self) -> None:
        self._home = servers.Home('cyborg', None)
        self._server: servers.Server | None = None
        self.addCleanup(self.stop)
        self.start()

    def start(self) -> None:
        """Start it, as its host's agent reports the cards."""
        port = servers.low_port()
        self._url = f'http://127.0.0.1:{port}'
        path = self._home.path / 'wanted.json'
        wanted = {
            'folder': str(self._home.path),
            'port': port,
            'host': self.hostname,
            'database': self.database,
            'cards': self._cards,
            **self._where,
        }
        path.write_text(json.dumps(wanted))
        # -P: what it imports must not be found beside the program.
        command = [original.python(), '-P', str(_CHILD), str(path)]
        self._server = servers.Server(self._home, command)
        self._server.wait(self._answers, 180)

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
        self._server = None

    def ask(
        self, method: str, path: str, body: Any = None, token: str = _ADMIN
    ) -> Any:
        """The answer's JSON, if it has any."""
        answer = requests.request(
            method,
            f'{self._url}/v2{path}',
            json=body,
            headers={
                'X-Auth-Token': token,
                'X-Service-Token': _SERVICE,
                'OpenStack-API-Version': 'accelerator 2.3',
            },
            timeout=120,
        )
        assert answer.status_code < 400, answer.text
        return answer.json() if answer.content else None

    def listed(self, path: str) -> dict[str, dict[str, Any]]:
        """What a collection has, by uuid, without its links."""
        found = self.ask('GET', f'/{path}')
        items = found['arqs' if path == 'accelerator_requests' else path]
        for item in items:
            del item['links']
        return {item['uuid']: item for item in items}

    def make_profiles(self) -> None:
        for name, groups in PROFILES.items():
            body = [{'name': name, 'groups': groups, 'description': name}]
            self.ask('POST', '/device_profiles', body)

    def request(self, profile: str) -> list[str]:
        """Uuids of new accelerator requests."""
        body = {'device_profile_name': profile}
        found = self.ask('POST', '/accelerator_requests', body, _ALICE)
        return [arq['uuid'] for arq in found['arqs']]

    def bind(
        self, arqs: Sequence[str], provider: str, resource_class: str = 'FPGA'
    ) -> str:
        """Bind them to a new instance, as Nova does; its uuid."""
        instance = str(uuid.uuid4())
        allocation = {'resources': {resource_class: len(arqs)}}
        self._rooms._http.call(
            'PUT',
            f'/allocations/{instance}',
            {
                'allocations': {provider: allocation},
                'project_id': _PROJECT,
                'user_id': 'alice',
                'consumer_generation': None,
                'consumer_type': 'INSTANCE',
            },
        )
        values = {
            'hostname': self.hostname,
            'device_rp_uuid': provider,
            'instance_uuid': instance,
        }
        patch = [
            {'path': f'/{name}', 'op': 'add', 'value': value}
            for name, value in values.items()
        ]
        body = dict.fromkeys(arqs, patch)
        self.ask('PATCH', '/accelerator_requests', body, _ALICE)
        return instance

    def unbind(self, arq: str) -> None:
        names = ('hostname', 'device_rp_uuid', 'instance_uuid')
        patch = [{'path': f'/{name}', 'op': 'remove'} for name in names]
        self.ask('PATCH', '/accelerator_requests', {arq: patch}, _ALICE)

    def set_state(self, arq: str, state: str) -> None:
        """Leave a request as it is when Cyborg is stopped amid it."""
        engine = sa.create_engine(self.database)
        with engine.begin() as connection:
            connection.execute(
                sa.text(
                    'UPDATE extended_accelerator_requests SET state = :state, '
                    'attach_handle_id = NULL WHERE uuid = :arq'
                ),
                {'state': state, 'arq': arq},
            )
        engine.dispose()

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """All that its database has."""
        engine = sa.create_engine(self.database)
        tables = sa.MetaData()
        tables.reflect(engine)
        with engine.connect() as connection:
            found = {
                name: [
                    tuple(row) for row in connection.execute(table.select())
                ]
                for name, table in tables.tables.items()
            }
        engine.dispose()
        return found

    def _answers(self) -> bool:
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(self._url, timeout=5).status_code == 200
        return False
