"""The contract on a host that the environment names: mounted, so as real."""

from oslotest import base

from cyborg_fpga.simulator import samples
from tests.fixtures import mounted
from tests.unit.drivers import subjects
from tests.unit.drivers import test_given_host as given

CARD = '0000:3b:00.0'
CARDS = f"""
cards:
  - {{address: '{CARD}', family: PAC_A10, program_fixed: 0}}
  - {{address: '0000:5e:00.0', family: PAC_D5005, program_fixed: 0}}
"""
REGION = '69528db6eb31577a8c3668f9faa081f6'


class TestGivenHost(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.mounted = self.useFixture(mounted.Mounted(CARDS))
        self.host = self.useFixture(mounted.Host(self.mounted))
        self.given = {
            'SYSROOT': self.mounted.point / 'sys',
            'DEVROOT': self.mounted.point / 'dev',
            'DRIVER': 'intel_dfl',
        }

    def loads(self):
        return [
            port['loads']
            for card in self.host.simulator.cards()
            for port in card['ports']
        ]

    def test_it_passes_and_only_an_image_changes_a_card(self):
        status, said = given.run(**self.given)
        self.assertIn(f'Ran {given.LOOKING} tests', said)
        self.assertEqual(0, status, said)
        self.assertEqual([0, 0], self.loads())

        image = self.mounted.directory / 'image'
        image.write_bytes(samples.sample_gbs(REGION, subjects.FUNCTION))
        self.given |= {'IMAGE': image, 'DEPLOYABLE': f'{CARD}/port0'}
        status, said = given.run(**self.given)
        self.assertIn(f'Ran {given.LOOKING + 1} tests', said)
        self.assertEqual(0, status, said)
        # The third is its reset.
        self.assertEqual([3, 0], self.loads())

    def test_a_card_that_lies_fails(self):
        self.host.simulator.fault(CARD, 'lie')
        image = self.mounted.directory / 'image'
        image.write_bytes(samples.sample_gbs(REGION, subjects.FUNCTION))
        self.given |= {'IMAGE': image, 'DEPLOYABLE': f'{CARD}/port0'}
        status, said = given.run(**self.given)
        self.assertEqual(1, status, said)
        self.assertIn('test_an_image_is_loaded_read_back_and_wiped', said)
