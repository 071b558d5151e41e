"""A chip behind the generic FPGA manager, from its stock to its release."""

import pathlib

from cyborg_fpga.simulator import samples
from tests.functional.service import base


class TestZynq(base.ServiceTest):
    scenario = """
    cards:
      - {address: 'ffffffff:ff:00.0', family: ZYNQ7000, program_fixed: 0}
    """
    settings = {
        'agent': {'enabled_drivers': ['fpga_manager']},
        'conductor': {'wipe_public': 'none'},
        'devices': {
            'families': str(pathlib.Path(__file__).with_name('zynq.yaml'))
        },
    }

    def test_a_claim_has_it_programmed_and_its_function_stays(self):
        (provider,) = (p for p in self.service.providers() if p['inventories'])
        self.assertEqual(1, provider['inventories']['FPGA']['total'])
        self.assertIn('CUSTOM_FPGA_XILINX_ZYNQ7000', provider['traits'])
        self.service.known_image(
            data=samples.sample_bit(
                '7z020clg484-1', '03727093', name=self.service.type
            ),
            vendor='xilinx',
            region_id='a1b2c3d4' * 4,
        )
        for expected in (1, 0):
            claim = self.service.claim(type=self.service.type)
            self.assertEqual(['ffffffff:ff:00.0'], claim['addresses'])
            # Who comes next finds it warm.
            self.assertEqual(expected, len(claim['operation_uuids']))
            self.service.released(claim['uuid'])
        self.assert_nothing_left()
        (card,) = self.service.simulator.cards()
        self.assertEqual('operating', card['manager']['state'])
        self.assertEqual(1, card['ports'][0]['loads'])
