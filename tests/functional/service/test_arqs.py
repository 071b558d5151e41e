"""An instance's road: requested, bound, programmed, told, deleted."""

import concurrent.futures
import functools
import uuid

from tests.fixtures import inprocess
from tests.functional.service import novas

PF, VF = inprocess.PF, inprocess.VF


class TestBind(novas.NovaTest):
    def test_nothing_to_program_is_bound_before_the_answer(self):
        instance, arqs = self.boot(self.profile(amount=2), 2)
        found = self.of(instance)
        self.assertEqual({arq['uuid'] for arq in arqs}, set(found))
        addresses = set()
        for arq in found.values():
            self.assertEqual('Bound', arq['state'])
            self.assertEqual('PCI', arq['attach_handle_type'])
            self.assertEqual('demo', arq['project_id'])
            info = arq['attach_handle_info']
            self.assertEqual(
                ['bus', 'device', 'domain', 'function'], sorted(info)
            )
            addresses.add('{domain}:{bus}:{device}.{function}'.format(**info))
        self.assertEqual(set(inprocess.CARDS), addresses)
        self.told(instance, 'completed', arqs)
        self.assertEqual({'compute 2.82'}, self.service.nova.versions)
        self.delete(instance)
        self.assert_nothing_left()
        self.service.until(
            'all is offered again', lambda: self.service.stock() == (2, 0, 0)
        )

    def test_image_of_the_profile_is_loaded(self):
        function = uuid.uuid4().hex
        image = self.service.known_image(function)
        for how in (
            {'bitstream_id': image},
            {'function_id': str(uuid.UUID(function))},
            {'type': self.service.type},
        ):
            instance, arqs = self.boot(self.profile(**how))
            (arq,) = self.resolved(instance)
            self.assertEqual('Bound', arq['state'], how)
            info = arq['attach_handle_info']
            address = '{domain}:{bus}:{device}.{function}'.format(**info)
            self.assertEqual(function, self.service.function(address))
            self.told(instance, 'completed', arqs)
            self.delete(instance)
            self.assert_nothing_left()

    def test_vfs_of_one_region_are_programmed_once(self):
        image = self.service.known_image(region=inprocess.VF_REGION)
        loads = self.service.loads(inprocess.VF_CARD)
        profile = self.profile(resource_class=VF, amount=4, bitstream_id=image)
        instance, arqs = self.boot(profile, 4, VF)
        found = self.resolved(instance)
        self.assertEqual(['Bound'] * 4, [arq['state'] for arq in found])
        self.assertEqual(loads + 1, self.service.loads(inprocess.VF_CARD))
        self.told(instance, 'completed', arqs)
        self.delete(instance)
        self.assert_nothing_left()

    def test_loaded_card_of_a_pool_is_taken_first(self):
        image = self.service.known_image()
        profile = self.profile(bitstream_id=image)
        instance, _ = self.boot(profile)
        (first,) = self.resolved(instance)
        self.delete(instance)
        self.assert_nothing_left()
        loads = sum(map(self.service.loads, inprocess.CARDS))
        instance, _ = self.boot(profile)
        (arq,) = self.of(instance).values()
        self.assertEqual('Bound', arq['state'])
        self.assertEqual(
            first['attach_handle_info'], arq['attach_handle_info']
        )
        self.assertEqual(loads, sum(map(self.service.loads, inprocess.CARDS)))
        self.delete(instance)


