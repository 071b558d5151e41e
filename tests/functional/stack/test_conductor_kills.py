"""SIGKILL of a conductor at every named point of a claim and its release."""

import signal
import threading
import time

from cyborg_fpga import killpoints
from cyborg_fpga.cmd import demo_http
from tests.fixtures import stack
from tests.functional.stack import base

_ONE_CARD = """
cards:
  - {address: '0000:3b:00.0', family: PAC_A10,
     program_fixed: 0, program_rate: 1000000000}
"""
_DEADLINE = 10
#: What an operation may take, and what its claim does after that.
_SECONDS = _DEADLINE + 30
#: Who gets a request is the broker's choice, in turn, with some in step.
_CYCLES = 60

#: How a claim ends whose conductor dies there; None: it is gone.
_CLAIM_ENDS = {
    'claim_reserved': 'failed',
    'claim_allocated': 'failed',
    'claim_operation_committed': 'failed',
    'claim_sent': 'ready',
    'claim_confirmed_before_answer': 'ready',
}


class _KillTest(base.StackTest):
    scenario = _ONE_CARD
    settings = {
        'conductor': {'deadline_min': _DEADLINE},
        'api': {'conductor_timeout': 2},
    }

    def kill_while_claiming(self, point):
        """Claim until the conductor with *point* has died of it."""
        victim = self.victim(point)
        claim = None
        for _ in range(_CYCLES):
            image, function = self.image()
            known = {c['uuid'] for c in self.stack.claims()}
            self.attempt(self.claim, image)
            if self.died(victim):
                break
            self.release_all()
        self.assertEqual(-signal.SIGKILL, victim.exit_code(0.1), point)
        started = time.monotonic()
        self.succeed()
        self.agree(_SECONDS)
        self.assertLess(time.monotonic() - started, _SECONDS)
        (claim,) = (c for c in self.stack.claims() if c['uuid'] not in known)
        self.assertEqual(_CLAIM_ENDS[point], claim['state'], claim)
        if claim['state'] == 'failed':
            self.assertEqual('interrupted', claim['fault']['code'])
            # The same wish again, with the old answer still in the list.
            claim = self.claim(image)
            self.stack.claim_in(claim['uuid'], 'ready')
        (region,) = self.stack.deployables()
        self.assertEqual(function, region['function_id'])
        self.release_all()
        self.assert_released()

    def kill_while_releasing(self, point):
        """Claim and release until the conductor has died of the latter."""
        victim = self.victim(point)
        for _ in range(_CYCLES):
            image, _function = self.image()
            claim = self.claim(image)
            self.stack.claim_in(claim['uuid'], 'ready')
            path = f'/claims/{claim["uuid"]}'
            self.attempt(self.stack.api.delete, path)
            if self.died(victim):
                break
            self.release_all()
        self.assertEqual(-signal.SIGKILL, victim.exit_code(0.1), point)
        started = time.monotonic()
        self.succeed()
        # Repeating it is harmless wherever the first one is.
        self.attempt(self.stack.api.delete, path)
        self.stack.gone(claim['uuid'])
        self.assert_released()
        self.assertLess(time.monotonic() - started, _SECONDS)
        # The card is as usable as before.
        claim = self.claim(image)
        self.stack.claim_in(claim['uuid'], 'ready')
        self.release_all()
        self.assert_released()

    def victim(self, point):
        raise NotImplementedError

    def succeed(self):
        """Let somebody go on after the victim."""

    def attempt(self, request, *args):
        """Do *request*; the service may be killed amid it."""
        try:
            return request(*args)
        except demo_http.Refused as exc:
            self.assertIn(exc.status, (404, 503), exc)
            return None

    def died(self, victim):
        """Give it a moment to reach its point, if it does the work."""
        self.stack.until(
            'the work has ended or the conductor',
            lambda: not victim.alive or not self.unfinished(),
        )
        # What ended may have ended just before the point.
        return victim.exit_code(1) is not None

    def unfinished(self):
        return self.stack.operations(state='pending') + (
            self.stack.operations(state='running')
            + [
                claim
                for claim in self.stack.claims()
                if claim['state'] in ('claiming', 'programming', 'releasing')
            ]
        )

    def release_all(self):
        for claim in self.stack.claims():
            path = f'/claims/{claim["uuid"]}'
            self.attempt(self.stack.api.delete, path)
        for claim in self.stack.claims():
            self.stack.gone(claim['uuid'])


class TakeOverTest(_KillTest):
    """Another conductor finds what the dead one left."""

    def victim(self, point):
        victim = self.stack.start('conductor', kill_at=point)
        self.addCleanup(victim.stop)
        victim.says(stack.READY['conductor'])
        return victim


class RestartTest(_KillTest):
    """The only conductor dies, and is started again."""

    def victim(self, point):
        for conductor in self.stack.conductors:
            conductor.stop()
        victim = self.stack.start('conductor', kill_at=point)
        self.addCleanup(victim.stop)
        victim.says(stack.READY['conductor'])
        self.stack.conductors = []
        self._started = threading.Event()
        watch = threading.Thread(target=self._restart, args=(victim,))
        watch.start()
        self.addCleanup(watch.join)
        return victim

    def _restart(self, victim):
        if victim.exit_code(60) == -signal.SIGKILL:
            self.stack.conductors = [self.stack.start('conductor')]
        self._started.set()

    def succeed(self):
        self._started.wait(30)
        for conductor in self.stack.conductors:
            conductor.says(stack.READY['conductor'])


def _add_tests(cls):
    for point in killpoints.CONDUCTOR:
        kind = 'claiming' if point.startswith('claim') else 'releasing'

        def test(self, kind=kind, point=point):
            getattr(self, f'kill_while_{kind}')(point)

        setattr(cls, f'test_killed_at_{point}', test)


_add_tests(TakeOverTest)
_add_tests(RestartTest)
