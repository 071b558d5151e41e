"""Who waits for whom: a lock is held here, and the service comes along."""

import threading

import sqlalchemy as sa

from cyborg_fpga import model
from cyborg_fpga.db import engine
from cyborg_fpga.db import models
from cyborg_fpga.db import reports
from tests.unit.db import base

#: Long enough for a report that does not wait to have gone wrong.
_MEANWHILE = 0.5


class OnPostgreSQL(base.DatabaseTest):
    backend = 'postgresql'

    def _report_meanwhile(self, region, *statements):
        """Store a report while *statements* are not yet committed.

        The last takes effect while the report is under way.
        """
        report = self.report(base.card(base.CARD, region))
        failures = []

        def store():
            try:
                reports.store(self.ctx, report, model.Layout.POOL)
            except Exception as exc:
                failures.append(exc)

        thread = threading.Thread(target=store, daemon=True)
        with engine.get_engine().begin() as connection:
            for statement in statements[:-1]:
                connection.execute(statement)
            thread.start()
            thread.join(_MEANWHILE)
            self.assertTrue(thread.is_alive(), 'the report did not wait')
            connection.execute(statements[-1])
        thread.join(30)
        self.assertFalse(thread.is_alive())
        self.assertEqual([], failures)

    def test_report_waits_for_a_claim_that_is_being_made(self):
        found = self.stored()
        claim = self.row(models.Claim, uuid=self._foreign_claim())['id']
        self._report_meanwhile(
            base.region(vfs=2),
            # As a reservation does it: the card first, then its handle.
            sa.update(models.Device)
            .where(models.Device.id == found.device_id)
            .values(failures=0),
            sa.update(models.AttachHandle)
            .where(models.AttachHandle.deployable_id == found.id)
            .values(claim_id=claim),
        )
        kinds = {handle.kind for handle in self.again(found).handles}
        self.assertEqual({model.HandleKind.PF}, kinds)

    def _foreign_claim(self):
        """Of something on another host."""
        self.store(hostname='other')
        return self.reserve(self.regions('other')[0])

    def test_report_waits_for_an_operation_that_ends(self):
        found = self.stored()
        region = sa.update(models.Deployable).where(
            models.Deployable.id == found.id
        )
        self._report_meanwhile(
            base.region(function_id=None, fence=0),
            region.values(fence=1),
            region.values(fence=1, function_id=base.FUNCTION),
        )
        self.assertEqual(base.FUNCTION, self.again(found).function_id)


class OnMariaDB(OnPostgreSQL):
    backend = 'mariadb'
