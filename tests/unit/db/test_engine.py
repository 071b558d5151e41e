"""How the service talks to SQLite, and how migrations are applied."""

import threading

import sqlalchemy as sa
from oslo_db import exception as db_exc
from oslotest import base as oslotest

from cyborg_fpga import context
from cyborg_fpga.db import clock
from cyborg_fpga.db import engine
from cyborg_fpga.db import models
from cyborg_fpga.db import schema
from tests.fixtures import database
from tests.unit.db import base


class TestSQLite(base.DatabaseTest):
    def test_writers_lock_before_they_read(self):
        began = []

        def executed(connection, cursor, statement, *rest):
            began.append(statement)

        target = engine.get_engine()
        sa.event.listen(target, 'before_cursor_execute', executed)
        self.addCleanup(
            sa.event.remove, target, 'before_cursor_execute', executed
        )
        self.store()
        self.assertEqual('BEGIN IMMEDIATE', began[0])

    def test_first_connection_is_prepared_like_every_other(self):
        database.configure(f'{self.database.url}?timeout=1')
        for target in engine.engines():
            with target.connect() as connection:
                pragmas = [
                    connection.execute(sa.text(f'PRAGMA {name}')).scalar_one()
                    for name in ('busy_timeout', 'journal_mode')
                ]
            self.assertEqual([30000, 'wal'], pragmas)

    def test_readers_have_connections_of_their_own(self):
        self.assertEqual(2, len(engine.engines()))

    def test_reader_does_not_wait_for_a_writer(self):
        self.store()
        with engine.get_engine().begin() as connection:
            connection.execute(sa.delete(models.Cursor))
            self.assertEqual(1, len(self.regions()))

    def test_foreign_keys_are_enforced(self):
        found = self.stored()
        with engine.get_engine().begin() as connection:
            self.assertRaises(
                db_exc.DBReferenceError,
                connection.execute,
                sa.delete(models.Device).where(
                    models.Device.uuid == found.device_uuid
                ),
            )

    def test_threads_that_write_do_not_fail(self):
        found = self.stored(base.card(base.CARD, base.region(vfs=7)))
        failures = []

        def work():
            try:
                self.reserve(found)
            except Exception as exc:
                failures.append(exc)

        threads = [threading.Thread(target=work) for _ in range(7)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], failures)


class TestWriter(base.DatabaseTest):
    def test_transaction_is_undone_as_a_whole(self):
        self.store()

        @engine.writer
        def fails(ctx):
            engine.change(ctx, sa.update(models.Host).values(up=False))
            raise ValueError('no')

        self.assertRaises(ValueError, fails, self.ctx)
        self.assertTrue(self.row(models.Host, hostname=base.HOST)['up'])

    def test_deadlock_is_tried_again(self):
        runs = []

        @engine.writer
        def deadlocks(ctx):
            runs.append(1)
            if len(runs) < 3:
                raise db_exc.DBDeadlock
            return 'done'

        self.assertEqual('done', deadlocks(self.ctx))
        self.assertEqual(3, len(runs))

    def test_clock_ticks(self):
        query = sa.select(clock.now())
        with engine.get_engine().connect() as connection:
            first = connection.execute(query).scalar_one()
            second = connection.execute(query).scalar_one()
        self.assertGreaterEqual(float(second), float(first))
        self.assertGreater(float(first), 1.7e9)


class TestSchema(oslotest.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(database.Database(migrated=False))

    def test_blank_database_has_no_version(self):
        self.assertIsNone(schema.version())

    def test_upgrade_reaches_the_head_and_may_be_repeated(self):
        schema.upgrade()
        self.assertEqual(schema.head(), schema.version())
        schema.upgrade()
        self.assertEqual(schema.head(), schema.version())

    def test_upgraded_database_can_be_used(self):
        schema.upgrade()
        with engine.get_engine().connect() as connection:
            rows = connection.execute(sa.select(models.Host.__table__))
            self.assertEqual([], rows.all())
        self.assertIsNotNone(context.service())
