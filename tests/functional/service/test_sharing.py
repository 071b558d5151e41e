"""Several VFs of one region, of one project or of several."""

import uuid

from tests.fixtures import inprocess
from tests.functional.service import base

VF, CARD = inprocess.VF, inprocess.VF_CARD
ALICE, ADAM, MALLORY = inprocess.ALICE, inprocess.ADAM, inprocess.MALLORY
SECRET = b'the key of project demo'


class SharingTest(base.ServiceTest):
    def image(self, function=None, **how):
        how.setdefault('region', inprocess.VF_REGION)
        return self.service.image(function, **how)

    def own(self, function=None, *, token=ALICE):
        return self.image(function, visibility='private', token=token)

    def claim(self, token=ALICE, **wanted):
        return self.service.claim(token=token, resource_class=VF, **wanted)

    def program(self, claim, image, *, token=ALICE):
        path = f'/claims/{claim["uuid"]}/program'
        return self.service.call(
            'POST', path, {'image_uuid': image}, token=token
        )

    def stock(self):
        return self.service.stock(VF)


class TestSharing(SharingTest):
    def test_two_projects_use_one_region(self):
        function = uuid.uuid4().hex
        image = self.image(function)
        first = self.claim(image_uuid=image)
        second = self.claim(MALLORY, image_uuid=image, count=2)
        self.assertEqual(first['deployable_uuids'], second['deployable_uuids'])
        self.assertEqual([], second['operation_uuids'])
        addresses = first['addresses'] + second['addresses']
        self.assertEqual(3, len(set(addresses)))
        self.assertEqual((4, 0, 3), self.stock())

    def test_nobody_programs_what_another_uses_a_part_of(self):
        image, other = self.image(), self.image()
        first = self.claim(image_uuid=image)
        second = self.claim(MALLORY, image_uuid=image)
        loads = self.service.loads(CARD)
        code, sentence = self.refused(409, self.program(first, other))
        self.assertEqual('fpga.in_use', code)
        self.assertIn('somebody else', sentence)
        self.refused(409, self.program(second, other, token=MALLORY))
        region = first['deployable_uuids'][0]
        self.refused(409, self.service.program(region, other))
        # Nor by a claim that wants something else.
        code, _ = self.refused(
            409, self.service.ask(image_uuid=other, resource_class=VF)
        )
        self.assertEqual('fpga.no_capacity', code)
        self.assertEqual(loads, self.service.loads(CARD))
        # When the other has gone it may be.
        self.service.released(second['uuid'], token=MALLORY)
        answer = self.program(first, other)
        self.assertEqual(202, answer.status_int, answer.text)
        ended = self.service.ended(answer.json['uuid'])
        self.assertEqual('succeeded', ended['state'], ended)

    def test_strangers_cannot_program_each_others_claims(self):
        image = self.image()
        claim = self.claim(image_uuid=image)
        answer = self.program(claim, image, token=MALLORY)
        self.refused(404, answer)
        answer = self.service.program(
            claim['deployable_uuids'][0], image, token=ALICE
        )
        self.refused(403, answer)

    def test_it_is_wiped_when_the_last_one_leaves(self):
        image = self.image()
        first = self.claim(image_uuid=image)
        second = self.claim(MALLORY, image_uuid=image)
        for claim in (first, second):
            self.service.simulator.write_memory(
                claim['addresses'][0], 0, SECRET
            )
        self.service.released(first['uuid'])
        self.assertEqual([], self.wipes())
        self.assertEqual(SECRET, self.memory(second))
        self.assertEqual((4, 0, 1), self.stock())
        self.service.released(second['uuid'], token=MALLORY)
        self.assertEqual(1, len(self.wipes()))
        self.assertEqual(bytes(len(SECRET)), self.memory(first))
        self.assertEqual(bytes(len(SECRET)), self.memory(second))

    def test_those_who_leave_together_wipe_once(self):
        image = self.image()
        claims = [self.claim(image_uuid=image) for _ in range(3)]
        before = len(self.wipes())
        for claim in claims:
            self.service.release(claim['uuid'])
        for claim in claims:
            self.service.gone(claim['uuid'])
        self.assertEqual(before + 1, len(self.wipes()))
        self.assert_nothing_left()

    def test_region_with_a_projects_own_function_is_that_projects(self):
        function = uuid.uuid4().hex
        image = self.own(function)
        first = self.claim(image_uuid=image)
        self.service.until(
            'the rest is reserved', lambda: self.stock() == (4, 3, 1)
        )
        code, _ = self.refused(
            409, self.service.ask(token=MALLORY, resource_class=VF)
        )
        self.assertEqual('fpga.no_capacity', code)
        # Its own project may have another.
        second = self.claim(ADAM, image_uuid=image)
        third = self.claim()
        for claim in (first, second, third):
            self.assertEqual(
                function, self.service.function(claim['addresses'][0])
            )
        for claim in (first, second, third):
            self.service.released(claim['uuid'])
        self.assertNotEqual(
            function, self.service.function(first['addresses'][0])
        )
        self.service.until('all is offered', lambda: self.stock() == (4, 0, 0))

    def test_own_function_keeps_others_out_from_the_moment_it_is_loaded(self):
        first = self.claim()
        self.assertEqual((4, 0, 1), self.stock())
        answer = self.program(first, self.own())
        self.service.ended(answer.json['uuid'])
        self.refused(409, self.service.ask(token=MALLORY, resource_class=VF))

    def wipes(self):
        found = self.service.get('/operations?kind=wipe')['operations']
        region = self.service.deployable(CARD)['uuid']
        return [o for o in found if o['deployable_uuid'] == region
                and o['state'] == 'succeeded']  # fmt: skip

    def memory(self, claim):
        address = claim['addresses'][0]
        return self.service.simulator.read_memory(address, 0, len(SECRET))


class TestExclusive(SharingTest):
    settings = {'conductor': {'exclusive_deployables': True}}

    def test_region_is_one_projects_at_a_time(self):
        image = self.image()
        first = self.claim(image_uuid=image)
        self.refused(409, self.service.ask(token=MALLORY, resource_class=VF))
        second = self.claim(ADAM, image_uuid=image)
        self.service.released(first['uuid'])
        self.refused(409, self.service.ask(token=MALLORY, resource_class=VF))
        self.service.released(second['uuid'])
        third = self.claim(MALLORY)
        self.service.released(third['uuid'], token=MALLORY)


class TestWithoutBlank(SharingTest):
    """Nothing can be cleared where no blank bitstream is configured."""

    settings = {'agent': {'blank_bitstreams': {}}}

    def test_somebodys_own_function_is_not_let_in(self):
        image = self.own()
        before = self.service.loads(CARD)
        answer = self.service.ask(image_uuid=image)
        _, sentence = self.refused(409, answer)
        self.assertIn('clear', sentence)
        claim = self.claim()
        code, sentence = self.refused(409, self.program(claim, image))
        self.assertEqual('fpga.bitstream.unusable', code)
        self.assertIn('clear', sentence)
        self.assertEqual(before, self.service.loads(CARD))
        self.service.released(claim['uuid'])

    def test_who_wants_to_have_it_cleared_is_refused(self):
        answer = self.service.ask(wipe_level='clear')
        _, sentence = self.refused(409, answer)
        self.assertIn('wiped at level clear', sentence)

    def test_public_functions_are(self):
        claim = self.claim(image_uuid=self.image())
        self.service.released(claim['uuid'])
        self.assertEqual('ok', self.service.device(CARD)['health'])
