"""What a project can do with claims, and what it cannot."""

from oslo_utils.fixture import uuidsentinel as uuids

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.db import claims
from tests.fixtures import api as fixture
from tests.unit.api import base


class TestCreate(base.ApiTest):
    def test_a_claim_that_is_ready_at_once_is_created(self):
        answer = self.call(
            'POST', '/v2/claims', base.ALICE, body={'hostname': fixture.HOST}
        )
        self.assertEqual(201, answer.status_int)
        claim = answer.json
        self.assertEqual('ready', claim['state'])
        self.assertEqual('api', claim['origin'])
        self.assertEqual(['0000:3b:00.0'], claim['addresses'])
        self.assertEqual('alice', claim['project_id'])
        self.assertIsNone(claim['fault'])
        url = f'http://localhost/v2/claims/{claim["uuid"]}'
        self.assertEqual(url, answer.headers['Location'])
        self.assertEqual([{'rel': 'self', 'href': url}], claim['links'])
        self.assertEqual(claim, self.call('GET', url, base.ALICE).json)

    def test_a_claim_that_is_being_programmed_is_accepted(self):
        self.conductor.programs = True
        answer = self.call(
            'POST', '/v2/claims', base.ALICE, body={'type': 'crypto'}
        )
        self.assertEqual(202, answer.status_int)
        self.assertEqual('programming', answer.json['state'])

    def test_the_conductor_gets_every_member_and_the_callers_token(self):
        image = str(uuids.image)
        self.claim(
            nodename=fixture.HOST,
            type='crypto',
            function_id='D8424DC4-A4A3-C413-F89E-433683F9040B',
            image_uuid=image.upper().replace('-', ''),
            traits=['CUSTOM_FPGA'],
            count=2,
            wipe_level='clear',
        )
        self.assertEqual(
            [
                (
                    'claim',
                    {
                        'request': {
                            'hostname': fixture.HOST,
                            'type': 'crypto',
                            'function_name': None,
                            'function_id': 'd8424dc4a4a3c413f89e433683f9040b',
                            'image_uuid': image,
                            'traits': ['CUSTOM_FPGA'],
                            'resource_class': None,
                            'count': 2,
                            'instance_uuid': None,
                            'wipe_level': 'clear',
                        }
                    },
                )
            ],
            self.conductor.calls,
        )
        ctx = self.conductor.contexts[0]
        self.assertEqual(base.ALICE, ctx.auth_token)
        self.assertEqual('alice', ctx.project_id)

    def test_all_that_an_instance_holds_is_meant_unless_it_is_said(self):
        instance = str(uuids.instance)
        claim = self.claim(instance_uuid=instance.upper())
        self.assertEqual(instance, claim['instance_uuid'])
        self.claim(instance_uuid=instance, count=1.0)
        self.assertEqual(
            [(instance, None), (instance, 1)],
            [
                (call['request']['instance_uuid'], call['request']['count'])
                for _, call in self.conductor.calls
            ],
        )

    def test_both_names_of_the_host_must_agree(self):
        code, sentence = self.refused(
            400,
            'POST',
            '/v2/claims',
            body={'hostname': 'a', 'nodename': 'b'},
        )
        self.assertEqual('fpga.invalid_input', code)
        self.assertIn('hostname and nodename', sentence)
        self.claim(hostname=fixture.HOST, nodename=fixture.HOST)

    def test_a_refusal_of_the_conductor_reaches_the_caller_unchanged(self):
        self.conductor.refusal = errors.NoCapacity(reason='all are taken.')
        self.assertEqual(
            (
                'fpga.no_capacity',
                'Not enough free FPGAs: all are taken.',
            ),
            self.refused(409, 'POST', '/v2/claims', body={}),
        )

    def test_an_unexpected_failure_of_the_conductor_shows_no_traceback(self):
        self.conductor.refusal = RuntimeError('secret path /etc/x')
        code, sentence = self.refused(500, 'POST', '/v2/claims', body={})
        self.assertEqual('fpga.internal', code)
        self.assertNotIn('secret', sentence)
        self.assertIn('req-', sentence)

    def test_bad_bodies_are_refused_with_a_sentence(self):
        for body, word in (
            ({'bogus': 1}, 'bogus'),
            ({'count': 0}, 'count'),
            ({'count': -1}, 'count'),
            ({'count': 65}, 'count'),
            ({'count': 10**30}, 'count'),
            ({'count': '2'}, 'count'),
            ({'count': True}, 'count'),
            ({'count': 1.5}, 'count'),
            ({'type': 'Crypto'}, 'type'),
            ({'type': 'crypto\n'}, 'type'),
            ({'type': 'x' * 33}, 'type'),
            ({'type': None}, 'type'),
            ({'image_uuid': 'x'}, 'image_uuid'),
            ({'image_uuid': 7}, 'image_uuid'),
            ({'instance_uuid': 'x'}, 'instance_uuid'),
            ({'instance_uuid': None}, 'instance_uuid'),
            ({'traits': 'CUSTOM_A'}, 'traits'),
            ({'traits': ['custom_a']}, 'traits.0'),
            ({'traits': ['A' * 256]}, 'traits.0'),
            ({'traits': ['A', 'A']}, 'traits'),
            ({'resource_class': 'fpga'}, 'resource_class'),
            ({'hostname': ''}, 'hostname'),
            ({'hostname': 'a\x00b'}, 'NUL'),
            ({'hostname': 'a b'}, 'hostname'),
            ({'wipe_level': 'none'}, 'wipe_level'),
            ([], 'object'),
            ('text', 'object'),
            (None, 'object'),
        ):
            with self.subTest(body=body):
                answer = self.web.request(
                    '/v2/claims',
                    method='POST',
                    body=base.webtest.utils.dumps(body).encode(),
                    headers={
                        'X-Auth-Token': base.ALICE,
                        'Content-Type': 'application/json',
                    },
                    expect_errors=True,
                )
                self.assertEqual(400, answer.status_int, answer.text)
                inner = fixture.check_error(answer)
                self.assertIn(word, inner['faultstring'])
        self.assertEqual([], self.conductor.calls)

    def test_what_a_value_must_be_is_said_in_words(self):
        for member, value, words in (
            ('type', 'CRYPTO!', 'lower-case letters'),
            ('hostname', '', '1 to 255 printable ASCII characters'),
            ('resource_class', 'pf', 'upper-case letters'),
        ):
            with self.subTest(member):
                _, sentence = self.refused(
                    400, 'POST', '/v2/claims', body={member: value}
                )
                self.assertIn(f'{member}: must be ', sentence)
                self.assertIn(words, sentence)
                self.assertIn(f'not {value!r}', sentence)
        for url in '/v2/claims?limit=0', '/v2/claims?limit=-1':
            _, sentence = self.refused(400, 'GET', url)
            self.assertIn('a number from 1', sentence)

    def test_a_long_value_is_not_repeated_whole(self):
        _, sentence = self.refused(
            400, 'POST', '/v2/claims', body={'type': 'x' * 100000}
        )
        self.assertLess(len(sentence), 400)


