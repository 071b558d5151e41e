"""Placement, Glance or the agent is away: nothing half-done, then on."""

from cyborg_fpga.db import deployables
from tests.fixtures import inprocess
from tests.functional.service import base


class TestPlacementAway(base.ServiceTest):
    settings = {'conductor': {'deadline_min': 4}}

    def refused_now(self, **wanted):
        code, sentence = self.refused(503, self.service.ask(**wanted))
        self.assertEqual('fpga.service_unavailable', code)
        self.assertIn('Placement', sentence)
        self.assertNotIn('http', sentence)

    def test_claim_is_refused_and_leaves_nothing(self):
        self.service.placement.shut()
        self.refused_now(resource_class=inprocess.PF)
        self.service.placement.open()
        # Nobody touched a card, so none is wiped either.
        self.assert_nothing_left()
        self.assertEqual([], self.operations())
        claim = self.service.claim(resource_class=inprocess.PF, count=2)
        self.service.released(claim['uuid'])

    def test_answer_that_is_lost_is_undone(self):
        answers = self.service.placement.hang_up_after('PUT /allocations/')
        self.refused_now(resource_class=inprocess.PF)
        self.assertTrue(answers())
        self.assert_nothing_left()
        self.assertEqual((2, 0, 0), self.service.stock())

    def test_programming_waits_and_goes_on(self):
        image = self.service.image()
        claim = self.service.claim(resource_class=inprocess.PF)
        self.service.placement.shut()
        path = f'/claims/{claim["uuid"]}/program'
        answer = self.service.call(
            'POST', path, {'image_uuid': image}, token=inprocess.ALICE
        )
        self.assertEqual(202, answer.status_int, answer.text)
        operation = f'/operations/{answer.json["uuid"]}'
        self.service.until(
            'it says what it waits for',
            lambda: 'Placement' in self.service.get(operation)['step'],
        )
        before = self.service.loads(self.card(claim))
        self.service.placement.open()
        ended = self.service.ended(answer.json['uuid'])
        self.assertEqual('succeeded', ended['state'], ended)
        self.assertEqual(before + 1, self.service.loads(self.card(claim)))

    def test_programming_that_waits_too_long_fails_and_says_why(self):
        image = self.service.image()
        claim = self.service.claim(resource_class=inprocess.PF)
        before = self.service.loads(self.card(claim))
        self.service.placement.shut()
        answer = self.service.call(
            'POST', f'/claims/{claim["uuid"]}/program',
            {'image_uuid': image}, token=inprocess.ALICE,
        )  # fmt: skip
        ended = self.service.ended(answer.json['uuid'])
        self.assertEqual(('failed', 'timeout'), self.end_of(ended))
        self.assertIn('Placement', ended['detail'])
        self.assertEqual(before, self.service.loads(self.card(claim)))
        # The card was not touched, so the claim is as good as before.
        now = self.service.get(f'/claims/{claim["uuid"]}')
        self.assertEqual('ready', now['state'])

    def test_release_is_taken_and_done_later(self):
        claim = self.service.claim(resource_class=inprocess.PF)
        self.service.placement.shut()
        answer = self.service.release(claim['uuid'])
        self.assertEqual(202, answer.status_int)
        self.assertEqual('releasing', answer.json['state'])
        self.service.placement.open()
        self.service.gone(claim['uuid'])
        self.assert_nothing_left()

    def test_forced_release_is_taken_and_done_later(self):
        claim = self.service.claim(resource_class=inprocess.PF)
        self.service.placement.shut()
        self.service.release(claim['uuid'], token=inprocess.ADMIN, force=True)
        self.service.placement.open()
        self.service.gone(claim['uuid'])
        self.assert_nothing_left()

    def test_operators_word_about_a_host_is_taken_and_told_later(self):
        name = self.service.hostname
        self.service.placement.shut()
        for status in ('disabled', 'enabled', 'disabled'):
            answer = self.service.call(
                'PATCH', f'/hosts/{name}', {'status': status}
            )
            self.assertEqual(200, answer.status_int, answer.text)
            self.assertEqual(status, answer.json['status'])
        self.service.placement.open()
        self.service.until(
            'the stock is reserved',
            lambda: self.service.stock() == (2, 2, 0),
        )

    def test_operators_word_about_a_card_is_taken_and_told_later(self):
        device = self.service.device()
        self.service.placement.shut()
        answer = self.service.call(
            'POST', f'/devices/{device["uuid"]}/disable'
        )
        self.assertEqual(204, answer.status_int, answer.text)
        self.assertEqual('maintaining', self.service.device()['status'])
        self.service.placement.open()
        self.service.until(
            'the card is reserved', lambda: self.service.stock() == (2, 1, 0)
        )

    def test_provider_that_somebody_deleted_is_made_again(self):
        (pool,) = (
            one
            for one in self.service.providers()
            if inprocess.PF in one['inventories']
        )
        self.service.rooms._http.call(
            'DELETE', f'/resource_providers/{pool["uuid"]}'
        )
        claim = self.service.claim(resource_class=inprocess.PF)
        self.assertEqual((2, 0, 1), self.service.stock())
        self.service.released(claim['uuid'])

    def test_stock_that_somebody_took_is_not_claimed(self):
        (pool,) = (
            one
            for one in self.service.providers()
            if inprocess.PF in one['inventories']
        )
        rival = '11111111-2222-4333-8444-555555555555'
        self.service.rooms.claim(
            rival, {pool['uuid']: {inprocess.PF: 2}},
            project_id='p', user_id='u',
        )  # fmt: skip
        self.addCleanup(self.service.rooms.release, rival)
        code, _ = self.refused(
            409, self.service.ask(resource_class=inprocess.PF)
        )
        self.assertEqual('fpga.no_capacity', code)
        held = deployables.of_host(inprocess.CTX, self.service.hostname)
        self.assertFalse([h for r in held for h in r.handles if h.claim_uuid])
        # Another pool has what is wanted.
        claim = self.service.claim()
        self.assertEqual(inprocess.VF, claim['resource_class'])
        self.service.released(claim['uuid'])

    def operations(self):
        found = self.service.get('/operations')['operations']
        return [one['kind'] for one in found]

    def end_of(self, operation):
        return operation['state'], operation['cause']

    def card(self, claim):
        return claim['addresses'][0]


