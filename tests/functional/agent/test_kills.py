"""SIGKILL at every named point: the outcome is what the card shows.

Agent and cards are processes of their own; the conductor is a stand-in with
the database's rule, one `begin` per operation.
"""

import dataclasses
import hashlib
import json
import multiprocessing.connection
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid

from oslotest import base

from cyborg_fpga import killpoints
from cyborg_fpga import model
from cyborg_fpga.agent import cache
from cyborg_fpga.agent import journal
from cyborg_fpga.simulator import client
from cyborg_fpga.simulator import samples
from tests.functional.agent import downloading

CARD = '0000:3b:00.0'
REGION = '69528db6eb31577a8c3668f9faa081f6'
CRYPTO = 'c' * 32
ZIP = 'd' * 32

_SCENARIO = f"""
cards:
  - {{address: '{CARD}', family: PAC_A10, program_fixed: 0.05}}
"""


class Conductor:
    """Listens for a child's calls; `begin` is for one attempt of each."""

    def __init__(self, address):
        self.begun = {}
        self.outcomes = []
        self.stages = []
        self._listener = multiprocessing.connection.Listener(address)
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self._listener.close()

    def _serve(self):
        while True:
            try:
                wire = self._listener.accept()
            except OSError:
                return
            threading.Thread(
                target=self._answer, args=(wire,), daemon=True
            ).start()

    def _answer(self, wire):
        try:
            name, *args = wire.recv()
            wire.send(getattr(self, f'_{name}')(*args))
        except (EOFError, OSError):
            pass  # The child died in between.

    def _begin(self, ident, fence, attempt):
        return self.begun.setdefault(ident, attempt) != attempt

    def _progress(self, status):
        self.stages.append(status['step'])

    def _finish(self, status):
        self.outcomes.append(model.OperationStatus.from_wire(status))


class KillTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = pathlib.Path(directory.name)
        (self.path / 'images').mkdir()
        self.host = self.path / 'host'
        scenario = self.path / 'scenario.yaml'
        scenario.write_text(_SCENARIO)
        cards = self.spawn(
            'cyborg_fpga.cmd.simulator',
            'run',
            str(self.host),
            '--scenario',
            str(scenario),
        )
        self.assertEqual('ready\n', cards.stdout.readline())
        self.cards = client.Simulator(self.host)
        self.conductor = Conductor(str(self.path / 'conductor'))
        self.addCleanup(self.conductor.close)

    def spawn(self, module, *args, kill_at=None):
        process = subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-m', module, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                **({killpoints.VARIABLE: kill_at} if kill_at else {}),
            },
        )

        def end():
            process.kill()
            process.wait(10)
            process.stdin.close()
            process.stdout.close()

        self.addCleanup(end)
        return process

    def agent(self, kill_at=None):
        return self.spawn(
            'tests.functional.agent.child',
            str(self.path),
            str(self.host),
            str(self.path / 'conductor'),
            kill_at=kill_at,
        )

    def hand(self, agent, operation):
        """Send *operation* as a conductor would; its answer, if any."""
        try:
            agent.stdin.write(json.dumps(operation.to_wire()) + '\n')
            agent.stdin.flush()
        except BrokenPipeError:
            return None
        line = agent.stdout.readline()
        return model.OperationStatus.from_wire(json.loads(line or '{}')) \
            if line else None  # fmt: skip

    def port(self):
        return self.cards.cards()[0]['ports'][0]

    def shown(self):
        found = self.port()['function_id']
        return None if found == samples.BLANK else found

    def program(self, function=CRYPTO, size=65536, fence=1):
        content = samples.sample_gbs(REGION, function, size=size)
        ident = str(uuid.uuid4())
        (self.path / 'images' / ident).write_bytes(content)
        return self.operation(
            kind=model.OperationKind.PROGRAM,
            image_uuid=ident,
            image_hash_algo='sha512',
            image_hash_value=hashlib.sha512(content).hexdigest(),
            image_size=len(content),
            fence=fence,
        )

    def operation(self, **values):
        return model.Operation(
            **{
                'uuid': str(uuid.uuid4()),
                'deployable_uuid': str(uuid.uuid4()),
                'deployable': f'{CARD}/port0',
                'device': model.PciAddress.parse(CARD),
                'driver': 'intel_dfl',
                'hostname': 'node1',
                'fence': 1,
                'seconds_left': 30.0,
                **values,
            }
        )

    def outcome_of(self, operation):
        give_up = time.monotonic() + 20
        while time.monotonic() < give_up:
            for outcome in self.conductor.outcomes:
                if outcome.uuid == operation.uuid:
                    return outcome
            time.sleep(0.02)
        raise AssertionError('no outcome came')

    def die(self, operation, point):
        """Have an agent killed by itself at *point* of *operation*."""
        agent = self.agent(kill_at=point)
        self.assertEqual('ready\n', agent.stdout.readline())
        self.hand(agent, operation)
        self.assertEqual(-signal.SIGKILL, agent.wait(20), point)

    def live(self, operation):
        """Start the next agent and be the conductor that takes over."""
        agent = self.agent()
        self.assertEqual('ready\n', agent.stdout.readline())
        self.assertIsNotNone(self.hand(agent, operation))
        outcome = self.outcome_of(operation)
        # Every later question gets the same answer and does nothing.
        loads = self.port()['loads']
        give_up = time.monotonic() + 5
        while (status := self.hand(agent, operation)) != outcome:
            self.assertLess(time.monotonic(), give_up, status)
        agent.stdin.close()
        self.assertEqual(0, agent.wait(20))
        self.assertEqual(loads, self.port()['loads'])
        self.assertTrue(self.delivered(operation))
        return outcome

    def delivered(self, operation):
        state = journal.Journal(self.path / 'state')
        state.open()
        entries, _damaged = state.load()
        state.close()
        return [
            entry.delivered
            for entry in entries
            if entry.status.uuid == operation.uuid
        ] == [True]

    def assert_true_to_the_card(self, outcome):
        self.assertTrue(outcome.done)
        if outcome.touched:
            self.assertEqual(self.shown(), outcome.function_id)
        self.assertLessEqual(self.port()['loads'], 1)


