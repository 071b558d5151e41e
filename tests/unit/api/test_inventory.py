"""Cards, deployables and hosts: the administrators' side."""

import sqlalchemy as sa
from oslo_serialization import jsonutils
from oslo_utils.fixture import uuidsentinel as uuids

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.db import deployables
from cyborg_fpga.db import devices
from cyborg_fpga.db import engine
from cyborg_fpga.db import models
from cyborg_fpga.db import outcomes
from tests.fixtures import api as fixture
from tests.unit.api import base

LATEST = {'OpenStack-API-Version': 'accelerator latest'}


class TestDevices(base.ApiTest):
    def devices(self, query='', token=base.ADMIN):
        url = f'/v2/devices?{query}'
        return self.call('GET', url, token, headers=dict(LATEST)).json[
            'devices'
        ]

    def test_a_card_is_shown_as_cyborg_shows_it(self):
        card = self.devices('sort_key=pci_address')[0]
        self.assertEqual('FPGA', card['type'])
        self.assertEqual('intel', card['vendor'])
        self.assertEqual(fixture.HOST, card['hostname'])
        board = jsonutils.loads(card['std_board_info'])
        self.assertEqual('0b2b', board['product_id'])
        self.assertEqual(
            {'flash': 'user'}, jsonutils.loads(card['vendor_board_info'])
        )
        self.assertEqual(fixture.CARDS[0], card['pci_address'])

    def test_managers_see_cards_and_members_do_not(self):
        self.assertEqual(2, len(self.devices(token=base.MANAGER)))
        self.refused(403, 'GET', '/v2/devices', base.ALICE)

    def test_filters_are_exact_and_combined(self):
        self.assertEqual(2, len(self.devices('type=FPGA&vendor=intel')))
        self.assertEqual([], self.devices('type=FPGA&vendor=xilinx'))
        self.assertEqual([], self.devices('hostname=node'))
        self.refused(400, 'GET', '/v2/devices?status=broken')
        self.refused(400, 'GET', '/v2/devices?type=')

    def test_disabled_and_enabled_again(self):
        card = self.devices()[0]
        url = f'/v2/devices/{card["uuid"]}'
        for action, status in (
            ('disable', 'maintaining'),
            ('enable', 'enabled'),
        ):
            answer = self.call('POST', f'{url}/{action}')
            self.assertEqual(204, answer.status_int)
            self.assertEqual(b'', answer.body)
            shown = self.call('GET', url, headers=dict(LATEST)).json
            self.assertEqual(status, shown['status'])

    def test_enabling_ends_a_quarantine(self):
        uuid = self.devices()[0]['uuid']
        devices.update(fixture.CTX, uuid, health=model.Health.QUARANTINED)
        self.call('POST', f'/v2/devices/{uuid}/enable')
        self.assertEqual(
            {'status': 'enabled', 'health': 'ok'},
            self.conductor.calls[0][1]['values'],
        )

    def test_an_unknown_card_is_not_found(self):
        for ident in ('xx', uuids.none, '%00'):
            self.refused(404, 'GET', f'/v2/devices/{ident}')
            self.refused(404, 'POST', f'/v2/devices/{ident}/enable')


class TestPages(base.ApiTest):
    def test_following_next_gives_everything_once(self):
        seen = []
        url = '/v2/devices?limit=1&sort_key=pci_address&sort_dir=desc'
        while url:
            body = self.call('GET', url).json
            self.assertEqual('devices', next(iter(body)))
            seen += [card['pci_address'] for card in body['devices']]
            links = body.get('devices_links')
            url = links and links[0]['href']
        self.assertEqual(sorted(fixture.CARDS, reverse=True), seen)

    def test_next_keeps_the_filters(self):
        url = f'/v2/devices?limit=1&hostname={fixture.HOST}'
        link = self.call('GET', url).json['devices_links'][0]
        self.assertEqual('next', link['rel'])
        self.assertIn(f'hostname={fixture.HOST}', link['href'])

    def test_a_page_that_is_not_full_is_the_last(self):
        body = self.call('GET', '/v2/devices?limit=3').json
        self.assertNotIn('devices_links', body)

    def test_bad_controls_are_refused(self):
        for query in (
            'limit=0',
            'limit=-1',
            'limit=x',
            'limit=1.5',
            'limit=1%0a',
            f'limit={"9" * 20}',
            'limit=1&limit=2',
            'marker=x',
            f'marker={uuids.none}',
            'sort_key=failures',
            'sort_key=uuid;drop',
            'sort_dir=up',
        ):
            with self.subTest(query):
                self.refused(400, 'GET', f'/v2/devices?{query}')


