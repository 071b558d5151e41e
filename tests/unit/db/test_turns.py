"""Of many conductors one does the work of all."""

from cyborg_fpga.db import bitstreams
from cyborg_fpga.db import turns
from tests.unit.db import base


class TestTurns(base.DatabaseTest):
    def _take(self, owner, seconds=30):
        return turns.take(self.ctx, 'work', owner, seconds)

    def test_one_has_the_turn(self):
        self.assertTrue(self._take('me'))
        self.assertFalse(self._take('you'))
        self.assertTrue(self._take('me'))

    def test_turn_ends(self):
        self._take('me', -1)
        self.assertTrue(self._take('you'))
        self.assertFalse(self._take('me'))

    def test_each_work_has_its_own(self):
        self._take('me')
        self.assertTrue(turns.take(self.ctx, 'other', 'you', 30))

    def test_turn_does_not_touch_the_cursor(self):
        bitstreams.set_cursor(self.ctx, 'work', 'here')
        self.assertTrue(self._take('me'))
        self.assertEqual('here', bitstreams.cursor(self.ctx, 'work'))
