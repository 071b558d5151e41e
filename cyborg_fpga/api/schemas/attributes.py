"""JSON schemas of ``/v2/attributes``."""

from cyborg_fpga.api.schemas import parts

_KEY: parts.Schema = {
    'type': 'string',
    'pattern': r'^[ -~]{1,255}\Z',
    'description': '1 to 255 printable ASCII characters',
}

QUERY = parts.page_query(
    sort_keys=('created_at', 'uuid', 'deployable_id', 'key'),
    filters={
        'deployable_id': {'type': 'string', 'pattern': r'^[0-9]{1,9}\Z'},
        'key': _KEY,
    },
)

_GIVEN: dict[str, parts.Schema] = {
    'deployable_id': {
        'oneOf': [
            {'type': 'integer', 'minimum': 0, 'maximum': 999999999},
            {'type': 'string', 'pattern': r'^[0-9]{1,9}\Z'},
            parts.UUID,
        ]
    },
    'key': _KEY,
    'value': {'type': 'string', 'maxLength': 10000},
}
_PLAIN = {**parts.tolerant(_GIVEN), 'required': sorted(_GIVEN)}
#: As it is, and as openstacksdk wraps it.
CREATE: parts.Versions = [
    (
        0,
        {
            'type': 'object',
            'if': {'required': ['attribute']},
            'then': parts.tolerant({'attribute': _PLAIN}),
            'else': _PLAIN,
        },
    )
]

_ATTRIBUTE = parts.closed(
    {
        'uuid': parts.UUID,
        'deployable_id': {'type': 'integer'},
        'key': parts.TEXT,
        'value': parts.TEXT,
        'reported': {'type': 'boolean'},
        'created_at': parts.TIME_OR_NULL,
        'updated_at': parts.TIME_OR_NULL,
        'links': parts.LINKS,
    }
)
ATTRIBUTE: parts.Versions = [(0, _ATTRIBUTE)]
ATTRIBUTES: parts.Versions = [(0, parts.page('attributes', _ATTRIBUTE))]
