"""What ended long ago goes; what is used, new or unfinished stays."""

import datetime
from unittest import mock

import sqlalchemy as sa

from cyborg_fpga.db import claims
from cyborg_fpga.db import engine
from cyborg_fpga.db import hosts
from cyborg_fpga.db import models
from cyborg_fpga.db import operations
from cyborg_fpga.db import purge
from tests.unit.db import base

_DAY = 86400
_FAULT = ('interrupted', 'It was interrupted.')


class PurgeTest(base.DatabaseTest):
    def setUp(self):
        super().setUp()
        self.store(base.card(), base.card(base.OTHER_CARD))
        self.found, self.other = self.regions()

    def purge(self, days=30):
        """Purge; what was said to go before must be what went."""
        before = {k: v for k, v in purge.count(self.ctx, days).items() if v}
        gone = {k: v for k, v in purge.purge(self.ctx, days).items() if v}
        self.assertEqual(before, gone)
        return gone

    def age(self, table, column, days=31):
        """Have all rows of a table be so much older."""
        field = getattr(table, column)
        self.change(table, sa.true(), **{column: field - days * _DAY})

    def failed_claim(self, **values):
        uuid = self.reserve(self.found, **values)
        claims.start_release(self.ctx, uuid, fault=_FAULT, dirty=False)
        claims.finish_release(self.ctx, uuid)
        return uuid

    def rows(self, table):
        with engine.get_engine().connect() as connection:
            query = sa.select(sa.func.count()).select_from(table)
            return connection.execute(query).scalar_one()


class TestClaims(PurgeTest):
    def test_old_failed_claim_goes(self):
        uuid = self.failed_claim()
        self.age(models.Claim, 'state_changed_at')
        self.assertEqual({'claims': 1}, self.purge())
        self.assertFalse(claims.exists(self.ctx, uuid))

    def test_young_one_stays(self):
        uuid = self.failed_claim()
        self.age(models.Claim, 'state_changed_at', 29)
        self.assertEqual({}, self.purge())
        self.assertTrue(claims.exists(self.ctx, uuid))

    def test_one_that_holds_something_stays_however_old(self):
        uuid = self.reserve(self.found)
        self.age(models.Claim, 'state_changed_at', 9999)
        for state in ('claiming', 'programming', 'ready', 'releasing'):
            self.change(models.Claim, sa.true(), state=state)
            self.assertEqual({}, self.purge())
        self.assertTrue(claims.exists(self.ctx, uuid))

    def test_one_of_novas_is_novas_to_delete(self):
        self.failed_claim(origin='nova')
        self.age(models.Claim, 'state_changed_at')
        self.assertEqual({}, self.purge())

    def test_any_number_goes_in_small_transactions(self):
        for _ in range(5):
            self.failed_claim()
        self.age(models.Claim, 'state_changed_at')
        with (
            mock.patch.object(purge, '_BATCH', 2),
            self.statements() as seen,
        ):
            self.assertEqual({'claims': 5}, self.purge())
        deletes = [s for s in seen if s.startswith('DELETE FROM claims')]
        self.assertGreaterEqual(len(deletes), 3)


class TestOperations(PurgeTest):
    def ended(self, **values):
        operation = self.operation(self.found, **values)
        self.finish(operation, succeeded=True)
        return operation

    def age_all(self, days=31):
        self.age(models.Operation, 'finished_at', days)

    def test_old_ended_operation_goes(self):
        self.ended()
        self.age_all()
        self.assertEqual({'operations': 1}, self.purge())

    def test_young_one_stays(self):
        self.ended()
        self.age_all(29)
        self.assertEqual({}, self.purge())

    def test_unfinished_one_stays_however_old(self):
        mine = self.operation(self.found)
        self.change(models.Operation, sa.true(), finished_at=1.0)
        self.assertEqual({}, self.purge())
        operations.get(self.ctx, mine.uuid)

    def test_one_that_a_living_claim_names_stays(self):
        uuid = self.reserve(self.found)
        self.ended(claim_uuid=uuid)
        self.age_all()
        self.assertEqual({}, self.purge())
        self.assertEqual(1, len(operations.of_claim(self.ctx, uuid)))

    def test_one_of_a_claim_that_goes_goes_with_it(self):
        uuid = self.reserve(self.found)
        self.ended(claim_uuid=uuid)
        claims.start_release(self.ctx, uuid, fault=_FAULT)
        claims.finish_release(self.ctx, uuid)
        self.age_all()
        self.assertEqual({}, self.purge())
        self.age(models.Claim, 'state_changed_at')
        self.assertEqual({'claims': 1, 'operations': 1}, self.purge())


class TestDevices(PurgeTest):
    _GONE = {'devices': 1, 'deployables': 1, 'attach_handles': 1}

    def lose(self, days=31):
        """The other card is gone for so long."""
        self.store(base.card())
        now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        self.change(
            models.Device,
            models.Device.id == self.other.device_id,
            updated_at=now - datetime.timedelta(days=days),
        )

    def test_old_lost_card_goes_with_all_that_is_its(self):
        self.lose()
        hosts.start_telling(self.ctx, base.HOST, 'me', 60)
        self.assertEqual(self._GONE, self.purge())
        self.assertEqual([self.found.uuid], [r.uuid for r in self.regions()])
        # Its stock is in Placement still.
        self.assertEqual([base.HOST], hosts.stale(self.ctx))

    def test_young_one_stays(self):
        self.lose(29)
        self.assertEqual({}, self.purge())

    def test_one_that_is_there_stays_however_old(self):
        self.lose(-1)
        self.store(base.card(), base.card(base.OTHER_CARD))
        old = datetime.datetime(2020, 1, 1)
        self.change(models.Device, sa.true(), updated_at=old)
        self.assertEqual({}, self.purge())

    def test_one_of_which_somebody_holds_a_part_stays(self):
        self.reserve(self.other)
        self.lose()
        self.assertEqual({}, self.purge())
        self.assertEqual(2, len(self.regions()))

    def test_one_with_operations_stays_until_they_go(self):
        operation = self.operation(self.other)
        self.finish(operation, succeeded=True)
        self.lose()
        self.assertEqual({}, self.purge())
        self.age(models.Operation, 'finished_at')
        self.assertEqual({**self._GONE, 'operations': 1}, self.purge())

    def test_one_that_comes_back_is_a_new_one(self):
        self.lose()
        self.purge()
        self.store(base.card(), base.card(base.OTHER_CARD))
        self.assertEqual(2, len(self.regions()))
        self.assertNotIn(self.other.uuid, [r.uuid for r in self.regions()])

    def test_attributes_go_with_their_card(self):
        with engine.get_engine().begin() as connection:
            connection.execute(
                sa.insert(models.Attribute).values(
                    uuid=base.new_uuid(),
                    deployable_id=self.other.id,
                    key='rack',
                    value='7',
                    reported=False,
                )
            )
        kept = self.rows(models.Attribute)
        self.lose()
        gone = self.purge()
        self.assertEqual(
            kept - gone['attributes'], self.rows(models.Attribute)
        )
        self.assertGreaterEqual(gone['attributes'], 1)
