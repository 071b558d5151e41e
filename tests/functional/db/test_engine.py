"""How the service talks to MariaDB."""

import functools
import itertools

import sqlalchemy as sa

from cyborg_fpga import context
from cyborg_fpga.db import bitstreams
from cyborg_fpga.db import devices
from cyborg_fpga.db import engine
from cyborg_fpga.db import models
from tests.fixtures import database
from tests.unit.db import base

_CURSOR = sa.insert(models.Cursor)


class TestMariaDB(base.DatabaseTest):
    backend = 'mariadb'

    def _session(self, name):
        with engine.get_engine().connect() as connection:
            return connection.execute(
                sa.text(f'SELECT @@SESSION.{name}')
            ).scalar_one()

    def test_every_connection_reads_what_is_committed(self):
        # Whoever waited for a lock must see what it was held for.
        database.configure(f'{self.database.url}?connect_timeout=7')
        for _ in range(2):
            self.assertEqual('READ-COMMITTED', self._session('tx_isolation'))
            self.assertEqual('+00:00', self._session('time_zone'))
            engine.dispose()

    def test_every_character_can_be_said(self):
        """Image names come from users: one must not stop the catalogue."""
        for charset in ('', '?charset=utf8'):
            database.configure(f'{self.database.url}{charset}')
            with engine.get_engine().connect() as connection:
                found = connection.execute(sa.select(sa.literal('\U0001f600')))
                self.assertEqual('\U0001f600', found.scalar_one())
            name = self._session('character_set_client')
            self.assertEqual('utf8mb4', name)
            engine.dispose()

    def test_reading_costs_the_statements_that_read(self):
        """What is one statement by itself is neither begun nor ended."""
        asked = [_asked(context.service()) for _ in range(4)]
        self.assertEqual(
            [1, 1, 1],
            [later - now for now, later in itertools.pairwise(asked)],
        )

    def test_reading_outlives_its_connections(self):
        """However it is done, and though all that are kept are closed."""
        ctx = context.service()
        for read in (
            functools.partial(bitstreams.cursor, ctx, 'one'),
            functools.partial(devices.list_page, ctx, filters={}, limit=1),
        ):
            self._close_all()
            self.assertFalse(read())

    def _close_all(self):
        """The readers' connections, of which there are two, by the server."""
        readers = engine.engines()[1]
        with readers.connect() as one, readers.connect() as other:
            kept = [
                connection.execute(sa.text('SELECT CONNECTION_ID()')).scalar()
                for connection in (one, other)
            ]
        with engine.get_engine().connect() as connection:
            for number in kept:
                connection.execute(sa.text(f'KILL {number}'))

    def test_writing_is_undone_as_a_whole(self):
        """Also where a reader of the same thread came first."""

        @engine.writer
        def write(ctx):
            ctx.session.execute(_CURSOR, {'name': 'one', 'value': '1'})
            raise ZeroDivisionError

        _asked(context.service())
        self.assertRaises(ZeroDivisionError, write, context.service())
        self.assertIsNone(bitstreams.cursor(context.service(), 'one'))


@engine.reader
def _asked(ctx):
    """How many requests this connection of a reader's has made."""
    found = ctx.session.execute(
        sa.text("SHOW SESSION STATUS LIKE 'Questions'")
    )
    return int(found.one().Value)
