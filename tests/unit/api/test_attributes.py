"""Attributes: those of the records, and those that somebody gave."""

from oslo_utils.fixture import uuidsentinel as uuids

from cyborg_fpga.db import deployables
from tests.fixtures import api as fixture
from tests.unit.api import base

URL = '/v2/attributes'
BODY = {'deployable_id': 1, 'key': 'rack', 'value': '7'}


class TestAttributes(base.ApiTest):
    def give(self, **members):
        answer = self.call('POST', URL, body={**BODY, **members})
        self.assertEqual(201, answer.status_int, answer.text)
        return answer.json

    def listed(self, query='', member='key'):
        answer = self.call('GET', f'{URL}{query}', base.MANAGER)
        self.assertEqual(200, answer.status_int, answer.text)
        self.assertEqual('attributes', next(iter(answer.json)))
        return [found[member] for found in answer.json['attributes']]

    def region(self):
        return self.call('GET', '/v2/deployables').json['deployables'][0]

    def test_records_are_told_as_attributes(self):
        self.assertEqual(['rc', 'trait0', 'rc', 'trait0'], self.listed())
        self.assertEqual([1, 1, 2, 2], self.listed(member='deployable_id'))
        self.assertEqual([True] * 4, self.listed(member='reported'))

    def test_lists_are_narrowed(self):
        self.give()
        self.assertEqual(['rack'], self.listed('?key=rack'))
        self.assertEqual(['rc', 'trait0'], self.listed('?deployable_id=2'))
        self.assertEqual(['rc'], self.listed('?deployable_id=2&key=rc'))
        self.assertEqual([], self.listed('?deployable_id=77'))
        self.assertEqual([], self.listed('?key=nothing'))
        self.refused(400, 'GET', f'{URL}?deployable_id=x')

    def test_one_is_found_by_its_uuid(self):
        made = self.give()
        answer = self.call('GET', f'{URL}/{made["uuid"]}', base.MANAGER)
        self.assertEqual(made, answer.json)
        self.refused(404, 'GET', f'{URL}/{uuids.nothing}')
        _, sentence = self.refused(400, 'GET', f'{URL}/xx')
        self.assertEqual(
            "Invalid input for field/attribute uuid. Value: 'xx'. unable to "
            'convert to uuid. Error: Expected a uuid but received xx.',
            sentence,
        )

    def test_every_form_of_giving_is_taken(self):
        region = self.region()
        for body in (
            BODY,
            {**BODY, 'deployable_id': '1'},
            {**BODY, 'deployable_id': region['uuid']},
            {**BODY, 'more': 'ignored'},
            {'attribute': BODY},
            {'attribute': {**BODY, 'deployable_id': '1', 'name': None}},
        ):
            with self.subTest(body):
                answer = self.call('POST', URL, body=body)
                self.assertEqual(201, answer.status_int, answer.text)
                made = answer.json
                self.assertEqual(1, made['deployable_id'])
                self.assertEqual(('rack', '7'), (made['key'], made['value']))
                self.assertFalse(made['reported'])
        self.assertEqual(1, region['deployable_id'])

    def test_mistakes_are_the_clients(self):
        for body in (
            {},
            {'attribute': {}},
            {'attribute': None},
            [],
            {**BODY, 'deployable_id': None},
            {**BODY, 'deployable_id': 'x'},
            {**BODY, 'deployable_id': -1},
            {**BODY, 'deployable_id': True},
            {**BODY, 'deployable_id': 10**30},
            {**BODY, 'key': ''},
            {**BODY, 'key': None},
            {**BODY, 'key': 'x' * 256},
            {**BODY, 'value': None},
            {**BODY, 'value': 'x' * 10001},
            {**BODY, 'key': 'rc', 'value': 'FPGA'},
            {**BODY, 'key': 'trait1', 'value': 'NONSENSE'},
            {**BODY, 'key': 'trait1', 'value': 'CUSTOM_a'},
            {**BODY, 'key': 'trait1', 'value': 'CUSTOM_HW_CRYPTO'},
            {**BODY, 'key': 'trait1', 'value': 'CUSTOM_ACCELERATOR_CRYPTO'},
            {**BODY, 'key': 'traits', 'value': 'CUSTOM_FPGA_FUNCTION_ID_X_Y'},
        ):
            with self.subTest(body):
                self.refused(400, 'POST', URL, body=body)
        for region in (77, '77', uuids.nothing):
            with self.subTest(region):
                self.refused(
                    404, 'POST', URL, body={**BODY, 'deployable_id': region}
                )
        self.assertEqual(4, len(self.listed()))

    def test_what_was_given_is_taken_away(self):
        made = self.give()
        url = f'{URL}/{made["uuid"]}'
        self.refused(403, 'DELETE', url, base.MANAGER)
        answer = self.call('DELETE', url)
        self.assertEqual((204, b''), (answer.status_int, answer.body))
        self.refused(404, 'DELETE', url)
        self.refused(404, 'DELETE', f'{URL}/xx')

    def test_what_follows_from_records_stays(self):
        uuid = self.listed(member='uuid')[0]
        code, _ = self.refused(409, 'DELETE', f'{URL}/{uuid}')
        self.assertEqual('fpga.wrong_state', code)

    def test_a_given_trait_is_the_deployables(self):
        made = self.give(key='trait7', value='CUSTOM_RACK_7')
        self.give(key='trait8', value='HW_CPU_X86_AVX2')
        self.give(key='trait9', value='CUSTOM_RACK_7')
        region = deployables.of_host(fixture.CTX, fixture.HOST)[0]
        self.assertEqual(
            ('CUSTOM_RACK_7', 'HW_CPU_X86_AVX2'), region.added_traits
        )
        self.call('DELETE', f'{URL}/{made["uuid"]}')
        region = deployables.of_host(fixture.CTX, fixture.HOST)[0]
        self.assertEqual(2, len(region.added_traits))

    def test_deployables_show_their_attributes_as_text(self):
        self.give()
        self.assertEqual(
            '[{"rc": "CUSTOM_FPGA_INTEL_PF"}, {"trait0": "CUSTOM_FPGA"}, '
            '{"rack": "7"}]',
            self.region()['attributes_list'],
        )
        url = f'/v2/deployables/{self.region()["uuid"]}'
        self.assertEqual(self.region(), self.call('GET', url).json)
