"""An Alveo card, from its stock to its release."""

import uuid

from cyborg_fpga.simulator import samples
from tests.functional.service import base

SHELL = 'f2b82d53372f41a4bbe93dfe1c0b3c8e'


class TestXrt(base.ServiceTest):
    scenario = """
    cards: [{address: '0000:3b:00.0', family: U250, program_fixed: 0}]
    """
    settings = {
        'agent': {'enabled_drivers': ['xilinx_xrt']},
    }

    def test_an_xclbin_is_known_by_itself_and_loaded_for_a_claim(self):
        function = uuid.uuid4().hex
        # Neither region nor function is told: the file says both.
        self.service.known_image(
            data=samples.sample_xclbin(SHELL, function), vendor='xilinx'
        )
        (provider,) = (p for p in self.service.providers() if p['inventories'])
        self.assertIn('CUSTOM_FPGA_XILINX_PF', provider['inventories'])
        claim = self.service.claim(type=self.service.type)
        self.assertEqual(['0000:3b:00.1'], claim['addresses'])
        path = f'/deployables?hostname={self.service.hostname}'
        (region,) = self.service.get(path)['deployables']
        self.assertEqual(function, region['function_id'])
        self.service.released(claim['uuid'])
        self.assert_nothing_left()
        # A blank xclbin was loaded, and then the same once more.
        (region,) = self.service.get(path)['deployables']
        self.assertEqual(function, region['function_id'])
        (card,) = self.service.simulator.cards()
        self.assertEqual(3, card['ports'][0]['loads'])
