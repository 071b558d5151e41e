"""The API reference shows what the API really takes and answers.

To write the samples anew after a change::

    FPGA_WRITE_SAMPLES=1 python -m unittest tests.unit.api.test_samples
"""

import json
import os
import pathlib
import re

from oslo_utils.fixture import uuidsentinel as uuids
from oslotest import base as test

from cyborg_fpga.api import handler
from cyborg_fpga.api import routes
from tests.fixtures import api as fixture
from tests.unit.api import base

ROOT = pathlib.Path(__file__).parents[3]
SAMPLES = ROOT / 'tests' / 'samples' / 'api'
REFERENCE = ROOT / 'api-ref' / 'source'

_UUID = re.compile(r'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-'
                   r'[0-9a-f]{12}')  # fmt: skip
_TIME = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00')


class TestSamples(base.ApiTest):
    def setUp(self):
        super().setUp()
        self._known = {}

    def _steady(self, text):
        """*text* with uuids and times that every run has."""

        def name(match):
            number = len(self._known) + 1
            made = f'{number:08x}-7e57-4b1d-8a5e-{number:012x}'
            return self._known.setdefault(match[0], made)

        text = _TIME.sub('2026-11-20T10:00:00.000000+00:00', text)
        return _UUID.sub(name, text).replace('localhost', 'fpga.example.com')

    def _keep(self, name, data):
        text = self._steady(json.dumps(data, indent=2)) + '\n'
        path = SAMPLES / f'{name}.json'
        if os.environ.get('FPGA_WRITE_SAMPLES'):
            SAMPLES.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.assertEqual(path.read_text(), text, name)

    def sample(self, name, method, url, token=base.ALICE, body=None):
        if body is not None:
            self._keep(f'{name}-request', body)
        answer = self.call(
            method,
            url,
            token,
            body=body,
            headers={'OpenStack-API-Version': 'accelerator latest'},
        )
        self._keep(f'{name}-response', answer.json)
        return answer

    def test_claims(self):
        self.conductor.programs = True
        body = {
            'hostname': fixture.HOST,
            'type': 'crypto',
            'image_uuid': uuids.public,
            'traits': ['CUSTOM_FPGA_INTEL'],
            'resource_class': 'CUSTOM_FPGA_INTEL_PF',
            'count': 1,
        }
        claim = self.sample('claim-create', 'POST', '/v2/claims', body=body)
        url = f'/v2/claims/{claim.json["uuid"]}'
        self.sample('claim-list', 'GET', '/v2/claims?limit=1')
        self.sample('claim-show', 'GET', url)
        operation = self.sample(
            'claim-program',
            'POST',
            f'{url}/program',
            body={'image_uuid': uuids.public},
        )
        self.sample('operation-list', 'GET', '/v2/operations')
        where = f'/v2/operations/{operation.json["uuid"]}'
        self.sample('operation-show', 'GET', where)
        self.sample('operation-cancel', 'POST', f'{where}/cancel', base.ADMIN)
        self.sample('claim-delete', 'DELETE', url)
        self.sample('error', 'POST', '/v2/claims', body={'count': 0})

    def test_accelerator_requests(self):
        group = {'resources:CUSTOM_FPGA_INTEL_PF': '1'}
        body = [{'name': 'crypto', 'groups': [group]}]
        self.call('POST', '/v2/device_profiles', base.ADMIN, body=body)
        url = '/v2/accelerator_requests'
        made = self.sample(
            'arq-create', 'POST', url, body={'device_profile_name': 'crypto'}
        )
        (arq,) = made.json['arqs']
        values = {
            'hostname': fixture.HOST,
            'device_rp_uuid': uuids.provider,
            'instance_uuid': uuids.instance,
        }
        body = {
            arq['uuid']: [
                {'path': f'/{name}', 'op': 'add', 'value': value}
                for name, value in values.items()
            ]
        }
        self._keep('arq-bind-request', body)
        answer = self.call(
            'PATCH',
            url,
            base.ALICE,
            body=body,
            headers={'X-Service-Token': 'nova:service:service'},
        )
        self.assertEqual(202, answer.status_int, answer.text)
        self.sample('arq-list', 'GET', url)
        self.sample('arq-show', 'GET', f'{url}/{arq["uuid"]}')

    def test_cards(self):
        listed = self.sample(
            'device-list',
            'GET',
            '/v2/devices?limit=1&sort_key=pci_address',
            base.ADMIN,
        )
        uuid = listed.json['devices'][0]['uuid']
        self.sample('device-show', 'GET', f'/v2/devices/{uuid}', base.ADMIN)
        listed = self.sample(
            'deployable-list',
            'GET',
            '/v2/deployables?limit=1&sort_key=name',
            base.ADMIN,
        )
        uuid = listed.json['deployables'][0]['uuid']
        url = f'/v2/deployables/{uuid}'
        self.sample('deployable-show', 'GET', url, base.ADMIN)
        image = {'image_uuid': uuids.public}
        self.sample(
            'deployable-program',
            'PATCH',
            f'{url}/program',
            base.ADMIN,
            body=[{'path': '/program', 'op': 'replace', 'value': [image]}],
        )

    def test_profiles_and_attributes(self):
        url = '/v2/device_profiles'
        group = {
            'resources:CUSTOM_FPGA_INTEL_PF': '1',
            'trait:CUSTOM_FPGA_INTEL': 'required',
            'accel:type': 'crypto',
        }
        body = [{'name': 'crypto', 'groups': [group], 'description': 'AES'}]
        self.sample('device-profile-create', 'POST', url, base.ADMIN, body)
        self.sample('device-profile-list', 'GET', url, base.READER)
        self.sample('device-profile-show', 'GET', f'{url}/crypto', base.READER)
        url = '/v2/attributes'
        body = {'deployable_id': 1, 'key': 'trait9', 'value': 'CUSTOM_RACK_7'}
        made = self.sample('attribute-create', 'POST', url, base.ADMIN, body)
        self.sample(
            'attribute-list', 'GET', f'{url}?deployable_id=1', base.ADMIN
        )
        where = f'{url}/{made.json["uuid"]}'
        self.sample('attribute-show', 'GET', where, base.ADMIN)

    def test_hosts(self):
        url = f'/v2/hosts/{fixture.HOST}'
        self.sample('host-list', 'GET', '/v2/hosts', base.ADMIN)
        self.sample('host-show', 'GET', url, base.ADMIN)
        self.sample(
            'host-update',
            'PATCH',
            url,
            base.ADMIN,
            body={'status': 'disabled', 'disabled_reason': 'new kernel'},
        )

    def test_catalogue_and_versions(self):
        self.sample('bitstream-list', 'GET', '/v2/bitstreams', base.BOB)
        self.sample(
            'bitstream-show', 'GET', f'/v2/bitstreams/{uuids.public}', base.BOB
        )
        self.sample('type-list', 'GET', '/v2/types', base.BOB)
        self.sample('versions', 'GET', '/', None)
        self.sample('version', 'GET', '/v2', None)


