"""``/v2/accelerator_requests``: every row of Cyborg's contract."""

import sqlalchemy as sa
from oslo_utils.fixture import uuidsentinel as uuids

from cyborg_fpga import model
from cyborg_fpga.db import arqs
from cyborg_fpga.db import claims
from cyborg_fpga.db import engine
from cyborg_fpga.db import models
from cyborg_fpga.db import unbindings
from tests.fixtures import api as fixture
from tests.unit.api import base

URL = '/v2/accelerator_requests'
SERVICE = 'nova:service:service'
GROUP = {'resources:CUSTOM_FPGA_INTEL_PF': '1'}
NEEDED = ('hostname', 'device_rp_uuid', 'instance_uuid')


class ArqTest(base.ApiTest):
    def setUp(self):
        super().setUp()
        self.profile('one', GROUP)

    def profile(self, name, *groups):
        body = [{'name': name, 'groups': list(groups)}]
        answer = self.call('POST', '/v2/device_profiles', body=body)
        self.assertEqual(201, answer.status_int, answer.text)

    def make(self, profile='one', token=base.ALICE):
        body = {'device_profile_name': profile}
        answer = self.call('POST', URL, token, body=body)
        self.assertEqual(201, answer.status_int, answer.text)
        return answer.json['arqs']

    def nova(self, method, url, token=base.ALICE, *, minor=0, **kwargs):
        headers = {
            'X-Service-Token': SERVICE,
            'OpenStack-API-Version': f'accelerator 2.{minor}',
        }
        return self.call(method, url, token, headers=headers, **kwargs)

    def ops(self, op='add', **members):
        values = {
            'hostname': fixture.HOST,
            'device_rp_uuid': uuids.provider,
            'instance_uuid': uuids.instance,
            **members,
        }
        return [
            {'path': f'/{name}', 'op': op, 'value': value}
            for name, value in values.items()
        ]

    def bound(self, **members):
        (arq,) = self.make()
        body = {arq['uuid']: self.ops(**members)}
        answer = self.nova('PATCH', URL, body=body)
        self.assertEqual(202, answer.status_int, answer.text)
        return arq['uuid']

    def fail_bind(self, uuid, state='ready'):
        unbindings.fail(
            fixture.CTX, uuid, ('device_error', 'it broke'), [
                model.ClaimState(state)
            ],
        )  # fmt: skip

    def state(self, uuid):
        return arqs.get(fixture.CTX, uuid).state


class TestCreate(ArqTest):
    def test_one_for_each_unit_of_each_group(self):
        two = {'resources:CUSTOM_FPGA_INTEL_PF': '2', 'accel:type': 'dsp'}
        self.profile('three', GROUP, two)
        made = self.make('three')
        self.assertEqual(
            [0, 1, 1], [arq['device_profile_group_id'] for arq in made]
        )
        for arq in made:
            self.assertEqual('Initial', arq['state'])
            self.assertEqual('three', arq['device_profile_name'])
            self.assertEqual('alice', arq['project_id'])
            self.assertEqual('', arq['attach_handle_type'])
            self.assertEqual({}, arq['attach_handle_info'])
            self.assertIsNone(arq['instance_uuid'])
            (link,) = arq['links']
            self.assertTrue(link['href'].endswith(f'{URL}/{arq["uuid"]}'))

    def test_members_of_the_sdk_are_ignored(self):
        body = {
            'device_profile_name': 'one',
            'device_profile_group_id': None,
            'image_uuid': None,
        }
        answer = self.call('POST', URL, base.ALICE, body=body)
        self.assertEqual(201, answer.status_int)

    def test_all_are_made_in_one_statement(self):
        amount = {'resources:CUSTOM_FPGA_INTEL_PF': '8'}
        self.profile('eight', amount)
        seen = []

        def executed(*arguments):
            seen.append(arguments[2])

        sa.event.listen(engine.get_engine(), 'before_cursor_execute', executed)
        self.make('eight')
        inserts = [text for text in seen if text.startswith('INSERT')]
        self.assertEqual(1, len(inserts))

    def test_refusals(self):
        for status, body in (
            (400, {}),
            (400, {'device_profile_name': None}),
            (400, {'device_profile_name': 1}),
            (400, []),
            (404, {'device_profile_name': ''}),
            (404, {'device_profile_name': 'none'}),
            (404, {'device_profile_name': 'ä%\n'}),
            (404, {'device_profile_name': 'x' * 300}),
        ):
            with self.subTest(body):
                self.refused(status, 'POST', URL, base.ALICE, body=body)
        for token in (base.READER, base.NOBODY):
            body = {'device_profile_name': 'one'}
            self.refused(403, 'POST', URL, token, body=body)

    def test_profile_that_is_in_use_is_not_deleted(self):
        self.make()
        self.refused(409, 'DELETE', '/v2/device_profiles/one')


