"""Device profiles, as Nova, openstacksdk and Cyborg's tests ask for them."""

from oslo_utils.fixture import uuidsentinel as uuids

from cyborg_fpga import context
from cyborg_fpga import model
from tests.fixtures import api as fixture
from tests.unit.api import base

URL = '/v2/device_profiles'
GROUPS = [{'resources:FPGA': '1', 'trait:CUSTOM_FPGA_INTEL': 'required'}]
NAMES = {'OpenStack-API-Version': 'accelerator 2.2'}


class ProfilesTest(base.ApiTest):
    OPTIONS = {'max_limit': 50}

    def create(self, name='one', groups=GROUPS, **members):
        body = [{'name': name, 'groups': groups, **members}]
        answer = self.call('POST', URL, body=body)
        self.assertEqual(201, answer.status_int, answer.text)
        return answer.json

    def names(self, query=''):
        answer = self.call('GET', f'{URL}{query}', base.READER)
        self.assertEqual(200, answer.status_int, answer.text)
        self.assertEqual('device_profiles', next(iter(answer.json)))
        return [profile['name'] for profile in answer.json['device_profiles']]


class TestCreate(ProfilesTest):
    def test_the_answer_is_not_wrapped(self):
        made = self.create(description='d', uuid=uuids.it)
        self.assertEqual(uuids.it, made['uuid'])
        self.assertEqual(('one', 'd'), (made['name'], made['description']))
        self.assertEqual(GROUPS, made['groups'])
        self.assertIsNone(made['updated_at'])
        self.assertEqual('self', made['links'][0]['rel'])

    def test_amounts_become_text_and_blanks_go(self):
        made = self.create(
            groups=[{'resources: FPGA ': 2, 'trait:CUSTOM_A': ' required '}]
        )
        self.assertEqual(
            [{'resources:FPGA': '2', 'trait:CUSTOM_A': 'required'}],
            made['groups'],
        )

    def test_members_that_mean_nothing_are_ignored(self):
        self.assertNotIn('owner', self.create(owner='me', uuid=None))

    def test_it_must_be_a_list_of_one(self):
        one = {'name': 'one', 'groups': GROUPS}
        for body in ([], [one, {**one, 'name': 'two'}]):
            _, sentence = self.refused(400, 'POST', URL, body=body)
            self.assertEqual(
                'Only one device profile allowed per POST request for now.',
                sentence,
            )
        self.refused(400, 'POST', URL, body=one)
        self.refused(400, 'POST', URL, body={})
        self.refused(400, 'POST', URL, body=[None])
        self.assertEqual([], self.names())

    def test_mistakes_are_the_clients(self):
        for members, words in (
            ({'name': None}, 'DeviceProfile name needed.'),
            ({'name': ''}, 'DeviceProfile name needed.'),
            ({'name': 'x' * 256}, '1 to 255 of'),
            ({'name': 'a b'}, '1 to 255 of'),
            ({'name': 'a\n'}, '1 to 255 of'),
            ({'name': 'ä'}, '1 to 255 of'),
            ({'name': 1}, 'name'),
            ({'uuid': 'nonsense'}, 'uuid'),
            ({'description': 1}, 'description'),
            ({'description': 'x' * 10001}, 'description'),
            ({'groups': None}, 'DeviceProfile needs groups field.'),
            ({'groups': []}, 'DeviceProfile needs groups field.'),
            ({'groups': {}}, 'groups'),
            ({'groups': [{}]}, 'a group of a device profile'),
            ({'groups': [None]}, 'a group of a device profile'),
            ({'groups': [{'resources:FPGA': None}]}, 'must be text'),
            ({'groups': [{'resources:FPGA': '-3'}]}, 'Resources number -3'),
            ({'groups': [{'resources:FPGA': 'x'}]}, 'number x is invalid'),
            ({'groups': [{'resources:MEMORY_MB': 1}]}, 'resource class'),
            ({'groups': [{'FPGA': '1'}]}, '^(resources:|trait:|accel:)'),
            ({'groups': [{**GROUPS[0], 'trait:X': 'required'}]}, 'trait'),
            ({'groups': [{**GROUPS[0], 'accel:what': '1'}]}, 'accel:what'),
            (
                {
                    'groups': [
                        {
                            **GROUPS[0],
                            'accel:bitstream_id': uuids.image,
                            'accel:function_id': uuids.function,
                        }
                    ]
                },
                'in one way',
            ),
        ):
            body = [{'name': 'one', 'groups': GROUPS, **members}]
            with self.subTest(members):
                code, sentence = self.refused(400, 'POST', URL, body=body)
                self.assertEqual('fpga.invalid_input', code)
                self.assertIn(words, sentence)
        self.refused(400, 'POST', URL, body=[{'groups': GROUPS}])
        self.refused(400, 'POST', URL, body=[{'name': 'one'}])
        self.assertEqual([], self.names())

    def test_names_and_uuids_are_taken_once(self):
        self.create(uuid=uuids.it)
        for members, words in (
            ({'name': 'one'}, 'with name one already exists.'),
            ({'uuid': uuids.it}, f'with uuid {uuids.it} already exists.'),
        ):
            body = [{'name': 'two', 'groups': GROUPS, **members}]
            code, sentence = self.refused(409, 'POST', URL, body=body)
            self.assertEqual('fpga.duplicate', code)
            self.assertEqual(f'A device_profile {words}', sentence)

    def test_it_is_for_administrators(self):
        body = [{'name': 'one', 'groups': GROUPS}]
        for token in (base.ALICE, base.MANAGER):
            _, sentence = self.refused(403, 'POST', URL, token, body=body)
            self.assertEqual(
                'Access was denied to the following resource: '
                'cyborg:device_profile:create',
                sentence,
            )

    def test_it_is_not_changed(self):
        made = self.create()
        for method in ('PUT', 'PATCH'):
            self.refused(405, method, f'{URL}/{made["uuid"]}', body={})


