"""Whom the conductor lets run the function of a deployable, and when."""

import oslo_messaging as messaging

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.conductor import running
from cyborg_fpga.db import claims
from tests.unit.conductor import base
from tests.unit.db import base as db


class TestRun(base.ConductorTest):
    def setUp(self):
        super().setUp()
        self.sent = []
        self.refusal = None
        self.running = running.Running(self)

    def run_function(self, ctx, hostname, address, data):
        """As the client of agents."""
        if self.refusal is not None:
            raise self.refusal
        self.sent.append((hostname, address, data))
        return 'answer'

    def run_it(self, claim, region=None):
        region = region or claims.get(self.ctx, claim).deployable_uuids[0]
        try:
            return self.running.run(self.ctx, region, claim, 'data')
        except messaging.ExpectedException as exc:
            raise exc.exc_info[1] from None

    def refused(self, *args):
        exc = self.assertRaises(errors.WrongState, self.run_it, *args)
        self.assertEqual([], self.sent)
        return exc.message

    def test_the_agent_of_its_host_runs_what_the_claim_holds(self):
        claim = self.programmed(image_uuid=self.image())
        (address,) = claims.get(self.ctx, claim).addresses
        self.assertEqual('answer', self.run_it(claim))
        self.assertEqual([(db.HOST, address, 'data')], self.sent)

    def test_a_claim_runs_nothing_that_it_does_not_hold(self):
        claim = self.programmed(image_uuid=self.image())
        held = claims.get(self.ctx, claim).deployable_uuids
        other = next(r.uuid for r in self.regions() if r.uuid not in held)
        self.assertIn('not held by this claim', self.refused(claim, other))

    def test_what_is_blank_does_not_run(self):
        self.assertIn('is blank', self.refused(self.claim()))

    def test_a_claim_that_is_not_ready_runs_nothing(self):
        claim = self.claim(image_uuid=self.image())
        self.assertIn('programming', self.refused(claim))
        done = self.programmed(image_uuid=self.image())
        region = claims.get(self.ctx, done).deployable_uuids[0]
        self.ask('release', uuid=done, force=False)
        self.assertIn('releasing', self.refused(done, region))

    def test_what_is_being_programmed_anew_does_not_run(self):
        claim = self.programmed(image_uuid=self.image())
        (region,) = claims.get(self.ctx, claim).deployable_uuids
        self.ask(
            'program',
            ctx=base.ALICE,
            deployable_uuid=region,
            image_uuid=self.image(),
            claim_uuid=claim,
        )
        state = model.DeployableState.PROGRAMMING.value
        self.assertIn(f'is {state}', self.refused(claim))

    def test_an_agent_that_does_not_answer_is_told(self):
        claim = self.programmed(image_uuid=self.image())
        self.refusal = messaging.MessagingTimeout()
        self.assertRaises(errors.ServiceUnavailable, self.run_it, claim)
