"""Allocations that nobody has, and claims that have none."""

import threading
from unittest import mock

import fixtures
import sqlalchemy as sa

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.conductor import audit
from cyborg_fpga.db import claims
from cyborg_fpga.db import models
from tests.unit.conductor import base
from tests.unit.conductor import standins
from tests.unit.db import base as db


class AuditTest(base.ConductorTest):
    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(audit, '_PAUSE_SECONDS', 0))
        self.tell_placement()
        self.audit = self.manager.reconciler._audit
        self.ending = threading.Event()

    def run_audit(self):
        self.audit.run(self.ctx, self.ending)

    def allocate(self, consumer=None):
        """Have a consumer hold one unit of the host's; its uuid."""
        consumer = consumer or db.new_uuid()
        (provider,) = self.rooms.tree.values()
        amounts = {provider.resource_class: 1}
        self.rooms.held[consumer] = {provider.uuid: amounts}
        return consumer

    def between(self, work):
        """Do *work* between the two looks."""
        todo = [lambda: None, work]
        self.rooms.before['look'] = lambda: todo and todo.pop(0)()


class TestStrays(AuditTest):
    def test_allocation_of_no_claim_is_deleted(self):
        self.allocate()
        self.run_audit()
        self.assertEqual({}, self.rooms.held)

    def test_allocation_of_a_failed_claim_is_deleted(self):
        claim = self.claim()
        self.change(models.Claim, sa.true(), state='failed')
        self.run_audit()
        self.assertNotIn(claim, self.rooms.held)

    def test_others_keep_theirs(self):
        instance = self.allocate()
        self.rooms.strangers.add(instance)
        self.run_audit()
        self.assertIn(instance, self.rooms.held)

    def test_claim_in_any_state_keeps_its_own(self):
        claim = self.claim()
        states = [s for s in model.ClaimState if s != model.ClaimState.FAILED]
        for state in states:
            with self.subTest(state):
                self.change(models.Claim, sa.true(), state=state.value)
                self.run_audit()
                self.assertIn(claim, self.rooms.held)

    def test_what_is_right_at_the_second_look_stays(self):
        claim = self.allocate()
        (region, _) = self.regions()

        def appear():
            self.reserve(region)
            self.change(models.Claim, sa.true(), uuid=claim)

        self.between(appear)
        self.run_audit()
        self.assertIn(claim, self.rooms.held)

    def test_host_that_cannot_be_looked_at_keeps_nobody_from_the_next(self):
        self.ask('report', report=self.cards(hostname='other').to_wire())
        self.manager._inventory.sync_host(self.ctx, 'other')
        stray = self.allocate_on_last()
        self.rooms.before['look'] = self.fail_once
        self.run_audit()
        self.assertNotIn(stray, self.rooms.held)

    def allocate_on_last(self):
        consumer = db.new_uuid()
        provider = list(self.rooms.tree.values())[-1]
        self.rooms.held[consumer] = {provider.uuid: {base.VF: 1}}
        return consumer

    def fail_once(self):
        self.rooms.before.pop('look')
        raise standins.AWAY


class TestLost(AuditTest):
    def setUp(self):
        super().setUp()
        self.uuid = self.claim()
        self.lost = self.rooms.held.pop(self.uuid)

    def test_ready_claim_gets_its_allocation_back(self):
        self.run_audit()
        self.assertEqual({self.uuid: self.lost}, self.rooms.held)

    def test_claim_that_is_released_does_not(self):
        claims.start_release(self.ctx, self.uuid)
        self.run_audit()
        self.assertEqual({}, self.rooms.held)

    def test_claim_that_is_gone_when_it_has_it_gives_it_back(self):
        self.rooms.before['allocate'] = self.vanish
        self.run_audit()
        self.assertEqual({}, self.rooms.held)

    def vanish(self):
        claims.start_release(self.ctx, self.uuid)
        claims.finish_release(self.ctx, self.uuid)

    def test_what_others_have_got_meanwhile_stays_theirs(self):
        refusal = errors.NoCapacity(reason='an instance has it')
        self.rooms.refuses['allocate'] = refusal
        with mock.patch.object(audit.LOG, 'error', autospec=True) as said:
            self.run_audit()
        self.assertIn(self.uuid, said.call_args.args)
        self.assertEqual({}, self.rooms.held)
        self.assertIs(model.ClaimState.READY, self.state(self.uuid))

    def test_other_amount_is_said_and_left_alone(self):
        self.allocate(self.uuid)
        (amounts,) = self.rooms.held[self.uuid].values()
        amounts.update({name: 7 for name in amounts})
        with mock.patch.object(audit.LOG, 'error', autospec=True) as said:
            self.run_audit()
        self.assertIn(self.uuid, said.call_args.args)
        self.assertNotIn('deallocate', self.methods())


class TestTree(AuditTest):
    def test_providers_are_compared_though_nothing_changed(self):
        del self.asked[:]
        self.run_audit()
        self.assertIn('sync_tree', self.methods())

    def test_it_ends_when_the_conductor_does(self):
        self.allocate()
        self.ending.set()
        self.run_audit()
        self.assertEqual(1, len(self.rooms.held))
