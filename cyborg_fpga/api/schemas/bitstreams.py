"""JSON schemas of ``/v2/bitstreams`` and ``/v2/types``."""

from cyborg_fpga.api import verdicts
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
        'family': parts.NAME,
        'type': parts.TYPE,
        'region_id': parts.NAME,
        'function_id': parts.NAME,
        'function_name': _ANY_NAME,
        'visibility': {'enum': ['public', 'private', 'shared', 'community']},
        'usable': parts.BOOLEAN_TEXT,
        'fits': parts.UUID,
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
        'family': parts.TEXT_OR_NULL,
        'type': parts.TEXT_OR_NULL,
        'region_id': parts.TEXT_OR_NULL,
        'shell': parts.TEXT_OR_NULL,
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

_WORD: parts.Schema = {
    'type': 'string',
    'pattern': r'^[^\0]{1,64}\Z',
    'description': '1 to 64 characters without NUL',
}
_IDENT: parts.Schema = {
    'type': 'string',
    'pattern': r'^(0x)?[0-9a-fA-F{}-]{32,38}\Z',
    'description': 'a UUID',
}
#: What belongs to a signature: at most 4096 bits in Base64.
_SIGNATURE: parts.Schema = {
    'type': 'string',
    'pattern': r'^[!-~]{1,1024}\Z',
    'description': '1 to 1024 printable ASCII characters without spaces',
}
_VISIBILITY: parts.Schema = {
    'enum': ['public', 'private', 'shared', 'community']
}
_SAID: dict[str, parts.Schema] = {
    'vendor': _WORD,
    'family': _WORD,
    'type': parts.TYPE,
    'region_id': _IDENT,
    'shell': parts.SOME_TEXT,
    'function_id': _IDENT,
    'function_name': parts.SOME_TEXT,
    'version': _WORD,
    'driver': _WORD,
    'img_signature': _SIGNATURE,
    'img_signature_hash_method': _SIGNATURE,
    'img_signature_key_type': _SIGNATURE,
    'img_signature_certificate_uuid': parts.UUID,
}
CREATE_QUERY = parts.query(
    {'name': parts.SOME_TEXT, 'visibility': _VISIBILITY, **_SAID}
)
UPDATE: parts.Versions = [
    (
        0,
        {
            'type': 'object',
            'properties': {
                'name': parts.SOME_TEXT,
                'visibility': _VISIBILITY,
                **{
                    name: {'oneOf': [{'type': 'null'}, schema]}
                    for name, schema in _SAID.items()
                },
            },
            'minProperties': 1,
            'additionalProperties': False,
        },
    )
]
VERDICT: parts.Versions = [
    (
        0,
        parts.closed(
            {
                'uuid': parts.UUID,
                'good': {'type': 'boolean'},
                'reason': parts.TEXT,
                'format': parts.TEXT_OR_NULL,
                'size': {'type': ['integer', 'null']},
                'hash_algo': parts.TEXT_OR_NULL,
                'hash_value': parts.TEXT_OR_NULL,
                'signature': {
                    'enum': [state.value for state in verdicts.State]
                },
                'certificate_uuid': parts.TEXT_OR_NULL,
                'certificate_subject': parts.TEXT_OR_NULL,
                'certificate_expires_at': parts.TEXT_OR_NULL,
            }
        ),
    )
]
#: Of a bitstream that Glance has, while no conductor answers.
STORED: parts.Versions = [
    (0, parts.closed({'uuid': parts.UUID, 'links': parts.LINKS}))
]

TYPES_QUERY = parts.query({'limit': parts.LIMIT, 'marker': parts.TYPE})
_TYPE = parts.closed(
    {
        'type': parts.TEXT,
        'bitstreams': {'type': 'integer', 'minimum': 1},
    }
)
TYPES: parts.Versions = [(0, parts.page('types', _TYPE))]
