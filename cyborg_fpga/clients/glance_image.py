"""What Glance says of one image, as far as we use it."""

import dataclasses
import re
import uuid
from collections.abc import Mapping
from typing import Any

# Characters of all properties of an image together: anybody may write
# megabytes of them.
_MAX_PROPERTIES = 64 << 10
_TIME = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ')

# What Glance itself says of an image; all the rest are properties.
_CORE = frozenset(
    {
        'checksum',
        'container_format',
        'created_at',
        'direct_url',
        'disk_format',
        'file',
        'id',
        'locations',
        'min_disk',
        'min_ram',
        'name',
        'os_hash_algo',
        'os_hash_value',
        'os_hidden',
        'owner',
        'protected',
        'schema',
        'self',
        'size',
        'status',
        'stores',
        'tags',
        'updated_at',
        'virtual_size',
        'visibility',
    }
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image's record; times are as Glance writes them, in UTC.

    :ivar bloated: It has more properties than anybody reads; none is here.
    """

    id: str
    name: str
    status: str
    visibility: str
    owner: str | None
    tags: frozenset[str]
    properties: Mapping[str, str]
    size: int | None
    checksum: str | None
    os_hash_algo: str | None
    os_hash_value: str | None
    created_at: str
    updated_at: str
    bloated: bool = False

    @property
    def fault(self) -> str:
        """Why nobody can use what is in it, in a sentence; '': nothing."""
        if self.status != 'active':
            return f'its status is {self.status}'
        if self.bloated:
            return 'it has more properties than can be read'
        if not self.size:
            return 'it is empty'
        if not self.os_hash_value:
            return 'it has no os_hash_value: Glance has not hashed it'
        return ''


def read(item: Any) -> Image:
    """Make a record of what Glance says.

    :raises AttributeError, KeyError, TypeError, ValueError: That is none.
    """
    properties = {
        key: str(value)
        for key, value in item.items()
        if key not in _CORE and value is not None
    }
    size = sum(map(len, [*properties, *properties.values()]))
    return Image(
        id=_ident(item['id']),
        name=_text(item.get('name')) or '',
        status=_word(item['status'], 32),
        visibility=_word(item['visibility'], 16),
        owner=_text(item.get('owner'), 255),
        tags=frozenset(map(str, item.get('tags') or ())),
        properties={} if size > _MAX_PROPERTIES else properties,
        size=_size(item.get('size')),
        checksum=_text(item.get('checksum'), 32),
        os_hash_algo=_text(item.get('os_hash_algo'), 16),
        os_hash_value=_text(item.get('os_hash_value'), 128),
        created_at=_time(item['created_at']),
        updated_at=_time(item['updated_at']),
        bloated=size > _MAX_PROPERTIES,
    )


def _ident(value: Any) -> str:
    uuid.UUID(value)
    return _word(value, 36)


def _text(value: Any, limit: int = _MAX_PROPERTIES) -> str | None:
    return None if value is None else _word(value, limit)


def _word(value: Any, limit: int) -> str:
    if isinstance(value, str) and len(value) <= limit:
        return value
    raise ValueError('no text, or too long')


def _size(value: Any) -> int | None:
    if value is None:
        return None
    if type(value) is int and 0 <= value < 1 << 63:
        return value
    raise ValueError('no size')


def _time(value: Any) -> str:
    if isinstance(value, str) and _TIME.fullmatch(value):
        return value
    raise ValueError('no time')
