"""SIGKILL of the agent at every named point, and what the rest makes of it."""

import datetime
import signal
import threading

from cyborg_fpga import killpoints
from tests.fixtures import stack
from tests.functional.stack import base

_DEADLINE = 20

#: How a claim ends whose programming is cut there; no entry: it is ready.
_FAILS = {'journalled_programming': 'interrupted'}
#: What a wipe never meets.
_OF_PROGRAMS = ('fetched', 'verified')


class AgentKillTest(base.StackTest):
    settings = {'conductor': {'deadline_min': _DEADLINE}}

    def setUp(self):
        super().setUp()
        self.addCleanup(self.revive)

    def kill_while_programming(self, point):
        image, function = self.image()
        self.victim(point)
        before = self.stack.loads()
        known = {o['uuid'] for o in self.stack.operations()}
        claim = self.claim(image)
        self.assert_killed_and_revived(point)
        claim = self.stack.claim_in(claim['uuid'], 'ready', 'failed')
        self.assert_ended_in_time()
        self.agree()
        cause = _FAILS.get(point)
        self.assertEqual('failed' if cause else 'ready', claim['state'])
        (mine,) = self.stack.operations(
            claim_uuid=claim['uuid'], kind='program'
        )
        self.assertEqual(cause, mine['cause'])
        self.assertEqual(not cause, function in self.functions())
        self.assertEqual(0 if cause else 1, self.loaded_since(before, known))
        if cause:
            self.assertEqual(cause, claim['fault']['code'])
        self.stack.release(claim['uuid'])
        self.assert_released()

    def kill_while_wiping(self, point):
        image, _function = self.image()
        claim = self.claim(image)
        claim = self.stack.claim_in(claim['uuid'], 'ready')
        (address,) = claim['addresses']
        self.stack.cards.write_memory(address, 0, b'secret')
        self.victim(point)
        self.stack.api.delete(f'/claims/{claim["uuid"]}')
        self.assert_killed_and_revived(point)
        # No operator is needed: the card did nothing wrong.
        self.stack.gone(claim['uuid'])
        self.assert_ended_in_time()
        self.assert_released()
        self.assertEqual(bytes(6), self.stack.cards.read_memory(address, 0, 6))
        self.assertEqual('ok', self.stack.devices()[address]['health'])

    def victim(self, point):
        """Replace the agent by one that dies at *point*, once."""
        # Idle, so there is nothing to wait for.
        self.stack.agent.kill()
        self._victim = self.stack.start('agent', kill_at=point)
        self._victim.says(stack.READY['agent'])
        self._watch = threading.Thread(target=self._await_death)
        self._watch.start()

    def _await_death(self):
        self._code = self._victim.exit_code(60)
        self.stack.agent = self.stack.start('agent')

    def assert_killed_and_revived(self, point):
        self._watch.join()
        self.assertEqual(-signal.SIGKILL, self._code, point)
        self.stack.agent.says(stack.READY['agent'])

    def revive(self):
        """Whatever failed, the next test finds a good agent."""
        if not self.stack.agent.alive:
            self._victim.kill()
            self._watch.join()

    def assert_ended_in_time(self):
        for operation in self.stack.operations():
            self.assertNotIn(operation['state'], ('pending', 'running'))
            self.assertLess(
                _time(operation['finished_at']),
                _time(operation['deadline']) + 30,
            )

    def functions(self):
        return [self.stack.function(card) for card in self.stack.devices()]

    def loaded_since(self, before, known):
        """How often cards were programmed, but for the wipes that do so."""
        loads = sum(self.stack.loads().values()) - sum(before.values())
        return loads - len(
            [
                wipe
                for wipe in self.stack.operations(kind='wipe')
                if wipe['uuid'] not in known
                and (wipe['wipe_level'] == 'clear' or wipe['image_uuid'])
            ]
        )


def _time(text):
    return datetime.datetime.fromisoformat(text).timestamp()


def _add_tests():
    for point in killpoints.AGENT:

        def program(self, point=point):
            self.kill_while_programming(point)

        def wipe(self, point=point):
            self.kill_while_wiping(point)

        name = f'test_killed_at_{point}_of_'
        setattr(AgentKillTest, f'{name}a_programming', program)
        if point not in _OF_PROGRAMS:
            setattr(AgentKillTest, f'{name}a_wipe', wipe)


_add_tests()