class TestRead(ArqTest):
    def test_a_project_sees_its_own(self):
        (mine,) = self.make()
        self.make(token=base.BOB)
        found = self.call('GET', URL, base.ALICE).json['arqs']
        self.assertEqual([mine['uuid']], [arq['uuid'] for arq in found])
        self.assertEqual(2, len(self.call('GET', URL).json['arqs']))
        self.assertEqual('arqs', next(iter(self.call('GET', URL).json)))
        url = f'{URL}/{mine["uuid"]}'
        self.assertEqual(mine, self.call('GET', url, base.ALICE).json)
        self.assertEqual(200, self.call('GET', url).status_int)
        _, sentence = self.refused(404, 'GET', url, base.BOB)
        self.assertIn('ExtArq not found with uuid=', sentence)
        found = self.call('GET', f'{url[:-36]}?limit=1', base.ALICE).json
        self.assertEqual(1, len(found['arqs']))

    def test_what_is_no_uuid_is_refused_in_cyborgs_words(self):
        _, sentence = self.refused(400, 'GET', f'{URL}/xx')
        self.assertEqual(
            "Invalid input for field/attribute uuid. Value: 'xx'. unable to "
            'convert to uuid. Error: Expected a uuid but received xx.',
            sentence,
        )

    def test_refusals(self):
        self.refused(400, 'GET', f'{URL}/notauuid')
        self.refused(404, 'GET', f'{URL}/{uuids.nothing}')
        self.refused(400, 'GET', f'{URL}?instance=notauuid')
        self.refused(400, 'GET', f'{URL}?bind_state=bound')
        self.refused(400, 'GET', f'{URL}?bogus=1')
        self.refused(403, 'GET', URL, base.NOBODY)

    def test_of_an_instance(self):
        uuid = self.bound()
        self.make()
        url = f'{URL}?instance={uuids.instance}'
        (arq,) = self.call('GET', url, base.ALICE).json['arqs']
        self.assertEqual(uuid, arq['uuid'])
        self.assertEqual('Bound', arq['state'])
        self.assertEqual('PCI', arq['attach_handle_type'])
        self.assertEqual(
            {'domain': '0000', 'bus': '3b', 'device': '00', 'function': '0'},
            arq['attach_handle_info'],
        )
        self.assertEqual([], self.call('GET', url, base.BOB).json['arqs'])
        empty = f'{URL}?instance={uuids.other}'
        self.assertEqual([], self.call('GET', empty).json['arqs'])

    def test_of_a_card_that_is_none(self):
        uuid = self.bound()
        with engine.get_engine().begin() as connection:
            connection.execute(
                sa.update(models.AttachHandle).values(kind='TEST_PCI')
            )
        arq = self.call('GET', f'{URL}/{uuid}').json
        self.assertEqual('TEST_PCI', arq['attach_handle_type'])

    def test_only_what_is_resolved(self):
        uuid = self.bound()
        self.make()
        (arq,) = self.call('GET', f'{URL}?bind_state=resolved').json['arqs']
        self.assertEqual(uuid, arq['uuid'])
        url = f'{URL}?instance={uuids.instance}&bind_state=resolved'
        self.assertEqual(200, self.call('GET', url).status_int)
        ready, waits = model.ClaimState.READY, model.ClaimState.PROGRAMMING
        claims.set_state(fixture.CTX, uuid, [ready], waits)
        code, _ = self.refused(423, 'GET', url)
        self.assertEqual('fpga.arq.unresolved', code)

    def test_failed_bind_is_not_shown_to_nova(self):
        self.bound()
        uuid = arqs.of_instance(fixture.CTX, uuids.instance)[0].uuid
        url = f'{URL}?instance={uuids.instance}'
        self.assertEqual(1, len(self.nova('GET', url).json['arqs']))
        self.fail_bind(uuid)
        self.assertEqual([], self.nova('GET', url).json['arqs'])
        resolved = f'{url}&bind_state=resolved'
        self.assertEqual([], self.nova('GET', resolved).json['arqs'])
        (arq,) = self.call('GET', url, base.ALICE).json['arqs']
        self.assertEqual('BindFailed', arq['state'])
        self.assertEqual('', arq['attach_handle_type'])


