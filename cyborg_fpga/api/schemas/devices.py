"""JSON schemas of ``/v2/devices``. A suffix _V2_3 means "from 2.3"."""

from typing import Any

from cyborg_fpga.api.schemas import parts

QUERY = parts.page_query(
    sort_keys=(
        'created_at',
        'uuid',
        'hostname',
        'vendor',
        'family',
        'pci_address',
    ),
    filters={
        'hostname': parts.NAME,
        'type': parts.NAME,
        'vendor': parts.NAME,
        'family': parts.NAME,
        'driver': parts.NAME,
        'status': {'enum': ['enabled', 'maintaining']},
        'health': {'enum': ['ok', 'suspect', 'quarantined', 'lost']},
    },
)

_MEMBERS: dict[str, Any] = {
    'uuid': parts.UUID,
    'type': parts.TEXT,
    'vendor': parts.TEXT,
    'model': parts.TEXT,
    'std_board_info': parts.TEXT_OR_NULL,
    'vendor_board_info': parts.TEXT_OR_NULL,
    'hostname': parts.NAME,
    'pci_address': parts.PCI_ADDRESS,
    'driver': parts.TEXT,
    'family': parts.TEXT,
    'vendor_id': parts.TEXT,
    'product_id': parts.TEXT,
    'serial': parts.TEXT_OR_NULL,
    'numa_node': {'type': ['integer', 'null']},
    'health': {'enum': ['ok', 'suspect', 'quarantined', 'lost']},
    'health_reason': parts.TEXT,
    'failures': {'type': 'integer', 'minimum': 0},
    'attributes': {'type': 'object', 'additionalProperties': parts.TEXT},
    'links': parts.LINKS,
    'created_at': parts.TIME_OR_NULL,
    'updated_at': parts.TIME_OR_NULL,
}
_V2_0 = parts.closed(_MEMBERS)
_V2_3 = parts.closed(
    {**_MEMBERS, 'status': {'enum': ['enabled', 'maintaining']}}
)

DEVICE: parts.Versions = [(0, _V2_0), (3, _V2_3)]
DEVICES: parts.Versions = [
    (0, parts.page('devices', _V2_0)),
    (3, parts.page('devices', _V2_3)),
]
