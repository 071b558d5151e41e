"""Connect to the database, and the helpers that every query module uses."""

import datetime
import functools
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import cast
from typing import ParamSpec
from typing import TypeVar

import sqlalchemy as sa
from oslo_config import cfg
from oslo_db import api as oslo_db_api
from oslo_db import exception as db_exc
from oslo_db.sqlalchemy import enginefacade
from sqlalchemy import event

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga.db import packed

_P = ParamSpec('_P')
_R = TypeVar('_R')

_retry = oslo_db_api.wrap_db_retry(
    max_retries=20,
    retry_interval=0.02,
    inc_retry_interval=True,
    max_retry_interval=0.5,
    jitter=True,
    retry_on_deadlock=True,
    # Two inserted the same row: the loser finds it when it runs again.
    exception_checker=lambda exc: isinstance(exc, db_exc.DBDuplicateEntry),
)

# Who only reads finds out by reading that the connection has gone, and a new
# one is as good: asking before would be a request for each.
_once_more = oslo_db_api.wrap_db_retry(
    max_retries=1, retry_interval=0, retry_on_disconnect=True
)

# Members of a URL's query that sqlite3, and that every driver for MySQL
# understands.
_SQLITE_READERS = 'cached_statements'
_MYSQL_READERS = 'autocommit'

_manager = enginefacade.transaction_context()


def configure(conf: cfg.ConfigOpts) -> None:
    """Point the db functions at ``[database] connection``.

    Connects at the first query. A second call replaces the first: tests do
    that, services do not.

    SQLite gets foreign keys, write-ahead logging, ``BEGIN IMMEDIATE`` for
    writers and an engine of its own for readers: a transaction that reads
    and then writes otherwise fails with "database is locked" whatever the
    busy timeout. MariaDB and MySQL get PostgreSQL's isolation level, and
    their readers a pool of their own too, of connections that commit by
    themselves: at that level a reading transaction promises no more than its
    statements do, and ending it costs two requests.

    :raises cfg.Error: The value cannot be used, whatever the server says.
    """
    _check(conf)
    fresh = enginefacade.transaction_context()
    values = {k: v for k, v in conf.database.items() if v is not None}
    # Giving up the processor after every transaction is for eventlet.
    values['thread_checkin'] = False
    url = conf.database.connection
    if url.startswith('sqlite'):
        values.update(_readers(url, f'{_SQLITE_READERS}=127'))
        fresh.append_on_engine_create(_prepare_sqlite)
    else:
        if _is_mysql(sa.make_url(url).get_dialect()):
            values.update(_readers(url, f'{_MYSQL_READERS}=1'))
        fresh.append_on_engine_create(_prepare_server)
    # oslo.db has tried the connection by then: it must not stay as it is.
    fresh.append_on_engine_create(sa.Engine.dispose)
    fresh.configure(**values)
    _manager.patch_factory(fresh._factory)


def _check(conf: cfg.ConfigOpts) -> None:
    url = conf.database.connection
    if not url:
        raise cfg.RequiredOptError('connection', cfg.OptGroup('database'))
    try:
        sa.make_url(url).get_dialect().import_dbapi()
    except (sa.exc.ArgumentError, ImportError) as exc:
        raise cfg.Error(f'[database] connection: {exc}') from exc


def get_engine() -> sa.Engine:
    """The writers' engine, for migrations and tests."""
    return cast(sa.Engine, _manager.writer.get_engine())


def engines() -> list[sa.Engine]:
    """The writers' engine, and the readers' where they have their own."""
    found = [get_engine(), cast(sa.Engine, _manager.reader.get_engine())]
    return found[: 1 if found[0] is found[1] else 2]


def dispose() -> None:
    """Close every idle connection. The next query opens new ones."""
    _manager.dispose_pool()


def _readers(url: str, member: str) -> dict[str, Any]:
    """Give readers an engine of their own, told by a query member."""
    mark = '&' if '?' in url else '?'
    return {
        'slave_connection': f'{url}{mark}{member}',
        'synchronous_reader': False,
    }


def _prepare_sqlite(engine: sa.Engine) -> None:
    # oslo.db opens and closes a connection per transaction, which takes
    # longer than most transactions.
    engine.pool = sa.create_engine(
        engine.url, poolclass=sa.QueuePool, pool_size=8, max_overflow=-1
    ).pool

    @event.listens_for(engine.pool, 'connect')
    def connected(dbapi: Any, record: Any) -> None:
        # The first two as oslo.db did it in the pool that this replaces:
        # it says BEGIN itself.
        dbapi.isolation_level = None
        dbapi.execute('PRAGMA foreign_keys=ON')
        dbapi.execute('PRAGMA journal_mode=WAL')
        dbapi.execute('PRAGMA synchronous=NORMAL')
        dbapi.execute('PRAGMA busy_timeout=30000')

    if _SQLITE_READERS in engine.url.query:
        return

    @event.listens_for(engine, 'before_cursor_execute', retval=True)
    def immediate(
        conn: Any, cur: Any, sql: str, params: Any, ctx: Any, many: bool
    ) -> tuple[str, Any]:
        # A ``begin`` listener would come after oslo.db's own.
        return ('BEGIN IMMEDIATE' if sql == 'BEGIN' else sql), params


