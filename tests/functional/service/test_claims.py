"""A claim's road: chosen, reserved, allocated, programmed, released."""

import concurrent.futures
import uuid

from cyborg_fpga.agent import cache
from cyborg_fpga.drivers import intel_dfl
from tests.fixtures import inprocess
from tests.functional.service import base

PF, VF = inprocess.PF, inprocess.VF
SECRET = b'the key of project demo'


def function_trait(function):
    return f'CUSTOM_FPGA_FUNCTION_ID_INTEL_{function.upper()}'


class TestClaim(base.ServiceTest):
    def test_claim_by_type_programs_a_card(self):
        function = uuid.uuid4().hex
        image = self.service.known_image(function)
        answer = self.service.ask(type=self.service.type)
        self.assertEqual(202, answer.status_int, answer.text)
        claim = self.service.settled(answer.json['uuid'], 'ready')
        self.assertEqual(image, claim['image_uuid'])
        (address,) = claim['addresses']
        self.assertEqual(function, self.service.function(address))
        self.assertEqual(1, self.service.allocated(claim['uuid']))
        self.service.until(
            'the function is a trait',
            lambda: function_trait(function) in self.service.traits(),
        )
        self.service.released(claim['uuid'])
        self.assert_nothing_left()
        # The public function is still warm.
        self.assertEqual(function, self.service.function(address))

    def test_warm_card_is_taken_at_once(self):
        function = uuid.uuid4().hex
        image = self.service.known_image(function)
        first = self.service.claim(image_uuid=image)
        self.service.released(first['uuid'])
        for wanted in ({'image_uuid': image}, {'type': self.service.type}):
            loads = self.loads()
            answer = self.service.ask(**wanted)
            self.assertEqual(201, answer.status_int, answer.text)
            self.assertEqual(first['addresses'], answer.json['addresses'])
            self.assertEqual([], answer.json['operation_uuids'])
            # A wipe may load it again.
            self.assertEqual(loads, self.loads())
            self.service.released(answer.json['uuid'])

    def test_least_recently_used_card_is_taken_for_nothing_in_particular(self):
        # One that holds nothing would be taken first.
        image = self.service.image()
        both = self.service.claim(image_uuid=image, count=2)
        self.service.released(both['uuid'])
        first = self.service.claim(resource_class=PF)
        self.service.released(first['uuid'])
        second = self.service.claim(resource_class=PF)
        self.assertNotEqual(first['addresses'], second['addresses'])

    def test_several_come_from_one_provider(self):
        image = self.service.image()
        claim = self.service.claim(
            image_uuid=image, resource_class=PF, count=2
        )
        self.assertEqual(2, len(set(claim['addresses'])))
        held = self.service.rooms.allocations(claim['uuid'])
        (amounts,) = held.resources.values()
        self.assertEqual({PF: 2}, amounts)
        self.assertEqual('FPGA_CLAIM', held.consumer_type)
        self.assertEqual('demo', held.project_id)
        self.assertEqual((2, 0, 2), self.service.stock())

    def test_traits_are_of_the_provider_that_serves(self):
        region = f'CUSTOM_FPGA_REGION_INTEL_{inprocess.VF_REGION.upper()}'
        claim = self.service.claim(traits=['CUSTOM_FPGA', region])
        self.assertEqual(VF, claim['resource_class'])

    def test_neither_type_nor_image_programs_nothing(self):
        loads = self.loads()
        answer = self.service.ask(resource_class=PF)
        self.assertEqual(201, answer.status_int, answer.text)
        self.assertEqual('ready', answer.json['state'])
        self.assertEqual([], answer.json['operation_uuids'])
        # A wipe may load what it holds again.
        self.assertEqual(loads, self.loads())
        self.service.released(answer.json['uuid'])

    def test_many_at_once_get_all_there_is_and_no_more(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(
                pool.map(
                    lambda _: self.service.ask(resource_class=VF), range(8)
                )
            )
        won = [a.json for a in answers if a.status_int == 201]
        self.assertEqual(4, len(won), [a.status_int for a in answers])
        addresses = [address for c in won for address in c['addresses']]
        self.assertEqual(4, len(set(addresses)))
        for answer in answers:
            if answer.status_int != 201:
                self.refused(409, answer)
        self.assertEqual((4, 0, 4), self.service.stock(VF))

    def test_many_at_once_share_a_warm_region(self):
        image = self.service.image(region=inprocess.VF_REGION)
        first = self.service.claim(image_uuid=image)
        wanted = {'image_uuid': image}
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            answers = list(
                pool.map(lambda _: self.service.ask(**wanted), range(3))
            )
        for answer in answers:
            self.assertEqual(201, answer.status_int, answer.text)
        self.service.released(first['uuid'])

    def loads(self):
        return sum(map(self.service.loads, inprocess.CARDS))


class TestRelease(base.ServiceTest):
    def hold(self, **wanted):
        """A claim whose guest has left a secret; it and its address."""
        claim = self.service.claim(resource_class=PF, **wanted)
        (address,) = claim['addresses']
        self.service.simulator.write_memory(address, 0, SECRET)
        return claim, address

    def all_traits(self):
        found = [one['traits'] for one in self.service.providers()]
        return set().union(*found)

    def memory(self, address, offset=0):
        simulator = self.service.simulator
        return simulator.read_memory(address, offset, len(SECRET))

    def test_state_goes_and_public_function_stays(self):
        image = self.service.image(function := uuid.uuid4().hex)
        claim, address = self.hold(image_uuid=image)
        self.assertEqual(SECRET, self.memory(address))
        self.service.released(claim['uuid'])
        self.assertEqual(bytes(len(SECRET)), self.memory(address))
        self.assertEqual(function, self.service.function(address))

    def test_public_function_goes_where_its_user_wants_that(self):
        image = self.service.image(function := uuid.uuid4().hex)
        claim, address = self.hold(image_uuid=image, wipe_level='clear')
        self.assertEqual('clear', claim['wipe_level'])
        self.service.released(claim['uuid'])
        self.assertNotEqual(function, self.service.function(address))
        self.assertEqual(bytes(len(SECRET)), self.memory(address))

    def test_private_function_goes_too(self):
        image = self.service.image(
            function := uuid.uuid4().hex,
            visibility='private',
            token=inprocess.ALICE,
        )
        claim, address = self.hold(image_uuid=image)
        self.assertEqual(function, self.service.function(address))
        # Others learn nothing of it meanwhile.
        self.assertNotIn(function_trait(function), self.all_traits())
        self.service.released(claim['uuid'])
        self.assertNotEqual(function, self.service.function(address))
        self.assertEqual(bytes(len(SECRET)), self.memory(address))
        self.assertIsNone(self.service.deployable(address)['function_id'])
        # What is blank is reset like any other, not cleared once more.
        loads = self.service.loads(address)
        claim, _ = self.hold()
        self.service.released(claim['uuid'])
        claim, _ = self.hold()
        self.service.released(claim['uuid'])
        self.assertEqual(loads, self.service.loads(address))

    def test_own_function_programmed_into_a_claim_goes_too(self):
        image = self.service.image(
            function := uuid.uuid4().hex,
            visibility='private',
            token=inprocess.ALICE,
        )
        claim, address = self.hold()
        self.program(claim, image)
        self.assertEqual(function, self.service.function(address))
        self.service.released(claim['uuid'])
        self.assertNotEqual(function, self.service.function(address))

    def test_function_that_an_administrator_left_is_cleared_first(self):
        function = uuid.uuid4().hex
        for card in inprocess.CARDS:
            image = self.service.image(function, visibility='private')
            region = self.service.deployable(card)
            ended = self.service.programmed(region['uuid'], image)
            self.assertEqual('succeeded', ended['state'], ended)
        self.assertNotIn(function_trait(function), self.all_traits())
        claim = self.service.claim(resource_class=PF)
        (address,) = claim['addresses']
        self.assertNotEqual(function, self.service.function(address))
        kinds = [
            self.service.get(f'/operations/{o}')['kind']
            for o in claim['operation_uuids']
        ]
        self.assertEqual(['wipe'], kinds)
        # Who wants that very image need not wait for anything.
        answer = self.service.ask(image_uuid=image, token=inprocess.ADMIN)
        self.assertEqual(201, answer.status_int, answer.text)

    def test_card_is_not_offered_before_it_is_wiped(self):
        claim, address = self.hold()
        with self.stuck(intel_dfl.IntelDFLDriver, 'wipe'):
            self.service.release(claim['uuid'])
            # Its own allocation keeps others off until the end.
            self.assertEqual((2, 0, 1), self.service.stock())
            code, _ = self.refused(
                409, self.service.ask(resource_class=PF, count=2)
            )
            self.assertEqual('fpga.no_capacity', code)
        self.service.gone(claim['uuid'])
        self.assertEqual(bytes(len(SECRET)), self.memory(address))

    def test_next_project_learns_nothing_of_the_last_one(self):
        public = self.service.image()
        turns = [
            (token, other, own)
            for own in (True, False, True)
            for token, other in (
                (inprocess.ALICE, inprocess.MALLORY),
                (inprocess.MALLORY, inprocess.ALICE),
            )
        ]
        for token, other, own in turns:
            function, image = uuid.uuid4().hex, public
            if own:
                image = self.service.image(
                    function, visibility='private', token=token
                )
            claim, address = self.hold(token=token, image_uuid=image)
            for place in (20000, 40000, 60000):
                self.service.simulator.write_memory(address, place, SECRET)
            secrets = {function, image} if own else set()
            self.assertEqual(set(), self.learned(other, secrets))
            self.service.released(claim['uuid'], token=token)
            window = self.service.simulator.read_memory(address, 0, 65536)
            self.assertEqual(bytes(65536), window)
            self.assertEqual(set(), self.learned(other, secrets))
            self.assertNotIn(self.service.function(address), secrets)

    def learned(self, token, secrets):
        """What of *secrets* the manager of a project is told anywhere."""
        manager = token.replace('member', 'manager,member')
        said = str(self.all_traits()).lower()
        for collection in (
            'accelerator_requests',
            'bitstreams',
            'claims',
            'deployables',
            'operations',
        ):
            path = f'/{collection}'
            said += str(self.service.get(path, token=manager))
        for secret in secrets:
            for query in (f'function_id={secret}', f'bitstream_id={secret}'):
                answer = self.service.call(
                    'GET', f'/deployables?{query}', token=manager
                )
                found = answer.json.get('deployables')
                said += f' {secret}' if found else ''
        return {secret for secret in secrets if secret in said}

    def test_wipe_that_fails_takes_the_card_out_of_use(self):
        claim, address = self.hold()
        memory = 60000
        self.service.simulator.write_memory(address, memory, SECRET)
        self.service.simulator.fault(address, 'wipe')
        self.service.released(claim['uuid'])
        self.assertEqual(0, self.service.allocated(claim['uuid']))
        self.assertEqual('quarantined', self.service.device(address)['health'])
        self.assertEqual((2, 1, 0), self.service.stock())
        code, _ = self.refused(
            409, self.service.ask(resource_class=PF, count=2)
        )
        self.assertEqual('fpga.no_capacity', code)
        self.assertEqual(SECRET, self.memory(address, memory))
        # Reports do not end it, an operator does; then it is wiped first.
        self.service.agent._reporter.wake()
        self.service.simulator.clear(address)
        device = self.service.device(address)['uuid']
        self.service.call('POST', f'/devices/{device}/enable')
        self.service.until(
            'it is offered', lambda: self.service.stock() == (2, 0, 0)
        )
        self.assertEqual(bytes(len(SECRET)), self.memory(address, memory))

    def test_card_that_vanishes_while_it_is_wiped_is_not_offered(self):
        claim, address = self.hold(image_uuid=self.service.image())
        memory = 60000
        self.service.simulator.write_memory(address, memory, SECRET)
        self.service.simulator.fault(address, 'hang')
        self.service.release(claim['uuid'])
        self.service.until('it is wiped', lambda: self.is_loading(address))
        # Its stock is the claim's until that has ended, ask as one may.
        self.service.release(claim['uuid'])
        self.assertEqual((2, 0, 1), self.service.stock())
        self.service.simulator.fault(address, 'vanish')
        self.service.gone(claim['uuid'])
        self.service.until(
            'it is reserved', lambda: self.service.stock() == (2, 1, 0)
        )
        self.service.simulator.clear(address)
        device = self.service.device(address)['uuid']
        self.service.call('POST', f'/devices/{device}/enable')
        self.service.until(
            'it is offered', lambda: self.service.stock() == (2, 0, 0)
        )
        self.assertEqual(bytes(len(SECRET)), self.memory(address, memory))

    def is_loading(self, address):
        (card,) = [
            card
            for card in self.service.simulator.cards()
            if card['address'] == address
        ]
        return card['ports'][0]['loading'] is not None

    def test_release_waits_for_a_programming_that_runs(self):
        image = self.service.image(size=1_000_000)
        for card in inprocess.CARDS:
            self.service.simulator.fault(card, 'slow', seconds=1.5, times=1)
        answer = self.service.ask(image_uuid=image)
        (operation,) = answer.json['operation_uuids']
        self.service.until(
            'it runs', lambda: self.service.get(f'/operations/{operation}')
            ['state'] == 'running',
        )  # fmt: skip
        released = self.service.release(answer.json['uuid'])
        self.assertEqual('releasing', released.json['state'])
        self.assertEqual(1, self.service.allocated(answer.json['uuid']))
        self.service.gone(answer.json['uuid'])
        self.assertEqual('succeeded', self.service.ended(operation)['state'])
        self.assert_nothing_left()

    def test_programming_that_has_not_begun_is_recalled(self):
        image = self.service.image()
        claim, address = self.hold()
        path = f'/claims/{claim["uuid"]}/program'
        loads = self.service.loads(address)
        with self.stuck(cache.Cache, '_receive'):
            answer = self.service.call(
                'POST', path, {'image_uuid': image}, token=inprocess.ALICE
            )
            self.assertEqual(202, answer.status_int, answer.text)
            self.service.release(claim['uuid'])
            ended = self.service.ended(answer.json['uuid'])
        self.assertEqual('cancelled', ended['state'])
        self.service.gone(claim['uuid'])
        self.assertEqual(loads, self.service.loads(address))

    def test_release_may_be_repeated(self):
        claim, _ = self.hold()
        with self.stuck(intel_dfl.IntelDFLDriver, 'wipe'):
            for _ in range(3):
                answer = self.service.release(claim['uuid'])
                self.assertEqual('releasing', answer.json['state'])
        self.service.gone(claim['uuid'])
        answer = self.service.call('DELETE', f'/claims/{claim["uuid"]}')
        self.refused(404, answer)

    def test_only_the_owner_releases(self):
        claim, _ = self.hold()
        path = f'/claims/{claim["uuid"]}'
        for method in ('GET', 'DELETE'):
            answer = self.service.call(method, path, token=inprocess.MALLORY)
            self.refused(404, answer)
        answer = self.service.call(
            'DELETE', f'{path}?force=true', token=inprocess.ALICE
        )
        self.refused(403, answer)
        self.service.released(claim['uuid'], token=inprocess.ADAM)

    def program(self, claim, image):
        answer = self.service.call(
            'POST', f'/claims/{claim["uuid"]}/program',
            {'image_uuid': image}, token=inprocess.ALICE,
        )  # fmt: skip
        self.assertEqual(202, answer.status_int, answer.text)
        ended = self.service.ended(answer.json['uuid'])
        self.assertEqual('succeeded', ended['state'], ended)