class ProgramKillTest(KillTest):
    def killed_at(self, point, cause=None, function=CRYPTO):
        operation = self.program()
        self.die(operation, point)
        outcome = self.live(operation)
        self.assertEqual(cause, outcome.cause, outcome)
        self.assertEqual(cause is None, outcome.succeeded)
        self.assertEqual(function, self.shown())
        self.assert_true_to_the_card(outcome)
        return outcome

    def test_accepted(self):
        self.killed_at('accepted')

    def test_fetched(self):
        self.killed_at('fetched')

    def test_verified(self):
        self.killed_at('verified')

    def test_begun(self):
        # The journal says that no byte was written, so the leave holds.
        self.killed_at('begun')

    def test_journalled_programming(self):
        outcome = self.killed_at(
            'journalled_programming', model.Cause.INTERRUPTED, None
        )
        self.assertTrue(outcome.touched)

    def test_programmed_before_journal(self):
        self.killed_at('programmed_before_journal')

    def test_journalled_programmed(self):
        self.killed_at('journalled_programmed')

    def test_read_back(self):
        self.killed_at('read_back')

    def test_journalled_done(self):
        self.killed_at('journalled_done')

    def test_delivered(self):
        self.killed_at('delivered')

    def test_same_function_was_there_before(self):
        """Finding it again does not prove that the new image is loaded."""
        first = self.program()
        self.live(first)
        second = self.program(fence=2)
        self.die(second, 'journalled_programming')
        outcome = self.live(second)
        self.assertEqual(model.Cause.INTERRUPTED, outcome.cause)
        self.assertEqual(CRYPTO, outcome.function_id)

    def test_while_the_card_loads(self):
        """The card goes on without the agent, and the next one waits."""
        self.cards.fault(CARD, 'slow', seconds=2.0)
        operation = self.program()
        agent = self.agent()
        self.assertEqual('ready\n', agent.stdout.readline())
        self.hand(agent, operation)
        give_up = time.monotonic() + 10
        while self.port()['loading'] is None:
            self.assertLess(time.monotonic(), give_up)
            time.sleep(0.02)
        agent.kill()
        self.assertEqual(-signal.SIGKILL, agent.wait(10))
        outcome = self.live(operation)
        self.assertTrue(outcome.succeeded, outcome)
        self.assert_true_to_the_card(outcome)

    def test_every_point_has_its_test(self):
        tested = {
            name.removeprefix('test_')
            for name in dir(self)
            if name.startswith('test_')
        }
        self.assertEqual(set(), set(killpoints.AGENT) - tested)


