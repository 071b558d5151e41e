"""JSON schemas of ``/v2/device_profiles``."""

from cyborg_fpga.api.schemas import parts

QUERY = parts.page_query(
    sort_keys=('created_at', 'uuid', 'name'),
    # A list with commas.
    filters={'name': {'type': 'string', 'maxLength': 8192}},
)
DELETE_QUERY = parts.query({'value': {'type': 'string', 'maxLength': 8192}})

# Name and groups are looked at in words that say more than a schema's.
CREATE: parts.Versions = [
    (
        0,
        {
            'type': 'array',
            'items': parts.tolerant(
                {
                    'name': parts.TEXT_OR_NULL,
                    'description': {
                        'type': ['string', 'null'],
                        'maxLength': 10000,
                    },
                    'uuid': parts.UUID_OR_NULL,
                    'groups': {'type': ['array', 'null']},
                }
            ),
        },
    )
]

_PROFILE = parts.closed(
    {
        'uuid': parts.UUID,
        'name': parts.TEXT,
        'description': parts.TEXT_OR_NULL,
        'groups': {
            'type': 'array',
            'items': {
                'type': 'object',
                'additionalProperties': parts.TEXT,
            },
        },
        'created_at': parts.TIME_OR_NULL,
        'updated_at': parts.TIME_OR_NULL,
        'links': parts.LINKS,
    }
)
PROFILE: parts.Versions = [(0, _PROFILE)]
#: Cyborg wraps the one that is shown, and not the one that was made.
SHOWN: parts.Versions = [(0, parts.closed({'device_profile': _PROFILE}))]
PROFILES: parts.Versions = [(0, parts.page('device_profiles', _PROFILE))]
