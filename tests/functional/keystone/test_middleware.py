"""What stands around the application in a process of its own."""

import re

from tests.functional.keystone import base

_DASHBOARD = 'https://dashboard.example.com'
_ID = r'req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'


class TestProcess(base.ProcessTest):
    def lines_with(self, ident):
        lines = self.log.read_text().splitlines()
        return [line for line in lines if ident in line]

    def test_every_answer_names_its_request(self):
        seen = set()
        for status, method, path, persona in (
            (200, 'GET', '/', None),
            (200, 'GET', '/v2/claims', 'reader'),
            (401, 'GET', '/v2/claims', None),
            (403, 'GET', '/v2/hosts', 'reader'),
            (404, 'GET', '/v2/nothing', 'reader'),
            (405, 'PUT', '/v2/claims', 'reader'),
        ):
            with self.subTest(f'{method} {path} {persona}'):
                answer = self.ask(method, path, persona)
                self.assertEqual(status, answer.status_code)
                ident = answer.headers['X-OpenStack-Request-Id']
                self.assertRegex(ident, f'^{_ID}$')
                seen.add(ident)
        self.assertEqual(6, len(seen))

    def test_a_line_of_the_log_names_the_request_and_who_sent_it(self):
        # No conductor is there to answer.
        outer = 'req-12345678-0000-4000-8000-000000000001'
        answer = self.ask(
            'POST',
            '/v2/claims',
            'member',
            json={},
            headers={'X-OpenStack-Request-Id': outer},
        )
        self.assertEqual(503, answer.status_code)
        ident = answer.headers['X-OpenStack-Request-Id']
        self.assertNotEqual(outer, ident)
        # A slow machine adds lines of the libraries, of the same request.
        lines = self.lines_with(ident)
        (line,) = [x for x in lines if 'No conductor answered in time' in x]
        self.assertIn(self.keystone.project('member'), line)
        self.assertIn(outer, line)

    def test_a_line_about_a_bad_token_is_of_its_own_request(self):
        # Of the thread that serves the next request, too.
        for _ in range(8):
            self.ask('GET', '/v2/claims', 'reader')
        answer = self.ask(
            'GET', '/v2/claims', headers={'X-Auth-Token': 'gAAAAA'}
        )
        lines = self.lines_with(answer.headers['X-OpenStack-Request-Id'])
        self.assertTrue(
            any('Authorization failed for token' in line for line in lines),
            self.log.read_text(),
        )

    def test_no_token_is_in_the_log(self):
        self.ask('GET', '/v2/claims', 'reader', service='nova')
        self.ask('GET', '/v2/claims', headers={'X-Auth-Token': 'gAAAAsecret'})
        said = self.log.read_text()
        for token in (
            self.keystone.token('reader'),
            self.keystone.token('nova'),
            'gAAAAsecret',
        ):
            self.assertNotIn(token, said)

    def test_links_lead_to_the_proxy_in_front(self):
        answer = self.ask(
            'GET',
            '/',
            headers={
                'X-Forwarded-Proto': 'https',
                'X-Forwarded-Host': 'cloud.example.com',
                'X-Forwarded-Prefix': '/accelerator',
            },
        )
        (version,) = answer.json()['versions']
        self.assertEqual(
            'https://cloud.example.com/accelerator/v2',
            version['links'][0]['href'],
        )

    def test_a_dashboards_browser_may_ask_beforehand_without_a_token(self):
        answer = self.ask(
            'OPTIONS',
            '/v2/claims',
            headers={
                'Origin': _DASHBOARD,
                'Access-Control-Request-Method': 'POST',
                'Access-Control-Request-Headers': 'X-Auth-Token,'
                'OpenStack-API-Version,Content-Type',
            },
        )
        self.assertEqual(200, answer.status_code)
        allowed = answer.headers['Access-Control-Allow-Headers']
        self.assertEqual(
            _DASHBOARD, answer.headers['Access-Control-Allow-Origin']
        )
        self.assertIn('X-Auth-Token', allowed)
        self.assertEqual(
            'POST', answer.headers['Access-Control-Allow-Methods']
        )

    def test_its_browser_may_read_errors_and_our_headers_too(self):
        for status, path, persona in (
            (200, '/v2/claims', 'reader'),
            (401, '/v2/claims', None),
            (404, '/v2/nothing', 'reader'),
        ):
            with self.subTest(path, persona=persona):
                answer = self.ask(
                    'GET', path, persona, headers={'Origin': _DASHBOARD}
                )
                self.assertEqual(status, answer.status_code)
                self.assertEqual(
                    _DASHBOARD, answer.headers['Access-Control-Allow-Origin']
                )
                exposed = answer.headers['Access-Control-Expose-Headers']
                for name in (
                    'OpenStack-API-Version',
                    'X-OpenStack-Request-ID',
                    'Location',
                ):
                    self.assertIn(name, exposed)

    def test_no_other_page_may(self):
        answer = self.ask(
            'GET',
            '/v2/claims',
            'reader',
            headers={'Origin': 'https://elsewhere.example.com'},
        )
        self.assertNotIn('Access-Control-Allow-Origin', answer.headers)

    def test_a_body_that_is_too_large_is_refused_before_the_token(self):
        for persona in (None, 'visitor', 'member'):
            with self.subTest(persona):
                answer = self.ask(
                    'POST', '/v2/claims', persona, data=b'{' + b' ' * 5000
                )
                self.assertEqual(413, answer.status_code)
                self.assertIn('fpga.too_large', answer.text)


class TestDefaults(base.ServedTest):
    def test_a_callers_word_about_a_proxy_is_not_believed(self):
        answer = self.ask(
            'GET', '/', headers={'X-Forwarded-Host': 'evil.example.com'}
        )
        self.assertNotIn('evil', answer.text)

    def test_no_origin_is_allowed(self):
        answer = self.ask(
            'GET', '/', headers={'Origin': 'https://dashboard.example.com'}
        )
        self.assertFalse(
            [h for h in answer.headers if re.match('access-control', h, re.I)]
        )