class TestTimeout(base.ApiTest):
    # Time enough to begin, on any machine.
    OPTIONS = {'conductor_timeout': 5}

    def test_a_late_conductor_with_a_record_means_accepted(self):
        self.conductor.answer.clear()
        answer = self.call('POST', '/v2/claims', base.ALICE, body={})
        self.assertEqual(201, answer.status_int)
        self.assertEqual(
            answer.json['uuid'],
            claims.get(fixture.CTX, answer.json['uuid']).uuid,
        )


class TestNoConductor(base.ApiTest):
    OPTIONS = {'conductor_timeout': 1}

    def test_no_answer_and_no_record_means_unavailable(self):
        self.conductor.deaf = True
        self.conductor.answer.clear()
        code, sentence = self.refused(503, 'POST', '/v2/claims', body={})
        self.assertEqual('fpga.service_unavailable', code)
        self.assertIn('claim', sentence)


class TestSee(base.ApiTest):
    def test_a_project_sees_its_own_claims_only(self):
        mine = self.claim(base.ALICE)
        other = self.claim(base.BOB)
        seen = self.call('GET', '/v2/claims', base.READER).json['claims']
        self.assertEqual([mine['uuid']], [claim['uuid'] for claim in seen])
        url = f'/v2/claims/{other["uuid"]}'
        self.refused(404, 'GET', url, base.ALICE)
        self.refused(404, 'DELETE', url, base.ALICE)
        self.refused(
            404,
            'POST',
            f'{url}/program',
            base.ALICE,
            body={'image_uuid': uuids.image},
        )

    def test_asking_for_anothers_project_shows_ones_own(self):
        self.claim(base.BOB)
        found = self.call('GET', '/v2/claims?project_id=bob', base.ALICE)
        self.assertEqual([], found.json['claims'])

    def test_an_administrator_sees_all_and_can_filter(self):
        self.claim(base.ALICE)
        self.claim(base.BOB)
        every = self.call('GET', '/v2/claims').json['claims']
        self.assertEqual(2, len(every))
        found = self.call('GET', '/v2/claims?project_id=bob&state=ready')
        self.assertEqual(
            ['bob'], [claim['project_id'] for claim in found.json['claims']]
        )

    def test_who_has_no_role_sees_nothing(self):
        mine = self.claim(base.ALICE)
        for url in ('/v2/claims', f'/v2/claims/{mine["uuid"]}'):
            code, _ = self.refused(403, 'GET', url, base.NOBODY)
            self.assertEqual('fpga.forbidden', code)
        self.refused(403, 'GET', f'/v2/claims/{uuids.none}', base.NOBODY)

    def test_what_is_no_uuid_is_not_found(self):
        self.refused(404, 'GET', '/v2/claims/xx', base.ALICE)
        self.refused(404, 'GET', '/v2/claims/%00', base.ALICE)
        self.refused(404, 'GET', f'/v2/claims/{uuids.none}', base.ALICE)


