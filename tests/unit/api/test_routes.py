"""What holds for every URL."""

import re

from oslo_utils.fixture import uuidsentinel as uuids
from oslotest import base as test

from cyborg_fpga import policies
from cyborg_fpga.api import handler
from cyborg_fpga.api import routes
from tests.fixtures import api as fixture
from tests.unit.api import base

TABLE = routes.table(handler.Services(None, None, None))
ROUTES = [
    (url, method, action.spec)
    for url, methods in TABLE.items()
    for method, action in methods.items()
]
IMAGE = {'image_uuid': uuids.image}
#: Whose bodies may have members that Cyborg ignores.
TOLERANT = {
    ('POST', '/v2/accelerator_requests'),
    ('POST', '/v2/attributes'),
    ('POST', '/v2/device_profiles'),
}
REMOVAL = {uuids.arq: [{'path': '/instance_uuid', 'op': 'remove'}]}
#: A body that each route takes which needs one.
BODIES = {
    '/v2/accelerator_requests': REMOVAL,
    '/v2/accelerator_requests/{uuid}': REMOVAL,
    '/v2/attributes': {'deployable_id': 1, 'key': 'k', 'value': 'v'},
    '/v2/device_profiles': [],
    '/v2/bitstreams/{uuid}': {'name': 'aes'},
    '/v2/claims/{uuid}/program': IMAGE,
    '/v2/deployables/{uuid}/program': [
        {'path': '/program', 'op': 'replace', 'value': [IMAGE]}
    ],
    '/v2/deployables/{uuid}/program/{again}': [
        {'path': '/program', 'op': 'replace', 'value': [IMAGE]}
    ],
    '/v2/hosts/{name}': {'status': 'disabled'},
}


class TestTable(test.BaseTestCase):
    def test_every_route_says_what_it_takes_and_gives(self):
        for url, method, spec in ROUTES:
            with self.subTest(f'{method} {url}'):
                self.assertIn('properties', spec.query)
                self.assertFalse(spec.query['additionalProperties'])
                if method in ('POST', 'PATCH', 'PUT'):
                    self.assertTrue(spec.body or spec.upload)
                self.assertTrue(spec.answers)
                for status, versions in spec.answers.items():
                    empty = status == 204 or 'accelerator_requests' in url
                    self.assertTrue(empty if versions is None else versions)
                    self.assertFalse(status == 204 and versions)

    def test_no_schema_of_an_object_lets_unknown_members_pass(self):
        def objects(schema):
            if isinstance(schema, dict):
                if schema.get('type') == 'object':
                    yield schema
                for part in schema.values():
                    yield from objects(part)
            elif isinstance(schema, list):
                for part in schema:
                    yield from objects(part)

        strict = [r for r in ROUTES if (r[1], r[0]) not in TOLERANT]
        for url, method, spec in strict:
            for _, schema in spec.body or []:
                for found in objects(schema):
                    with self.subTest(f'{method} {url}'):
                        self.assertTrue(
                            # By uuid: each member is looked at.
                            found.get('additionalProperties', True) is not True
                            or found.get('maxProperties') == 0
                        )

    def test_every_schema_of_an_older_version_comes_first(self):
        for url, method, spec in ROUTES:
            for versions in (spec.body, *spec.answers.values()):
                first = [minor for minor, _ in versions or [(0, None)]]
                with self.subTest(f'{method} {url}'):
                    self.assertEqual(0, first[0])
                    self.assertEqual(sorted(set(first)), first)

    def test_every_route_stands_in_a_policy_and_every_policy_has_a_route(self):
        def shape(method, url):
            return method, re.sub(r'{\w+}', '{}', url.partition('?')[0])

        documented = {
            shape(operation['method'], operation['path'])
            for rule in policies.list_rules()
            for operation in getattr(rule, 'operations', ())
        }
        served = {
            shape(method, url)
            for url, method, _ in ROUTES
            if url not in ('/', '/v2')
        }
        self.assertEqual(served, documented)


