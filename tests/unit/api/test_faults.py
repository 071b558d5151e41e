"""Whatever goes wrong is answered in one form and gives nothing away."""

import io

import oslo_messaging as messaging
import webob.exc
from keystoneauth1 import exceptions as ksa_exc
from oslo_db import exception as db_exc
from oslo_messaging._drivers import common as rpc_common
from oslo_utils.fixture import uuidsentinel as uuids
from oslotest import base as test
from sqlalchemy import exc as sa_exc

from cyborg_fpga import errors
from cyborg_fpga import rpc
from cyborg_fpga.api import faults
from tests.fixtures import api as fixture
from tests.unit.api import base


class TestBarrier(test.BaseTestCase):
    def answer(self, exc):
        def application(environ, start):
            raise exc

        return webob.Request.blank('/v2/x').get_response(
            faults.Barrier(application)
        )

    def test_every_error_of_ours_has_its_status_and_code(self):
        answer = self.answer(errors.Forbidden(rule='a:b'))
        self.assertEqual(403, answer.status_int)
        self.assertEqual(
            {
                'faultcode': 'Client',
                'faultstring': 'Access was denied to the following '
                'resource: a:b',
                'debuginfo': None,
                'code': 'fpga.forbidden',
            },
            fixture.check_error(answer),
        )

    def test_somebody_we_need_being_away_is_503(self):
        for exc, who in (
            (messaging.MessagingTimeout('x'), 'conductor'),
            (messaging.MessageDeliveryFailure('x'), 'bus'),
            (db_exc.DBConnectionError('password=x'), 'database'),
            (db_exc.DBDeadlock('x'), 'database'),
            (sa_exc.TimeoutError('x'), 'database'),
            (ksa_exc.EndpointNotFound('x'), 'Keystone'),
        ):
            with self.subTest(who):
                answer = self.answer(exc)
                self.assertEqual(503, answer.status_int)
                self.assertIn('Retry-After', answer.headers)
                inner = fixture.check_error(answer)
                self.assertIn(who, inner['faultstring'])
                self.assertNotIn('password', answer.text)

    def test_a_bug_is_500_without_its_words(self):
        answer = self.answer(KeyError('secret'))
        self.assertEqual(500, answer.status_int)
        self.assertNotIn('secret', answer.text)
        self.assertEqual('Server', fixture.check_error(answer)['faultcode'])

    def test_an_error_that_came_over_rpc_shows_no_traceback(self):
        try:
            raise errors.NoCapacity(reason='all are taken.')
        except errors.NoCapacity as exc:
            failure = rpc_common.serialize_remote_exception(
                (type(exc), exc, exc.__traceback__)
            )
        carried = rpc_common.deserialize_remote_exception(
            failure, rpc.ALLOWED_REMOTE_EXMODS
        )
        answer = self.answer(carried)
        self.assertEqual(409, answer.status_int)
        self.assertEqual(
            'Not enough free FPGAs: all are taken.',
            fixture.check_error(answer)['faultstring'],
        )

    def test_keystonemiddlewares_503_gets_our_form(self):
        def application(environ, start):
            return webob.exc.HTTPServiceUnavailable('no')(environ, start)

        answer = webob.Request.blank('/v2/x').get_response(
            faults.Barrier(application)
        )
        self.assertEqual(503, answer.status_int)
        self.assertIn('Keystone', fixture.check_error(answer)['faultstring'])


