"""What the tests of the API have in common."""

import webtest
from oslotest import base

from tests.fixtures import api as fixture

ADMIN = 'admin'
ALICE = 'alice'
BOB = 'bob'
#: Of Alice's project too.
READER = 'carl:alice:reader'
MANAGER = 'mary:alice:manager,member,reader'
NOBODY = 'nobody:alice:'


class ApiTest(base.BaseTestCase):
    OPTIONS = {}

    def setUp(self):
        super().setUp()
        self.api = self.useFixture(fixture.Api(**self.OPTIONS))
        self.conductor = self.api.conductor
        self.web = webtest.TestApp(self.api.app, lint=False)

    def call(self, method, url, token=ADMIN, *, body=None, **kwargs):
        """The answer, whatever its status."""
        headers = kwargs.pop('headers', {})
        if token is not None:
            headers['X-Auth-Token'] = token
        if body is not None:
            return self.web._gen_request(
                method,
                url,
                params=webtest.utils.dumps(body),
                content_type='application/json',
                headers=headers,
                expect_errors=True,
            )
        return self.web.request(
            url,
            method=method,
            headers=headers,
            expect_errors=True,
            **kwargs,
        )

    def refused(self, status, *args, **kwargs):
        """The code and sentence of an answer that must have *status*."""
        answer = self.call(*args, **kwargs)
        self.assertEqual(status, answer.status_int, answer.text)
        inner = fixture.check_error(answer)
        return inner['code'], inner['faultstring']

    def claim(self, token=ALICE, **body):
        answer = self.call('POST', '/v2/claims', token, body=body)
        self.assertIn(answer.status_int, (201, 202), answer.text)
        return answer.json
