import json

from osc_lib import exceptions

from cyborg_fpga.osc import client
from tests.unit.osc import base


class TestEndpoint(base.CommandTest):
    def test_the_version_is_appended_where_the_endpoint_has_none(self):
        self.server.answers('GET', '/v2/hosts', {'hosts': []})
        for url in ('', '/', '/v2', '/v2/'):
            self.connect(self.server.url + url).get('/hosts')
        paths = {path for _, path, _, _ in self.server.requests}
        self.assertEqual({'/v2/hosts'}, paths)

    def test_a_service_that_is_mounted_below_a_path_is_found(self):
        self.server.answers('GET', '/accelerator/v2/hosts', {'hosts': []})
        api = self.connect(self.server.url + '/accelerator')
        self.assertEqual({'hosts': []}, api.get('/hosts'))

    def test_the_newest_microversion_that_we_know_is_asked_for(self):
        self.server.answers('GET', '/v2/hosts', {})
        self.client.get('/hosts')
        self.assertEqual(
            'accelerator 2.3',
            self.server.headers[0]['OpenStack-API-Version'],
        )

    def test_a_name_is_quoted_in_the_path(self):
        self.server.answers('GET', '/v2/hosts/a%20b', {})
        self.assertEqual({}, self.client.get('/hosts/a b'))

    def test_nobody_listening_is_a_sentence(self):
        api = self.connect('http://127.0.0.1:1')
        error = self.assertRaises(exceptions.CommandError, api.get, '/hosts')
        self.assertEqual(
            'The accelerator service at http://127.0.0.1:1/v2/hosts does not '
            'answer.',
            str(error),
        )

    def test_something_else_listening_is_a_sentence(self):
        self.server.answers('GET', '/v2/hosts', b'<html>hello')
        error = self.assertRaises(
            exceptions.CommandError, self.client.get, '/hosts'
        )
        self.assertIn('does not answer like an accelerator', str(error))


class TestErrors(base.CommandTest):
    def _refused(self, body, status=409):
        self.server.answers('GET', '/v2/claims', body, status=status)
        return str(
            self.assertRaises(
                exceptions.CommandError, self.client.get, '/claims'
            )
        )

    def test_the_inner_sentence_and_the_code_are_shown(self):
        self.server.refuses(
            'GET', '/v2/claims', 409, 'Not enough.', 'fpga.no_capacity'
        )
        error = self.assertRaises(
            exceptions.CommandError, self.client.get, '/claims'
        )
        self.assertEqual(
            'Not enough. (HTTP 409, fpga.no_capacity)', str(error)
        )

    def test_what_is_not_there_has_a_class_of_its_own(self):
        self.server.refuses('GET', '/v2/claims/1', 404, 'No claim 1.')
        self.assertRaises(client.NotFound, self.client.get, '/claims/1')

    def test_the_form_of_routing_errors_is_read_too(self):
        inner = {'code': 406, 'title': 'x', 'description': 'Too new.'}
        self.assertEqual(
            'Too new. (HTTP 409)',
            self._refused({'error_message': json.dumps(inner)}),
        )

    def test_the_form_of_the_token_check_is_read_too(self):
        inner = {'code': 401, 'title': 'Unauthorized', 'message': 'Who?'}
        self.assertEqual('Who? (HTTP 409)', self._refused({'error': inner}))

    def test_plain_text_is_shown_as_it_is(self):
        self.assertEqual(
            'busy (HTTP 409)', self._refused({'error_message': 'busy'})
        )

    def test_a_body_of_any_other_kind_is_survived(self):
        for body in (b'<html>', [], {'error_message': 'null'}, {}):
            self.assertIn('(HTTP 409)', self._refused(body))


class TestPages(base.CommandTest):
    def _two_pages(self):
        following = f'{self.server.url}/v2/claims?limit=2&marker=b'
        self.server.answers(
            'GET',
            '/v2/claims',
            {
                'claims': [{'uuid': 'a'}, {'uuid': 'b'}],
                'claims_links': [{'rel': 'next', 'href': following}],
            },
            {'claims': [{'uuid': 'c'}]},
        )

    def test_every_page_is_read_and_the_filters_stay(self):
        self._two_pages()
        found = self.client.pages('claims', state='ready')
        self.assertEqual(['a', 'b', 'c'], [one['uuid'] for one in found])
        self.assertEqual(
            [{'state': 'ready'}, {'state': 'ready', 'marker': 'b'}],
            [query for _, _, query, _ in self.server.requests],
        )

    def test_with_a_limit_one_page_is_read(self):
        self._two_pages()
        found = list(self.client.pages('claims', limit=2))
        self.assertEqual(['a', 'b'], [one['uuid'] for one in found])
        self.assertEqual(1, len(self.server.requests))
