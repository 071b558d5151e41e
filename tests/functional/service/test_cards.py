"""Cards that refuse, hang, lie or go, and what operators can do then."""

import uuid

from tests.fixtures import inprocess
from tests.functional.service import base

PF, CARD = inprocess.PF, inprocess.CARDS[0]


class FaultTest(base.ServiceTest):
    def fault(self, kind, **arguments):
        """Whichever card is taken has it."""
        for card in inprocess.CARDS:
            self.service.simulator.fault(card, kind, **arguments)

    def mend_cards(self):
        for card in inprocess.CARDS:
            self.service.simulator.clear(card)

    def fails(self, cause, **wanted):
        """A claim that must fail; it and the operation's words."""
        answer = self.service.ask(**wanted)
        self.assertEqual(202, answer.status_int, answer.text)
        self.card = answer.json['addresses'][0]
        claim = self.service.settled(answer.json['uuid'], 'failed')
        self.assertEqual(cause, claim['fault']['code'], claim['fault'])
        self.assertEqual([], claim['addresses'])
        self.assertEqual(0, self.service.allocated(claim['uuid']))
        (operation,) = (
            o
            for o in map(self.service.ended, claim['operation_uuids'])
            if o['kind'] == 'program'
        )
        self.assertEqual('failed', operation['state'])
        self.assertNotIn('Traceback', operation['detail'])
        self.service.release(claim['uuid'])
        self.assert_nothing_left()
        return operation['detail']

    def all_traits(self):
        found = [one['traits'] for one in self.service.providers()]
        return set().union(*found)


class TestFaults(FaultTest):
    settings = {'conductor': {'deadline_min': 5}}

    def test_card_that_refuses_fails_the_claim(self):
        image = self.service.image()
        self.fault('fail', times=1)
        detail = self.fails('device_error', image_uuid=image)
        self.assertIn('reconfig operation error', detail)
        self.mend_cards()
        claim = self.service.claim(image_uuid=image, count=2)
        self.service.released(claim['uuid'])

    def test_card_that_lies_fails_the_claim(self):
        function = uuid.uuid4().hex
        image = self.service.image(function)
        self.fault('lie', times=1)
        detail = self.fails('readback_mismatch', image_uuid=image)
        self.assertIn('deadbeef', detail)
        self.assertIn(function, detail)
        # What it claims to hold is nobody's promise.
        for name in self.all_traits():
            self.assertNotIn('DEADBEEF', name)
            self.assertNotIn(function.upper(), name)
        self.assertNotEqual('deadbeef' * 4, self.service.function(self.card))

    def test_card_that_is_read_wrongly_fails_the_claim(self):
        function = uuid.uuid4().hex
        image = self.service.image(function)
        self.fault('misread', function_id='feedface' * 4)
        detail = self.fails('readback_mismatch', image_uuid=image)
        self.assertIn('feedface', detail)
        for name in self.all_traits():
            self.assertNotIn(function.upper(), name)

    def test_card_that_goes_while_it_is_loaded_fails_the_claim(self):
        image = self.service.image()
        self.fault('drop', percent=50)
        self.fails('device_gone', image_uuid=image)
        self.service.until(
            'it is lost',
            lambda: self.service.device(self.card)['health'] == 'lost',
        )
        self.mend_cards()
        self.service.until(
            'both are offered', lambda: self.service.stock() == (2, 0, 0)
        )
        claim = self.service.claim(image_uuid=image, count=2)
        self.service.released(claim['uuid'])

    def test_card_that_hangs_fails_the_claim_in_time(self):
        image = self.service.image()
        self.fault('hang')
        answer = self.service.ask(image_uuid=image)
        (uuid_,) = answer.json['operation_uuids']
        ended = self.service.ended(uuid_)
        self.assertEqual('timeout', ended['cause'], ended)
        (address,) = answer.json['addresses']
        region = self.service.deployable(address)
        self.assertEqual('unknown', region['state'])
        # Nobody gets it: it may still be written to.
        self.assertEqual((2, 0, 1), self.service.stock())
        self.refused(409, self.service.ask(resource_class=PF, count=2))
        answer = self.service.program(region['uuid'], image)
        self.assertEqual('fpga.in_use', self.refused(409, answer)[0])
        self.mend_cards()
        self.service.settled(ended['claim_uuid'], 'failed')

    def test_forced_release_of_what_hangs_leaves_the_card_out_of_use(self):
        image = self.service.image()
        self.fault('hang')
        answer = self.service.ask(image_uuid=image)
        claim = answer.json['uuid']
        self.service.release(claim, token=inprocess.ADMIN, force=True)
        self.service.gone(claim)
        self.assertEqual(0, self.service.allocated(claim))
        self.service.until(
            'it is reserved', lambda: self.service.stock() == (2, 1, 0)
        )
        self.mend_cards()
        self.service.until(
            'it is back', lambda: self.service.stock() == (2, 0, 0)
        )

    def test_cancelled_operation_ends_its_claim(self):
        image = self.service.image()
        self.fault('hang')
        answer = self.service.ask(image_uuid=image)
        (operation,) = answer.json['operation_uuids']
        self.service.until(
            'it runs',
            lambda: (
                self.service.get(f'/operations/{operation}')['state']
                == 'running'
            ),
        )
        path = f'/operations/{operation}/cancel'
        cancelled = self.service.call('POST', path)
        self.assertEqual(200, cancelled.status_int // 100 * 100)
        self.assertEqual('cancelled', self.service.ended(operation)['state'])
        again = self.service.call('POST', path)
        self.assertEqual('fpga.wrong_state', self.refused(409, again)[0])
        # The card hangs on, and its claim says who can do what about it.
        claim = self.service.get(f'/claims/{answer.json["uuid"]}')
        self.assertEqual('cancelled', claim['fault']['code'])
        self.assertIn('claim release --force', claim['fault']['message'])
        self.service.release(claim['uuid'], token=inprocess.ADMIN, force=True)
        self.service.gone(claim['uuid'])
        self.mend_cards()

    def test_card_that_goes_away_is_lost_and_comes_back(self):
        claim = self.service.claim(resource_class=PF)
        (address,) = claim['addresses']
        self.service.simulator.fault(address, 'vanish')
        self.service.until(
            'it is lost',
            lambda: self.service.device(address)['health'] == 'lost',
        )
        # Who has it keeps it, on paper.
        now = self.service.get(f'/claims/{claim["uuid"]}')
        self.assertEqual(('ready', [address]),
                         (now['state'], now['addresses']))  # fmt: skip
        self.assertEqual(1, self.service.allocated(claim['uuid']))
        self.service.released(claim['uuid'])
        self.assertEqual((2, 1, 0), self.service.stock())
        self.refused(409, self.service.ask(resource_class=PF, count=2))
        self.service.simulator.clear(address)
        self.service.until(
            'it is offered', lambda: self.service.stock() == (2, 0, 0)
        )

    def test_failures_in_a_row_quarantine_the_card(self):
        image = self.service.image()
        region = self.service.deployable()
        self.service.simulator.fault(CARD, 'lie')
        failures = []

        def quarantined():
            if self.service.device()['health'] == 'quarantined':
                return True
            # What a lying card shows is wiped in between.
            answer = self.service.program(region['uuid'], image)
            if answer.status_int == 200:
                operation = answer.headers['Location'].rsplit('/', 1)[1]
                failures.append(self.service.ended(operation)['state'])
            return False

        self.service.until('it is quarantined', quarantined)
        self.assertEqual({'failed'}, set(failures))
        self.assertLessEqual(len(failures), 3)
