"""Several hosts of one scenario, and cards that are ill from the start."""

import pathlib

import fixtures
from oslotest import base

from cyborg_fpga.simulator import client
from cyborg_fpga.simulator import scenario
from cyborg_fpga.simulator import server
from tests.fixtures import simulated_host

TWO = """
hosts:
  - {name: a, cards: [{address: '0000:3b:00.0'}]}
  - {name: b, cards: [{address: '0000:5e:00.0', family: SRIOV}]}
"""


class TestPlaces(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def test_several_hosts_have_directories_of_their_own(self):
        found = server.places(self.folder, scenario.parse_hosts(TWO))
        self.assertEqual(
            [('a', self.folder / 'a'), ('b', self.folder / 'b')],
            [place[:2] for place in found],
        )
        for place in found:
            host = server.Host(place.directory, place.wanted)
            host.start()
            self.addCleanup(host.stop)
        (card,) = client.Simulator(self.folder / 'b').cards()
        self.assertEqual('SRIOV', card['family'])
        # Later they are found again without the file.
        again = server.places(self.folder)
        self.assertEqual(['a', 'b'], [place.name for place in again])

    def test_one_host_is_in_the_directory_itself(self):
        (place,) = server.places(self.folder, scenario.parse_hosts(TWO)[:1])
        self.assertEqual(('a', self.folder), place[:2])
        (place,) = server.places(self.folder)
        self.assertEqual(('node1', self.folder, None), place)


class TestFaults(base.BaseTestCase):
    def test_a_fault_of_the_scenario_is_there_once(self):
        text = """
        cards:
          - {address: '0000:3b:00.0', faults: {errors: {value: 4}, hang: {}}}
        """
        host = self.useFixture(simulated_host.SimulatedHost(text))
        (card,) = host.simulator.cards()
        self.assertEqual(4, card['faults']['errors']['value'])
        self.assertIn('hang', card['faults'])
        host.simulator.clear('0000:3b:00.0')
        host.stop()
        host.start()
        self.assertEqual({}, host.simulator.cards()[0]['faults'])
