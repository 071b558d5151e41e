"""How configuration becomes an agent: which cards it reports."""

import pathlib

import fixtures
import oslo_messaging as messaging
from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga.agent import manager
from tests.fixtures import simulated_host
from tests.unit import test_conf
from tests.unit.agent import fakes


class TestBuild(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.host = self.useFixture(simulated_host.SimulatedHost())
        self.conf = test_conf.configuration()
        self.conf.set_override('state_path', str(folder / 's'), 'agent')
        self.conf.set_override('cache_path', str(folder / 'c'), 'agent')
        self.transport = messaging.get_rpc_transport(self.conf, 'fake://')
        self.addCleanup(self.transport.cleanup)

    def build(self):
        return manager.build(self.conf, self.transport, self.host.fs)

    def reported(self):
        """What the agent's first report says of its cards."""
        agent = self.build()
        conductor = fakes.Conductor()
        agent._reporter._conductor = conductor
        agent.start()
        self.addCleanup(agent.stop)
        self.assertTrue(fakes.wait_for(lambda: conductor.reports, seconds=60))
        return [
            (str(device.pci_address), device.family)
            for device in conductor.reports[0].devices
        ]

    def test_only_cards_that_are_ours_are_reported(self):
        self.conf.set_override('exclude', ['0000:3b:00.0'], 'devices')
        self.assertEqual(
            [('0000:5e:00.0', 'PAC_A10'), ('0000:86:00.0', 'PAC_D5005')],
            self.reported(),
        )

    def test_the_families_of_the_site_are_used(self):
        path = self.host.directory / 'site.yaml'
        path.write_text("""
        families:
          - {driver: intel_dfl, vendor: intel, name: OWN, ids: ['8086/09c4']}
        """)
        self.conf.set_override('families', str(path), 'devices')
        self.assertEqual(('0000:3b:00.0', 'OWN'), self.reported()[0])

    def test_a_mistake_keeps_the_agent_from_starting(self):
        for name, value in (
            ('exclude', ['card0']),
            ('include', ['card0']),
            ('families', '/nonexistent.yaml'),
        ):
            self.conf.set_override(name, value, 'devices')
            self.assertRaises(errors.InvalidInput, self.build)
            self.conf.clear_override(name, 'devices')