class TestMaxLimit(base.ApiTest):
    OPTIONS = {'max_limit': 1}

    def test_a_larger_limit_is_cut(self):
        body = self.call('GET', '/v2/devices?limit=500').json
        self.assertEqual(1, len(body['devices']))
        self.assertIn('limit=1', body['devices_links'][0]['href'])


class TestDeployables(base.ApiTest):
    def setUp(self):
        super().setUp()
        found = self.call('GET', '/v2/deployables?sort_key=name').json
        self.regions = found['deployables']
        self.url = f'/v2/deployables/{self.regions[0]["uuid"]}'

    def patch(self, *changes, url=None, token=base.ADMIN):
        return self.call(
            'PATCH', url or f'{self.url}/program', token, body=list(changes)
        )

    def change(self, **values):
        return {
            'path': '/program',
            'op': 'replace',
            'value': [{'image_uuid': uuids.public}],
            **values,
        }

    def test_a_deployable_that_is_new_has_no_provider_yet(self):
        deployables.set_providers(
            fixture.CTX,
            {self.regions[0]['uuid']: ('', '')},
            {self.regions[0]['uuid']: ''},
        )
        shown = self.call('GET', f'/v2/deployables/{self.regions[0]["uuid"]}')
        self.assertIsNone(shown.json['rp_uuid'])

    def test_a_deployable_is_shown_with_its_handles(self):
        region = self.regions[0]
        self.assertEqual(1, region['num_accelerators'])
        self.assertEqual(
            [{'rc': region['resource_class']}, {'trait0': 'CUSTOM_FPGA'}],
            jsonutils.loads(region['attributes_list']),
        )
        handle = region['handles'][0]
        self.assertEqual(fixture.CARDS[0], handle['pci_address'])
        self.assertFalse(handle['claimed'])
        self.assertEqual(
            ['self', 'bookmark'], [link['rel'] for link in region['links']]
        )

    def test_only_administrators_see_who_holds_a_handle(self):
        claim = self.claim()
        for token, whose in (
            (base.ADMIN, claim['uuid']),
            (base.MANAGER, None),
        ):
            handle = self.call('GET', self.url, token).json['handles'][0]
            self.assertTrue(handle['claimed'])
            self.assertEqual(whose, handle['claim_uuid'])

    def test_what_a_project_loaded_for_itself_is_hidden_from_managers(self):
        operation = fixture.start_program(
            fixture.CTX,
            self.regions[0]['uuid'],
            uuids.private,
            image_private=True,
        )
        status = model.OperationStatus(
            uuid=operation.uuid,
            fence=operation.fence,
            done=True,
            succeeded=True,
            touched=True,
            function_id='ef' * 16,
        )
        outcomes.finish(fixture.CTX, status, quarantine_after=3)
        for token, image, function in (
            (base.ADMIN, uuids.private, 'ef' * 16),
            (base.MANAGER, None, None),
        ):
            found = self.call('GET', self.url, token).json
            self.assertEqual(image, found['bitstream_id'])
            self.assertEqual(function, found['function_id'])
        # Nor is it found by who only guesses it.
        for token, number in ((base.ADMIN, 1), (base.MANAGER, 0)):
            for query in (
                f'bitstream_id={uuids.private}',
                f'function_id={"ef" * 16}',
            ):
                url = f'/v2/deployables?{query}'
                found = self.call('GET', url, token).json['deployables']
                self.assertEqual(number, len(found), query)

    def test_programming_answers_with_the_deployable_and_a_location(self):
        for url in ('', f'/{self.regions[1]["uuid"]}'):
            region = self.regions[1 if url else 0]
            answer = self.patch(
                self.change(),
                url=f'/v2/deployables/{region["uuid"]}/program{url}',
            )
            self.assertEqual(200, answer.status_int, answer.text)
            self.assertEqual(region['uuid'], answer.json['uuid'])
            self.assertEqual('programming', answer.json['state'])
            operation = self.call('GET', answer.headers['Location']).json
            self.assertEqual(region['uuid'], operation['deployable_uuid'])

    def test_the_second_uuid_must_be_the_first(self):
        answer = self.patch(
            self.change(), url=f'{self.url}/program/{uuids.another}'
        )
        self.assertEqual(404, answer.status_int)

    def test_clients_use_other_paths_for_the_same(self):
        answer = self.patch(self.change(path='/bitstream_id', op='add'))
        self.assertEqual(200, answer.status_int)

    def test_bad_patches_are_refused(self):
        for changes in (
            [],
            [self.change(), self.change()],
            [self.change(op='remove')],
            [self.change(value=[])],
            [self.change(value=uuids.public)],
            [self.change(value=[{'image_uuid': 'x'}])],
            [self.change(value=[{'image': uuids.public}])],
            [self.change(extra=1)],
            [{}],
            ['x'],
            *([self.change(path=f'/{name}')] for name in (
                'name', 'num_accelerators', 'uuid', 'id', 'links',
                'created_at', 'updated_at', '', 'a/b',
            )),
        ):  # fmt: skip
            with self.subTest(changes):
                answer = self.patch(*changes)
                self.assertEqual(400, answer.status_int, answer.text)
        answer = self.call('PATCH', f'{self.url}/program', body={})
        self.assertEqual(400, answer.status_int)
        self.assertEqual([], self.conductor.calls)

    def test_a_refusal_is_passed_on(self):
        self.conductor.refusal = errors.DoesNotFit(reason='another region')
        answer = self.patch(self.change())
        self.assertEqual(400, answer.status_int)
        self.assertEqual(
            'fpga.bitstream.does_not_fit',
            fixture.check_error(answer)['code'],
        )

    def test_programming_is_for_administrators(self):
        answer = self.patch(self.change(), token=base.MANAGER)
        self.assertEqual(403, answer.status_int)

    def test_what_is_no_uuid_is_refused_in_cyborgs_words(self):
        for url in ('/v2/deployables/xx', '/v2/deployables/%00'):
            _, sentence = self.refused(400, 'GET', url)
            self.assertIn('Expected a uuid but received', sentence)
        self.refused(404, 'GET', f'/v2/deployables/{uuids.none}')


