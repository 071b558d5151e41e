"""Several hosts of one scenario, and cards that are ill from the start."""

import pathlib

import fixtures
import oslo_messaging as messaging
from oslo_config import cfg
from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.cmd import simulated_hosts
from cyborg_fpga.simulator import accessor
from cyborg_fpga.simulator import client
from cyborg_fpga.simulator import scenario
from cyborg_fpga.simulator import server
from tests.fixtures import simulated_host
from tests.unit.agent import fakes

TWO = """
hosts:
  - {name: a, cards: [{address: '0000:3b:00.0'}]}
  - {name: b, cards: [{address: '0000:5e:00.0', family: SRIOV}]}
"""
ALL = """
hosts:
  - name: a
    cards:
      - {address: '0000:3b:00.0', family: PAC_D5005, vfs: 2}
      - {address: '0000:5e:00.0', family: U250}
      - {address: '0000:86:00.0', family: SRIOV, vfs: 2}
      - {address: '0000:af:00.0', family: F2}
  - name: b
    cards:
      - {address: 'ffffffff:ff:00.0', family: ZYNQ7000}
      - {address: 'ffffffff:ff:00.1', family: ZYNQMP}
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


class TestMounted(base.BaseTestCase):
    def test_functions_of_a_mounted_host_are_those_of_simulated_cards(self):
        host = self.useFixture(simulated_host.SimulatedHost())
        # As good as a mount, for what is not asked of its files.
        fs = accessor.MountedSysfs(host.directory, host.directory)
        exc = self.assertRaises(
            errors.CannotRun, fs.run_function, '0000:3b:00.0', b''
        )
        self.assertIn('nothing is programmed', str(exc))


class TestAgents(base.BaseTestCase):
    """The all-in-one's agents."""

    def test_every_family_has_its_driver_and_can_be_wiped(self):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        places = server.places(folder / 'host', scenario.parse_hosts(ALL))
        for place in places:
            host = server.Host(place.directory, place.wanted)
            host.start()
            self.addCleanup(host.stop)
        file = folder / 'shared.conf'
        file.write_text('[agent]\nreport_interval = 60\n')
        transport = messaging.get_rpc_transport(cfg.ConfigOpts(), 'fake://')
        self.addCleanup(transport.cleanup)
        agents = simulated_hosts.agents(file, folder, places, transport)
        self.assertEqual(['a', 'b'], [*agents])
        found = {}
        for agent in agents.values():
            conductor = fakes.Conductor()
            agent._reporter._conductor = conductor
            agent.start()
            self.addCleanup(agent.stop)
            self.assertTrue(
                fakes.wait_for(lambda c=conductor: c.reports, seconds=60)
            )
            for device in conductor.reports[0].devices:
                (region, *_) = device.deployables
                found[device.family] = (device.driver, region.wipe_levels[0])
        clear, reset = model.WipeLevel.CLEAR, model.WipeLevel.RESET
        self.assertEqual(
            {
                'PAC_D5005': ('intel_dfl', reset),
                'U250': ('xilinx_xrt', reset),
                'SRIOV': ('pci', reset),
                'F2': ('aws_f2', clear),
                'ZYNQ7000': ('fpga_manager', reset),
                'ZYNQMP': ('fpga_manager', reset),
            },
            found,
        )
