"""Cyborg's database, release 17.0, read and never written.

Pages of rows in the order of their ids, each in one statement whatever its
length. What the rows mean is said in :mod:`translate`.
"""

import contextlib
import functools
import pathlib
import sqlite3
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

#: What Cyborg 17.0 (OpenStack 2026.1) calls the form of its tables.
REVISION = 'b47c8f2d1e3a'
RELEASE = '17.0'

#: The type of the devices that are ours to manage.
FPGA = 'FPGA'
BOUND = 'Bound'


_TESTED = 'tested with mysql+pymysql:// and postgresql+psycopg2://'


class Unusable(Exception):
    """The database cannot be read, or is none of Cyborg 17.0."""


_NOUNS = {
    'devices': 'device',
    'deployables': 'deployable',
    'attributes': 'attribute',
    'controlpath_ids': 'control path id',
    'attach_handles': 'attach handle',
    'device_profiles': 'device profile',
    'extended_accelerator_requests': 'accelerator request',
}


def _table(name: str, *columns: str) -> sa.TableClause:
    times = ('created_at', 'updated_at')
    return sa.table(
        name,
        sa.column('id', sa.Integer),
        sa.column('uuid', sa.String),
        *(sa.column(time, sa.DateTime) for time in times),
        *(sa.column(column) for column in columns),
    )


_DEVICE = _table(
    'devices',
    *('type', 'vendor', 'model', 'std_board_info', 'hostname', 'status'),
)
_DEPLOYABLE = _table(
    'deployables', 'name', 'device_id', 'rp_uuid', 'driver_name'
)
_ATTRIBUTE = _table('attributes', 'deployable_id', 'key', 'value')
_PATH = _table('controlpath_ids', 'device_id', 'cpid_info')
_HANDLE = _table(
    'attach_handles',
    *('deployable_id', 'attach_type', 'attach_info', 'in_use'),
)
_PROFILE = _table('device_profiles', 'name', 'profile_json', 'description')
_ARQ = _table(
    'extended_accelerator_requests',
    *('project_id', 'state', 'device_profile_id', 'device_profile_group_id'),
    *('hostname', 'device_rp_uuid', 'instance_uuid', 'attach_handle_id'),
    'deployable_id',
)


