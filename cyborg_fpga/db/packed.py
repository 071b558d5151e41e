"""Rows of many columns, in one piece each.

PyMySQL reads an answer in Python, a microsecond for every value and five for
every column: a list spent most of its time there. So MariaDB and MySQL are
asked for each row as one JSON array, which is read in C. Other drivers read
in C what they get.
"""

import datetime
import functools
import json
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import sqlalchemy as sa


class Pack(NamedTuple):
    """A query whose rows are one value each.

    :ivar query: May be narrowed and ordered like the one it was made of.
    """

    query: Any
    times: Sequence[int]

    def rows(self, result: Any) -> list[list[Any]]:
        """What the query that this was made of would have found."""
        rows = [json.loads(text) for (text,) in result.all()]
        for row in rows:
            for place in self.times:
                if row[place] is not None:
                    row[place] = datetime.datetime.fromisoformat(row[place])
        return rows


@functools.lru_cache
def pack(query: Any) -> Pack:
    """Of a SELECT of columns that is a constant of its module.

    Its columns may be texts, whole numbers and times without a zone.
    """
    columns = list(query.selected_columns)
    return Pack(
        query.with_only_columns(
            sa.func.json_array(*columns, type_=sa.Text),
            maintain_column_froms=True,
        ),
        [n for n, c in enumerate(columns) if isinstance(c.type, sa.DateTime)],
    )