class TestFind(ProfilesTest):
    def test_lists_are_narrowed_by_names(self):
        for name in ('a', 'b', 'c'):
            self.create(name)
        for query, found in (
            ('', ['a', 'b', 'c']),
            ('?name=b', ['b']),
            ('?name=c,a', ['a', 'c']),
            ('?name=a,nothing', ['a']),
            ('?name=nothing', []),
            ('?name=', []),
            ('?name=%00', []),
            ('?name=A%20B', []),
            ('?limit=2', ['a', 'b']),
        ):
            with self.subTest(query):
                self.assertEqual(found, self.names(query))

    def test_one_is_wrapped(self):
        made = self.create()
        for ident in (made['uuid'], made['uuid'].replace('-', '').upper()):
            answer = self.call('GET', f'{URL}/{ident}', base.READER)
            self.assertEqual({'device_profile': made}, answer.json)

    def test_names_are_for_2_2_and_later(self):
        made = self.create()
        for version in ('2.0', '2.1'):
            code, sentence = self.refused(
                406,
                'GET',
                f'{URL}/one',
                base.READER,
                headers={'OpenStack-API-Version': f'accelerator {version}'},
            )
            self.assertEqual('fpga.version', code)
            self.assertIn('should be 2.2', sentence)
        for version in ('2.2', 'latest'):
            answer = self.call(
                'GET',
                f'{URL}/one',
                base.READER,
                headers={'OpenStack-API-Version': f'accelerator {version}'},
            )
            self.assertEqual({'device_profile': made}, answer.json)

    def test_what_is_not_there_is_not_found(self):
        for ident in (uuids.it, 'nothing', 'a,b', '%C3%A4', '%00'):
            with self.subTest(ident):
                code, sentence = self.refused(
                    404, 'GET', f'{URL}/{ident}', headers=dict(NAMES)
                )
                self.assertEqual('fpga.not_found', code)
                self.assertIn('Device Profile not found with', sentence)

    def test_a_name_may_look_like_a_uuid(self):
        made = self.create(uuids.name)
        answer = self.call('GET', f'{URL}/{uuids.name}', base.READER)
        self.assertEqual({'device_profile': made}, answer.json)


class TestDelete(ProfilesTest):
    def setUp(self):
        super().setUp()
        self.made = [self.create(name) for name in ('a', 'b', 'c', 'd')]

    def delete(self, rest):
        answer = self.call('DELETE', f'{URL}{rest}')
        self.assertEqual(204, answer.status_int, answer.text)
        self.assertEqual(b'', answer.body)

    def test_by_uuid_or_name_one_or_several(self):
        self.delete(f'/{self.made[0]["uuid"]}')
        self.assertEqual(['b', 'c', 'd'], self.names())
        self.delete('/b')
        self.assertEqual(['c', 'd'], self.names())
        self.delete('/c,d')
        self.assertEqual([], self.names())

    def test_by_value(self):
        self.delete('?value=a,c')
        self.assertEqual(['b', 'd'], self.names())
        self.delete(f'/?value={self.made[1]["uuid"]}')
        self.assertEqual(['d'], self.names())

    def test_nothing_named(self):
        for rest in ('', '/', '?value='):
            _, sentence = self.refused(400, 'DELETE', f'{URL}{rest}')
            self.assertEqual('Missing argument: "value"', sentence)
        self.assertEqual(['a', 'b', 'c', 'd'], self.names())

    def test_it_goes_up_to_the_first_that_is_not_there(self):
        for rest, left in (
            ('?value=nothing,a', ['a', 'b', 'c', 'd']),
            ('?value=a,nothing,b', ['b', 'c', 'd']),
            ('/b,nothing', ['c', 'd']),
            (f'/{uuids.it}', ['c', 'd']),
            ('/nothing', ['c', 'd']),
            ('?value=,', ['c', 'd']),
        ):
            with self.subTest(rest):
                self.refused(404, 'DELETE', f'{URL}{rest}')
                self.assertEqual(left, self.names())

    def test_one_that_a_request_names_stays(self):
        fixture.reserve(
            context.service(),
            uuids.arq,
            1,
            model.ClaimState.READY,
            origin='nova',
            device_profile_name='a',
        )
        code, sentence = self.refused(409, 'DELETE', f'{URL}/a')
        self.assertEqual('fpga.in_use', code)
        self.assertIn('1 accelerator requests name it', sentence)
        self.refused(409, 'DELETE', f'{URL}?value=b,a,c')
        self.assertEqual(['a', 'c', 'd'], self.names())

    def test_it_is_for_administrators(self):
        self.refused(403, 'DELETE', f'{URL}/a', base.MANAGER)
        self.refused(403, 'DELETE', f'{URL}?value=a', base.MANAGER)
