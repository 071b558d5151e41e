"""Bring the database's tables to this release's form."""

import pathlib

import sqlalchemy as sa
from alembic import command
from alembic import config
from alembic import migration
from alembic import script

from cyborg_fpga.db import engine

_FOLDER = pathlib.Path(__file__).parent / 'migrations'


def upgrade(revision: str = 'head') -> None:
    """Apply the missing migrations. Repeating it is harmless."""
    with engine.get_engine().connect() as connection:
        cfg = _config()
        cfg.attributes['connection'] = connection
        command.upgrade(cfg, revision)
        connection.commit()


def version() -> str | None:
    """The revision the tables have; None: there are none yet."""
    with engine.get_engine().connect() as connection:
        return revision_of(connection)


def head() -> str | None:
    """The revision that this release wants."""
    return script.ScriptDirectory.from_config(_config()).get_current_head()


def revision_of(connection: sa.Connection) -> str | None:
    return migration.MigrationContext.configure(
        connection
    ).get_current_revision()


def _config() -> config.Config:
    cfg = config.Config()
    cfg.set_main_option('script_location', str(_FOLDER))
    return cfg
