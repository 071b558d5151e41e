"""A report that says nothing new costs one statement and no request."""

import sqlalchemy as sa

from cyborg_fpga import errors
from cyborg_fpga import model
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