class Cyborg:
    """Its tables as they are while :func:`connected` lasts.

    Rows have the columns' names, and *noun*.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def device_types(self) -> dict[str, int]:
        """How many devices there are of each type."""
        counts = sa.select(_DEVICE.c.type, sa.func.count()).group_by(
            _DEVICE.c.type
        )
        return {row[0]: row[1] for row in self._connection.execute(counts)}

    def unheld(self) -> int:
        """How many handles of FPGAs are in use by no bound request."""
        used = (
            sa.select(sa.func.count(_HANDLE.c.id.distinct()))
            .select_from(_HANDLE)
            .join(_DEPLOYABLE, _DEPLOYABLE.c.id == _HANDLE.c.deployable_id)
            .join(_DEVICE, _DEVICE.c.id == _DEPLOYABLE.c.device_id)
            .where(_DEVICE.c.type == FPGA)
            .where(_HANDLE.c.in_use.is_(sa.true()))
        )
        held = used.join(_ARQ, _ARQ.c.attach_handle_id == _HANDLE.c.id).where(
            _ARQ.c.state == BOUND
        )
        return self._count(used) - self._count(held)

    def _count(self, query: Any) -> int:
        return int(self._connection.execute(query).scalar_one())

    def profiles(self, size: int) -> Iterator[Sequence[Any]]:
        return self._pages(_select(_PROFILE), _PROFILE.c.id, size)

    def devices(self, size: int) -> Iterator[Sequence[Any]]:
        """FPGAs only."""
        query = _select(_DEVICE).where(_DEVICE.c.type == FPGA)
        return self._pages(query, _DEVICE.c.id, size)

    def paths(self, devices: Collection[int]) -> Sequence[Any]:
        """Control path ids of devices; like the next three by row id."""
        return self._of(_PATH, _PATH.c.device_id, devices)

    def deployables(self, devices: Collection[int]) -> Sequence[Any]:
        return self._of(_DEPLOYABLE, _DEPLOYABLE.c.device_id, devices)

    def attributes(self, deployables: Collection[int]) -> Sequence[Any]:
        return self._of(_ATTRIBUTE, _ATTRIBUTE.c.deployable_id, deployables)

    def handles(self, deployables: Collection[int]) -> Sequence[Any]:
        return self._of(_HANDLE, _HANDLE.c.deployable_id, deployables)

    def arqs(self, size: int) -> Iterator[Sequence[Any]]:
        """Each with *profile_name*, *handle_uuid* and *device_type*."""
        place = sa.func.coalesce(_ARQ.c.deployable_id, _HANDLE.c.deployable_id)
        query = (
            _select(
                _ARQ,
                _PROFILE.c.name.label('profile_name'),
                _HANDLE.c.uuid.label('handle_uuid'),
                _DEVICE.c.type.label('device_type'),
            )
            .outerjoin(_PROFILE, _PROFILE.c.id == _ARQ.c.device_profile_id)
            .outerjoin(_HANDLE, _HANDLE.c.id == _ARQ.c.attach_handle_id)
            .outerjoin(_DEPLOYABLE, _DEPLOYABLE.c.id == place)
            .outerjoin(_DEVICE, _DEVICE.c.id == _DEPLOYABLE.c.device_id)
        )
        return self._pages(query, _ARQ.c.id, size)

    def _pages(
        self, query: Any, key: sa.ColumnElement[int], size: int
    ) -> Iterator[Sequence[Any]]:
        after = 0
        while True:
            rows = self._connection.execute(
                query.where(key > after).order_by(key).limit(size)
            ).all()
            if rows:
                yield rows
            if len(rows) < size:
                return
            after = rows[-1].id

    def _of(
        self,
        table: sa.TableClause,
        parent: sa.ColumnElement[int],
        ids: Collection[int],
    ) -> Sequence[Any]:
        return self._connection.execute(
            _select(table).where(parent.in_(ids)).order_by(table.c.id)
        ).all()


def _select(table: sa.TableClause, *more: sa.ColumnElement[Any]) -> Any:
    noun = sa.literal(_NOUNS[table.name]).label('noun')
    return sa.select(table, noun, *more)


@contextlib.contextmanager
def connected(url: str) -> Iterator[Cyborg]:
    """Cyborg's tables as they are now; the connection cannot write.

    :param url: As in Cyborg's ``[database] connection``.
    :raises Unusable: Says why, and never the password.
    """
    engine = _engine(url)
    where = shown(url)
    try:
        with _connect(engine, where) as connection:
            _check(connection, where)
            yield Cyborg(connection)
    except sa.exc.DBAPIError as exc:
        words = ' '.join(str(exc.orig).split())
        raise Unusable(f'{where} cannot be read: {words}') from exc
    finally:
        engine.dispose()


def _connect(engine: sa.Engine, where: str) -> sa.Connection:
    try:
        return engine.connect()
    except (AttributeError, LookupError, OSError, TypeError, ValueError):
        if not engine.url.query:
            raise
        # Whatever a driver does with an argument that it does not know.
        names = ', '.join(sorted(engine.url.query))
        raise Unusable(
            f'{where}: its driver does not take what follows the ?: {names}'
        ) from None


def shown(url: str) -> str:
    """Which database *url* names, for people to read."""
    made = _parsed(url)
    host = made.host or ''
    return f'{made.get_backend_name()}://{host}/{made.database or ""}'


def _parsed(url: str) -> sa.URL:
    try:
        return sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        # Their words hold the text, or of it what may be a password.
        raise Unusable('--from is no database URL') from None


def _engine(url: str) -> sa.Engine:
    made = _parsed(url)
    if made.get_backend_name() == 'sqlite':
        return _sqlite(made, url)
    if not made.database:
        raise Unusable(f'{shown(url)} names no database')
    try:
        engine = sa.create_engine(made, poolclass=sa.pool.NullPool)
    except (sa.exc.ArgumentError, ImportError) as exc:
        raise Unusable(f'{shown(url)}: {_lacking(made, exc)}') from None
    if engine.dialect.is_async:
        raise _unfit(made)
    event.listen(engine, 'connect', _forbid_writing)
    return engine


def _sqlite(made: sa.URL, url: str) -> sa.Engine:
    """Of a file that is there: sqlite3 would make one that is not."""
    if made.drivername not in ('sqlite', 'sqlite+pysqlite'):
        raise _unfit(made)
    if not made.database or made.database == ':memory:':
        raise Unusable(
            f'{shown(url)} names no file: sqlite:////var/lib/cyborg.db does'
        )
    path = pathlib.Path(made.database).absolute()
    try:
        there = path.is_file()
    except (OSError, ValueError):
        there = False
    if not there:
        raise Unusable(f'{shown(url)} cannot be read: there is no such file')
    engine = sa.create_engine(
        'sqlite://',
        poolclass=sa.pool.NullPool,
        creator=functools.partial(
            sqlite3.connect, f'{path.as_uri()}?mode=ro', uri=True
        ),
    )
    # Python's sqlite3 begins none for those who read.
    event.listen(engine, 'begin', _begin)
    return engine


def _lacking(made: sa.URL, reason: Exception) -> str:
    if isinstance(reason, ModuleNotFoundError):
        return (
            f'{made.drivername}:// needs the Python module {reason.name}, '
            f'which is not installed; {_TESTED}'
        )
    return f'there is no driver {made.drivername}; {_TESTED}'


def _unfit(made: sa.URL) -> Unusable:
    return Unusable(
        f'driver {made.drivername} is an asynchronous one; {_TESTED}'
    )


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql('BEGIN')


def _forbid_writing(connection: Any, _record: Any) -> None:
    postgresql = 'psycopg' in type(connection).__module__
    session = 'SESSION CHARACTERISTICS AS' if postgresql else 'SESSION'
    with connection.cursor() as cursor:
        for mode in ('ISOLATION LEVEL REPEATABLE READ', 'READ ONLY'):
            cursor.execute(f'SET {session} TRANSACTION {mode}')
    connection.commit()


def _check(connection: sa.Connection, where: str) -> None:
    """:raises Unusable: It is not Cyborg's, or of another release."""
    tables = set(sa.inspect(connection).get_table_names())
    if not {'alembic_version', _ARQ.name, _PATH.name} <= tables:
        raise Unusable(f"{where} is not Cyborg's")
    found: sa.ScalarResult[Any] = connection.execute(
        sa.select(sa.column('version_num')).select_from(
            sa.table('alembic_version')
        )
    ).scalars()
    revisions = ', '.join(found)
    if revisions != REVISION:
        raise Unusable(
            f'{where} is at revision {revisions or "none"}, that of Cyborg '
            f'{RELEASE} is {REVISION}: have "cyborg-dbsync upgrade" of Cyborg '
            f'{RELEASE} bring it there first'
        )
