"""A slot of an AWS instance, from its stock to its release."""

import uuid

from cyborg_fpga.bitstream import afi
from tests.functional.service import base


class TestAws(base.ServiceTest):
    scenario = """
    cards: [{address: '0000:34:00.0', family: F2, program_fixed: 0}]
    """
    settings = {'agent': {'enabled_drivers': ['aws_f2']}}

    def test_an_image_is_loaded_by_its_id_and_the_slot_cleared(self):
        function = uuid.uuid4().hex[-17:]
        self.service.known_image(
            data=afi.build(f'agfi-{function}', 0x10212415), vendor='aws'
        )
        claim = self.service.claim(type=self.service.type)
        self.assertEqual(['0000:34:00.0'], claim['addresses'])
        path = f'/deployables?hostname={self.service.hostname}'
        (region,) = self.service.get(path)['deployables']
        self.assertEqual(f'{function:0>32}', region['function_id'])
        self.service.released(claim['uuid'])
        self.assert_nothing_left()
        (region,) = self.service.get(path)['deployables']
        self.assertIsNone(region['function_id'])
