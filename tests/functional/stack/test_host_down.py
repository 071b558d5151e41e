"""An agent that is gone, and a card that is."""

from tests.fixtures import stack
from tests.functional.stack import base

VF = 'CUSTOM_FPGA_INTEL_VF'
CARDS = ('0000:3b:00.0', '0000:5e:00.0')


class HostDownTest(base.StackTest):
    settings = {
        'agent': {'report_interval': 1},
        'conductor': {'host_down_after': 4},
    }

    def setUp(self):
        super().setUp()
        self.addCleanup(self.revive)

    def revive(self):
        if not self.stack.agent.alive:
            self.stack.agent = self.stack.start('agent')
        self.stack.until('the host is up', self.is_up)

    def is_up(self):
        path = f'/hosts/{self.stack.hostname}'
        return self.stack.admin.get(path)['up']

    def reserved(self):
        return [self.stack.stock(name)['reserved'] for name in (stack.PF, VF)]

    def test_nothing_of_a_silent_host_can_be_had(self):
        mine = self.claim()['uuid']
        self.stack.agent.kill()
        self.stack.until('the host is down', lambda: not self.is_up())
        self.assertEqual(
            (409, 'fpga.host_unavailable'),
            self.stack.refusal('/claims', self.wish()),
        )
        anywhere = {'resource_class': stack.PF}
        self.assertEqual(
            (409, 'fpga.no_capacity'),
            self.stack.refusal('/claims', anywhere),
        )
        self.stack.until(
            'free stock is reserved', lambda: self.reserved() == [1, 4]
        )
        self.assertEqual('ready', self.stack.claim_in(mine, 'ready')['state'])
        self.revive()
        self.stack.until(
            'the stock is offered', lambda: self.reserved() == [0, 0]
        )
        self.stack.claim_in(self.claim()['uuid'], 'ready')
        self.agree()

    def test_released_card_of_a_silent_host_waits_for_its_wipe(self):
        mine = self.claim()
        (address,) = mine['addresses']
        self.stack.cards.write_memory(address, 0, b'secret')
        self.stack.agent.kill()
        self.stack.until('the host is down', lambda: not self.is_up())
        self.stack.api.delete(f'/claims/{mine["uuid"]}')
        self.revive()
        self.stack.gone(mine['uuid'])
        self.assertEqual(bytes(6), self.stack.cards.read_memory(address, 0, 6))
        self.assert_released()

    def test_claim_outlives_its_card(self):
        image, _function = self.image()
        mine = self.stack.claim_in(self.claim(image)['uuid'], 'ready')
        (lost,) = mine['addresses']
        (other,) = set(CARDS) - {lost}
        self.stack.cards.write_memory(lost, 0, b'secret')
        self.stack.cards.fault(other, 'errors', value=1)
        self.stack.cards.fault(lost, 'vanish')
        # The rest of the same report holds.
        self.await_health({lost: 'lost', other: 'suspect'})
        self.assertEqual(
            ([lost], 'ready'),
            (self.get(mine)['addresses'], self.get(mine)['state']),
        )
        self.stack.release(mine['uuid'])
        self.agree()
        self.stack.until(
            'neither is offered', lambda: self.reserved() == [2, 0]
        )
        # Nor is the suspect one offered.
        self.assertEqual(
            (409, 'fpga.no_capacity'),
            self.stack.refusal('/claims', self.wish()),
        )
        self.stack.cards.clear(other)
        self.await_health({lost: 'lost', other: 'ok'})
        anything = self.stack.claim_in(self.claim()['uuid'], 'ready')
        self.assertEqual([other], anything['addresses'])
        self.assertEqual(
            (409, 'fpga.no_capacity'),
            self.stack.refusal('/claims', self.wish()),
        )
        self.stack.cards.clear(lost)
        self.await_health({lost: 'ok', other: 'ok'})
        self.stack.until(
            'the stock is offered', lambda: self.reserved() == [0, 0]
        )
        self.agree()
        self.assertEqual(bytes(6), self.stack.cards.read_memory(lost, 0, 6))

    def get(self, claim):
        return self.stack.api.get(f'/claims/{claim["uuid"]}')

    def await_health(self, wanted):
        def holds():
            devices = self.stack.devices()
            return wanted == {card: devices[card]['health'] for card in wanted}

        self.stack.until(f'cards are {wanted}', holds)
