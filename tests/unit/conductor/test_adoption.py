"""Claims of what an instance holds in Placement: how they begin and end."""

import threading
from unittest import mock

import sqlalchemy as sa

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.conductor import adoption
from cyborg_fpga.db import arqs
from cyborg_fpga.db import claims
from cyborg_fpga.db import device_profiles
from cyborg_fpga.db import models
from tests.unit.conductor import base
from tests.unit.conductor import standins
from tests.unit.db import base as db

PF = 'CUSTOM_FPGA_INTEL_PF'
State = model.ClaimState


class AdoptionTest(base.ConductorTest):
    """An instance of Alice's holds both cards of the host."""

    def setUp(self):
        super().setUp()
        self.patience(0)
        self.done = set()
        self.provider = self.regions()[0].rp_uuid
        self.instance = self.holds(2)
        del self.asked[:]

    def patience(self, seconds):
        patch = mock.patch.object(adoption, '_PATIENCE_SECONDS', seconds)
        patch.start()
        self.addCleanup(patch.stop)

    def holds(self, amount, instance=None, *, project='alice', **others):
        """Let an instance hold so much of the provider; its uuid."""
        instance = instance or db.new_uuid()
        self.rooms.instance(
            instance,
            project,
            **{self.provider: {PF: amount}, 'root': {'VCPU': 1}, **others},
        )
        return instance

    def adopt(self, instance=None, **wanted):
        return self.claim(instance_uuid=instance or self.instance, **wanted)

    def refused(self, error, instance=None, **wanted):
        """The sentence of a refusal after which nothing more is held."""
        before = self.held()
        exc = self.assertRaises(error, self.adopt, instance, **wanted)
        self.assertEqual(before, self.held())
        return exc.message

    def look(self):
        self.manager.reconciler._look_at_instances(self.ctx)

    def wipe_all(self):
        """End all wipes that are under way, and what waits for them."""
        for operation in self.agents.taken:
            new = operation.uuid not in self.done
            if new and operation.kind is model.OperationKind.WIPE:
                self.done.add(operation.uuid)
                self.end(operation)

    def shares(self):
        """The host's first card has two functions, its provider alone."""
        self.ask('report', report=self.shared_card().to_wire())
        shared = next(r for r in self.regions() if len(r.handles) == 2)
        return shared.rp_uuid


