"""The scenario files that come with the service."""

import pathlib

from oslotest import base

from cyborg_fpga import model
from cyborg_fpga.drivers import intel_dfl
from cyborg_fpga.simulator import families
from cyborg_fpga.simulator import samples
from cyborg_fpga.simulator import scenario
from tests.fixtures import simulated_host

FOLDER = pathlib.Path(__file__).parents[3] / 'etc/cyborg_fpga/scenarios'


class TestShipped(base.BaseTestCase):
    def hosts(self, name):
        return scenario.load(FOLDER / f'{name}.yaml')

    def found(self, host):
        """What a driver finds on *host* once it is built."""
        built = self.useFixture(simulated_host.SimulatedHost(host.dump()))
        self.driver = intel_dfl.IntelDFLDriver(built.fs)
        self.folder = built.directory
        return self.driver.discover()

    def test_every_file_is_known_here_and_says_how_to_use_it(self):
        files = sorted(FOLDER.iterdir())
        self.assertEqual(
            ['laptop.yaml', 'load-test.yaml'], [path.name for path in files]
        )
        for path in files:
            self.assertIn(f'--scenario etc/cyborg_fpga/scenarios/{path.name}',
                          path.read_text())  # fmt: skip

    def test_a_laptop_has_one_card_that_the_tutorial_can_program(self):
        (host,) = self.hosts('laptop')
        (card,) = self.found(host)
        (region,) = card.deployables
        self.assertEqual(samples.EXAMPLE_REGION, region.region_id)
        self.assertEqual(model.HandleKind.PF, region.handle_kind)
        image = self.folder / 'image'
        image.write_bytes(
            samples.sample_gbs(region.region_id, samples.EXAMPLE_FUNCTION)
        )
        self.driver.program(card.pci_address, region.name, image)
        self.assertEqual(
            samples.EXAMPLE_FUNCTION,
            self.driver.identify(card.pci_address, region.name),
        )

    def test_a_load_test_has_a_thousand_hosts_of_eight_times_eight(self):
        hosts = self.hosts('load-test')
        self.assertEqual(1000, len({host.name for host in hosts}))
        self.assertEqual({8}, {len(host.cards) for host in hosts})
        self.assertEqual(1000 * [hosts[0].cards], [h.cards for h in hosts])
        found = self.found(hosts[-1])
        handles = {h for c in found for d in c.deployables for h in d.handles}
        self.assertEqual((8, 64), (len(found), len(handles)))


class TestSpeed(base.BaseTestCase):
    def test_each_model_takes_its_own_time(self):
        found = {}
        for family, where in (
            ('PAC_A10', '0000:3b:00.0'),
            ('PAC_D5005', '0000:3b:00.0'),
            ('U250', '0000:3b:00.0'),
            ('ZYNQ7000', 'ffffffff:ff:00.0'),
        ):
            text = f"cards: [{{address: '{where}', family: {family}}}]"
            (card,) = scenario.parse(text).cards
            found[card.program_fixed, card.program_rate] = family
        self.assertEqual(4, len(found), found)

    def test_a_scenario_has_the_last_word(self):
        text = """
        cards: [{address: '0000:3b:00.0', family: U250, program_fixed: 7}]
        """
        (card,) = scenario.parse(text).cards
        speed = families.speed('U250')
        self.assertEqual(7, card.program_fixed)
        self.assertEqual(speed['program_rate'], card.program_rate)
