"""A card gets its virtual functions, and the cloud hands them out."""

from tests.functional.service import base

CARD = '0000:3b:00.0'
VF, PF = 'CUSTOM_FPGA_INTEL_VF', 'CUSTOM_FPGA_INTEL_PF'


class TestVirtualFunctions(base.ServiceTest):
    scenario = f"cards: [{{address: '{CARD}', ports: 2, program_fixed: 0}}]"
    settings = {'devices': {'vfs': [f'{CARD}=2']}}

    def test_they_are_claimed_by_themselves_and_programmed(self):
        self.service.until(
            'Placement has the VFs',
            lambda: self.service.stock(VF) == (2, 0, 0),
            60,
        )
        self.assertEqual((0, 0, 0), self.service.stock(PF))
        image = self.service.known_image()
        claims = [
            self.service.claim(resource_class=VF, image_uuid=image)
            for _ in range(2)
        ]
        self.assertEqual(
            ['0000:3b:10.0', '0000:3b:10.2'],
            sorted(a for claim in claims for a in claim['addresses']),
        )
        for claim in claims:
            self.service.released(claim['uuid'])
        self.assert_nothing_left()
