"""SIGKILL of a conductor while it tells Placement of a host."""

import signal

from cyborg_fpga import killpoints
from cyborg_fpga.cmd import demo_http
from tests.fixtures import stack
from tests.functional.stack import base

_ROUNDS = 12
_VF = 'CUSTOM_FPGA_INTEL_VF'


class PlacementKillTest(base.StackTest):
    """Another conductor tells Placement what the dead one did not."""

    def killed_at(self, point):
        victim = self.stack.start('conductor', kill_at=point)
        self.addCleanup(victim.stop)
        victim.says(stack.READY['conductor'])
        self.addCleanup(self.say, 'enabled')
        for number in range(_ROUNDS):
            status = 'enabled' if number % 2 else 'disabled'
            self.say(status)
            if not victim.alive:
                break
        self.assertEqual(-signal.SIGKILL, victim.exit_code(1), point)
        wanted = [2, 4] if status == 'disabled' else [0, 0]
        self.stack.until(
            f'{wanted} are reserved',
            lambda: self.reserved() == wanted,
        )

    def reserved(self):
        return [self.stack.stock(name)['reserved'] for name in (stack.PF, _VF)]

    def say(self, status):
        """Have the host enabled or disabled, whoever dies of it."""
        try:
            self.stack.admin.call(
                'PATCH',
                f'/hosts/{self.stack.hostname}',
                json={'status': status},
            )
        except demo_http.Refused as exc:
            self.assertEqual(503, exc.status, exc)


def _add_tests():
    for point in killpoints.PLACEMENT:

        def test(self, point=point):
            self.killed_at(point)

        setattr(PlacementKillTest, f'test_killed_at_{point}', test)


_add_tests()
