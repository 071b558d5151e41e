"""How answers differ, in lines that a list can hold."""

import dataclasses
import json
import re
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

#: What clients read.
HEADERS = (
    'Allow',
    'Content-Type',
    'Location',
    'OpenStack-API-Maximum-Version',
    'OpenStack-API-Minimum-Version',
    'OpenStack-API-Version',
    'Vary',
    'X-Openstack-Request-Id',
)
_UUID = re.compile(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}')
_TIME = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00')
_OTHER_TIME = re.compile(r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00:00')
#: Members that hold JSON as text.
_TEXTS = ('attributes_list', 'error_message', 'std_board_info')
#: Words are each service's own, and so are numbers of rows.
_OWN = ('description', 'faultstring', 'device_id', 'deployable_id')
#: By one of these the items of a list are found again.
_NAMES = ('name', 'key', 'uuid')

#: A value of this run -> what stands for it.
Names = Mapping[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """
    :ivar headers: By name in any case.
    """

    status: int
    headers: Mapping[str, str]
    text: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A difference that there may be, and must.

    :ivar pattern: Of the whole line.
    :ivar requests: In each of these; empty: in whichever.
    """

    pattern: str
    requests: frozenset[str]
    reason: str

    def covers(self, request: str, line: str) -> bool:
        here = not self.requests or request in self.requests
        return here and re.fullmatch(self.pattern, line) is not None


#: Lines by request.
Found = Mapping[str, Sequence[str]]


def unlisted(found: Found, listed: Sequence[Listed]) -> list[str]:
    return [
        f'{request}: {line}'
        for request, lines in found.items()
        for line in lines
        if not any(one.covers(request, line) for one in listed)
    ]


def outlived(found: Found, listed: Sequence[Listed]) -> list[str]:
    """What is in the list and was not found."""
    gone = []
    for one in listed:
        seen = {
            request
            for request, lines in found.items()
            if any(one.covers(request, line) for line in lines)
        }
        if not one.requests and not seen:
            gone.append(one.pattern)
        gone.extend(
            f'{request}: {one.pattern}'
            for request in sorted(one.requests - seen)
        )
    return gone


def differences(
    theirs: Answer, ours: Answer, names: tuple[Names, Names]
) -> list[str]:
    """What is not the same; where the status is not, that alone.

    :param names: Of each side.
    """
    if theirs.status != ours.status:
        return [f'status: {theirs.status} -> {ours.status}']
    found = []
    for name in HEADERS:
        one = _header(theirs.headers.get(name), names[0])
        other = _header(ours.headers.get(name), names[1])
        if one != other:
            found.append(f'header {name}: {one} -> {other}')
    one, other = _body(theirs.text, names[0]), _body(ours.text, names[1])
    return [*found, *_compared('', one, other)]


def _header(text: str | None, names: Names) -> str | None:
    return None if text is None else _masked(text.split(';')[0], names)


def _body(text: str, names: Names) -> Any:
    try:
        return _read(json.loads(text), names)
    except ValueError:
        return _masked(text, names)


def _read(value: Any, names: Names) -> Any:
    """*value* without what is another in every run."""
    if isinstance(value, dict):
        return {
            name: _inner(one, names) if name in _TEXTS else _read(one, names)
            for name, one in value.items()
        }
    if isinstance(value, list):
        return [_read(one, names) for one in value]
    return _masked(value, names) if isinstance(value, str) else value


def _inner(value: Any, names: Names) -> Any:
    try:
        return {'(json)': _read(json.loads(value), names)}
    except (TypeError, ValueError):
        return _read(value, names)


def _masked(text: str, names: Names) -> str:
    for value in sorted(names, key=len, reverse=True):
        text = text.replace(value, names[value])
    text = _OTHER_TIME.sub('$othertime', _TIME.sub('$time', text))
    return _UUID.sub('$uuid', text)


def _compared(where: str, theirs: Any, ours: Any) -> Iterator[str]:
    if _kind(theirs) != _kind(ours):
        yield f'{where or "body"}: {_kind(theirs)} -> {_kind(ours)}'
    elif isinstance(theirs, dict):
        yield from _objects(where, theirs, ours)
    elif isinstance(theirs, list):
        yield from dict.fromkeys(_lists(where, theirs, ours))
    elif theirs != ours and where.rpartition('.')[2] not in _OWN:
        yield f'{where or "body"}: {theirs!r} -> {ours!r}'


def _objects(
    where: str, theirs: dict[str, Any], ours: dict[str, Any]
) -> Iterator[str]:
    # Some clients take the first member of a list's body for the list.
    if list(theirs)[:1] != list(ours)[:1] and not where:
        yield f'first member: {list(theirs)[:1]} -> {list(ours)[:1]}'
    for name in dict.fromkeys([*theirs, *ours]):
        path = f'{where}.{name}' if where else name
        if name not in ours:
            yield f'{path}: {_kind(theirs[name])} -> absent'
        elif name not in theirs:
            yield f'{path}: absent -> {_kind(ours[name])}'
        else:
            yield from _compared(path, theirs[name], ours[name])


def _lists(where: str, theirs: list[Any], ours: list[Any]) -> Iterator[str]:
    one, other = _by_name(theirs), _by_name(ours)
    common = [name for name in one if name in other]
    for name in one:
        if name not in other:
            yield f'{where}: {name} -> absent'
    for name in other:
        if name not in one:
            yield f'{where}: absent -> {name}'
    if common != [name for name in other if name in one]:
        yield f'{where}: in another order'
    for name in common:
        yield from _compared(f'{where}[]', one[name], other[name])


def _by_name(items: list[Any]) -> dict[str, Any]:
    """Items by a name of theirs, or by their place."""
    found = {}
    for place, item in enumerate(items):
        members = item if isinstance(item, dict) else {}
        names = [members[name] for name in _NAMES if name in members]
        found[str(names[0]) if names else f'item {place}'] = item
    return found


def _kind(value: Any) -> str:
    kinds = {dict: 'object', list: 'array', str: 'string', bool: 'boolean'}
    return 'null' if value is None else kinds.get(type(value), 'number')
