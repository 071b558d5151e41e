"""Messages that come late, twice, out of order, or to nobody."""

import concurrent.futures
import dataclasses
import signal
import uuid

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.db import hosts
from cyborg_fpga.db import operations
from cyborg_fpga.rpc import agent as agent_rpc
from cyborg_fpga.rpc import conductor as conductor_rpc
from tests.fixtures import stack
from tests.functional.stack import base

_CTX = context.service()
_LONG = 60
_ONE_CARD = """
cards:
  - {address: '0000:3b:00.0', family: PAC_A10,
     program_fixed: 0, program_rate: 1000000000}
"""
_CARD = '0000:3b:00.0'


class MessageTest(base.StackTest):
    scenario = _ONE_CARD
    settings = {'conductor': {'deadline_min': 8, 'host_down_after': 60}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        transport = cls.stack.rpc()
        cls.agents = agent_rpc.AgentAPI(transport, _LONG)
        cls.conductors = conductor_rpc.ConductorAPI(transport, 10)

    def setUp(self):
        super().setUp()
        self.pool = concurrent.futures.ThreadPoolExecutor()
        self.addCleanup(self.pool.shutdown)

    def operation(self, claim):
        """What a claim has programmed."""
        (found,) = (
            o
            for o in operations.of_claim(_CTX, claim['uuid'])
            if o.kind is model.OperationKind.PROGRAM
        )
        return found

    def asked(self, image):
        """A claim that is asked for in a thread of its own; its future."""
        asked = self.pool.submit(self.claim, image)
        self.stack.until('there is an operation', self.unfinished)
        return asked

    def unfinished(self):
        return self.stack.operations(state='pending')

    def loads(self):
        return self.stack.loads()[_CARD]

    def assert_given_up(self, uuid):
        """It ends without the agent, and no later than it must."""
        operation = self.operation({'uuid': uuid})
        self.stack.until(
            'the operation is given up',
            lambda: operations.get(_CTX, operation.uuid).finished_at,
            operation.seconds_left + 30,
        )
        operation = operations.get(_CTX, operation.uuid)
        self.assertIs(model.Cause.AGENT_LOST, operation.cause)
        return operation

    def assert_refused_by_agent(self, operation):
        """The agent heard of it after all, and left the card alone."""
        status = self.stack.until(
            'the agent is done with it',
            lambda: self.done(operation),
        )
        # Whichever is there first: the refusal to begin, or the cancellation.
        self.assertIn(status.cause, (model.Cause.STALE, model.Cause.CANCELLED))
        self.assertFalse(status.touched)

    def done(self, operation):
        status = self.agents.status(_CTX, operation.hostname, operation.uuid)
        return status if status and status.done else None

    def test_agent_that_was_away_leaves_the_card_alone(self):
        image, _function = self.image()
        before = self.loads()
        self.stack.agent.signal(signal.SIGSTOP)
        self.addCleanup(self.stack.agent.signal, signal.SIGCONT)
        claim = self.claim(image)
        operation = self.assert_given_up(claim['uuid'])
        self.stack.agent.signal(signal.SIGCONT)
        self.assert_refused_by_agent(operation)
        claim = self.stack.claim_in(claim['uuid'], 'failed')
        self.assertEqual('agent_lost', claim['fault']['code'])
        self.agree()
        # What was unknown for a while has been cleared.
        self.assertEqual(1, self.loads() - before)
        self.assertIsNone(self.stack.function(_CARD))

    def test_message_that_waited_for_an_agent_is_too_old(self):
        image, _function = self.image()
        before = self.loads()
        self.stack.agent.kill()
        claim = self.claim(image)
        message = self.operation(claim)
        operation = self.assert_given_up(claim['uuid'])
        # As if the broker had kept it all the while.
        late = self.pool.submit(self.agents.run, _CTX, message)
        self.stack.agent = self.stack.start('agent')
        late.result()
        self.assert_refused_by_agent(operation)
        self.stack.claim_in(claim['uuid'], 'failed')
        self.agree()
        self.assertEqual(1, self.loads() - before)
        self.assertIsNone(self.stack.function(_CARD))

    def test_same_message_again_and_again_programs_once(self):
        image, function = self.image()
        before = self.loads()
        self.stack.agent.signal(signal.SIGSTOP)
        self.addCleanup(self.stack.agent.signal, signal.SIGCONT)
        asked = self.asked(image)
        (waiting,) = self.unfinished()
        operation = operations.get(_CTX, waiting['uuid'])
        again = [
            self.pool.submit(self.agents.run, _CTX, operation)
            for _ in range(3)
        ]
        self.stack.agent.signal(signal.SIGCONT)
        claim = asked.result()
        self.stack.claim_in(claim['uuid'], 'ready')
        for answer in again:
            self.assertEqual(operation.uuid, answer.result().uuid)
        late = self.agents.run(_CTX, operation)
        self.assertTrue(late.succeeded)
        self.agree()
        self.assertEqual(1, self.loads() - before)
        self.assertEqual(function, self.stack.function(_CARD))

    def test_operation_begins_once(self):
        image, _function = self.image()
        self.stack.cards.fault(_CARD, 'slow', seconds=1.5, times=1)
        claim = self.claim(image)
        self.stack.until(
            'it runs', lambda: self.stack.operations(state='running')
        )
        mine = self.operation(claim)
        for fence in (mine.fence, mine.fence + 1):
            for attempt in (None, str(uuid.uuid4())):
                with self.assertRaises(errors.StaleFence):
                    self.conductors.begin(
                        _CTX, mine.uuid, fence, attempt=attempt
                    )
        self.stack.claim_in(claim['uuid'], 'ready')
        with self.assertRaises(errors.StaleFence):
            self.conductors.begin(_CTX, mine.uuid, mine.fence)

    def test_first_outcome_stands(self):
        image, function = self.image()
        claim = self.claim(image)
        self.stack.claim_in(claim['uuid'], 'ready')
        mine = self.operation(claim)
        told = self.stack.until('it is done', lambda: self.done(mine))
        self.assertTrue(told.succeeded)
        before = self.everything(claim)
        self.conductors.finish(_CTX, told)
        self.conductors.finish(
            _CTX,
            dataclasses.replace(
                told,
                succeeded=False,
                function_id=None,
                cause=model.Cause.DEVICE_ERROR,
            ),
        )
        self.assertEqual(before, self.everything(claim))
        self.agree()
        self.assertEqual(function, self.stack.function(_CARD))

    def everything(self, claim):
        return (
            self.stack.api.get(f'/claims/{claim["uuid"]}'),
            self.stack.operations(claim_uuid=claim['uuid']),
            self.stack.deployables(),
            self.stack.devices(),
        )

    def test_older_report_after_a_newer_one_is_refused(self):
        host = hosts.get(_CTX, self.stack.hostname)
        before = self.stack.devices()
        for boot, sequence in (
            (host.boot_id, 1),
            (host.boot_id - 1, host.report_sequence + 1000),
        ):
            empty = model.HostReport(
                hostname=host.hostname,
                boot_id=boot,
                sequence=sequence,
                digest='other',
                resource_provider_name=host.hostname,
                devices=(),
            )
            with self.assertRaises(errors.StaleReport):
                self.conductors.report(_CTX, empty)
        self.assertEqual(before, self.stack.devices())
        self.assertEqual({'ok'}, {d['health'] for d in before.values()})

    def test_outcome_waits_for_a_conductor(self):
        image, function = self.image()
        before = self.loads()
        self.stack.cards.fault(_CARD, 'slow', seconds=1, times=1)
        claim = self.claim(image)
        self.stack.until(
            'it runs', lambda: self.stack.operations(state='running')
        )
        for conductor in self.stack.conductors:
            conductor.kill()
        self.stack.agent.says(f'{self.operation(claim).uuid} on .*: succeeded')
        self.assertEqual('running', self.operation(claim).state)
        self.stack.conductors = [self.stack.start('conductor')]
        self.stack.conductors[0].says(stack.READY['conductor'])
        self.stack.claim_in(claim['uuid'], 'ready')
        self.agree()
        self.assertEqual(1, self.loads() - before)
        self.assertEqual(function, self.stack.function(_CARD))