class WipeKillTest(KillTest):
    def killed_at(self, point, level, cause=None):
        loaded = self.program()
        self.live(loaded)
        self.cards.write_memory(CARD, 0, b'secret')
        operation = dataclasses.replace(
            loaded,
            uuid=str(uuid.uuid4()),
            kind=model.OperationKind.WIPE,
            wipe_level=level,
            expected_function=CRYPTO,
            fence=2,
        )
        self.die(operation, point)
        outcome = self.live(operation)
        self.assertEqual(cause, outcome.cause, outcome)
        if outcome.succeeded:
            left = self.cards.read_memory(CARD, 0, 6)
            self.assertEqual(b'\0' * 6, left)
            self.assertEqual(self.shown(), outcome.function_id)
        cleared = level is model.WipeLevel.CLEAR and outcome.succeeded
        self.assertEqual(None if cleared else CRYPTO, self.shown())
        return outcome

    def test_reset_killed_before_it_began(self):
        self.killed_at('accepted', model.WipeLevel.RESET)

    def test_reset_killed_with_leave(self):
        self.killed_at('begun', model.WipeLevel.RESET)

    def test_reset_killed_before_the_first_write(self):
        """The function proves nothing: what it held is there still."""
        outcome = self.killed_at(
            'journalled_programming',
            model.WipeLevel.RESET,
            model.Cause.INTERRUPTED,
        )
        self.assertTrue(outcome.touched)
        self.assertEqual(b'secret', self.cards.read_memory(CARD, 0, 6))

    def test_reset_killed_before_it_was_known_to_be_done(self):
        self.killed_at(
            'programmed_before_journal',
            model.WipeLevel.RESET,
            model.Cause.INTERRUPTED,
        )

    def test_reset_killed_after_it_was_done(self):
        self.killed_at('journalled_programmed', model.WipeLevel.RESET)

    def test_reset_killed_after_it_was_read_back(self):
        self.killed_at('read_back', model.WipeLevel.RESET)

    def test_clear_killed_before_it_was_told(self):
        self.killed_at('journalled_done', model.WipeLevel.CLEAR)

    def test_clear_killed_after_it_was_told(self):
        self.killed_at('delivered', model.WipeLevel.CLEAR)


class DownloadTest(base.BaseTestCase):
    """SIGKILL amid a download."""

    size = 5 * 2**20
    come = 3 * 2**20

    def setUp(self):
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = pathlib.Path(directory.name)
        self.content = os.urandom(self.size)
        (self.path / 'image').write_bytes(self.content)
        self.starts = []
        self.killed()

    def killed(self):
        child = subprocess.Popen(
            [
                *(sys.executable, '-m', 'tests.functional.agent.downloading'),
                *(str(self.path / 'cache'), str(self.path / 'image')),
                str(self.come),
            ],
            stdout=subprocess.PIPE,
        )
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        self.assertEqual(b'there\n', child.stdout.readline())
        child.kill()
        child.wait()

    def download(self, ident, start=0):
        self.starts.append(start)
        yield self.content[start:]

    def fetched(self):
        opened = cache.Cache(self.path / 'cache', 2**30, self.download)
        opened.open()
        wanted = downloading.operation(self.content)
        with opened.fetch(wanted, lambda done, total: None) as path:
            return path.read_bytes()

    def test_the_next_agent_goes_on(self):
        self.assertEqual(self.content, self.fetched())
        self.assertEqual([self.come], self.starts)

    def test_what_was_spoilt_meanwhile_is_not_served(self):
        (part,) = (self.path / 'cache').iterdir()
        spoilt = bytearray(part.read_bytes())
        spoilt[len(spoilt) // 2] ^= 1
        part.write_bytes(spoilt)
        self.assertEqual(self.content, self.fetched())
        self.assertEqual([self.come, 0], self.starts)
