"""JSON schemas of ``/v2/bitstreams`` and ``/v2/types``."""

from cyborg_fpga.api.schemas import parts

#: Users give them. Not every database can look for NUL.
_ANY_NAME: parts.Schema = {
    'type': 'string',
    'pattern': r'^[^\0]{0,255}\Z',
    'description': 'up to 255 characters without NUL',
}

QUERY = parts.page_query(
    sort_keys=('created_at', 'uuid', 'name'),
    filters={
        'name': _ANY_NAME,
        'vendor': parts.NAME,
        'type': parts.TYPE,
        'region_id': parts.NAME,
        'function_id': parts.NAME,
        'function_name': _ANY_NAME,
        'visibility': {'enum': ['public', 'private', 'shared', 'community']},
        'usable': parts.BOOLEAN_TEXT,
        'project_id': parts.NAME,
    },
)

_BITSTREAM = parts.closed(
    {
        'uuid': parts.UUID,
        'name': parts.TEXT,
        'status': parts.TEXT,
        'visibility': parts.TEXT,
        'project_id': parts.TEXT_OR_NULL,
        'vendor': parts.TEXT_OR_NULL,
        'type': parts.TEXT_OR_NULL,
        'region_id': parts.TEXT_OR_NULL,
        'function_id': parts.TEXT_OR_NULL,
        'function_name': parts.TEXT_OR_NULL,
        'version': parts.TEXT_OR_NULL,
        'driver': parts.TEXT_OR_NULL,
        'size': {'type': ['integer', 'null']},
        'hash_algo': parts.TEXT_OR_NULL,
        'hash_value': parts.TEXT_OR_NULL,
        'usable': {'type': 'boolean'},
        'reason': parts.TEXT,
        'image_updated_at': parts.TEXT,
        'links': parts.LINKS,
    }
)
BITSTREAM: parts.Versions = [(0, _BITSTREAM)]
BITSTREAMS: parts.Versions = [(0, parts.page('bitstreams', _BITSTREAM))]

TYPES_QUERY = parts.query({'limit': parts.LIMIT, 'marker': parts.TYPE})
_TYPE = parts.closed(
    {
        'type': parts.TEXT,
        'bitstreams': {'type': 'integer', 'minimum': 1},
    }
)
TYPES: parts.Versions = [(0, parts.page('types', _TYPE))]
