"""Migrations and models say the same, on every database."""

from typing import Any

import sqlalchemy as sa
from alembic import autogenerate
from alembic import migration
from oslotest import base

from cyborg_fpga.db import engine
from cyborg_fpga.db import models
from cyborg_fpga.db import schema
from tests.fixtures import database


class MigrationsOnSQLite(base.BaseTestCase):
    backend = 'sqlite'

    def setUp(self):
        super().setUp()
        self.useFixture(database.Database(self.backend, migrated=False))

    def _differences(self):
        with engine.get_engine().connect() as connection:
            context = migration.MigrationContext.configure(
                connection, opts={'compare_type': True}
            )
            return autogenerate.compare_metadata(context, models.Base.metadata)

    def test_migrated_tables_are_those_of_the_models(self):
        schema.upgrade()
        self.assertEqual([], self._differences())

    def test_a_difference_would_be_seen(self):
        schema.upgrade()
        with engine.get_engine().begin() as connection:
            connection.execute(sa.text('DROP TABLE cursors'))
        self.assertNotEqual([], self._differences())

    def test_upgrade_may_be_repeated(self):
        schema.upgrade()
        schema.upgrade()
        self.assertEqual(schema.head(), schema.version())

    def test_deployables_of_the_first_release_keep_no_imported_provider(self):
        schema.upgrade('0001')
        with engine.get_engine().begin() as connection:
            for name in ('hosts', 'devices', 'deployables'):
                _fill(connection, name)
        schema.upgrade()
        with engine.get_engine().connect() as connection:
            fixed = connection.execute(sa.select(models.Deployable.rp_fixed))
            self.assertEqual([False], [*fixed.scalars()])

    def test_constraints_that_races_rely_on_are_there(self):
        schema.upgrade()
        inspector = sa.inspect(engine.get_engine())
        unique = {
            tuple(found['column_names'])
            for found in inspector.get_unique_constraints('attach_handles')
        }
        self.assertIn(('host_id', 'pci_address'), unique)
        parents = {
            (tuple(found['constrained_columns']), found['referred_table'])
            for found in inspector.get_foreign_keys('attach_handles')
        }
        self.assertIn((('claim_id',), 'claims'), parents)


class MigrationsOnMariaDB(MigrationsOnSQLite):
    backend = 'mariadb'

    def test_tables_take_every_character(self):
        schema.upgrade()
        with engine.get_engine().connect() as connection:
            found = connection.execute(
                sa.text(
                    'SELECT DISTINCT table_collation, engine '
                    'FROM information_schema.tables '
                    'WHERE table_schema = DATABASE() '
                    "AND table_name <> 'alembic_version'"
                )
            ).all()
        self.assertEqual({'InnoDB'}, {row[1] for row in found})
        for row in found:
            self.assertTrue(row[0].startswith('utf8mb4'), found)


class MigrationsOnPostgreSQL(MigrationsOnSQLite):
    backend = 'postgresql'


def _fill(connection: sa.Connection, name: str) -> None:
    """Store a first row, with something in every column that must have it."""
    table = sa.Table(name, sa.MetaData(), autoload_with=connection)
    anything: dict[type, Any] = {bool: False, str: 'x'}
    connection.execute(
        table.insert().values(
            {
                column.name: anything.get(column.type.python_type, 1)
                for column in table.columns
                if not column.nullable
            }
        )
    )