class TestGlanceAway(base.ServiceTest):
    def test_claim_by_image_is_refused(self):
        image = self.service.known_image()
        self.service.glance.shut()
        for wanted in ({'image_uuid': image}, {'type': self.service.type}):
            code, sentence = self.refused(503, self.service.ask(**wanted))
            self.assertEqual('fpga.service_unavailable', code)
            self.assertIn('Glance', sentence)
        self.assert_untouched()

    def test_claim_without_an_image_does_not_care(self):
        self.service.glance.shut()
        self.service.released(self.service.claim()['uuid'])

    def test_download_that_breaks_off_fails_the_claim(self):
        image = self.service.image(size=3_000_000)
        self.service.glance.hang_up_after('/file', 500_000)
        answer = self.service.ask(image_uuid=image)
        claim = self.service.settled(answer.json['uuid'], 'failed')
        self.assertEqual('image_unavailable', claim['fault']['code'])
        self.assertIn('Glance', claim['fault']['message'])
        self.assertEqual([], list(self.service.state.glob('cache/*part*')))
        self.service.release(claim['uuid'])
        self.assert_nothing_left()


class TestAgentAway(base.ServiceTest):
    settings = {'conductor': {'deadline_min': 3}}
    agent_seconds = 2

    def test_claim_fails_when_the_deadline_has_passed(self):
        image = self.service.known_image()
        self.service.stop_agent()
        answer = self.service.ask(image_uuid=image)
        self.assertEqual(202, answer.status_int, answer.text)
        (uuid,) = answer.json['operation_uuids']
        ended = self.service.ended(uuid)
        self.assertEqual('agent_lost', ended['cause'], ended)
        self.assertIn(self.service.hostname, ended['detail'])
        self.assertEqual('unknown', self.state(answer))
        # It holds what nobody can look at until the agent is back.
        claim = self.service.settled(answer.json['uuid'], 'releasing')
        self.service.start_agent()
        claim = self.service.settled(claim['uuid'], 'failed')
        self.assertEqual('agent_lost', claim['fault']['code'])
        self.service.release(claim['uuid'])
        self.assert_nothing_left()

    def test_released_claim_waits_for_its_wipe(self):
        claim = self.service.claim(resource_class=inprocess.PF)
        address = claim['addresses'][0]
        self.service.simulator.write_memory(address, 0, b'secret')
        self.service.stop_agent()
        self.service.release(claim['uuid'])
        self.service.until(
            'the wipe was given up',
            lambda: self.service.get('/operations?state=failed')['operations'],
        )
        self.assertEqual(1, self.service.allocated(claim['uuid']))
        self.service.start_agent()
        self.service.gone(claim['uuid'])
        found = self.service.simulator.read_memory(address, 0, 6)
        self.assertEqual(bytes(6), found)
        # The card had no part in it.
        self.assertNotEqual(
            'quarantined', self.service.device(address)['health']
        )

    def test_forced_release_does_not_wait_but_the_card_does(self):
        claim = self.service.claim(resource_class=inprocess.PF)
        address = claim['addresses'][0]
        self.service.simulator.write_memory(address, 0, b'secret')
        self.service.stop_agent()
        self.service.release(claim['uuid'], token=inprocess.ADMIN, force=True)
        self.service.gone(claim['uuid'])
        self.assertEqual(0, self.service.allocated(claim['uuid']))
        self.assertEqual((2, 1, 0), self.service.stock())
        code, _ = self.refused(
            409, self.service.ask(resource_class=inprocess.PF, count=2)
        )
        self.assertEqual('fpga.no_capacity', code)
        self.service.start_agent()
        self.service.until(
            'it is offered again', lambda: self.service.stock() == (2, 0, 0)
        )
        found = self.service.simulator.read_memory(address, 0, 6)
        self.assertEqual(bytes(6), found)

    def state(self, answer):
        (uuid,) = answer.json['deployable_uuids']
        return self.service.get(f'/deployables/{uuid}')['state']


class TestHostDown(base.ServiceTest):
    settings = {'conductor': {'host_down_after': 2}}

    def test_silent_host_is_down_and_comes_back(self):
        name = self.service.hostname
        self.service.stop_agent()
        self.service.until(
            'the host is down',
            lambda: not self.service.get(f'/hosts/{name}')['up'],
        )
        code, sentence = self.refused(409, self.service.ask())
        self.assertEqual('fpga.host_unavailable', code)
        self.assertIn('down', sentence)
        # Nor without a name.
        answer = self.service.call(
            'POST', '/claims', {}, token=inprocess.ALICE
        )
        self.assertEqual('fpga.no_capacity', self.refused(409, answer)[0])
        self.service.until(
            'its stock is reserved', lambda: self.service.stock() == (2, 2, 0)
        )
        # An administrator is told at once, too.
        image = self.service.image()
        region = self.service.deployable()
        answer = self.service.program(region['uuid'], image)
        self.assertEqual('fpga.host_unavailable', self.refused(409, answer)[0])
        self.service.start_agent()
        self.service.until(
            'its stock is offered', lambda: self.service.stock() == (2, 0, 0)
        )
        self.service.released(self.service.claim()['uuid'])