class TestReference(test.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.pages = {
            path.stem: path.read_text() for path in REFERENCE.glob('*.inc')
        }

    def test_it_has_every_url(self):
        everything = '\n'.join(self.pages.values())
        table = routes.table(handler.Services(None, None, None))
        for url, methods in table.items():
            for method in methods:
                with self.subTest(f'{method} {url}'):
                    self.assertIn(f'``{method} {url}``', everything)

    def test_it_names_every_parameter_and_member(self):
        table = routes.table(handler.Services(None, None, None))
        for url, methods in table.items():
            noun = url.removeprefix('/v2').split('/')[1:2]
            page = self.pages[noun[0] if noun and noun[0] else 'versions']
            for method, action in methods.items():
                for name in sorted(_members(action.spec)):
                    with self.subTest(f'{method} {url} {name}'):
                        self.assertIn(f'``{name}``', page)

    def test_it_shows_every_sample(self):
        everything = '\n'.join(self.pages.values())
        for path in SAMPLES.glob('*.json'):
            with self.subTest(path.name):
                self.assertIn(f'tests/samples/api/{path.name}', everything)


def _members(spec):
    """Names of parameters and members, those of a list's control apart."""
    yield from set(spec.query['properties']) - {
        'limit', 'marker', 'sort_key', 'sort_dir',
    }  # fmt: skip
    for versions in (spec.body, *spec.answers.values()):
        for _, schema in versions or []:
            yield from _names(schema)


def _names(schema):
    if isinstance(schema, list):
        for part in schema:
            yield from _names(part)
    elif isinstance(schema, dict):
        for name, part in schema.get('properties', {}).items():
            if not name.endswith('links') and name not in ('rel', 'href'):
                yield name
                yield from _names(part)
        for key in ('items', 'oneOf'):
            yield from _names(schema.get(key))
