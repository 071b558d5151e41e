"""The same requests to Cyborg and to us."""

import json
import pathlib
import string
import uuid
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import fixtures
import requests
import webtest
import yaml

from cyborg_fpga.drivers import fake
from tests.fixtures import inprocess
from tests.functional.conformance import comparing
from tests.functional.conformance import original

METHODS = ('DELETE', 'GET', 'HEAD', 'PATCH', 'POST', 'PUT')
VERSION = 'OpenStack-API-Version'

_FOLDER = pathlib.Path(__file__).parent
_PROJECT = 'b' * 32
_TOKENS = {
    'admin': f'admin:{"a" * 32}:admin,member,reader',
    'alice': f'alice:{_PROJECT}:member,reader',
    'reader': f'rita:{_PROJECT}:reader',
    'manager': f'max:{_PROJECT}:manager,member,reader',
    'none': f'nobody:{_PROJECT}:other',
    'mallory': f'mallory:{"c" * 32}:member,reader',
    'service': f'nova:{"d" * 32}:service',
}


def table() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = _read('requests.yaml')
    return rows


def listed() -> list[comparing.Listed]:
    return [
        comparing.Listed(
            pattern=pattern,
            requests=frozenset(one.get('requests', ())),
            reason=one['reason'],
        )
        for one in _read('differences.yaml')
        for pattern in one['differences']
    ]


def method(row: Mapping[str, Any]) -> str:
    return next(name for name in METHODS if name in row)


class Side:
    """Who is asked, and what it calls the things of the table."""

    def __init__(self, url: str, hostname: str, image: str) -> None:
        self.known = {
            'url': url,
            'host': hostname,
            'image': image,
            'project': _PROJECT,
            **{f'instance{n}': str(uuid.uuid4()) for n in range(4)},
            'given': str(uuid.uuid4()),
        }

    @property
    def names(self) -> comparing.Names:
        return {value: f'${name}' for name, value in self.known.items()}

    def ask(self, row: Mapping[str, Any]) -> comparing.Answer:
        headers = {
            'X-Auth-Token': _TOKENS[row.get('as', 'admin')],
            VERSION: row.get('version', 'accelerator 2.3'),
            'X-Service-Token': _TOKENS['service'] if 'service' in row else '',
            'Content-Type': 'application/json',
            **row.get('headers', {}),
        }
        text = row.get('text', '')
        if 'body' in row:
            text = self._filled(json.dumps(row['body']))
        if not text:
            del headers['Content-Type']
        answer = self.send(
            method(row),
            self._filled(row[method(row)]),
            {name: value for name, value in headers.items() if value},
            text.encode(),
        )
        for name, path in row.get('keep', {}).items():
            self.known[name] = _member(answer, path)
        return answer

    def send(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> comparing.Answer:
        raise NotImplementedError

    def _filled(self, text: str) -> str:
        return string.Template(text).substitute(self.known)


def _member(answer: comparing.Answer, path: str) -> str:
    found = json.loads(answer.text)
    try:
        for step in path.split('.'):
            found = found[int(step) if step.isdigit() else step]
    except (KeyError, IndexError) as exc:
        raise AssertionError(f'no {path} in {answer}') from exc
    return str(found)


class _Theirs(Side):
    def send(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> comparing.Answer:
        answer = requests.request(
            method,
            self.known['url'] + path,
            headers=headers,
            data=body,
            timeout=60,
        )
        return comparing.Answer(
            answer.status_code, answer.headers, answer.text
        )


class _Ours(Side):
    """As if it were where Cyborg is, which takes its place for granted."""

    def __init__(self, app: Any, url: str, hostname: str, image: str) -> None:
        super().__init__(url, hostname, image)
        self._app = app

    def send(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> comparing.Answer:
        request = webtest.TestRequest.blank(
            path,
            base_url=self.known['url'],
            method=method,
            headers=headers,
            body=body,
        )
        request.environ['SCRIPT_NAME'] = '/accelerator'
        answer = self._app.do_request(request, expect_errors=True)
        return comparing.Answer(answer.status_int, answer.headers, answer.text)


class Sides(fixtures.Fixture):
    """Both, each with a fake card of its own, below the same Placement."""

    def _setUp(self) -> None:
        settings = {'agent': {'enabled_drivers': ['fake']}}
        self._service = self.useFixture(inprocess.InProcess(settings=settings))
        service = self._service
        hostname = f'original{uuid.uuid4().hex[:8]}.example.com'
        service.rooms.create_root(hostname)
        cyborg = self.useFixture(
            original.Original(
                hostname,
                service.cloud.endpoints['placement'],
                service.nova.url,
            )
        )
        image = service.known_image(
            uuid.uuid4().hex, region=fake.REGION, vendor=None
        )
        self._sides = (
            _Theirs(cyborg.url, hostname, image),
            _Ours(service.web, cyborg.url, service.hostname, image),
        )

    def differences(self) -> Iterator[tuple[str, list[str]]]:
        """Of the answers to each request, in the order of the table."""
        theirs, ours = self._sides
        for row in table():
            if 'allocate' in row:
                for side in self._sides:
                    self._allocate(side, row)
            answers = theirs.ask(row), ours.ask(row)
            self._follow(answers[1])
            yield (
                row['name'],
                comparing.differences(*answers, (theirs.names, ours.names)),
            )

    def _follow(self, answer: comparing.Answer) -> None:
        """Wait for what Cyborg has done when it answers."""
        _, found, operation = answer.headers.get('Location', '').partition(
            '/v2/operations/'
        )
        if found:
            self._service.ended(operation)

    def _allocate(self, side: Side, row: Mapping[str, Any]) -> None:
        """What Nova's scheduler does before a bind."""
        instance = side.known[row['allocate']]
        self._service.until('the card is offered', self._offered, 60)
        self.addCleanup(self._service.rooms.release, instance)
        self._service.rooms.claim(
            instance,
            {side.known['provider']: {'FPGA': row.get('amount', 1)}},
            project_id=_PROJECT,
            user_id='alice',
        )

    def _offered(self) -> bool:
        """Our card is wiped after its last request, and Placement knows."""
        regions = self._service.get('/deployables')['deployables']
        wiped = not any(region['wipe_pending'] for region in regions)
        return wiped and self._service.told()


def _read(name: str) -> Any:
    return yaml.safe_load((_FOLDER / name).read_text())
