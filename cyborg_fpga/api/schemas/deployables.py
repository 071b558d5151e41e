"""JSON schemas of ``/v2/deployables``."""

from cyborg_fpga.api.schemas import parts

QUERY = parts.page_query(
    sort_keys=('created_at', 'uuid', 'name', 'hostname', 'state'),
    filters={
        'hostname': parts.NAME,
        'device_uuid': parts.UUID,
        'name': parts.NAME,
        'state': {'enum': ['idle', 'programming', 'unknown']},
        'resource_class': parts.NAME,
        'region_id': parts.NAME,
        'function_id': parts.NAME,
        'bitstream_id': parts.UUID,
        'rp_uuid': parts.UUID,
    },
)

# Clients send different paths and mean the same: Cyborg only refuses these.
_FIXED_PATHS = (
    'name|num_accelerators|uuid|id|links|created_at|updated_at'
)  # fmt: skip
PROGRAM: parts.Versions = [
    (
        0,
        {
            'type': 'array',
            'minItems': 1,
            'maxItems': 1,
            'items': parts.closed(
                {
                    'op': {'enum': ['replace', 'add']},
                    'path': {
                        'type': 'string',
                        'pattern': rf'^/(?!({_FIXED_PATHS})\Z)\w{{1,64}}\Z',
                    },
                    'value': {
                        'type': 'array',
                        'minItems': 1,
                        'maxItems': 1,
                        'items': parts.closed({'image_uuid': parts.UUID}),
                    },
                }
            ),
        },
    )
]

_HANDLE = parts.closed(
    {
        'uuid': parts.UUID,
        'pci_address': parts.PCI_ADDRESS,
        'kind': {'enum': ['PF', 'VF', 'TEST_PCI']},
        'claimed': {'type': 'boolean'},
        'claim_uuid': parts.UUID_OR_NULL,
        'present': {'type': 'boolean'},
    }
)
_DEPLOYABLE = parts.closed(
    {
        'uuid': parts.UUID,
        'parent_id': {'type': 'null'},
        'root_id': {'type': 'null'},
        'name': parts.TEXT,
        'num_accelerators': {'type': 'integer', 'minimum': 0},
        'device_id': {'type': 'integer'},
        'attributes_list': parts.TEXT,
        'rp_uuid': parts.UUID_OR_NULL,
        'driver_name': parts.TEXT,
        'bitstream_id': parts.UUID_OR_NULL,
        'deployable_id': {'type': 'integer'},
        'device_uuid': parts.UUID,
        'device_address': parts.PCI_ADDRESS,
        'hostname': parts.NAME,
        'state': {'enum': ['idle', 'programming', 'unknown']},
        'health': {'enum': ['ok', 'suspect', 'quarantined', 'lost']},
        'health_reason': parts.TEXT,
        'resource_class': parts.TEXT,
        'rp_name': parts.TEXT,
        'region_id': parts.TEXT_OR_NULL,
        'function_id': parts.TEXT_OR_NULL,
        'wipe_pending': {'type': 'boolean'},
        'wipe_levels': {'type': 'array', 'items': {'enum': parts.WIPE_LEVELS}},
        'handles': {'type': 'array', 'items': _HANDLE},
        'links': parts.LINKS,
        'created_at': parts.TIME_OR_NULL,
        'updated_at': parts.TIME_OR_NULL,
    }
)
DEPLOYABLE: parts.Versions = [(0, _DEPLOYABLE)]
DEPLOYABLES: parts.Versions = [(0, parts.page('deployables', _DEPLOYABLE))]
