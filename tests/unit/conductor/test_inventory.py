"""A report that says nothing new costs one statement and no request."""

from unittest import mock

import sqlalchemy as sa

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.conductor import inventory
from cyborg_fpga.db import hosts
from cyborg_fpga.db import models
from tests.unit.conductor import base
from tests.unit.conductor import standins
from tests.unit.db import base as db


class TestReport(base.ConductorTest):
    def test_unchanged_report_is_one_statement(self):
        report = self.cards()
        self.ask('report', report=report.to_wire())
        del self.asked[:]
        again = db.later(report).to_wire()
        with self.statements() as seen:
            self.assertEqual({}, self.ask('report', report=again))
        self.assertEqual(1, len(seen), seen)
        self.assertEqual([], self.asked)

    def test_older_report_is_refused(self):
        older = self.cards()
        self.ask('report', report=self.cards().to_wire())
        self.assertRaises(
            errors.StaleReport, self.ask, 'report', report=older.to_wire()
        )


class TestPlacement(base.ConductorTest):
    def sync(self, **how):
        del self.asked[:]
        self.manager._inventory.sync_host(self.ctx, db.HOST, **how)
        return self.methods()

    def test_same_tree_is_told_once(self):
        self.assertIn('sync_tree', self.sync())
        self.assertEqual([], self.sync())
        self.assertIn('sync_tree', self.sync(force=True))

    def test_placement_that_was_away_is_told_later(self):
        self.sync()
        self.change(models.Host, sa.true(), status='disabled')
        self.rooms.refuses['sync_tree'] = standins.AWAY
        self.assertRaises(errors.ServiceUnavailable, self.sync)
        self.assertEqual([db.HOST], hosts.stale(self.ctx))
        self.rooms.refuses.clear()
        self.assertIn('sync_tree', self.sync())
        self.assertEqual(2, self.rooms.reserved)
        self.assertEqual([], hosts.stale(self.ctx))

    def test_what_a_failed_telling_left_is_compared_again(self):
        self.sync()
        self.change(models.Host, sa.true(), status='disabled')
        self.rooms.refuses['sync_tree'] = standins.AWAY
        self.assertRaises(errors.ServiceUnavailable, self.sync)
        # As it was when Placement was told last, but who knows how much of
        # the change it has taken up.
        self.change(models.Host, sa.true(), status='enabled')
        self.rooms.refuses.clear()
        self.assertIn('sync_tree', self.sync())

    def test_change_amid_the_telling_is_told_too(self):
        changes = [
            lambda: hosts.set_status(
                self.ctx, db.HOST, model.HostStatus.DISABLED, None
            )
        ]
        self.rooms.before['sync_tree'] = lambda: (
            changes.pop()() if changes else None
        )
        self.assertEqual(['sync_tree'] * 2, self.sync())
        self.assertEqual(2, self.rooms.reserved)


class Killed(BaseException):
    """A process is killed there: nothing that stands behind is done."""


class TestTwoConductors(base.ConductorTest):
    """Both tell Placement of one host, and one of them may be killed."""

    def setUp(self):
        super().setUp()
        self.slow = self.manager._inventory
        self.fast = self.conductor()._inventory
        self.slow.sync_host(self.ctx, db.HOST)

    def once(self, work):
        """Do *work* when Placement is told for the first time."""
        todo = [work]
        self.rooms.before['sync_tree'] = lambda: todo and todo.pop()()

    def disable(self):
        hosts.set_status(self.ctx, db.HOST, model.HostStatus.DISABLED, None)

    def enable(self):
        hosts.set_status(self.ctx, db.HOST, model.HostStatus.ENABLED, None)

    def overtake(self):
        """The slow one's turn is over; the other tells what is so now."""
        self.expire_turn()
        self.enable()
        self.fast.sync_host(self.ctx, db.HOST)

    def expire_turn(self):
        taken = models.Host.placement_teller_until > 0
        self.change(models.Host, taken, placement_teller_until=1.0)

    def killed(self, work):
        """Have the slow one told something new and killed by *work*."""
        self.disable()
        self.once(work)
        self.assertRaises(Killed, self.slow.sync_host, self.ctx, db.HOST)

    @staticmethod
    def die(*args):
        raise Killed

    def assert_found(self):
        """What the killed one left is seen to be incomplete."""
        self.expire_turn()
        self.assertEqual([db.HOST], hosts.stale(self.ctx))
        self.fast.sync_host(self.ctx, db.HOST)
        disabled = hosts.get(self.ctx, db.HOST).status == 'disabled'
        self.assertEqual(2 if disabled else 0, self.rooms.reserved)

    def test_other_waits_for_the_one_that_tells(self):
        self.disable()
        self.once(
            lambda: self.assertRaises(
                errors.ServiceUnavailable,
                self.fast.sync_host,
                self.ctx,
                db.HOST,
            )
        )
        with mock.patch.object(inventory, '_PATIENCE_SECONDS', -60):
            self.slow.sync_host(self.ctx, db.HOST)
        self.assertEqual(2, self.rooms.reserved)

    def test_telling_that_was_cut_short_is_found(self):
        self.killed(self.die)
        self.assert_found()

    def test_telling_that_was_cut_short_before_it_began_is_found(self):
        self.disable()
        with mock.patch.object(
            inventory.Inventory, '_arrange', autospec=True, side_effect=Killed
        ):
            self.assertRaises(Killed, self.slow.sync_host, self.ctx, db.HOST)
        self.assert_found()

    def test_who_is_overtaken_and_killed_leaves_a_trace(self):
        finish = hosts.finish_telling

        def kill_behind(ctx, hostname, teller, digest):
            finished = finish(ctx, hostname, teller, digest)
            if teller == self.slow._teller:
                raise Killed
            return finished

        with mock.patch.object(
            hosts, 'finish_telling', autospec=True, side_effect=kill_behind
        ):
            self.killed(self.overtake)
        self.assertEqual(2, self.rooms.reserved)
        self.assert_found()