class TestEveryRoute(base.ApiTest):
    def each(self):
        """(method, url, body) of every route that needs a token."""
        for url, method, spec in ROUTES:
            if url in ('/', '/v2'):
                continue
            real = re.sub(r'{(uuid|again|ident)}', uuids.it, url)
            body = BODIES.get(url, {}) if spec.body else None
            yield method, real.replace('{name}', fixture.HOST), body

    def test_needs_a_token(self):
        for method, url, body in self.each():
            with self.subTest(f'{method} {url}'):
                answer = self.call(method, url, None, body=body)
                self.assertEqual(401, answer.status_int)
                self.assertTrue(
                    answer.headers['WWW-Authenticate'].startswith('Keystone')
                )
                self.assertEqual(401, answer.json['error']['code'])

    def test_refuses_who_has_no_role(self):
        for method, url, body in self.each():
            with self.subTest(f'{method} {url}'):
                answer = self.call(method, url, base.NOBODY, body=body)
                self.assertEqual(403, answer.status_int, answer.text)
        self.assertEqual([], self.conductor.calls)

    def test_what_changes_something_refuses_a_reader(self):
        for method, url, body in self.each():
            if method == 'GET':
                continue
            with self.subTest(f'{method} {url}'):
                answer = self.call(method, url, base.READER, body=body)
                self.assertIn(answer.status_int, (403, 404), answer.text)
        self.assertEqual([], self.conductor.calls)

    def test_refuses_an_unknown_parameter(self):
        for method, url, body in self.each():
            with self.subTest(f'{method} {url}'):
                _, sentence = self.refused(
                    400, method, f'{url}?bogus=1', body=body
                )
                self.assertEqual('Unknown argument: "bogus"', sentence)

    def test_answers_an_unknown_method_with_those_there_are(self):
        for url in {url for _, url, _ in self.each()}:
            with self.subTest(url):
                answer = self.call('PUT', url)
                self.assertEqual(405, answer.status_int)
                self.assertTrue(answer.headers['Allow'])

    def test_takes_a_slash_at_the_end_and_no_version(self):
        for method, url, body in self.each():
            wanted = self.call(method, url, base.NOBODY, body=body)
            for other in (f'{url}/', url.removeprefix('/v2')):
                with self.subTest(f'{method} {other}'):
                    answer = self.call(method, other, base.NOBODY, body=body)
                    self.assertEqual(wanted.status_int, answer.status_int)


class TestUrl(base.ApiTest):
    def test_unknown_urls_are_not_found(self):
        for url in (
            '/v1',
            '/v1/devices',
            '/v3/devices',
            '/v2/nothing',
            '/v2//devices',
            '/v2/devices//',
            f'/v2/devices/{uuids.it}/more',
            f'/v2/claims/{uuids.it}/program/more',
            '/v2/hosts/..%2f..',
            '/_route',
            '/v2/index',
        ):
            with self.subTest(url):
                code, _ = self.refused(404, 'GET', url)
                self.assertEqual('fpga.not_found', code)

    def test_a_url_that_is_not_utf_8_is_refused(self):
        self.refused(400, 'GET', '/v2/hosts/%ff')
        self.refused(400, 'GET', '/v2/hosts?hostname=%ff')

    def test_a_query_cannot_change_the_method(self):
        claim = self.claim()
        url = f'/v2/claims/{claim["uuid"]}?_method=delete'
        self.refused(405, 'POST', url, base.ALICE)
        self.refused(400, 'GET', url, base.ALICE)
        self.refused(400, 'POST', '/v2/claims?_method=delete', base.ALICE)
        self.assertEqual(['claim'], [name for name, _ in self.conductor.calls])

    def test_head_is_get_without_the_body(self):
        answer = self.call('HEAD', '/v2/devices')
        self.assertEqual(200, answer.status_int)
        self.assertEqual(b'', answer.body)

    def test_what_a_client_accepts_is_not_asked(self):
        answer = self.call('GET', '/v2/devices', headers={'Accept': 'text/*'})
        self.assertEqual('application/json', answer.content_type)
