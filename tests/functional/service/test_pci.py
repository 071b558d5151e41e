"""A card that is handed out as it is, from its stock to its release."""

import pathlib

from tests.fixtures import inprocess
from tests.functional.service import base

VF = 'CUSTOM_FPGA_ACME_VF'
FUNCTIONS = ['0000:3b:10.0', '0000:3b:10.2', '0000:3b:10.4']


class TestPci(base.ServiceTest):
    scenario = "cards: [{address: '0000:3b:00.0', family: SRIOV, vfs: 3}]"
    settings = {
        'agent': {'enabled_drivers': ['pci']},
        'devices': {
            'families': str(pathlib.Path(__file__).with_name('pci.yaml'))
        },
    }

    def test_placement_has_its_functions_and_does_not_promise_more(self):
        (provider,) = (p for p in self.service.providers() if p['inventories'])
        self.assertEqual(3, provider['inventories'][VF]['total'])
        self.assertIn('CUSTOM_FPGA_ACME_X1', provider['traits'])
        self.assertNotIn('CUSTOM_PROGRAMMABLE', provider['traits'])

    def test_functions_are_claimed_and_reset_when_given_back(self):
        first = self.service.claim(resource_class=VF, count=2)
        second = self.service.claim(token=inprocess.MALLORY, resource_class=VF)
        addresses = [*first['addresses'], *second['addresses']]
        self.assertEqual(FUNCTIONS, sorted(addresses))
        for address in addresses:
            self.service.simulator.write_memory(address, 0, b'secret')
        self.service.released(first['uuid'])
        for address in first['addresses']:
            self.assertEqual(
                bytes(6), self.service.simulator.read_memory(address, 0, 6)
            )
        # Who still holds one keeps what is on it.
        self.assertEqual(
            b'secret',
            self.service.simulator.read_memory(second['addresses'][0], 0, 6),
        )
        self.service.released(second['uuid'], token=inprocess.MALLORY)
        self.assert_nothing_left()
        self.assertEqual((3, 0, 0), self.service.stock(VF))

    def test_it_is_not_programmed(self):
        image = self.service.known_image()
        code, _ = self.refused(
            400, self.service.ask(image_uuid=image, resource_class=VF)
        )
        self.assertEqual('fpga.bitstream.does_not_fit', code)
        self.assert_untouched()