class TestHosts(base.ApiTest):
    url = f'/v2/hosts/{fixture.HOST}'

    def test_a_host_is_found_by_its_name(self):
        host = self.call('GET', self.url).json
        self.assertEqual(fixture.HOST, host['hostname'])
        self.assertTrue(host['up'])
        self.assertEqual('pool', host['layout'])
        self.assertIsNotNone(host['last_seen'])
        listed = self.call('GET', '/v2/hosts?up=true').json['hosts']
        self.assertEqual([host], listed)
        self.assertEqual(
            [], self.call('GET', '/v2/hosts?up=False').json['hosts']
        )

    def test_a_host_shows_what_its_cache_holds(self):
        cache = self.call('GET', self.url).json['cache']
        self.assertEqual(10737418240, cache['size_limit'])
        self.assertEqual((2097152, 1), (cache['bytes'], cache['files']))
        # An agent of an earlier release does not count all.
        self.assertEqual(0, cache['prefetched'])
        self.assertIsNone(cache['last_prefetch_at'])

    def test_a_host_whose_agent_tells_no_cache_shows_none(self):
        with engine.get_engine().begin() as connection:
            connection.execute(sa.update(models.Host).values(cache=None))
        self.assertIsNone(self.call('GET', self.url).json['cache'])

    def test_disabling_keeps_the_reason_until_enabled(self):
        reason = {'disabled_reason': 'new firmware'}
        host = self.call('POST', f'{self.url}/disable', body=reason).json
        self.assertEqual('disabled', host['status'])
        self.assertEqual('new firmware', host['disabled_reason'])
        host = self.call('POST', f'{self.url}/enable').json
        self.assertEqual('enabled', host['status'])
        self.assertIsNone(host['disabled_reason'])
        host = self.call(
            'PATCH', self.url, body={'status': 'disabled', **reason}
        ).json
        self.assertEqual('disabled', host['status'])

    def test_bad_changes_are_refused(self):
        for body in (
            {},
            {'status': 'off'},
            {'status': 'disabled', 'up': False},
            {'status': 'disabled', 'disabled_reason': 'x' * 256},
        ):
            with self.subTest(body):
                self.refused(400, 'PATCH', self.url, body=body)

    def test_an_unknown_host_is_not_found(self):
        for name in ('nothing', 'a%00b', 'x' * 300, '%C3%A9'):
            with self.subTest(name):
                self.refused(404, 'GET', f'/v2/hosts/{name}')
                self.refused(404, 'POST', f'/v2/hosts/{name}/disable')
        self.assertEqual([], self.conductor.calls)

    def test_hosts_are_the_administrators_business(self):
        self.refused(403, 'GET', self.url, base.MANAGER)
        self.refused(403, 'POST', f'{self.url}/disable', base.MANAGER)