class TestFailure(novas.NovaTest):
    settings = {'conductor': {'deadline_min': 3}}
    agent_seconds = 2

    def setUp(self):
        super().setUp()
        self.image = self.service.known_image()
        self.wanted = self.profile(bitstream_id=self.image)

    def fault(self, kind, **arguments):
        for card in inprocess.CARDS:
            self.service.simulator.fault(card, kind, **arguments)

    def assert_failed(self, instance, arqs):
        """Nova is told, shown nothing, and nothing stays."""
        self.told(instance, 'failed', arqs)
        path = f'/accelerator_requests?instance={instance}'
        self.assertEqual([], self.nova('GET', path).json['arqs'])
        self.assertEqual(['BindFailed'], self.states(instance))
        for card in inprocess.CARDS:
            self.service.simulator.clear(card)
        self.delete(instance)
        self.assert_nothing_left()
        self.service.until(
            'all is offered again', lambda: self.service.stock() == (2, 0, 0)
        )

    def test_card_that_refuses_at_once(self):
        self.fault('fail', percent=0, times=1)
        self.assert_failed(*self.boot(self.wanted))

    def test_card_that_fails_late(self):
        self.fault('slow', seconds=1)
        self.fault('fail', percent=90, times=1)
        self.assert_failed(*self.boot(self.wanted))

    def test_card_that_lies(self):
        self.fault('lie', times=1)
        self.assert_failed(*self.boot(self.wanted))

    def test_agent_that_is_dead(self):
        self.service.stop_agent()
        instance, arqs = self.boot(self.wanted)
        self.assertEqual(['BindStarted'], self.states(instance))
        self.told(instance, 'failed', arqs)
        self.assertEqual(['BindFailed'], self.states(instance))
        self.delete(instance)
        self.service.start_agent()
        self.assert_nothing_left()

    def test_one_card_of_two_fails(self):
        self.service.simulator.fault(inprocess.CARDS[0], 'fail', times=1)
        profile = self.profile(amount=2, bitstream_id=self.image)
        instance, _ = self.boot(profile, 2)
        self.service.until(
            'both have ended',
            lambda: self.states(instance) == ['BindFailed', 'Bound'],
        )
        path = f'/accelerator_requests?instance={instance}'
        self.assertEqual([], self.nova('GET', path).json['arqs'])

        def told():
            return sorted(
                statuses[-1]
                for statuses in self.service.nova.told(instance).values()
            )

        self.service.until(
            'Nova is told of both', lambda: told() == ['completed', 'failed']
        )
        self.delete(instance)
        self.assert_nothing_left()

    def test_image_that_is_known_not_to_fit_is_refused_at_once(self):
        image = self.service.known_image(region=inprocess.VF_REGION)
        instance = str(uuid.uuid4())
        provider = self.allocate(instance)
        arqs = self.request(self.profile(bitstream_id=image))
        answer = self.bind(arqs, instance, provider)
        self.refused(400, answer)
        self.assertEqual({}, self.of(instance))
        (arq,) = self.request(self.wanted)
        path = f'/accelerator_requests/{arqs[0]["uuid"]}'
        self.assertEqual('Initial', self.service.get(path)['state'])
        for one in (*arqs, arq):
            path = f'/accelerator_requests?arqs={one["uuid"]}'
            self.assertEqual(204, self.nova('DELETE', path).status_int)
        self.service.rooms.release(instance)
        self.assert_nothing_left()

    def test_anothers_private_image_is_refused_at_once(self):
        image = self.service.image(visibility='private', owner='other')
        instance = str(uuid.uuid4())
        provider = self.allocate(instance)
        arqs = self.request(self.profile(bitstream_id=image))
        answer = self.bind(arqs, instance, provider)
        code, _ = self.refused(409, answer)
        self.assertEqual('fpga.bitstream.unusable', code)

    def test_server_that_goes_while_its_card_is_programmed(self):
        self.fault('slow', seconds=1)
        instance, _ = self.boot(self.wanted)
        self.delete(instance)
        self.assertEqual({}, self.of(instance))
        self.assert_nothing_left()
        self.service.until(
            'all is offered again', lambda: self.service.stock() == (2, 0, 0)
        )