class TestBind(ArqTest):
    def refused_patch(self, status, body, token=base.ALICE, *, minor=0):
        answer = self.nova('PATCH', URL, token, minor=minor, body=body)
        self.assertEqual(status, answer.status_int, answer.text)
        self.assertEqual([], self.conductor.calls)
        return fixture.check_error(answer)['faultstring']

    def test_what_a_conductor_is_asked(self):
        uuid = self.bound()
        ((method, arguments),) = self.conductor.calls
        self.assertEqual('bind', method)
        self.assertEqual(
            {
                'arqs': {uuid: uuids.provider},
                'hostname': fixture.HOST,
                'instance_uuid': uuids.instance,
                'project_id': None,
                'visible_to': 'alice',
            },
            arguments['request'],
        )
        self.assertEqual('alice', self.conductor.contexts[0].auth_token)

    def test_the_answer_is_empty(self):
        (arq,) = self.make()
        answer = self.nova('PATCH', URL, body={arq['uuid']: self.ops()})
        self.assertEqual(202, answer.status_int)
        self.assertEqual(b'', answer.body)
        self.assertIsNone(answer.content_type)

    def test_sdk_appends_a_uuid(self):
        (arq,) = self.make()
        uuid = arq['uuid']
        url = f'{URL}/{uuid}'
        answer = self.nova('PATCH', url, body={uuid: self.ops()})
        self.assertEqual(202, answer.status_int)

    def test_words_and_codes_of_the_contract(self):
        (arq,) = self.make()
        uuid = arq['uuid']
        mixed = [*self.ops()[:2], *self.ops('remove')[2:]]
        said = self.refused_patch(400, {uuid: mixed})
        self.assertEqual(
            "Couldn't apply patch. Reason: Every op must be add or remove",
            said,
        )
        said = self.refused_patch(400, {uuid: self.ops('replace')})
        self.assertIn('Every op must be', said)
        said = self.refused_patch(400, {uuid: self.ops(x='y')})
        self.assertEqual('Invalid path in patch /x', said)
        said = self.refused_patch(400, {uuid: self.ops()[:1]})
        self.assertEqual(
            'Fields absent in patch device_rp_uuid,instance_uuid', said
        )
        for body in (
            {},
            [],
            {uuid: []},
            {uuid: [{'op': 'add'}]},
            {uuid: self.ops(instance_uuid='x')},
            {uuid: self.ops(device_rp_uuid=None)},
            {uuid: self.ops(hostname='')},
            {uuid: [*self.ops(), *self.ops()]},
            {uuid: self.ops(), uuid.upper(): self.ops()},
            {uuid: self.ops(), uuids.x: self.ops(instance_uuid=uuids.y)},
            {uuid: [{**one, 'path': one['path'][1:]} for one in self.ops()]},
        ):
            with self.subTest(body):
                self.refused_patch(400, body)
        self.refused_patch(404, {'notauuid': self.ops()})

    def test_project_is_for_administrators_since_2_1(self):
        (arq,) = self.make()
        body = {arq['uuid']: self.ops(project_id='bob')}
        said = self.refused_patch(406, body, base.ADMIN)
        self.assertIn('minimal required API version should be 2.1', said)
        self.refused_patch(403, body, minor=1)
        answer = self.nova('PATCH', URL, base.ADMIN, minor=1, body=body)
        self.assertEqual(202, answer.status_int, answer.text)
        url = f'{URL}/{arq["uuid"]}'
        self.assertEqual('bob', self.call('GET', url).json['project_id'])

    def test_users_cannot(self):
        (arq,) = self.make()
        for body in ({arq['uuid']: self.ops()}, {
            arq['uuid']: self.ops('remove')
        }):  # fmt: skip
            for token in (base.ALICE, base.ADMIN):
                _, said = self.refused(403, 'PATCH', URL, token, body=body)
                self.assertIn('requires a service token', said)
        self.assertEqual([], self.conductor.calls)

    def test_conductors_refusals_get_through(self):
        self.bound()
        (arq,) = self.make()
        answer = self.nova('PATCH', URL, body={arq['uuid']: self.ops()})
        self.assertEqual(400, answer.status_int)
        self.assertIn('already has accelerator requests', answer.text)
        body = {uuids.none: self.ops(instance_uuid=uuids.other)}
        self.assertEqual(404, self.nova('PATCH', URL, body=body).status_int)
        stranger = {arq['uuid']: self.ops(instance_uuid=uuids.other)}
        answer = self.nova('PATCH', URL, base.BOB, body=stranger)
        self.assertEqual(404, answer.status_int)

    def test_unbind(self):
        uuid = self.bound()
        body = {uuid: self.ops('remove')}
        answer = self.nova('PATCH', URL, body=body)
        self.assertEqual(202, answer.status_int, answer.text)
        arq = self.call('GET', f'{URL}/{uuid}', base.ALICE).json
        self.assertEqual('Unbound', arq['state'])
        for name in (*NEEDED, 'attach_handle_uuid'):
            self.assertIsNone(arq[name], name)


