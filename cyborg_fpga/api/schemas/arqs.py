"""JSON schemas of ``/v2/accelerator_requests``."""

from cyborg_fpga.api.schemas import parts

_STATES = [
    'Initial',
    'Unbound',
    'BindStarted',
    'Bound',
    'BindFailed',
    'Deleting',
]
_MANY = {'type': 'string', 'maxLength': 32768}

QUERY = parts.page_query(
    sort_keys=('created_at', 'uuid', 'state'),
    filters={'instance': parts.UUID, 'bind_state': {'enum': ['resolved']}},
)
DELETE_QUERY = parts.query({'arqs': _MANY, 'instance': parts.UUID})

CREATE: parts.Versions = [
    (0, parts.tolerant({'device_profile_name': parts.TEXT_OR_NULL}))
]

# Which operations make sense together is looked at in Cyborg's words.
_OPERATION = {
    'type': 'object',
    'properties': {
        'path': {'type': 'string', 'maxLength': 64},
        'op': {'type': 'string', 'maxLength': 16},
        'value': {'type': ['string', 'null'], 'maxLength': 255},
    },
    'required': ['path', 'op'],
    'additionalProperties': False,
}
UPDATE: parts.Versions = [
    (
        0,
        {
            'type': 'object',
            'additionalProperties': {
                'type': 'array',
                'items': _OPERATION,
                'minItems': 1,
                'maxItems': 8,
            },
            'minProperties': 1,
            'maxProperties': 256,
        },
    )
]

_ARQ = parts.closed(
    {
        'uuid': parts.UUID,
        'state': {'enum': _STATES},
        'device_profile_name': parts.TEXT,
        'device_profile_group_id': {'type': 'integer', 'minimum': 0},
        'hostname': parts.TEXT_OR_NULL,
        'device_rp_uuid': parts.UUID_OR_NULL,
        'instance_uuid': parts.UUID_OR_NULL,
        'project_id': parts.TEXT_OR_NULL,
        'attach_handle_type': {'enum': ['', 'PCI', 'TEST_PCI']},
        'attach_handle_uuid': parts.UUID_OR_NULL,
        'attach_handle_info': {
            'type': 'object',
            'properties': {
                'domain': parts.TEXT,
                'bus': parts.TEXT,
                'device': parts.TEXT,
                'function': parts.TEXT,
            },
            'additionalProperties': False,
        },
        'created_at': parts.TIME_OR_NULL,
        'updated_at': parts.TIME_OR_NULL,
        'links': parts.LINKS,
    }
)
ARQ: parts.Versions = [(0, _ARQ)]
ARQS: parts.Versions = [(0, parts.page('arqs', _ARQ))]