class TestBody(base.ApiTest):
    OPTIONS = {'max_body_bytes': 2048}

    def post(self, body, content_type='application/json', **kwargs):
        headers = {'X-Auth-Token': base.ALICE, **kwargs}
        if content_type is not None:
            headers['Content-Type'] = content_type
        return self.web.request(
            '/v2/claims',
            method='POST',
            body=body,
            headers=headers,
            expect_errors=True,
        )

    def test_what_is_no_json_is_refused(self):
        for body in (
            b'{',
            b'{"count": 1',
            b"{'count': 1}",
            b'\xff\xfe',
            b'[' * 2000,
            b'{"hostname": "\\ud800"}',
            b'nonsense',
        ):
            with self.subTest(body[:16]):
                answer = self.post(body)
                self.assertEqual(400, answer.status_int, answer.text)
                self.assertIn(
                    'JSON', fixture.check_error(answer)['faultstring']
                )

    def test_what_only_python_reads_is_no_json(self):
        """Also in members that nobody asked for."""
        for value in ('NaN', 'Infinity', '-Infinity', '1e999'):
            with self.subTest(value):
                text = f'{{"device_profile_name": "one", "more": {value}}}'
                answer = self.web.request(
                    '/v2/accelerator_requests',
                    method='POST',
                    body=text.encode(),
                    headers={
                        'X-Auth-Token': base.ALICE,
                        'Content-Type': 'application/json',
                    },
                    expect_errors=True,
                )
                self.assertEqual(400, answer.status_int, answer.text)
                said = fixture.check_error(answer)['faultstring']
                self.assertIn('JSON', said)

    def test_of_a_member_that_is_given_twice_the_last_counts(self):
        """As in Cyborg, and wherever else Python reads it."""
        answer = self.post(b'{"count": 3, "count": 2}')
        self.assertEqual(201, answer.status_int, answer.text)
        self.assertEqual(2, answer.json['count'])

    def test_a_number_of_many_digits_is_only_wrong(self):
        answer = self.post(b'{"count": ' + b'9' * 2000 + b'}')
        self.assertEqual(400, answer.status_int)
        self.assertEqual(400, self.post(b'{"count": 1e999}').status_int)
        self.assertEqual(400, self.post(b'{"count": NaN}').status_int)

    def test_only_json_is_understood(self):
        for media in ('text/plain', 'application/x-www-form-urlencoded'):
            with self.subTest(media):
                answer = self.post(b'{}', media)
                self.assertEqual(415, answer.status_int)
                inner = fixture.check_error(answer)
                self.assertEqual('fpga.media_type', inner['code'])
        for media in ('application/json; charset=utf-8', 'application/JSON'):
            with self.subTest(media):
                self.assertEqual(201, self.post(b'{}', media).status_int)

    def test_a_body_that_is_too_large_is_not_read(self):
        answer = self.post(b'x' * 2049)
        self.assertEqual(413, answer.status_int)
        self.assertEqual('fpga.too_large', fixture.check_error(answer)['code'])

    def test_a_body_of_unknown_length_is_read_to_the_limit(self):
        class Endless(io.RawIOBase):
            given = 0

            def read(self, size=-1):
                size = 1 << 16 if size < 0 else size
                self.given += size
                return b' ' * size

        stream = Endless()
        environ = webob.Request.blank(
            '/v2/claims',
            method='POST',
            headers={
                'X-Auth-Token': base.ALICE,
                'Content-Type': 'application/json',
                'Transfer-Encoding': 'chunked',
            },
        ).environ
        environ.pop('CONTENT_LENGTH', None)
        environ['wsgi.input'] = stream
        environ['wsgi.input_terminated'] = True
        answer = webob.Request(environ).get_response(self.api.app)
        self.assertEqual(413, answer.status_int, answer.text)
        self.assertLess(stream.given, 4096)

    def test_a_length_that_is_no_number_is_refused(self):
        environ = webob.Request.blank('/v2/claims').environ
        environ['CONTENT_LENGTH'] = '-5'
        answer = webob.Request(environ).get_response(self.api.app)
        self.assertEqual(400, answer.status_int)

    def test_a_route_without_a_body_takes_an_empty_one_only(self):
        url = f'/v2/devices/{uuids.it}/enable'
        self.refused(404, 'POST', url)
        self.refused(404, 'POST', url, body={})
        self.refused(400, 'POST', url, body={'now': True})


class TestDatabaseAway(base.ApiTest):
    def test_lists_answer_503(self):
        self.api.break_database()
        code, _ = self.refused(503, 'GET', '/v2/claims')
        self.assertEqual('fpga.service_unavailable', code)
