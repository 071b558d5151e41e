"""Cards that are ill, gone or new, from the kernel's files to the API."""

from cyborg_fpga import model
from tests.fixtures import inprocess
from tests.functional.service import base

CARD, OTHER = inprocess.CARDS
HOT = 'temperature dfl_fme_thermal is 95 °C or more'


class HealthTest(base.ServiceTest):
    settings = {'devices': {'recover_after': 1, 'quarantine_after': 2}}

    def is_ill(self, health, card=CARD):
        return lambda: self.service.device(card)['health'] == health

    def test_a_card_that_stays_too_hot_waits_for_an_operator(self):
        device = self.service.device()
        self.assertEqual('', device['health_reason'])
        self.service.simulator.fault(CARD, 'hot')
        self.service.until('it is known', self.is_ill('quarantined'), 60)
        self.assertEqual(HOT, self.service.device()['health_reason'])
        self.assertEqual(HOT, self.service.deployable()['health_reason'])
        self.service.until(
            'it is not offered', lambda: self.service.stock() == (2, 1, 0), 60
        )
        enable = f'/devices/{device["uuid"]}/enable'
        # Its agent finds it as ill as before.
        self.service.call('POST', enable)
        self.service.until('once more', self.is_ill('quarantined'), 60)
        self.service.simulator.clear(CARD)
        self.service.until('its agent knows', self.is_well_to_its_agent, 60)
        self.assertEqual('quarantined', self.service.device()['health'])
        self.service.call('POST', enable)
        self.service.until(
            'it is offered',
            lambda: self.is_ill('ok')() and self.service.stock() == (2, 0, 0),
            60,
        )
        self.assertEqual('', self.service.device()['health_reason'])

    def is_well_to_its_agent(self):
        """And every report that said otherwise has been taken."""
        reporter = self.service.agent._reporter
        (scan,) = reporter._scans
        if scan._last[0].health is not model.Health.OK:
            return False
        last = reporter._sequence
        self.service.until(
            'it has told so', lambda: reporter._sequence > last + 1, 60
        )
        return True


class HotplugTest(base.ServiceTest):
    """With an agent that would report once in an hour."""

    settings = {
        'agent': {'report_interval': 3600},
        'conductor': {'host_down_after': 7200},
    }

    def lost(self, card):
        return self.service.device(card)['health'] == 'lost'

    def test_a_card_that_goes_and_comes_is_known_before_the_next_period(self):
        self.service.simulator.fault(OTHER, 'vanish')
        self.service.until('it is lost', lambda: self.lost(OTHER), 60)
        self.assertFalse(self.lost(CARD))
        self.service.simulator.clear(OTHER)
        self.service.until('it is back', lambda: not self.lost(OTHER), 60)
