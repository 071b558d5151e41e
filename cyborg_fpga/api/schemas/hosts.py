"""JSON schemas of ``/v2/hosts``."""

from cyborg_fpga.api.schemas import parts

_STATUSES = ['enabled', 'disabled']
_REASON = {'type': ['string', 'null'], 'maxLength': 255}

QUERY = parts.page_query(
    sort_keys=('hostname', 'created_at', 'status'),
    filters={
        'hostname': parts.NAME,
        'status': {'enum': _STATUSES},
        'up': parts.BOOLEAN_TEXT,
    },
)
UPDATE: parts.Versions = [
    (
        0,
        {
            'type': 'object',
            'properties': {
                'status': {'enum': _STATUSES},
                'disabled_reason': _REASON,
            },
            'required': ['status'],
            'additionalProperties': False,
        },
    )
]
DISABLE: parts.Versions = [
    (
        0,
        {
            'type': 'object',
            'properties': {'disabled_reason': _REASON},
            'additionalProperties': False,
        },
    )
]

_NUMBER = {'type': 'integer', 'minimum': 0}
CACHE_FIGURES = (
    'size_limit',
    'bytes',
    'files',
    'hits',
    'misses',
    'evictions',
    'downloads_failed',
    'downloads_damaged',
    'prefetched',
)
_CACHE = {
    'anyOf': [
        {'type': 'null'},
        parts.closed(
            {
                **dict.fromkeys(CACHE_FIGURES, _NUMBER),
                'last_prefetch_at': parts.TIME_OR_NULL,
            }
        ),
    ]
}
_HOST = parts.closed(
    {
        'uuid': parts.UUID,
        'hostname': parts.NAME,
        'status': {'enum': _STATUSES},
        'disabled_reason': parts.TEXT_OR_NULL,
        'up': {'type': 'boolean'},
        'last_seen': parts.TIME_OR_NULL,
        'layout': {'enum': ['pool', 'region']},
        'rp_name': parts.TEXT,
        'rp_uuid': parts.UUID_OR_NULL,
        'cache': _CACHE,
        'created_at': parts.TIME_OR_NULL,
        'updated_at': parts.TIME_OR_NULL,
        'links': parts.LINKS,
    }
)
HOST: parts.Versions = [(0, _HOST)]
HOSTS: parts.Versions = [(0, parts.page('hosts', _HOST))]