class TestSlowConductor(ArqTest):
    # Time enough to begin, on any machine.
    OPTIONS = {'conductor_timeout': 5}

    def test_bind_that_has_begun_is_accepted(self):
        self.conductor.answer.clear()
        (arq,) = self.make()
        answer = self.nova('PATCH', URL, body={arq['uuid']: self.ops()})
        self.assertEqual(202, answer.status_int, answer.text)


class TestDeafConductor(ArqTest):
    OPTIONS = {'conductor_timeout': 1}

    def setUp(self):
        super().setUp()
        self.conductor.answer.clear()

    def test_bind_that_nobody_begins_is_refused(self):
        self.conductor.deaf = True
        (arq,) = self.make()
        answer = self.nova('PATCH', URL, body={arq['uuid']: self.ops()})
        self.assertEqual(503, answer.status_int, answer.text)

    def test_what_nova_deletes_is_deleted_all_the_same(self):
        (arq,) = self.make()
        self.nova('PATCH', URL, body={arq['uuid']: self.ops()})
        (other,) = self.make()
        self.conductor.deaf = True
        url = f'{URL}?instance={uuids.instance}'
        self.assertEqual(204, self.nova('DELETE', url).status_int)
        self.assertEqual(404, self.call('GET', f'{URL}/{arq["uuid"]}')
                         .status_int)  # fmt: skip
        url = f'{URL}?arqs={other["uuid"]}'
        self.assertEqual(204, self.nova('DELETE', url).status_int)
        self.assertEqual([], self.call('GET', URL).json['arqs'])


