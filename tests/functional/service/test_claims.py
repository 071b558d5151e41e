"""A claim's road: chosen, reserved, allocated, programmed, released."""

import uuid

from tests.fixtures import inprocess
from tests.functional.service import base


class TestClaim(base.ServiceTest):
    def test_a_claim_by_type_programs_a_card(self):
        function = uuid.uuid4().hex
        image = self.service.known_image(function)
        answer = self.service.ask(type=self.service.type)
        self.assertEqual(202, answer.status_int, answer.text)
        claim = self.service.settled(answer.json['uuid'], 'ready')
        self.assertEqual(image, claim['image_uuid'])
        (address,) = claim['addresses']
        self.assertEqual(function, self.service.function(address))
        self.assertEqual(1, self.service.allocated(claim['uuid']))
        trait = f'CUSTOM_FPGA_FUNCTION_ID_INTEL_{function.upper()}'
        self.service.until(
            'the function is a trait',
            lambda: trait in self.service.traits(inprocess.PF),
        )
        self.service.released(claim['uuid'])
        self.assert_nothing_left()
