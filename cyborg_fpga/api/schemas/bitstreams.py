"""JSON schemas of ``/v2/bitstreams`` and ``/v2/types``."""

from cyborg_fpga.api.schemas import parts

QUERY = parts.page_query(
    sort_keys=('created_at', 'uuid', 'name'),
    filters={
        'name': {'type': 'string', 'maxLength': 255},
        'vendor': parts.NAME,
        'type': parts.TYPE,
        'region_id': parts.NAME,
        'function_id': parts.NAME,
        'function_name': {'type': 'string', 'maxLength': 255},
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
