"""Running the function in a deployable that one has claimed."""

from oslo_utils.fixture import uuidsentinel as uuids

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.db import deployables
from tests.fixtures import api as fixture
from tests.unit.api import base

FELLOW = 'dora:alice:member,reader'
DATA = bytes(range(256)) + b'\0\xff not JSON'


class TestRun(base.ApiTest):
    OPTIONS = {'max_function_bytes': 4096}

    def url(self, claim=None):
        if claim is None:
            region = deployables.of_host(fixture.CTX, fixture.HOST)[0].uuid
        else:
            region = claim['deployable_uuids'][0]
        return f'/v2/deployables/{region}/run'

    def run_it(self, url, token=base.ALICE, data=DATA, media=None):
        return self.web.request(
            url,
            method='POST',
            headers={'X-Auth-Token': token},
            body=data,
            content_type=media or 'application/octet-stream',
            expect_errors=True,
        )

    def refusal(self, status, *args, **kwargs):
        answer = self.run_it(*args, **kwargs)
        self.assertEqual(status, answer.status_int, answer.body)
        return fixture.check_error(answer)['faultstring']

    def test_bytes_go_in_and_bytes_come_out(self):
        claim = self.claim()
        answer = self.run_it(self.url(claim))
        self.assertEqual(200, answer.status_int, answer.body)
        self.assertEqual('application/octet-stream', answer.content_type)
        self.assertEqual(DATA[::-1], answer.body)
        method, called = self.conductor.calls[-1]
        self.assertEqual(
            ('run', claim['uuid']), (method, called['claim_uuid'])
        )

    def test_an_answer_may_be_empty(self):
        answer = self.run_it(self.url(self.claim()), data=b'')
        self.assertEqual((204, b''), (answer.status_int, answer.body))

    def test_the_media_type_does_not_matter(self):
        answer = self.run_it(
            self.url(self.claim()),
            media='application/x-www-form-urlencoded',
        )
        self.assertEqual(DATA[::-1], answer.body)

    def test_every_member_of_the_project_may(self):
        answer = self.run_it(self.url(self.claim()), FELLOW)
        self.assertEqual(200, answer.status_int, answer.body)

    def test_nobody_else_may_and_no_administrator(self):
        url = self.url(self.claim())
        for token in (base.BOB, base.ADMIN):
            said = self.refusal(409, url, token)
            self.assertIn('not claimed by your project', said)
        self.refusal(403, url, base.READER)
        self.assertEqual(['claim'], [name for name, _ in self.conductor.calls])

    def test_what_nobody_has_claimed_is_refused(self):
        self.assertIn('not claimed', self.refusal(409, self.url()))

    def test_what_a_server_has_is_refused(self):
        fixture.reserve(
            fixture.CTX.__class__(
                project_id='alice', user_id='alice', overwrite=False
            ),
            uuids.claim,
            2,
            model.ClaimState.READY,
            origin=model.Origin.NOVA.value,
        )
        self.assertIn('not claimed', self.refusal(409, self.url()))
        self.assertEqual([], self.conductor.calls)

    def test_there_must_be_such_a_deployable(self):
        self.refusal(404, f'/v2/deployables/{uuids.none}/run')
        self.refusal(400, '/v2/deployables/x/run')

    def test_more_than_a_function_may_be_given_is_refused(self):
        url = self.url(self.claim())
        self.assertEqual(200, self.run_it(url, data=b'x' * 4096).status_int)
        said = self.refusal(413, url, data=b'x' * 4097)
        self.assertIn('4096', said)

    def test_why_a_function_gives_no_answer_is_told(self):
        url = self.url(self.claim())
        self.conductor.refusal = errors.CannotRun(
            address='0000:3b:00.0', reason='its card is a real one'
        )
        self.assertIn('a real one', self.refusal(409, url))