class TestTelling(novas.NovaTest):
    def test_nova_that_is_away_is_told_when_it_is_back(self):
        for status in (None, 503, 401):
            with self.subTest(status):
                self.away(status)

    def away(self, status):
        self.service.nova.status = status
        asked = len(self.service.nova.requests)
        instance, arqs = self.boot(self.profile())
        self.service.until(
            'it was asked twice',
            lambda: len(self.service.nova.requests) >= asked + 2,
        )
        self.assertEqual({}, self.service.nova.told(instance))
        self.service.nova.status = 200
        self.told(instance, 'completed', arqs)
        self.delete(instance)

    def test_server_that_nova_does_not_know_is_told_of_once(self):
        self.service.nova.status = 404
        instance, _ = self.boot(self.profile())
        self.assert_asked_once(instance)

    def test_server_without_a_host_is_told_of_once(self):
        instance = str(uuid.uuid4())
        self.service.nova.codes[instance] = 422
        provider = self.allocate(instance)
        self.bind(self.request(self.profile()), instance, provider)
        self.assert_asked_once(instance)

    def assert_asked_once(self, instance):
        """Nova is asked, and not again when others are told of."""
        self.asked(instance)
        self.service.nova.status = 200
        other, arqs = self.boot(self.profile(resource_class=VF), 1, VF)
        self.told(other, 'completed', arqs)
        self.assertEqual(1, len(self.asked(instance)))

    def asked(self, instance):
        def found():
            return [
                event
                for request in list(self.service.nova.requests)
                for event in request
                if event['server_uuid'] == instance
            ]

        return self.service.until('Nova was asked', found)

    def test_conductor_that_goes_while_a_card_is_programmed(self):
        self.service.simulator.fault(inprocess.CARDS[0], 'slow', seconds=1)
        self.service.simulator.fault(inprocess.CARDS[1], 'slow', seconds=1)
        image = self.service.known_image()
        instance, arqs = self.boot(self.profile(bitstream_id=image))
        self.service.stop_conductor()
        self.assertEqual({}, self.service.nova.told(instance))
        self.service.start_conductor()
        self.told(instance, 'completed', arqs)
        self.assertEqual(['Bound'], self.states(instance))
        self.delete(instance)
        self.assert_nothing_left()


class TestRaces(novas.NovaTest):
    def together(self, *work):
        with concurrent.futures.ThreadPoolExecutor(len(work)) as pool:
            return list(pool.map(lambda one: one(), work))

    def test_two_binds_of_one_instance(self):
        for _ in range(5):
            instance = str(uuid.uuid4())
            provider = self.allocate(instance)
            pairs = [self.request(self.profile()) for _ in range(2)]
            answers = self.together(
                *(
                    functools.partial(self.bind, arqs, instance, provider)
                    for arqs in pairs
                )
            )
            self.assertEqual([202, 400], sorted(a.status_int for a in answers))
            self.assertEqual(['Bound'], self.states(instance))
            self.delete(instance)
            for arqs in pairs:
                path = f'/accelerator_requests/{arqs[0]["uuid"]}'
                self.nova('DELETE', path)
            self.assert_nothing_left()

    def test_last_card(self):
        instances = [str(uuid.uuid4()) for _ in range(3)]
        provider = self.allocate(instances[0])
        waiting = [self.request(self.profile()) for _ in instances]
        answers = self.together(
            *(
                functools.partial(self.bind, arqs, instance, provider)
                for arqs, instance in zip(waiting, instances, strict=True)
            )
        )
        self.assertEqual(
            [202, 202, 409], sorted(a.status_int for a in answers)
        )
        for instance in instances:
            self.delete(instance)

    def test_bind_against_delete(self):
        for _ in range(5):
            instance = str(uuid.uuid4())
            provider = self.allocate(instance)
            arqs = self.request(self.profile())
            path = f'/accelerator_requests?arqs={arqs[0]["uuid"]}'
            bound, deleted = self.together(
                functools.partial(self.bind, arqs, instance, provider),
                functools.partial(self.nova, 'DELETE', path),
            )
            self.assertIn(bound.status_int, (202, 404))
            self.assertEqual(204, deleted.status_int)
            self.assertEqual({}, self.of(instance))
            self.service.rooms.release(instance)
            self.assert_nothing_left()

    def test_bind_waits_for_a_claim_that_placement_refuses(self):
        """A claim of our own door held it for a moment only."""
        instance = str(uuid.uuid4())
        provider = self.allocate(instance, 2)
        arqs = self.request(self.profile(amount=2))
        claim, bound = self.together(
            functools.partial(self.service.ask, resource_class=PF),
            functools.partial(self.bind, arqs, instance, provider),
        )
        self.assertEqual(409, claim.status_int)
        self.assertEqual(202, bound.status_int, bound.text)
        self.delete(instance)
        self.assert_nothing_left()
