"""What no client should send, on databases that are particular about it.

SQLite stores anything in any column; the others refuse what is too long, or
no text at all, and compare names in their own way. Whatever comes, the answer
is the client's mistake and never the server's.
"""

import uuid

import webtest
from oslotest import base

from tests.fixtures import api
from tests.fixtures import database

_VF = 'resources:CUSTOM_FPGA_INTEL_VF'
_ADMIN = 'admin:admin:admin,member,reader'
#: As JSON has them, and below as URLs do.
_TEXTS = (
    '',
    ' ',
    '\0',
    'a\0b',
    '\ud800',
    '\U0001f600' * 255,
    'x' * 65,
    'x' * 256,
    'ß' * 10000,
    "'; --",
    '%',
)
_QUOTED = ('%00', 'a%00b', '%ED%A0%80', '%F0%9F%98%80', '%25', '_', 'x' * 255)
_NUMBERS = (None, True, -1, 1.5, 2**31, 2**63, 10**30)
_FILTERS = (
    'accelerator_requests?instance',
    'attributes?deployable_id',
    'attributes?key',
    'bitstreams?function_name',
    'bitstreams?name',
    'bitstreams?project_id',
    'claims?hostname',
    'claims?project_id',
    'claims?type',
    'deployables?name',
    'device_profiles?name',
    'devices?hostname',
    'devices?vendor',
    'hosts?hostname',
    'types?marker',
)
_PATHS = (
    'accelerator_requests',
    'attributes',
    'bitstreams',
    'claims',
    'deployables',
    'device_profiles',
    'devices',
    'hosts',
    'operations',
)


class OnPostgreSQL(base.BaseTestCase):
    backend = 'postgresql'

    def setUp(self):
        super().setUp()
        served = self.useFixture(database.Database(self.backend))
        self.api = self.useFixture(api.Api(connection=served.url))
        self.web = webtest.TestApp(self.api.app, lint=False)
        self.region = self.ask('GET', '/deployables')['deployables'][0]

    def ask(self, method, path, body=None, *, token=_ADMIN):
        """The body of an answer, which must not be a failure of ours."""
        answer = self.web.request(
            f'/v2{path}',
            method=method,
            headers={
                'X-Auth-Token': token,
                'X-Service-Token': 'nova:service:service',
                'OpenStack-API-Version': 'accelerator 2.3',
                'Content-Type': 'application/json',
            },
            body=b'' if body is None else webtest.utils.dumps(body).encode(),
            expect_errors=True,
        )
        said = f'{method} {path[:80]} {str(body)[:200]}: {answer.text[:300]}'
        self.assertLess(answer.status_int, 500, said)
        return answer.json if answer.content_length else None

    def test_filters(self):
        for name in _FILTERS:
            for text in _QUOTED:
                self.ask('GET', f'/{name}={text}')

    def test_paths(self):
        for name in _PATHS:
            for text in _QUOTED:
                for method in ('GET', 'DELETE', 'PATCH'):
                    body = {} if method == 'PATCH' else None
                    self.ask(method, f'/{name}/{text}', body)

    def test_profiles(self):
        good = {'groups': [{_VF: '1'}], 'description': 'x'}
        for value in (*_TEXTS, *_NUMBERS):
            for key in ('name', 'description', 'uuid'):
                name = f'p{uuid.uuid4().hex}'
                body = {'name': name, **good, key: value}
                self.ask('POST', '/device_profiles', [body])
            for key in (_VF, 'accel:function_name', 'accel:function_id'):
                name = f'p{uuid.uuid4().hex}'
                body = {'name': name, 'groups': [{_VF: '1', key: value}]}
                self.ask('POST', '/device_profiles', [body])
        names = (f'CUSTOM_{"X" * 230}{n}' for n in range(120))
        large = {_VF: '1', **{f'trait:{n}': 'required' for n in names}}
        for groups in ([large] * 2, [large] * 3):
            body = {'name': f'p{uuid.uuid4().hex}', 'groups': groups}
            self.ask('POST', '/device_profiles', [body])

    def test_accelerator_requests(self):
        body = {'name': 'one', 'groups': [{_VF: '1'}]}
        self.ask('POST', '/device_profiles', [body])
        for value in (*_TEXTS, *_NUMBERS):
            body = {'device_profile_name': value}
            self.ask('POST', '/accelerator_requests', body)
            for name in ('hostname', 'instance_uuid', 'project_id'):
                self.ask(
                    'PATCH', '/accelerator_requests', self.bind(name, value)
                )

    def bind(self, name, value):
        """A bind of a new ARQ, all right but for one member."""
        body = {'device_profile_name': 'one'}
        (arq,) = self.ask('POST', '/accelerator_requests', body)['arqs']
        members = {
            'hostname': api.HOST,
            'device_rp_uuid': self.region['rp_uuid'],
            'instance_uuid': str(uuid.uuid4()),
            name: value,
        }
        return {
            arq['uuid']: [
                {'path': f'/{path}', 'op': 'add', 'value': given}
                for path, given in members.items()
            ]
        }

    def test_project_that_is_too_long_for_one(self):
        body = {'name': 'one', 'groups': [{_VF: '1'}]}
        self.ask('POST', '/device_profiles', [body])
        for length in (65, 64):
            body = self.bind('project_id', 'x' * length)
            self.ask('PATCH', '/accelerator_requests', body)

    def test_attributes(self):
        good = {
            'deployable_id': self.region['deployable_id'],
            'key': 'k',
            'value': 'v',
        }
        for value in (*_TEXTS, *_NUMBERS):
            for name in good:
                self.ask('POST', '/attributes', {**good, name: value})

    def test_claims_and_hosts(self):
        for value in (*_TEXTS, *_NUMBERS):
            for name in ('hostname', 'type', 'count', 'resource_class'):
                body = {'hostname': api.HOST, name: value}
                self.ask('POST', '/claims', body, token='alice')
            for name in ('status', 'disabled_reason'):
                body = {'status': 'disabled', name: value}
                self.ask('PATCH', f'/hosts/{api.HOST}', body)


class OnMariaDB(OnPostgreSQL):
    backend = 'mariadb'
