"""JSON schemas of ``/v2/claims``."""

from cyborg_fpga.api.schemas import parts

_STATES = [
    'initial',
    'unbound',
    'claiming',
    'programming',
    'ready',
    'failed',
    'releasing',
]
_MAX_COUNT = 64

QUERY = parts.page_query(
    sort_keys=('created_at', 'uuid', 'state'),
    filters={
        'project_id': parts.NAME,
        'state': {'enum': _STATES},
        'origin': {'enum': ['nova', 'api']},
        'hostname': parts.NAME,
        'type': parts.TYPE,
        'image_uuid': parts.UUID,
        'instance_uuid': parts.UUID,
        'resource_class': parts.NAME,
    },
)
DELETE_QUERY = parts.query({'force': parts.BOOLEAN_TEXT})

CREATE: parts.Versions = [
    (
        0,
        {
            'type': 'object',
            'properties': {
                'hostname': parts.NAME,
                # The proof of concept's word for it.
                'nodename': parts.NAME,
                'type': parts.TYPE,
                'function_name': parts.SOME_TEXT,
                'function_id': parts.UUID,
                'image_uuid': parts.UUID,
                'traits': {
                    'type': 'array',
                    'items': parts.TRAIT,
                    'maxItems': 64,
                    'uniqueItems': True,
                },
                'resource_class': parts.TRAIT,
                'count': {
                    'type': 'integer',
                    'minimum': 1,
                    'maximum': _MAX_COUNT,
                },
                'instance_uuid': parts.UUID,
                'wipe_level': {'enum': parts.WIPE_LEVELS},
            },
            'additionalProperties': False,
        },
    )
]
PROGRAM: parts.Versions = [
    (
        0,
        {
            'type': 'object',
            'properties': {
                'image_uuid': parts.UUID,
                'deployable_uuid': parts.UUID,
            },
            'required': ['image_uuid'],
            'additionalProperties': False,
        },
    )
]

_FAULT = {
    'oneOf': [
        {'type': 'null'},
        parts.closed({'code': parts.TEXT, 'message': parts.TEXT}),
    ]
}
_CLAIM = parts.closed(
    {
        'uuid': parts.UUID,
        'origin': {'enum': ['nova', 'api']},
        'state': {'enum': _STATES},
        'hostname': parts.TEXT_OR_NULL,
        'addresses': {'type': 'array', 'items': parts.PCI_ADDRESS},
        'deployable_uuids': {'type': 'array', 'items': parts.UUID},
        'image_uuid': parts.UUID_OR_NULL,
        'type': parts.TEXT_OR_NULL,
        'resource_class': parts.TEXT_OR_NULL,
        'traits': {'type': 'array', 'items': parts.TRAIT},
        'count': {'type': 'integer', 'minimum': 1},
        'operation_uuids': {'type': 'array', 'items': parts.UUID},
        'wipe_level': {'enum': [*parts.WIPE_LEVELS, None]},
        'fault': _FAULT,
        'project_id': parts.TEXT_OR_NULL,
        'user_id': parts.TEXT_OR_NULL,
        'instance_uuid': parts.UUID_OR_NULL,
        'state_changed_at': parts.TIME_OR_NULL,
        'created_at': parts.TIME_OR_NULL,
        'updated_at': parts.TIME_OR_NULL,
        'links': parts.LINKS,
    }
)
CLAIM: parts.Versions = [(0, _CLAIM)]
CLAIMS: parts.Versions = [(0, parts.page('claims', _CLAIM))]
