"""Who waits for whom: a lock is held here, and the service comes along."""

import functools
import threading

import sqlalchemy as sa

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.db import arqs
from cyborg_fpga.db import device_profiles
from cyborg_fpga.db import engine
from cyborg_fpga.db import models
from cyborg_fpga.db import reports
from cyborg_fpga.db import unbindings
from tests.functional.db import tasks
from tests.unit.db import base

#: Long enough for a report that does not wait to have gone wrong.
_MEANWHILE = 0.5


class OnPostgreSQL(base.DatabaseTest):
    backend = 'postgresql'

    def _report_meanwhile(self, region, *statements):
        """Store a report while *statements* are not yet committed."""
        report = self.report(base.card(base.CARD, region))
        store = functools.partial(reports.store, self.ctx, report)
        self._meanwhile(lambda: store(model.Layout.POOL), *statements)

    def _meanwhile(self, work, *statements):
        """Do *work* while *statements* are not yet committed.

        The last takes effect while it is under way.

        :returns: What *work* returns.
        """
        results, failures = [], []

        def do():
            try:
                results.append(work())
            except Exception as exc:
                failures.append(exc)

        thread = threading.Thread(target=do, daemon=True)
        with engine.get_engine().begin() as connection:
            for statement in statements[:-1]:
                connection.execute(statement)
            thread.start()
            thread.join(_MEANWHILE)
            self.assertTrue(thread.is_alive(), 'it did not wait')
            connection.execute(statements[-1])
        thread.join(60)
        self.assertFalse(thread.is_alive())
        self.assertEqual([], failures)
        return results[0]

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

    def test_operation_waits_for_one_that_is_being_created(self):
        found = self.stored()
        region = sa.update(models.Deployable).where(
            models.Deployable.id == found.id
        )

        def create():
            self.assertRaises(
                errors.InUse, tasks.create, self.ctx, found.id, base.new_uuid()
            )

        self._meanwhile(
            create, region.values(fence=1), region.values(state='programming')
        )

    def _leave_meanwhile(self, parts, statement):
        """Release one of two parts of a card, of which ARQs have *parts*.

        :param statement: Made of the deployable; committed meanwhile, by
            somebody who has locked that.
        :returns: What was released, and the deployable after it.
        """
        shared = self.stored(base.card(base.CARD, base.region(vfs=2)))
        profile = device_profiles.create(
            self.ctx, base.new_uuid(), name='one', groups=[{}]
        )
        uuids = [arq.uuid for arq in arqs.create(self.ctx, profile, [0, 0])]
        for uuid in uuids[:parts]:
            tasks.bind_arqs(self.ctx, {uuid: shared.id}, base.new_uuid())
        leave = functools.partial(unbindings.delete, bound=True)
        locked = sa.update(models.Deployable).where(
            models.Deployable.id == shared.id
        )
        released = self._meanwhile(
            lambda: leave(self.ctx, uuids[:1]),
            locked.values(last_used=1.0),
            statement(shared),
        )
        return released, self.again(shared)

    def test_who_leaves_sees_who_joins_meanwhile(self):
        claim = self.row(models.Claim, uuid=self._foreign_claim())['id']
        released, shared = self._leave_meanwhile(
            1,
            lambda region: (
                sa.update(models.AttachHandle)
                .where(models.AttachHandle.deployable_id == region.id)
                .where(models.AttachHandle.claim_id.is_(None))
                .values(claim_id=claim)
            ),
        )
        self.assertTrue(released.rejoined)
        self.assertFalse(shared.wipe_pending)

    def test_who_leaves_sees_what_is_lost_meanwhile(self):
        released, shared = self._leave_meanwhile(
            2,
            lambda region: (
                sa.update(models.Device)
                .where(models.Device.id == region.device_id)
                .values(health=model.Health.LOST.value)
            ),
        )
        self.assertFalse(released.rejoined)
        self.assertFalse(shared.wipe_pending)


class OnMariaDB(OnPostgreSQL):
    backend = 'mariadb'
