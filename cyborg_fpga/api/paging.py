"""Answer a list: one page, and the link to the next."""

import urllib.parse
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from cyborg_fpga.api import handler

_CONTROLS = ('limit', 'marker', 'sort_key', 'sort_dir')

#: ``list_page`` of a query module.
Source = Callable[..., list[Any]]


def page(
    call: handler.Call,
    collection: str,
    source: Source,
    show: Callable[[handler.Call, Any], dict[str, Any]],
    *,
    narrow: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The body of a list that *call*'s query string describes.

    :param source: ``list_page`` of a module in :mod:`cyborg_fpga.db`.
    :param show: Makes an item of the body.
    :param narrow: Filters that the caller cannot choose.
    """
    limit = size(call)
    filters: dict[str, Any] = {
        name: value
        for name, value in call.query.items()
        if name not in _CONTROLS
    }
    sort = {k: call.query[k] for k in ('sort_key', 'sort_dir')
            if k in call.query}  # fmt: skip
    rows = source(
        call.ctx,
        filters={**_typed(filters), **(narrow or {})},
        limit=limit,
        marker=call.query.get('marker'),
        **sort,
    )
    body: dict[str, Any] = {collection: [show(call, row) for row in rows]}
    if len(rows) == limit:
        body.update(following(call, collection, rows[-1].uuid))
    return body


def size(call: handler.Call) -> int:
    """How many items at most."""
    most = int(call.services.conf.api.max_limit)
    return min(int(call.query.get('limit', most)), most)


def following(
    call: handler.Call, collection: str, marker: str
) -> dict[str, Any]:
    """The member with the link to what follows *marker*."""
    query = {**call.query, 'limit': size(call), 'marker': marker}
    href = f'{call.path_url}?{urllib.parse.urlencode(query)}'
    return {f'{collection}_links': [{'rel': 'next', 'href': href}]}


def _typed(filters: Mapping[str, str]) -> dict[str, Any]:
    words = {'true': True, 'false': False}
    return {
        name: words.get(value.lower(), value)
        if name in ('up', 'usable')
        else value
        for name, value in filters.items()
    }
