"""The proof of concept's flavor: Nova allocates, and somebody claims that."""

import concurrent.futures
import uuid

from cyborg_fpga.db import adoptions
from tests.fixtures import inprocess
from tests.functional.service import base

PF, VF = inprocess.PF, inprocess.VF


class AdoptionTest(base.ServiceTest):
    settings = {'conductor': {'instance_interval': 0.2}}

    def provider(self, resource_class=PF):
        return next(
            one['uuid']
            for one in self.service.providers()
            if resource_class in one['inventories']
        )

    def boot(self, amount=2, resource_class=PF, *, project='demo'):
        """What Nova's scheduler does for a server; its uuid."""
        instance = str(uuid.uuid4())
        provider = self.provider(resource_class)
        self.allocate(
            instance, {provider: {resource_class: amount}}, project=project
        )
        return instance

    def allocate(self, consumer, amounts, *, project='demo'):
        """Write what a consumer holds, as Nova does it."""
        body = self.holding(amounts, project)
        answer = self.service.rooms._http.call(
            'PUT', f'/allocations/{consumer}', body
        )
        self.assertTrue(answer.ok, answer.detail)
        self.addCleanup(self.service.rooms.release, consumer)

    def holding(self, amounts, project='demo', generation=None):
        return {
            'allocations': {
                uuid: {'resources': dict(resources)}
                for uuid, resources in amounts.items()
            },
            'project_id': project,
            'user_id': 'alice',
            'consumer_generation': generation,
            'consumer_type': 'INSTANCE',
        }

    def hand_over(self, instance, amounts=None):
        """Give what it holds to another, it holds *amounts* then; whom.

        At once, as Nova does it with what it moves.
        """
        http, other = self.service.rooms._http, str(uuid.uuid4())
        before = http.get(f'/allocations/{instance}')
        held = {u: h['resources'] for u, h in before['allocations'].items()}
        generation = before['consumer_generation']
        body = {
            instance: self.holding(amounts or {}, generation=generation),
            other: self.holding(held),
        }
        answer = http.call('POST', '/allocations', body)
        self.assertTrue(answer.ok, answer.detail)
        self.addCleanup(self.service.rooms.release, other)
        return other

    def delete(self, instance):
        """What Nova does when the server goes."""
        self.service.rooms.release(instance)

    def ask(self, instance, *, token=inprocess.ALICE, **wanted):
        body = {'instance_uuid': instance, **wanted}
        return self.service.call('POST', '/claims', body, token=token)

    def claim(self, instance, **wanted):
        answer = self.ask(instance, **wanted)
        self.assertIn(answer.status_int, (201, 202), answer.text)
        return self.service.settled(answer.json['uuid'], 'ready')