class TestRelease(base.ApiTest):
    def test_the_claim_is_shown_while_it_is_released(self):
        claim = self.claim()
        url = f'/v2/claims/{claim["uuid"]}'
        answer = self.call('DELETE', url, base.ALICE)
        self.assertEqual(202, answer.status_int)
        self.assertEqual('releasing', answer.json['state'])
        self.assertIn(claim['uuid'], answer.headers['Location'])

    def test_a_failed_claim_is_gone_at_once(self):
        fixture.reserve(
            fixture.CTX,
            uuids.claim,
            1,
            model.ClaimState.READY,
            project_id='alice',
        )
        fault = ('fpga.device_failed', 'The card refused it.')
        claims.start_release(fixture.CTX, uuids.claim, fault=fault)
        claims.finish_release(fixture.CTX, uuids.claim)
        url = f'/v2/claims/{uuids.claim}'
        self.assertEqual(
            {'code': fault[0], 'message': fault[1]},
            self.call('GET', url, base.ALICE).json['fault'],
        )
        answer = self.call('DELETE', url, base.ALICE)
        self.assertEqual(204, answer.status_int)
        self.refused(404, 'GET', url, base.ALICE)

    def test_a_reader_may_see_but_not_release(self):
        claim = self.claim()
        url = f'/v2/claims/{claim["uuid"]}'
        _, sentence = self.refused(403, 'DELETE', url, base.READER)
        self.assertIn('fpga:claim:delete', sentence)

    def test_force_is_for_administrators(self):
        claim = self.claim()
        url = f'/v2/claims/{claim["uuid"]}?force=true'
        self.refused(403, 'DELETE', url, base.ALICE)
        self.assertEqual(202, self.call('DELETE', url).status_int)
        self.assertEqual(
            ('release', {'uuid': claim['uuid'], 'force': True}),
            self.conductor.calls[-1],
        )
        self.refused(400, 'DELETE', url.replace('true', 'perhaps'))

    def test_an_instances_claim_is_released_by_nova(self):
        fixture.reserve(
            fixture.CTX,
            uuids.claim,
            1,
            model.ClaimState.READY,
            project_id='alice',
            origin='nova',
            instance_uuid=uuids.instance,
        )
        url = f'/v2/claims/{uuids.claim}'
        code, sentence = self.refused(409, 'DELETE', url, base.ALICE)
        self.assertEqual('fpga.in_use', code)
        self.assertIn('Compute API', sentence)
        self.assertEqual([], self.conductor.calls)
        image = {'image_uuid': uuids.public}
        self.refused(409, 'POST', f'{url}/program', base.ALICE, body=image)
        self.assertEqual([], self.conductor.calls)
        answer = self.call('DELETE', f'{url}?force=true')
        self.assertEqual(204, answer.status_int)
        self.assertEqual('delete_arqs', self.conductor.calls[-1][0])
        self.assertEqual(404, self.call('GET', url).status_int)


class TestProgram(base.ApiTest):
    def test_the_owner_gets_an_operation(self):
        claim = self.claim()
        url = f'/v2/claims/{claim["uuid"]}/program'
        for method in ('POST', 'PATCH'):
            with self.subTest(method):
                answer = self.call(
                    method,
                    url,
                    base.ALICE,
                    body={'image_uuid': uuids.public},
                )
                if method == 'PATCH':
                    # The first is not done yet.
                    self.assertEqual(409, answer.status_int)
                    continue
                self.assertEqual(202, answer.status_int)
                self.assertEqual('pending', answer.json['state'])
                self.assertEqual(claim['uuid'], answer.json['claim_uuid'])
                self.assertIn(
                    f'/v2/operations/{answer.json["uuid"]}',
                    answer.headers['Location'],
                )
        shown = self.call('GET', f'/v2/claims/{claim["uuid"]}').json
        self.assertEqual([answer_uuid(shown)], shown['operation_uuids'])

    def test_a_claim_of_two_needs_to_be_told_which(self):
        claim = self.claim(count=2)
        url = f'/v2/claims/{claim["uuid"]}/program'
        body = {'image_uuid': uuids.public}
        _, sentence = self.refused(400, 'POST', url, base.ALICE, body=body)
        self.assertIn(claim['deployable_uuids'][1], sentence)
        body['deployable_uuid'] = uuids.another
        self.refused(400, 'POST', url, base.ALICE, body=body)
        body['deployable_uuid'] = claim['deployable_uuids'][1]
        answer = self.call('POST', url, base.ALICE, body=body)
        self.assertEqual(
            claim['deployable_uuids'][1], answer.json['deployable_uuid']
        )

    def test_a_reader_may_not(self):
        claim = self.claim()
        self.refused(
            403,
            'POST',
            f'/v2/claims/{claim["uuid"]}/program',
            base.READER,
            body={'image_uuid': uuids.public},
        )


def answer_uuid(claim):
    deployable = claim['deployable_uuids'][0]
    return getattr(uuids, f'operation-{deployable}')
