"""How long a conductor waits, and how long it may."""

import sqlalchemy as sa

from cyborg_fpga import errors
from cyborg_fpga.conductor import manager
from cyborg_fpga.db import hosts
from cyborg_fpga.db import models
from tests.unit.conductor import base
from tests.unit.db import base as db


class TestSilence(base.ConductorTest):
    def setUp(self):
        super().setUp()
        self.change(models.Host, sa.true(), last_seen=1.0)

    def is_up(self):
        self.manager.reconciler.cycle()
        return hosts.get(self.ctx, db.HOST).up

    def patience(self, seconds):
        conf = self.database.conf
        conf.set_override('host_down_after', seconds, 'conductor')

    def test_agents_may_report_first_when_a_conductor_starts(self):
        self.patience(3600)
        self.assertTrue(self.is_up())

    def test_who_does_not_report_then_is_down(self):
        self.patience(0.5)
        self.manager.reconciler._began -= 1
        self.assertFalse(self.is_up())


class TestTakeOver(base.ConductorTest):
    def made(self, lease, interval):
        conf = self.database.conf
        conf.set_override('lease_seconds', lease, 'conductor')
        conf.set_override('reconcile_interval', interval, 'conductor')
        return manager.Conductor(conf, None)

    def test_times_that_make_a_take_over_late_are_refused(self):
        for lease, interval in ((25, 5), (10, 20), (21, 4.1)):
            exc = self.assertRaises(
                errors.InvalidInput, self.made, lease, interval
            )
            self.assertIn('lease_seconds', exc.message)
            self.assertIn('reconcile_interval', exc.message)

    def test_times_that_just_suffice_are_taken(self):
        self.made(20, 5)
