"""Operations whose agent says nothing, something odd, or nothing any more."""

import time

import sqlalchemy as sa

from cyborg_fpga import model
from cyborg_fpga.db import models
from cyborg_fpga.db import operations
from tests.unit.conductor import base

OP = models.Operation


class TestCheck(base.ConductorTest):
    def setUp(self):
        super().setUp()
        self.claimed = self.claim(image_uuid=self.image())
        (self.operation,) = self.agents.taken

    def begun(self):
        self.ask('begin', uuid=self.operation.uuid, fence=self.operation.fence)

    def overdue(self):
        self.change(OP, sa.true(), deadline=1.0)

    def look(self):
        """One cycle, and what it has set going."""
        self.manager.reconciler.cycle()
        self.settled()
        return operations.get(self.ctx, self.operation.uuid)

    def settled(self):
        """Wait for the jobs of a cycle."""
        reconciler = self.manager.reconciler
        end = time.monotonic() + 5
        while reconciler._checks._keys or reconciler._jobs._keys:
            self.assertLess(time.monotonic(), end, 'jobs do not end')
            time.sleep(0.002)

    def test_operation_that_no_agent_heard_of_is_sent_again(self):
        self.agents.known.clear()
        self.look()
        self.assertEqual(
            [self.operation.uuid] * 2, [o.uuid for o in self.agents.taken]
        )

    def test_operation_that_had_begun_is_not_sent_again(self):
        self.begun()
        self.agents.known.clear()
        found = self.look()
        self.assertEqual(model.Cause.INTERRUPTED, found.cause)
        self.assertNotIn(
            self.operation.uuid, [o.uuid for o in self.agents.taken[1:]]
        )
        region = next(r for r in self.regions() if r.wipe_pending)
        self.assertEqual(model.DeployableState.UNKNOWN, region.state)

    def test_outcome_that_was_not_heard_is_taken(self):
        self.begun()
        self.agents.known[self.operation.uuid] = model.OperationStatus(
            uuid=self.operation.uuid,
            fence=self.operation.fence,
            done=True,
            succeeded=True,
            touched=True,
            function_id=base.FUNCTION,
        )
        found = self.look()
        self.assertEqual(model.OperationState.SUCCEEDED, found.state)
        self.assertEqual(model.ClaimState.READY, self.state(self.claimed))

    def test_silence_is_waited_for_until_the_deadline(self):
        self.begun()
        self.agents.silent = True
        found = self.look()
        self.assertEqual(model.OperationState.RUNNING, found.state)
        self.overdue()
        found = self.look()
        self.assertEqual(model.Cause.AGENT_LOST, found.cause)
        region = next(r for r in self.regions() if r.wipe_pending)
        self.assertEqual(model.DeployableState.UNKNOWN, region.state)
        self.assertGreater(region.fence, self.operation.fence)

    def test_operation_that_runs_past_its_deadline_is_given_up(self):
        self.begun()
        self.overdue()
        self.assertEqual(model.Cause.TIMEOUT, self.look().cause)

    def test_operation_of_a_dead_conductor_is_taken_over(self):
        self.change(OP, sa.true(), lease_owner='another')
        self.agents.known.clear()
        self.look()
        self.assertEqual(1, len(self.agents.taken))
        self.expire_leases()
        self.look()
        self.assertEqual(2, len(self.agents.taken))

    def test_claim_that_a_conductor_died_making_is_undone(self):
        self.ask('finish', status=self.failed())
        self.change(
            models.Claim,
            models.Claim.uuid == self.claimed,
            state='claiming',
            fault_code=None,
            lease_owner='another',
        )
        self.expire_leases()
        self.look()
        self.assertEqual(model.ClaimState.RELEASING, self.state(self.claimed))

    def failed(self):
        return model.OperationStatus(
            uuid=self.operation.uuid,
            fence=self.operation.fence,
            done=True,
            cause=model.Cause.IMAGE_UNAVAILABLE,
        ).to_wire()
