"""What is refused of uploads and changes before Glance is asked."""

import dataclasses
import io

from oslo_utils.fixture import uuidsentinel as uuids
from oslotest import base as test

from cyborg_fpga import errors
from cyborg_fpga.api import octets
from cyborg_fpga.db import bitstreams
from cyborg_fpga.simulator import samples
from tests.fixtures import api as fixture
from tests.unit.api import base

FILE = samples.sample_gbs('1' * 32, '2' * 32)
OCTETS = {'Content-Type': octets.TYPE}


class TestUpload(base.ApiTest):
    def send(self, query='', token=base.ALICE, headers=OCTETS):
        return 'POST', f'/v2/bitstreams?{query}', token, {
            'headers': dict(headers), 'body': FILE,
        }  # fmt: skip

    def refuse(self, status, *args, **kwargs):
        method, url, token, rest = self.send(*args, **kwargs)
        headers = {'X-Auth-Token': token, **rest['headers']}
        answer = self.web.request(
            url,
            method=method,
            headers=headers,
            body=rest['body'],
            expect_errors=True,
        )
        self.assertEqual(status, answer.status_int, answer.text)
        return answer.text

    def test_only_administrators_publish(self):
        self.refuse(403, 'visibility=public')
        # Glance is not there: so far, and no further.
        self.refuse(503, 'visibility=public', token=base.ADMIN)
        self.refuse(503, 'visibility=community')

    def test_readers_upload_nothing(self):
        self.refuse(403, token=base.READER)

    def test_a_file_is_no_form(self):
        for kind in ('application/x-www-form-urlencoded', 'text/plain'):
            self.refuse(415, headers={'Content-Type': kind})

    def test_what_the_file_contradicts_is_refused(self):
        self.refuse(400, f'function_id={"3" * 32}')
        self.refuse(503, f'function_id={"2" * 32}')


class TestFits(base.ApiTest):
    def found(self, driver):
        """Whether one that names *driver* is usable where it fits, and why."""
        image = bitstreams.get(fixture.CTX, uuids.public)
        bitstreams.upsert(
            fixture.CTX, [dataclasses.replace(image, driver=driver)]
        )
        regions = self.call('GET', '/v2/deployables').json['deployables']
        query = f'fits={regions[0]["uuid"]}&name=crypto%20v1'
        (shown,) = self.call('GET', f'/v2/bitstreams?{query}').json[
            'bitstreams'
        ]
        everywhere = self.call('GET', f'/v2/bitstreams/{uuids.public}').json
        self.assertTrue(everywhere['usable'])
        self.assertEqual('', everywhere['reason'])
        return shown['usable'], shown['reason']

    def test_one_of_another_driver_says_so(self):
        self.assertEqual(
            (
                False,
                'it is for cards of driver pci, this one is of intel_dfl',
            ),
            self.found('pci'),
        )

    def test_one_of_its_driver_or_of_none_of_ours_is_usable(self):
        for driver in ('intel_dfl', None, 'DPDK'):
            with self.subTest(driver):
                self.assertEqual((True, ''), self.found(driver))


class TestOwners(base.ApiTest):
    def test_anothers_private_one_is_not_there(self):
        url = f'/v2/bitstreams/{uuids.private}'
        for method, path, body in (
            ('PATCH', url, {'name': 'x'}),
            ('DELETE', url, None),
            ('POST', f'{url}/verify', {}),
        ):
            self.refused(404, method, path, base.BOB, body=body)
            self.refused(503, method, path, base.ALICE, body=body)

    def test_what_all_may_see_is_its_projects_alone_to_change(self):
        url = f'/v2/bitstreams/{uuids.public}'
        for method, body in (('PATCH', {'name': 'x'}), ('DELETE', None)):
            self.refused(403, method, url, base.ALICE, body=body)
            self.refused(503, method, url, base.ADMIN, body=body)
        self.refused(503, 'POST', f'{url}/verify', base.ALICE, body={})

    def test_to_publish_a_changed_one_is_for_administrators(self):
        url = f'/v2/bitstreams/{uuids.private}'
        body = {'visibility': 'public'}
        self.refused(403, 'PATCH', url, base.ALICE, body=body)
        self.refused(503, 'PATCH', url, base.ADMIN, body=body)


class _Broken:
    def read(self, size):
        raise ConnectionResetError


class TestOctets(test.BaseTestCase):
    def body(self, data, length):
        stream = io.BytesIO(data) if isinstance(data, bytes) else data
        body = octets.Octets(
            {
                'CONTENT_TYPE': octets.TYPE,
                'CONTENT_LENGTH': str(length),
                'wsgi.input': stream,
            }
        )
        self.assertEqual(length, body.open())
        return body

    def test_it_is_read_in_pieces_and_no_further_than_its_length(self):
        body = self.body(b'0123456789', 8)
        self.assertEqual(b'01234', body.read(5))
        self.assertEqual(b'567', body.read(5))

    def test_one_that_ends_too_early_is_refused(self):
        for data in (b'012', _Broken()):
            body = self.body(data, 10)
            exc = self.assertRaises(errors.InvalidInput, body.read, 10)
            self.assertIn('bytes too early', exc.message)