def _prepare_server(engine: sa.Engine) -> None:
    if not _is_mysql(engine.dialect):
        return
    if _MYSQL_READERS in engine.url.query:
        # SQLAlchemy would end transactions that were never begun, and ask
        # before each whether the server is there: see _once_more.
        dialect: Any = engine.dialect
        dialect.skip_autocommit_rollback = True
        dialect.do_ping = lambda dbapi: True

    @event.listens_for(engine, 'connect')
    def connected(dbapi: Any, record: Any) -> None:
        with dbapi.cursor() as cursor:
            # Its default lets a transaction that waited for a lock go on
            # reading what was true before it waited.
            cursor.execute(
                'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED'
            )
            # oslo.db asks for an encoding of three bytes, in which not all
            # that people write can be said.
            cursor.execute('SET NAMES utf8mb4')
            # A zone with summer time has an hour twice a year.
            cursor.execute("SET SESSION time_zone = '+00:00'")


def _is_mysql(dialect: Any) -> bool:
    return dialect.name in ('mysql', 'mariadb')


def writer(func: Callable[_P, _R]) -> Callable[_P, _R]:
    """Run *func* (first argument: context) as one writing transaction.

    Repeated from the start when the database reports a deadlock or *func*
    raises ``RetryRequest``, so it must have no other effects.
    """
    return cast('Callable[_P, _R]', _retry(_manager.writer(func)))


def reader(func: Callable[_P, _R]) -> Callable[_P, _R]:
    """Run *func* (first argument: context) as one reading transaction."""
    return cast('Callable[_P, _R]', _retry(_once_more(_manager.reader(func))))


def column_reader(func: Callable[_P, _R]) -> Callable[_P, _R]:
    """:func:`reader` for a *func* that reads columns, and no rows of the
    mapper: there is no session, which would take longer than its query.
    """
    read = _manager.reader.connection(func)
    return cast('Callable[_P, _R]', _retry(_once_more(read)))


def change(ctx: context.RequestContext, statement: Any) -> int:
    """Execute an UPDATE or DELETE; return how many rows it changed."""
    result = ctx.session.execute(
        statement.execution_options(synchronize_session=False)
    )
    return cast(sa.CursorResult[Any], result).rowcount


def run(ctx: context.RequestContext, statement: Any, **values: Any) -> Any:
    """Execute a statement of columns, past what the session knows of rows.

    Much cheaper than ``session.execute`` where *statement* is a constant of
    its module and *values* are those of its ``bindparam``: making a small
    statement takes longer than running it.

    :returns: SQLAlchemy's ``CursorResult``.
    """
    return ctx.session.connection().execute(statement, values)


def change_row(
    ctx: context.RequestContext, row: Any, values: dict[str, Any]
) -> None:
    """Write those of *values* that a loaded row does not have yet."""
    changed = {k: v for k, v in values.items() if getattr(row, k) != v}
    if changed:
        table = type(row)
        change(
            ctx, sa.update(table).where(table.id == row.id).values(**changed)
        )


def iso(value: datetime.datetime | None) -> str | None:
    """A stored time as the API shows it."""
    if value is None:
        return None
    return f'{value.isoformat()}+00:00'


def page(
    ctx: context.RequestContext,
    query: Any,
    row: Any,
    *,
    where: Sequence[Any],
    limit: int,
    marker: str | None,
    sort_key: Any,
    sort_dir: str,
    columns: bool = False,
) -> list[Any]:
    """One page of *query*, ordered by *sort_key* and then by row id.

    :param query: All that the caller may see.
    :param row: The table's class, with columns ``id`` and ``uuid``.
    :param where: What it asks for of that.
    :param marker: uuid of the last row of the page before; it may have
        changed since, so that it is not asked for any more.
    :param sort_key: A column without NULLs.
    :param columns: *query* is a constant of columns, and this is inside
        :func:`column_reader`; each row is what they have, in their order.
    :raises errors.InvalidInput: There is no such marker.
    """
    connection = ctx.connection if columns else ctx.session.connection()
    in_one = columns and _is_mysql(connection.dialect)
    pack = packed.pack(query) if in_one else None
    up = sort_dir != 'desc'
    order = _kept_ordered if columns else _ordered
    wanted = query if pack is None else pack.query
    ordered = order(wanted, sort_key, row.id, up=up)
    if marker is not None:
        last = connection.execute(
            query.with_only_columns(sort_key, row.id).where(row.uuid == marker)
        ).first()
        if last is None:
            raise errors.InvalidInput(reason=f'no such marker: {marker}')
        here = sa.tuple_(sort_key, row.id)
        there = sa.tuple_(sa.literal(last[0]), sa.literal(last[1]))
        ordered = ordered.where(here > there if up else here < there)
    if where:
        ordered = ordered.where(*where)
    if not columns:
        return list(ctx.session.execute(ordered, {'most': limit}))
    found = connection.execute(ordered, {'most': limit})
    return list(found) if pack is None else pack.rows(found)


def _ordered(query: Any, *keys: Any, up: bool) -> Any:
    order = keys if up else [key.desc() for key in keys]
    return query.order_by(*order).limit(sa.bindparam('most'))


_kept_ordered = functools.lru_cache(_ordered)
