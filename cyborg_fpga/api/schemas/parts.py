r"""Pieces that several schemas share.

Patterns end in ``\Z``: in Python ``$`` also matches before a last newline.
What a caller can get wrong has a ``description``, which is what he is told
instead of the pattern.
"""

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from cyborg_fpga import model

Schema = dict[str, Any]
#: Oldest first: (minor version from which it applies, schema).
Versions = list[tuple[int, Schema]]
#: A body that is no JSON but bytes, whatever its media type says.
BYTES: Versions = [
    (0, {'type': 'string', 'contentMediaType': 'application/octet-stream'})
]

#: That a card can do and somebody can ask for: all but ``none``.
WIPE_LEVELS = [level.value for level in model.WipeLevel][1:]

UUID: Schema = {'type': 'string', 'format': 'uuid'}
UUID_OR_NULL: Schema = {'type': ['string', 'null'], 'format': 'uuid'}
TEXT: Schema = {'type': 'string'}
TEXT_OR_NULL: Schema = {'type': ['string', 'null']}
TIME_OR_NULL: Schema = {
    'type': ['string', 'null'],
    'pattern': r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00\Z',
}
#: Names: of hosts, bitstreams, classes. Printable ASCII.
NAME: Schema = {
    'type': 'string',
    'pattern': r'^[!-~]{1,255}\Z',
    'description': '1 to 255 printable ASCII characters without spaces',
}
#: What users write, in any script. No database can look for NUL.
SOME_TEXT: Schema = {
    'type': 'string',
    'pattern': r'^[^\0]{1,255}\Z',
    'description': '1 to 255 characters without NUL',
}
TYPE: Schema = {
    'type': 'string',
    'pattern': r'^[a-z0-9_]{1,32}\Z',
    'description': '1 to 32 lower-case letters, digits and underscores',
}
TRAIT: Schema = {
    'type': 'string',
    'pattern': r'^[A-Z0-9_]{1,255}\Z',
    'description': '1 to 255 upper-case letters, digits and underscores',
}
PCI_ADDRESS: Schema = {
    'type': 'string',
    'pattern': r'^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\Z',
}
LIMIT: Schema = {
    'type': 'string',
    'pattern': r'^[1-9][0-9]{0,8}\Z',
    'description': 'a number from 1 to 999999999',
}
BOOLEAN_TEXT: Schema = {'enum': ['true', 'false', 'True', 'False']}

LINKS: Schema = {
    'type': 'array',
    'items': {
        'type': 'object',
        'properties': {
            'rel': {'enum': ['self', 'bookmark', 'next']},
            'href': {'type': 'string', 'format': 'uri'},
        },
        'required': ['rel', 'href'],
        'additionalProperties': False,
    },
}


def closed(properties: Mapping[str, Schema]) -> Schema:
    """An object with just these members, all of them there."""
    return {
        'type': 'object',
        'properties': dict(properties),
        'required': sorted(properties),
        'additionalProperties': False,
    }


def tolerant(properties: Mapping[str, Schema]) -> Schema:
    """An object whose other members are ignored, since Cyborg does so."""
    return {
        'type': 'object',
        'properties': dict(properties),
        'additionalProperties': True,
    }


def query(properties: Mapping[str, Schema] | None = None) -> Schema:
    """A query string that may have just these parameters."""
    return {
        'type': 'object',
        'properties': dict(properties or {}),
        'additionalProperties': False,
    }


#: No parameters.
NO_QUERY = query()
#: A body that says nothing; it may be left out.
NO_BODY: Schema = {'type': 'object', 'maxProperties': 0}


def page_query(
    sort_keys: Iterable[str], filters: Mapping[str, Schema]
) -> Schema:
    """The query string of a list.

    :param sort_keys: Columns of the noun's table, without NULLs.
    :param filters: What ``list_page`` of its query module can compare.
    """
    return query(
        {
            'limit': LIMIT,
            'marker': UUID,
            'sort_key': {'enum': sorted(sort_keys)},
            'sort_dir': {'enum': ['asc', 'desc']},
            **filters,
        }
    )


def page(collection: str, item: Schema) -> Schema:
    """A list's answer."""
    return {
        'type': 'object',
        'properties': {
            collection: {'type': 'array', 'items': item},
            f'{collection}_links': LINKS,
        },
        'required': [collection],
        'additionalProperties': False,
    }
