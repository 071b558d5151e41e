"""Cyborg's way to narrow a list: ``filters.field=limit&filters.value=1``.

Several are numbered, ``filters[0].field=…``, or one after the other.
"""

import collections
import re
from collections.abc import Iterable

from cyborg_fpga import errors

_PART = re.compile(r'filters(?:\[(\d{1,3})\])?\.(field|value)')
#: What Cyborg lets through, heeded or not.
_FIELDS = frozenset(
    (
        'availability',
        'board',
        'instance_uuid',
        'interface_type',
        'limit',
        'marker',
        'name',
        'parent_uuid',
        'root_uuid',
        'sort_dir',
        'sort_key',
    )
)

Pairs = Iterable[tuple[str, str]]


def plain(given: Pairs, known: Iterable[str]) -> list[tuple[str, str]]:
    """*given* with parameters of our own in the place of filters.

    :param known: What the list can be narrowed by; like Cyborg, it takes no
        notice of other fields.
    :raises errors.InvalidInput: A filter is not whole, or has no such field.
    """
    heeded, found = set(known), []
    parts: dict[tuple[str | None, str], list[str]] = collections.defaultdict(
        list
    )
    for name, value in given:
        match = _PART.fullmatch(name)
        if match is None:
            found.append((name, value))
        else:
            parts[match[1], match[2]].append(value)
    for number in dict.fromkeys(number for number, _ in parts):
        fields, values = parts[number, 'field'], parts[number, 'value']
        if len(fields) != len(values):
            raise errors.InvalidInput(reason='a filter is a field and a value')
        _check(fields)
        wanted = zip(fields, values, strict=True)
        found.extend(pair for pair in wanted if pair[0] in heeded)
    return found


def _check(fields: Iterable[str]) -> None:
    for field in fields:
        if field not in _FIELDS:
            raise errors.InvalidInput(
                reason=f'{field[:64]!r} is no field to filter by, but '
                f'{", ".join(sorted(_FIELDS))} are'
            )
