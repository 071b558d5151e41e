"""Discovery documents and microversions."""

from cyborg_fpga.api import versions
from tests.fixtures import api as fixture
from tests.unit.api import base

HEADER = 'OpenStack-API-Version'


class TestDiscovery(base.ApiTest):
    def test_the_root_lists_the_versions_without_a_token(self):
        document = self.call('GET', '/', None).json
        version = {
            'id': 'v2',
            'status': 'CURRENT',
            'min_version': '2.0',
            'max_version': '2.3',
            'links': [{'href': 'http://localhost/v2', 'rel': 'self'}],
        }
        self.assertEqual([version], document['versions'])
        self.assertEqual(version, document['default_version'])

    def test_v2_describes_itself_without_a_token(self):
        for url in ('/v2', '/v2/', '/v2.json'):
            with self.subTest(url):
                self.assertEqual(
                    {
                        'id': 'v2.0',
                        'status': 'CURRENT',
                        'min_version': '2.0',
                        'max_version': '2.3',
                        'links': [
                            {'href': 'http://localhost/v2/', 'rel': 'self'}
                        ],
                    },
                    self.call('GET', url, None).json,
                )

    def test_links_follow_the_path_it_is_mounted_at(self):
        where = {'SCRIPT_NAME': '/accelerator'}
        document = self.web.get('/', extra_environ=where).json
        self.assertEqual(
            'http://localhost/accelerator/v2',
            document['versions'][0]['links'][0]['href'],
        )


class TestPublicEndpoint(base.ApiTest):
    OPTIONS = {'public_endpoint': 'https://fpga.example.com/accelerator/'}

    def test_links_begin_with_it(self):
        answer = self.call('POST', '/v2/claims', base.ALICE, body={})
        self.assertTrue(
            answer.headers['Location'].startswith(
                'https://fpga.example.com/accelerator/v2/claims/'
            )
        )


class TestMicroversions(base.ApiTest):
    def ask(self, header, url='/v2/devices'):
        return self.call('GET', url, headers={HEADER: header})

    def test_without_a_header_it_is_the_oldest(self):
        answer = self.call('GET', '/v2/devices')
        self.assertEqual('accelerator 2.0', answer.headers[HEADER])
        self.assertNotIn('status', answer.json['devices'][0])

    def test_devices_have_a_status_since_2_3(self):
        for header in ('accelerator 2.3', 'accelerator latest', '2.3'):
            with self.subTest(header):
                answer = self.ask(header)
                self.assertEqual('accelerator 2.3', answer.headers[HEADER])
                self.assertEqual(
                    'enabled', answer.json['devices'][0]['status']
                )
        self.assertNotIn(
            'status', self.ask('accelerator 2.2').json['devices'][0]
        )

    def test_the_header_may_name_other_services_too(self):
        answer = self.ask('compute 2.90, accelerator 2.1')
        self.assertEqual('accelerator 2.1', answer.headers[HEADER])

    def test_versions_we_do_not_speak_are_not_acceptable(self):
        for header, words in (
            ('accelerator 2.4', 'the minor version is not supported'),
            ('accelerator 2.99999', 'range is: [2.0, 2.3]'),
            ('accelerator 1.0', 'Mutually exclusive versions'),
            ('accelerator 3.0', 'Mutually exclusive versions'),
            ('accelerator', 'Invalid value'),
            ('accelerator 2', 'Invalid value'),
            ('accelerator 2.x', 'Invalid value'),
            ('accelerator 2.03', 'Invalid value'),
            ('accelerator 02.3', 'Invalid value'),
            ('2.00', 'Invalid value'),
            ('accelerator 2.1 2.2', 'Invalid value'),
            ('compute 2.1', 'Invalid value'),
            ('', 'Invalid value'),
            ('²', 'Invalid value'),
        ):
            with self.subTest(header):
                answer = self.ask(header)
                self.assertEqual(406, answer.status_int, answer.text)
                inner = fixture.check_error(answer)
                self.assertEqual('fpga.version', inner['code'])
                self.assertIn(words, inner['faultstring'])

    def test_every_answer_tells_the_range(self):
        for url, status in (
            ('/v2', 200),
            ('/v2/devices', 200),
            ('/v2/nothing', 404),
        ):
            answer = self.call('GET', url)
            self.assertEqual(status, answer.status_int)
            headers = answer.headers
            self.assertEqual('2.0', headers['OpenStack-API-Minimum-Version'])
            self.assertEqual('2.3', headers['OpenStack-API-Maximum-Version'])
            self.assertIn(HEADER, headers['Vary'])
            self.assertEqual('accelerator 2.0', headers[HEADER])
        refused = self.ask('accelerator 9.0').headers
        self.assertEqual(
            versions.MAX, refused['OpenStack-API-Maximum-Version']
        )
        self.assertNotIn(HEADER, refused)

    def test_a_refusal_tells_the_version_it_is_in(self):
        answer = self.ask('accelerator 2.1', '/v2/devices?colour=red')
        self.assertEqual(400, answer.status_int)
        self.assertEqual('accelerator 2.1', answer.headers[HEADER])