class TestDelete(ArqTest):
    def test_by_uuid_in_every_form(self):
        made = [self.make()[0]['uuid'] for _ in range(5)]
        for url in (
            f'{URL}?arqs={made[0]}',
            f'{URL}/{made[1]}',
            f'{URL}?arqs={made[2]},{made[3]}',
            f'{URL}/{made[4]}',
        ):
            answer = self.call('DELETE', url, base.ALICE)
            self.assertEqual(204, answer.status_int, answer.text)
            self.refused(404, 'DELETE', url, base.ALICE)
        self.assertEqual([], self.call('GET', URL).json['arqs'])

    def test_the_known_ones_go_when_one_is_missing(self):
        for other in (uuids.none, 'notauuid'):
            (arq,) = self.make()
            url = f'{URL}?arqs={other},{arq["uuid"]}'
            _, said = self.refused(404, 'DELETE', url, base.ALICE)
            self.assertIn(other, said)
            self.refused(404, 'GET', f'{URL}/{arq["uuid"]}')

    def test_another_projects_is_not_there(self):
        (arq,) = self.make()
        self.refused(404, 'DELETE', f'{URL}/{arq["uuid"]}', base.BOB)
        self.refused(403, 'DELETE', f'{URL}/{arq["uuid"]}', base.READER)
        self.assertIs(model.ClaimState.INITIAL, self.state(arq['uuid']))
        answer = self.call('DELETE', f'{URL}/{arq["uuid"]}')
        self.assertEqual(204, answer.status_int)

    def test_bound_one_is_novas_to_delete(self):
        uuid = self.bound()
        (free,) = self.make()
        for url in (f'{URL}/{uuid}', f'{URL}?arqs={free["uuid"]},{uuid}'):
            for token in (base.ALICE, base.ADMIN):
                _, said = self.refused(403, 'DELETE', url, token)
                self.assertIn(
                    f'ARQ {uuid} is bound to instance {uuids.instance}. Use '
                    'the Compute API', said
                )  # fmt: skip
        self.assertIs(model.ClaimState.INITIAL, self.state(free['uuid']))
        answer = self.nova('DELETE', f'{URL}?arqs={uuid}')
        self.assertEqual(204, answer.status_int)
        self.refused(404, 'GET', f'{URL}/{uuid}')

    def test_by_instance(self):
        uuid = self.bound()
        url = f'{URL}?instance={uuids.instance}'
        for token in (base.ALICE, base.ADMIN):
            _, said = self.refused(403, 'DELETE', url, token)
            self.assertIn('requires a service token', said)
        self.assertEqual(204, self.nova('DELETE', url, base.BOB).status_int)
        self.assertIs(model.ClaimState.READY, self.state(uuid))
        for _ in range(2):
            self.assertEqual(204, self.nova('DELETE', url).status_int)
        self.refused(404, 'GET', f'{URL}/{uuid}')

    def test_refusals(self):
        both = f'{URL}?arqs={uuids.one}&instance={uuids.two}'
        for url in (URL, both, f'{URL}?arqs=', f'{URL}?instance=x'):
            answer = self.nova('DELETE', url)
            self.assertEqual(400, answer.status_int, answer.text)


class TestClaims(ArqTest):
    def test_arqs_are_among_the_claims(self):
        uuid = self.bound()
        listed = self.call('GET', '/v2/claims?origin=nova', base.ALICE).json
        (claim,) = listed['claims']
        self.assertEqual(uuid, claim['uuid'])
        self.assertEqual('ready', claim['state'])
        self.assertEqual(uuids.instance, claim['instance_uuid'])
        self.make()
        listed = self.call('GET', '/v2/claims?state=initial', base.ALICE).json
        self.assertEqual(1, len(listed['claims']))
