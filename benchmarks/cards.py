"""Cards that are rows only, for lists of any length."""

import uuid

import sqlalchemy as sa

_PER_HOST = 16
# Further than any row that is there already.
_FAR = 1000


class Cards:
    """The card of a side and likenesses of it."""

    def __init__(self, side):
        self._engine = sa.create_engine(side.connection)
        self._tables = sa.MetaData()
        self._tables.reflect(self._engine)
        self._like = _ours if 'hosts' in self._tables.tables else _peers
        self._count = 1

    def grow(self, count):
        """Let there be *count*."""
        with self._engine.begin() as connection:
            first = {
                name: connection.execute(sa.select(table).order_by(table.c.id))
                .mappings()
                .all()
                for name, table in self._tables.tables.items()
                if 'id' in table.c
            }
            rows = {}
            for number in range(self._count, count):
                for name, row in self._like(first, number):
                    rows.setdefault(name, []).append(row)
            for table in self._tables.sorted_tables:
                if table.name in rows:
                    connection.execute(sa.insert(table), rows[table.name])
        self._count = count
        self._engine.dispose()


def _copy(row, number, **members):
    return {
        **row,
        'id': _FAR + number,
        'uuid': str(uuid.uuid4()),
        **members,
    }


def _ours(first, number):
    slot = number % _PER_HOST
    host = number // _PER_HOST
    if slot == 0:
        name = f'host{number}'
        yield (
            'hosts',
            _copy(
                first['hosts'][0],
                host,
                hostname=name,
                rp_name=name,
                rp_uuid=str(uuid.uuid4()),
                last_seen=4e9,
                placement_stale=False,
            ),
        )
    where = {'host_id': _FAR + host if host else first['hosts'][0]['id']}
    address = f'0000:{16 + slot:02x}:00.0'
    yield (
        'devices',
        _copy(first['devices'][0], number, pci_address=address, **where),
    )
    yield (
        'deployables',
        _copy(
            first['deployables'][0],
            number,
            device_id=_FAR + number,
            name=f'{address}/region0',
            rp_uuid=str(uuid.uuid4()),
            wipe_pending=False,
            **where,
        ),
    )
    yield (
        'attach_handles',
        _copy(
            first['attach_handles'][0],
            number,
            deployable_id=_FAR + number,
            pci_address=address,
            claim_id=None,
            **where,
        ),
    )
    yield from _attributes(first, number)


def _peers(first, number):
    host = f'host{number // _PER_HOST}'
    yield 'devices', _copy(first['devices'][0], number, hostname=host)
    yield (
        'deployables',
        _copy(
            first['deployables'][0],
            number,
            device_id=_FAR + number,
            root_id=None,
            rp_uuid=str(uuid.uuid4()),
        ),
    )
    yield from _attributes(first, number)


def _attributes(first, number):
    mine = [
        row
        for row in first['attributes']
        if row['deployable_id'] == first['deployables'][0]['id']
    ]
    for place, row in enumerate(mine):
        yield (
            'attributes',
            _copy(
                row,
                number * len(mine) + place,
                deployable_id=_FAR + number,
            ),
        )
