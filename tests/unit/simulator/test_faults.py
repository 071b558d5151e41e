"""Faults that are set while a card works."""

import errno

from oslotest import base

from tests.fixtures import simulated_host

A10 = '0000:3b:00.0'


class TestSet(base.BaseTestCase):
    def test_what_is_no_number_is_refused_and_nothing_is_set(self):
        host = self.useFixture(simulated_host.SimulatedHost())
        for kind, name in (
            ('fail', 'percent'),
            ('drop', 'percent'),
            ('slow', 'seconds'),
            ('hang', 'times'),
            ('hot', 'celsius'),
        ):
            for text in ('nan', 'inf', '-inf', '1e999'):
                exc = self.assertRaises(
                    OSError, host.simulator.fault, A10, kind, **{name: text}
                )
                self.assertEqual(errno.EINVAL, exc.errno)
                self.assertIn(f"{name}: '{text}' is not valid", str(exc))
        card = host.simulator.cards()[0]
        self.assertEqual((A10, {}), (card['address'], card['faults']))
