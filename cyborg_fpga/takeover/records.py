"""The records that one import makes, and what it finds in its way."""

import collections
import dataclasses
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from cyborg_fpga import context
from cyborg_fpga.db import engine
from cyborg_fpga.db import models

#: What the tables' rows are called.
NOUNS: Mapping[Any, str] = {
    models.Host: 'hosts',
    models.Device: 'devices',
    models.Deployable: 'deployables',
    models.AttachHandle: 'attach handles',
    models.Attribute: 'attributes',
    models.DeviceProfile: 'device profiles',
    models.Claim: 'accelerator requests',
}


@dataclasses.dataclass(kw_only=True)
class Summary:
    """What an import did, or would do; numbers by what is counted.

    :ivar added: Records made.
    :ivar there: Records of an earlier import of the same database.
    :ivar states: Cyborg's, of the accelerator requests.
    :ivar left_out: What no records were made of.
    :ivar hosts: Names of the new ones.
    :ivar notes: What an operator should know, one line each.
    """

    added: dict[str, int] = dataclasses.field(
        default_factory=lambda: dict.fromkeys(NOUNS.values(), 0)
    )
    there: dict[str, int] = dataclasses.field(
        default_factory=collections.Counter
    )
    states: dict[str, int] = dataclasses.field(
        default_factory=collections.Counter
    )
    left_out: dict[str, int] = dataclasses.field(
        default_factory=collections.Counter
    )
    hosts: list[str] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)


class Records:
    """Rows of one transaction, written many at a time.

    :ivar damage: Rows of Cyborg's that make no sense, one line each.
    :ivar conflicts: Rows of ours that are in the way, likewise.
    """

    def __init__(self, ctx: context.RequestContext) -> None:
        self._ctx = ctx
        self.session = ctx.session
        self.summary = Summary()
        self.damage: list[str] = []
        self.conflicts: list[str] = []

    def new(self, table: Any, rows: Sequence[Any]) -> list[Any]:
        """Those of *rows* that no earlier import made a record of."""
        there = self.ids(table.uuid, [row.uuid for row in rows])
        if there:
            self.summary.there[NOUNS[table]] += len(there)
        return [row for row in rows if row.uuid not in there]

    def add(
        self,
        table: Any,
        rows: Sequence[Mapping[str, Any]],
        *,
        once: str | None = None,
    ) -> None:
        """Write *rows*, all of the same columns.

        :param once: A host has each value of this column once: a second is
            damage, and not written.
        """
        if once is not None:
            rows = self._unique(table, rows, once)
        if rows:
            self.session.execute(sa.insert(table), rows)
        self.summary.added[NOUNS[table]] += len(rows)

    def change(self, statement: Any) -> None:
        engine.change(self._ctx, statement)

    def ids(
        self, column: Any, values: Collection[Any], *, where: Any = None
    ) -> dict[Any, int]:
        """Row ids by the values of a unique column, of those there are."""
        if not values:
            return {}
        query = sa.select(column, column.class_.id).where(column.in_(values))
        if where is not None:
            query = query.where(where)
        return {row[0]: row[1] for row in self.session.execute(query)}

    def _unique(
        self, table: Any, rows: Sequence[Mapping[str, Any]], name: str
    ) -> list[Mapping[str, Any]]:
        column = getattr(table, name)
        seen = {
            (row[0], row[1])
            for row in self.session.execute(
                sa.select(table.host_id, column)
                .where(table.host_id.in_({row['host_id'] for row in rows}))
                .where(column.in_({row[name] for row in rows}))
            )
        }
        kept = []
        for row in rows:
            key = (row['host_id'], row[name])
            if key in seen:
                self.damage.append(
                    f'{NOUNS[table]}: {row["uuid"]} has the {name} '
                    f'{row[name]} of another one of its host'
                )
                continue
            seen.add(key)
            kept.append(row)
        return kept