class TestAdoption(AdoptionTest):
    def test_server_gets_addresses_of_what_nova_allocated(self):
        function = uuid.uuid4().hex
        self.service.known_image(function)
        instance = self.boot()
        claim = self.claim(instance, type=self.service.type)
        self.assertEqual(sorted(inprocess.CARDS), claim['addresses'])
        self.assertEqual(instance, claim['instance_uuid'])
        self.assertEqual(2, claim['count'])
        for address in claim['addresses']:
            self.assertEqual(function, self.service.function(address))
        self.assertEqual(0, self.service.allocated(claim['uuid']))
        self.assertEqual((2, 0, 2), self.service.stock())
        listed = self.service.get(
            f'/claims?instance_uuid={instance}', token=inprocess.ALICE
        )
        self.assertEqual(
            [claim['uuid']], [one['uuid'] for one in listed['claims']]
        )
        self.delete(instance)
        self.service.gone(claim['uuid'])
        self.assert_nothing_left()
        self.service.until(
            'all is offered', lambda: self.service.stock() == (2, 0, 0)
        )

    def test_release_leaves_the_server_its_allocation(self):
        instance = self.boot()
        claim = self.claim(instance)
        self.service.released(claim['uuid'])
        self.assertEqual(2, self.service.allocated(instance))
        # What it is entitled to is nobody else's meanwhile.
        self.refused(409, self.service.ask(resource_class=PF))
        self.claim(instance)

    def test_nobody_learns_of_another_projects_server(self):
        theirs, none = self.boot(project='other'), str(uuid.uuid4())
        said = {
            self.refused(409, self.ask(ident))[1].replace(ident, 'it')
            for ident in (theirs, none)
        }
        self.assertEqual(1, len(said), said)
        code, _ = self.refused(409, self.ask(theirs, token=inprocess.ADMIN))
        self.assertEqual('fpga.no_allocation', code)
        answer = self.ask(theirs, token=inprocess.MALLORY)
        self.assertEqual(201, answer.status_int, answer.text)
        # Nor is a claim a server, whoever has it.
        vf = self.service.claim(resource_class=VF)
        code, _ = self.refused(409, self.ask(vf['uuid']))
        self.assertEqual('fpga.no_allocation', code)

    def test_of_many_requests_for_a_server_one_wins(self):
        instance = self.boot(1, VF)
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda _: self.ask(instance), range(6)))
        won = [a for a in answers if a.status_int == 201]
        self.assertEqual(1, len(won), [a.status_int for a in answers])
        for answer in answers:
            if answer.status_int != 201:
                code, sentence = self.refused(409, answer)
                self.assertEqual('fpga.duplicate', code, sentence)

    def test_numbered_groups_are_one_claim_each(self):
        instance = str(uuid.uuid4())
        self.allocate(
            instance, {self.provider(PF): {PF: 1}, self.provider(VF): {VF: 1}}
        )
        got = [self.claim(instance) for _ in range(2)]
        self.assertEqual({PF, VF}, {one['resource_class'] for one in got})
        self.refused(409, self.ask(instance))
        self.delete(instance)
        for one in got:
            self.service.gone(one['uuid'])

    def test_all_that_placement_has_given_can_be_claimed_amid_others(self):
        """Claims of our own door take cards before Placement refuses them."""
        instances = [self.boot(1) for _ in range(2)]
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            rivals = [
                pool.submit(self.service.ask, resource_class=PF)
                for _ in range(8)
            ]
            claims = list(pool.map(self.given, instances))
        self.assertEqual([1, 1], [len(c['addresses']) for c in claims])
        held = {address for c in claims for address in c['addresses']}
        self.assertEqual(2, len(held))
        # Whatever they were told, none has anything.
        for rival in rivals:
            rival.result()

    def given(self, instance):
        """The claim of a server, asked for until it is there."""

        def found():
            self.ask(instance)
            path = f'/claims?instance_uuid={instance}&state=ready'
            return next(iter(self.service.get(path)['claims']), None)

        return self.service.until(f'{instance} is given', found, 60)

    def test_card_of_a_server_that_has_gone_is_given_to_the_next(self):
        old = self.boot()
        first = self.claim(old)
        new = self.hand_over(old)
        # Who comes before that was noticed finds it out, and waits a little.
        claim = self.given(new)
        self.assertEqual(first['addresses'], claim['addresses'])
        self.service.gone(first['uuid'])

    def test_failure_says_why_and_leaves_the_allocation(self):
        image = self.service.image()
        for card in inprocess.CARDS:
            self.service.simulator.fault(card, 'fail', times=1)
        instance = self.boot()
        answer = self.ask(instance, image_uuid=image)
        self.assertEqual(202, answer.status_int, answer.text)
        claim = self.service.settled(answer.json['uuid'], 'failed')
        self.assertEqual('device_error', claim['fault']['code'])
        self.assertEqual([], claim['addresses'])
        self.assertEqual(2, self.service.allocated(instance))
        for card in inprocess.CARDS:
            self.service.simulator.clear(card)
        again = self.claim(instance, image_uuid=image)
        self.assertEqual(2, len(again['addresses']))

    def test_server_that_is_moved_loses_its_claim_on_the_old_host(self):
        instance = self.boot()
        claim = self.claim(instance)
        root = self.service.rooms.create_root(f'other{uuid.uuid4().hex}')
        self.service.rooms._http.call(
            'PUT',
            f'/resource_providers/{root}/inventories',
            {
                'resource_provider_generation': 0,
                'inventories': {'VCPU': {'total': 4}},
            },
        )
        # Nova gives what it has here to its migration.
        migration = self.hand_over(instance, {root: {'VCPU': 1}})
        self.service.gone(claim['uuid'])
        self.assertEqual(2, self.service.allocated(migration))
        self.refused(409, self.ask(instance))

    def looked_twice(self):
        """Wait until Placement was asked two more times."""
        rooms = self.service.conductor._manager._claims._placement
        before = rooms.requests
        self.service.until('it looks', lambda: rooms.requests > before + 1)

    def test_it_lives_while_placement_is_away_and_ends_after(self):
        instance = self.boot()
        claim = self.claim(instance)
        self.service.placement.shut()
        self.delete(instance)
        self.looked_twice()
        self.assertEqual(
            'ready', self.service.get(f'/claims/{claim["uuid"]}')['state']
        )
        self.service.placement.open()
        self.service.gone(claim['uuid'])

    def test_it_ends_after_a_restart_of_the_conductor(self):
        instance = self.boot()
        claim = self.claim(instance)
        self.service.stop_conductor()
        self.delete(instance)
        self.service.start_conductor()
        self.service.gone(claim['uuid'])
        self.assert_nothing_left()

    def test_audit_leaves_both_alone(self):
        instance = self.boot()
        claim = self.claim(instance)
        books = self.service.conductor._manager.reconciler._audit
        findings = books._look(inprocess.CTX, self.service.hostname)
        self.assertFalse(findings, findings)
        self.assertEqual(
            [claim['uuid']], [c.uuid for c in adoptions.held(inprocess.CTX)]
        )
