"""The owner of a ready claim loads another image, and that goes wrong."""

import uuid

from tests.fixtures import inprocess
from tests.functional.service import base

PF = inprocess.PF


class TestReprogramming(base.ServiceTest):
    settings = {'conductor': {'deadline_min': 5}}
    agent_seconds = 2

    def setUp(self):
        super().setUp()
        self.old = self.service.image()
        self.mine = self.service.claim(image_uuid=self.old)
        (self.address,) = self.mine['addresses']
        self.path = f'/claims/{self.mine["uuid"]}'

    def ask(self, image, method='POST'):
        return self.service.call(
            method,
            f'{self.path}/program',
            {'image_uuid': image},
            token=inprocess.ALICE,
        )

    def program(self, image, method='POST'):
        """Load *image*, once the card can be programmed; the operation."""

        def taken():
            answer = self.ask(image, method)
            return answer.json if answer.status_int == 202 else None

        found = self.service.until('it is programmed again', taken)
        return self.service.ended(found['uuid'])

    def claim(self):
        return self.service.get(self.path, token=inprocess.ALICE)

    def assert_held(self):
        """The claim, which has lost nothing."""
        now = self.claim()
        for name in ('addresses', 'deployable_uuids', 'hostname', 'type'):
            self.assertEqual(self.mine[name], now[name])
        self.assertEqual('ready', now['state'])
        self.assertEqual(1, self.service.allocated(now['uuid']))
        return now

    def region(self):
        return self.service.deployable(self.address)

    def spoil(self):
        """Fail with the card in the middle of a load."""
        self.service.simulator.fault(self.address, 'fail', times=1)
        operation = self.program(self.service.image())
        self.assertEqual(
            ('failed', 'device_error'),
            (operation['state'], operation['cause']),
        )
        return operation

    def test_fault_is_shown_until_the_card_is_programmed_again(self):
        operation = self.spoil()
        now = self.assert_held()
        self.assertEqual('device_error', now['fault']['code'])
        self.assertIn(operation['detail'], now['fault']['message'])
        self.assertIn('release', now['fault']['message'])
        self.assertIsNone(now['image_uuid'])
        self.assertIsNone(self.region()['bitstream_id'])
        function = uuid.uuid4().hex
        new = self.service.image(function)
        self.assertEqual('succeeded', self.program(new, 'PATCH')['state'])
        now = self.assert_held()
        self.assertEqual((None, new), (now['fault'], now['image_uuid']))
        self.assertEqual(function, self.service.function(self.address))
        self.assertEqual('ok', self.service.device(self.address)['health'])
        self.service.released(self.mine['uuid'])
        self.assert_nothing_left()

    def test_failure_before_the_first_byte_changes_nothing(self):
        before = self.service.loads(self.address)
        image = self.service.known_image()
        self.service.stored(image).unlink()
        operation = self.program(image)
        self.assertEqual('image_unavailable', operation['cause'])
        now = self.assert_held()
        self.assertEqual((None, self.old), (now['fault'], now['image_uuid']))
        self.assertEqual(self.old, self.region()['bitstream_id'])
        self.assertEqual('idle', self.region()['state'])
        self.assertEqual(before, self.service.loads(self.address))

    def test_claim_with_a_fault_is_released_as_any_other(self):
        self.spoil()
        self.service.released(self.mine['uuid'])
        self.assert_nothing_left()
        self.service.until(
            'its stock is offered', lambda: self.service.stock() == (2, 0, 0)
        )

    def test_claim_is_released_while_it_is_programmed(self):
        self.service.simulator.fault(self.address, 'slow', seconds=1)
        answer = self.ask(self.service.image())
        self.service.released(self.mine['uuid'])
        self.assertEqual(202, answer.status_int)
        self.assert_nothing_left()

    def test_claim_on_a_quarantined_card_is_released(self):
        limit = self.service.conf.conductor.quarantine_after
        for _ in range(limit):
            self.spoil()
        health = self.service.device(self.address)['health']
        self.assertEqual('quarantined', health)
        self.assert_held()
        self.service.released(self.mine['uuid'])
        self.service.until(
            'it is reserved', lambda: self.service.stock() == (2, 1, 0)
        )

    def test_card_whose_agent_died_in_the_middle_can_be_given_back(self):
        self.lose_agent()
        now = self.assert_held()
        self.assertEqual('agent_lost', now['fault']['code'])
        self.assertIsNone(now['image_uuid'])
        self.assertEqual('unknown', self.region()['state'])
        answer = self.ask(self.old)
        self.assertEqual('fpga.in_use', self.refused(409, answer)[0])
        # Nobody can wipe it now; that it is given back is recorded.
        self.service.release(self.mine['uuid'])
        waits = self.claim()
        self.assertEqual('releasing', waits['state'])
        self.assertGreater(waits['state_changed_at'], now['state_changed_at'])
        self.service.release(
            self.mine['uuid'], token=inprocess.ADMIN, force=True
        )
        self.service.gone(self.mine['uuid'])
        # It is nobody's, and is not offered before it is wiped.
        self.assertTrue(self.region()['wipe_pending'])
        self.assertEqual((2, 1, 0), self.service.stock())

    def test_agent_that_comes_back_ends_what_is_unknown(self):
        self.lose_agent()
        self.service.simulator.clear(self.address)
        self.service.start_agent()
        self.service.until(
            'it is known', lambda: self.region()['state'] == 'idle'
        )
        self.assertEqual('agent_lost', self.assert_held()['fault']['code'])
        self.assertEqual('succeeded', self.program(self.old)['state'])
        now = self.assert_held()
        self.assertEqual((None, self.old), (now['fault'], now['image_uuid']))

    def lose_agent(self):
        """Have the agent gone with an operation on the card."""
        self.service.simulator.fault(self.address, 'hang')
        operation = self.ask(self.service.image()).json['uuid']
        self.service.until(
            'it runs',
            lambda: (
                self.service.get(f'/operations/{operation}')['state']
                == 'running'
            ),
        )
        self.service.stop_agent()
        ended = self.service.ended(operation)
        self.assertEqual('agent_lost', ended['cause'])