class TestBegin(AdoptionTest):
    def test_claim_is_of_all_that_the_instance_holds_there(self):
        found = claims.get(self.ctx, self.adopt())
        self.assertEqual(State.READY, found.state)
        self.assertEqual(2, len(found.addresses))
        self.assertEqual(2, found.count)
        self.assertEqual(self.instance, found.instance_uuid)
        self.assertEqual('adopted', found.allocation)
        self.assertEqual(PF, found.resource_class)
        self.assertNotIn('allocate', self.methods())

    def test_what_is_wanted_is_loaded(self):
        claim = self.adopt(image_uuid=self.image())
        self.assertEqual(State.PROGRAMMING, self.state(claim))
        for operation in list(self.agents.taken):
            self.end(operation)
        self.assertEqual(State.READY, self.state(claim))

    def test_another_projects_is_refused_as_what_is_not_there(self):
        said = set()
        for ident in (
            self.holds(1, project='bob'),
            self.holds(0),
            db.new_uuid(),
        ):
            sentence = self.refused(errors.NoAllocation, ident)
            said.add(sentence.replace(ident, 'it'))
        self.assertEqual(1, len(said), said)

    def test_claim_is_no_instance(self):
        self.rooms.release(self.instance)
        claim = self.claim()
        self.rooms.projects[claim] = 'alice'
        self.refused(errors.NoAllocation, claim)

    def test_what_is_not_of_our_providers_is_nothing(self):
        self.rooms.instance(self.instance, 'alice', root={PF: 2})
        self.refused(errors.NoAllocation)

    def test_amount_class_and_host_must_be_those_of_the_allocation(self):
        for count in (1, 3):
            sentence = self.refused(errors.InvalidInput, count=count)
            self.assertIn('holds 2 of a provider', sentence)
        said = self.refused(errors.NoAllocation, resource_class=base.VF)
        self.assertIn(base.VF, said)
        self.refused(errors.NoAllocation, resource_class='VCPU')
        self.refused(errors.InvalidInput, hostname='elsewhere')
        self.adopt(count=2, resource_class=PF, hostname=db.HOST)

    def test_second_claim_is_told_of_the_first(self):
        first = self.adopt()
        self.assertIn(first, self.refused(errors.Duplicate))

    def test_one_claim_for_each_provider(self):
        shared = self.shares()
        whole = next(r.rp_uuid for r in self.regions() if r.rp_uuid != shared)
        self.rooms.instance(
            self.instance, 'alice', **{shared: {base.VF: 1}, whole: {PF: 1}}
        )
        got = [claims.get(self.ctx, self.adopt()) for _ in range(2)]
        self.assertEqual(
            {(PF, 1), (base.VF, 1)}, {(c.resource_class, c.count) for c in got}
        )
        self.refused(errors.Duplicate)

    def test_of_several_providers_the_one_that_is_meant_is_taken(self):
        shared = self.shares()
        whole = next(r.rp_uuid for r in self.regions() if r.rp_uuid != shared)
        for wanted in (
            {'resource_class': PF},
            {'resource_class': base.VF},
            {'traits': ['CUSTOM_FPGA']},
        ):
            instance = db.new_uuid()
            self.rooms.instance(
                instance, 'alice', **{shared: {base.VF: 1}, whole: {PF: 1}}
            )
            claim = claims.get(self.ctx, self.adopt(instance, **wanted))
            asked = wanted.get('resource_class', claim.resource_class)
            self.assertEqual(asked, claim.resource_class)
            self.ask('release', uuid=claim.uuid, force=False)
            self.wipe_all()
            self.manager.reconciler.cycle()

    def test_image_for_another_region_is_refused_at_once(self):
        self.patience(600)
        image = self.image(region='d' * 32)
        self.refused(errors.DoesNotFit, image_uuid=image)

    def test_trait_that_its_provider_has_not_is_refused(self):
        sentence = self.refused(errors.NoCapacity, traits=['CUSTOM_NO'])
        self.assertIn('CUSTOM_NO', sentence)

    def test_host_that_is_down_or_disabled_is_named_so(self):
        self.patience(600)
        for values, word in (
            ({'up': False}, 'down'),
            ({'up': True, 'status': 'disabled'}, 'disabled'),
        ):
            self.change(models.Host, sa.true(), **values)
            self.assertIn(word, self.refused(errors.HostUnavailable))

    def test_no_claim_while_placement_is_away(self):
        self.rooms.refuses['consumer'] = standins.AWAY
        self.refused(errors.ServiceUnavailable)

    def test_instance_with_requests_is_refused(self):
        profile = device_profiles.create(
            self.ctx,
            db.new_uuid(),
            name='one',
            groups=[{f'resources:{PF}': 1}],
        )
        (arq,) = arqs.create(base.ALICE, profile, [0])
        self.change(
            models.Claim,
            models.Claim.uuid == arq.uuid,
            instance_uuid=self.instance,
        )
        self.assertIn('requests', self.refused(errors.InUse))

    def test_what_placement_will_refuse_to_another_is_waited_for(self):
        """Its own door takes the card first and asks Placement then."""
        self.patience(60)
        region = self.regions()[0]
        passing = self.reserve(region)
        freed = threading.Timer(
            0.2, lambda: claims.start_release(self.ctx, passing, dirty=False)
        )

        def finish():
            freed.join()
            claims.finish_release(self.ctx, passing)

        freed.start()
        ends = threading.Thread(target=finish)
        ends.start()
        self.addCleanup(ends.join)
        self.assertEqual(State.READY, self.state(self.adopt()))

    def test_card_of_an_instance_that_has_gone_is_waited_for(self):
        """Placement has given it to the next one already."""
        self.patience(20)
        old = self.adopt()
        self.rooms.release(self.instance)
        new = self.holds(2)
        self.wipe_soon()
        claim = self.adopt(new)
        self.assertEqual(State.READY, self.state(claim))
        self.assertFalse(claims.exists(self.ctx, old))

    def test_server_with_a_profile_is_given_such_a_card_too(self):
        self.adopt()
        self.rooms.release(self.instance)
        profile = device_profiles.create(
            self.ctx,
            db.new_uuid(),
            name='one',
            groups=[{f'resources:{PF}': '1'}],
        )
        (arq,) = arqs.create(base.ALICE, profile, [0])
        self.wipe_soon()
        request = {
            'arqs': {arq.uuid: self.provider},
            'hostname': db.HOST,
            'instance_uuid': db.new_uuid(),
            'project_id': None,
            'visible_to': None,
        }
        self.ask('bind', ctx=base.ALICE, request=request)
        (found,) = arqs.some(self.ctx, [arq.uuid])
        self.assertEqual(State.READY, found.state)

    def wipe_soon(self):
        """Have two wipes end once they are asked for."""
        over = threading.Event()

        def wipe():
            while len(self.agents.taken) < 2 and not over.wait(0.01):
                pass
            self.wipe_all()

        card = threading.Thread(target=wipe)
        card.start()
        self.addCleanup(card.join)
        self.addCleanup(over.set)


