"""Operations, bitstreams and types as users see them."""

import sqlalchemy as sa
from oslo_utils.fixture import uuidsentinel as uuids

from cyborg_fpga.db import engine
from cyborg_fpga.db import models
from tests.fixtures import api as fixture
from tests.unit.api import base


class TestOperations(base.ApiTest):
    def start(self, token=base.ALICE):
        claim = self.claim(token)
        return self.call(
            'POST',
            f'/v2/claims/{claim["uuid"]}/program',
            token,
            body={'image_uuid': uuids.public},
        ).json

    def test_a_project_sees_its_own_operations(self):
        mine, other = self.start(base.ALICE), self.start(base.BOB)
        seen = self.call('GET', '/v2/operations', base.READER).json
        self.assertEqual(
            [mine['uuid']], [one['uuid'] for one in seen['operations']]
        )
        self.assertEqual(
            mine, self.call('GET', mine['links'][0]['href'], base.READER).json
        )
        self.refused(404, 'GET', f'/v2/operations/{other["uuid"]}', base.ALICE)
        every = self.call('GET', '/v2/operations?state=pending').json
        self.assertEqual(2, len(every['operations']))

    def test_an_operation_says_where_and_until_when(self):
        operation = self.start()
        self.assertEqual('program', operation['kind'])
        self.assertEqual(fixture.HOST, operation['hostname'])
        self.assertEqual(fixture.CARDS[0], operation['device_address'])
        self.assertIsNotNone(operation['deadline'])
        self.assertIsNone(operation['finished_at'])
        self.assertEqual(
            operation['created_at'], operation['state_changed_at']
        )

    def test_cancelling_is_for_administrators(self):
        url = f'/v2/operations/{self.start()["uuid"]}/cancel'
        self.refused(403, 'POST', url, base.ALICE)
        self.refused(404, 'POST', url, base.BOB)
        answer = self.call('POST', url)
        self.assertEqual(202, answer.status_int)
        self.assertEqual('cancelled', answer.json['state'])
        self.assertEqual('cancelled', answer.json['cause'])
        self.assertEqual(
            answer.json['finished_at'], answer.json['state_changed_at']
        )

    def test_an_unknown_operation_is_not_found(self):
        for ident in ('xx', uuids.none):
            self.refused(404, 'GET', f'/v2/operations/{ident}')
            self.refused(404, 'POST', f'/v2/operations/{ident}/cancel')


class TestBitstreams(base.ApiTest):
    def names(self, token, query=''):
        found = self.call('GET', f'/v2/bitstreams?{query}', token).json
        return [one['name'] for one in found['bitstreams']]

    def test_a_project_sees_public_ones_and_its_own(self):
        self.assertEqual(['crypto v1', 'secret'], self.names(base.ALICE))
        self.assertEqual(['crypto v1'], self.names(base.BOB))
        self.assertEqual(['crypto v1', 'secret'], self.names(base.ADMIN))

    def test_asking_for_anothers_project_shows_ones_own(self):
        self.assertEqual(
            ['crypto v1'], self.names(base.BOB, 'project_id=alice')
        )

    def test_filters(self):
        self.assertEqual(['secret'], self.names(base.ADMIN, 'type=dsp'))
        self.assertEqual([], self.names(base.ADMIN, 'usable=false'))
        self.assertEqual(
            ['crypto v1'], self.names(base.ADMIN, 'name=crypto%20v1')
        )
        both = self.names(base.ADMIN, 'vendor=intel')
        self.assertEqual(['crypto v1', 'secret'], both)
        self.assertEqual([], self.names(base.ADMIN, 'vendor=xilinx'))

    def test_of_what_is_not_usable_it_is_said_why(self):
        said = {'usable': False, 'reason': 'it is empty'}
        with engine.get_engine().begin() as connection:
            connection.execute(
                sa.update(models.Bitstream)
                .where(models.Bitstream.name == 'secret')
                .values(**said)
            )
        found = self.call('GET', '/v2/bitstreams?usable=false', base.ALICE)
        (shown,) = found.json['bitstreams']
        self.assertEqual(
            ('secret', said), (shown['name'], {k: shown[k] for k in said})
        )

    def test_anothers_private_one_is_not_found(self):
        url = f'/v2/bitstreams/{uuids.private}'
        self.assertEqual('alice', self.call('GET', url, base.ALICE).json[
            'project_id'])  # fmt: skip
        self.assertEqual(200, self.call('GET', url).status_int)
        self.refused(404, 'GET', url, base.BOB)
        self.refused(404, 'GET', '/v2/bitstreams/xx', base.BOB)

    def test_types_are_those_of_bitstreams_one_may_use(self):
        def types(token):
            return self.call('GET', '/v2/types', token).json['types']

        crypto = {'type': 'crypto', 'bitstreams': 1}
        dsp = {'type': 'dsp', 'bitstreams': 1}
        self.assertEqual([crypto], types(base.BOB))
        self.assertEqual([crypto, dsp], types(base.ALICE))
        self.assertEqual([crypto, dsp], types(base.ADMIN))

    def test_types_come_in_pages(self):
        first = self.call('GET', '/v2/types?limit=1').json
        self.assertEqual(['crypto'], [one['type'] for one in first['types']])
        (link,) = first['types_links']
        self.assertEqual('next', link['rel'])
        second = self.call('GET', link['href']).json
        self.assertEqual(['dsp'], [one['type'] for one in second['types']])
        last = self.call('GET', second['types_links'][0]['href']).json
        self.assertEqual({'types': []}, last)
        self.assertNotIn('types_links', self.call('GET', '/v2/types').json)
        for query in ('limit=0', 'limit=x', 'marker=A', 'sort_key=type'):
            self.refused(400, 'GET', f'/v2/types?{query}')