class TestEnd(AdoptionTest):
    def test_release_leaves_the_instance_its_allocation(self):
        claim = self.adopt()
        self.ask('release', uuid=claim, force=False)
        self.wipe_all()
        self.assertFalse(claims.exists(self.ctx, claim))
        self.assertEqual(0, self.held())
        self.assertIn(self.instance, self.rooms.held)
        self.assertNotIn(('deallocate', self.instance), self.asked, self.asked)
        # It may be claimed again.
        self.adopt()

    def test_failure_says_why_and_leaves_the_allocation(self):
        claim = self.adopt(image_uuid=self.image())
        for operation in list(self.agents.taken):
            self.end(operation, cause=model.Cause.IMAGE_CORRUPT, detail='hash',
                     touched=False)  # fmt: skip
        self.wipe_all()
        found = claims.get(self.ctx, claim)
        self.assertEqual(State.FAILED, found.state)
        self.assertEqual('image_corrupt', found.fault_code)
        self.assertIn(self.instance, self.rooms.held)
        self.adopt()

    def test_it_ends_with_the_instances_allocation(self):
        claim = self.adopt()
        self.look()
        self.assertEqual(State.READY, self.state(claim))
        self.rooms.release(self.instance)
        self.look()
        self.assertEqual(State.RELEASING, self.state(claim))
        self.wipe_all()
        self.assertFalse(claims.exists(self.ctx, claim))

    def test_what_it_holds_then_is_reserved_until_it_is_wiped(self):
        self.adopt()
        self.tell_placement()
        self.assertEqual(0, self.rooms.reserved)
        self.rooms.release(self.instance)
        self.look()
        self.tell_placement()
        self.assertEqual(2, self.rooms.reserved)
        self.wipe_all()
        self.tell_placement()
        self.assertEqual(0, self.rooms.reserved)

    def test_what_its_owner_releases_is_covered_by_the_instance(self):
        claim = self.adopt()
        self.ask('release', uuid=claim, force=False)
        self.tell_placement()
        self.assertEqual(0, self.rooms.reserved)

    def test_instance_that_goes_amid_the_release_is_noticed(self):
        claim = self.adopt()
        self.ask('release', uuid=claim, force=False)
        self.rooms.release(self.instance)
        self.look()
        self.tell_placement()
        self.assertEqual(2, self.rooms.reserved)

    def test_less_than_was_claimed_is_not_enough(self):
        claim = self.adopt()
        self.holds(1, self.instance)
        self.look()
        self.assertEqual(State.RELEASING, self.state(claim))

    def test_more_than_was_claimed_is(self):
        claim = self.adopt()
        self.holds(3, self.instance)
        self.look()
        self.assertEqual(State.READY, self.state(claim))

    def test_what_is_allocated_elsewhere_does_not_count(self):
        claim = self.adopt()
        self.rooms.instance(self.instance, 'alice', elsewhere={PF: 2})
        self.look()
        self.assertEqual(State.RELEASING, self.state(claim))

    def test_what_a_migration_took_over_can_be_claimed_when_it_fails(self):
        claim = self.adopt()
        migration = self.holds(2)
        self.rooms.instance(self.instance, 'alice', elsewhere={PF: 2})
        self.look()
        self.assertEqual(State.RELEASING, self.state(claim))
        self.wipe_all()
        self.rooms.release(migration)
        self.holds(2, self.instance)
        again = self.adopt()
        self.look()
        self.assertEqual(State.READY, self.state(again))

    def test_it_lives_while_placement_gives_no_answer(self):
        claim = self.adopt()
        self.rooms.release(self.instance)
        not_found = errors.NotFound(kind='provider', ident='it')
        for refusals in (
            {'provider': standins.AWAY},
            {'consumer': standins.AWAY},
            {'provider': not_found, 'consumer': not_found},
            {'provider': not_found, 'consumer': standins.AWAY},
        ):
            with self.subTest(refusals):
                self.rooms.refuses = refusals
                self.look()
                self.assertEqual(State.READY, self.state(claim))
        self.rooms.refuses = {'provider': not_found}
        self.look()
        self.assertEqual(State.RELEASING, self.state(claim))

    def test_two_answers_must_agree_that_it_is_gone(self):
        claim = self.adopt()
        with mock.patch.object(
            self.rooms, 'provider_allocations', return_value={}
        ):
            self.look()
        self.assertEqual(State.READY, self.state(claim))

    def test_provider_without_an_answer_keeps_nobody(self):
        shared = self.shares()
        whole = next(r.rp_uuid for r in self.regions() if r.rp_uuid != shared)
        self.rooms.instance(
            self.instance, 'alice', **{shared: {base.VF: 1}, whole: {PF: 1}}
        )
        got = [self.adopt() for _ in range(2)]
        self.rooms.release(self.instance)
        turns = []

        def refuse_first():
            turns.append(1)
            self.rooms.refuses = (
                {'provider': standins.AWAY} if len(turns) == 1 else {}
            )

        self.rooms.before['provider'] = refuse_first
        self.look()
        self.assertEqual(
            [State.READY, State.RELEASING], sorted(map(self.state, got))
        )

    def test_another_conductor_ends_it(self):
        claim = self.adopt()
        self.rooms.release(self.instance)
        other = self.conductor()
        self.addCleanup(other.reconciler.stop)
        other.reconciler._look_at_instances(self.ctx)
        self.assertEqual(State.RELEASING, self.state(claim))

    def test_one_conductor_at_a_time_looks(self):
        self.adopt()
        other = self.conductor()
        self.addCleanup(other.reconciler.stop)
        self.look()
        del self.asked[:]
        other.reconciler._look_at_instances(self.ctx)
        self.assertEqual([], self.asked)

    def test_what_a_crash_left_half_done_is_done(self):
        claim = self.adopt()
        self.rooms.release(self.instance)
        with mock.patch.object(self.manager._claims, 'release'):
            self.look()
        self.assertEqual(State.READY, self.state(claim))
        self.look()
        self.assertEqual(State.RELEASING, self.state(claim))

    def test_many_of_a_provider_cost_one_request(self):
        for _ in range(2):
            instance = self.holds(1)
            self.adopt(instance)
        del self.asked[:]
        self.look()
        self.assertEqual([('provider', self.provider)], self.asked)

    def test_without_any_placement_is_not_asked(self):
        self.claim()
        del self.asked[:]
        self.look()
        self.assertEqual([], self.asked)

    def test_interrupted_one_fails_and_leaves_the_allocation(self):
        claim = self.adopt()
        self.change(
            models.Claim,
            models.Claim.uuid == claim,
            state='claiming',
            lease_expires=1.0,
            lease_owner='another',
        )
        self.manager._claims.recover(self.ctx, claims.get(self.ctx, claim))
        self.wipe_all()
        found = claims.get(self.ctx, claim)
        self.assertEqual(State.FAILED, found.state)
        self.assertIn(self.instance, self.rooms.held)
        self.adopt()
