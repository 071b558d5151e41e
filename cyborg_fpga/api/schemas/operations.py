"""JSON schemas of ``/v2/operations``."""

from cyborg_fpga.api.schemas import parts

_KINDS = ['program', 'wipe']
_STATES = ['pending', 'running', 'succeeded', 'failed', 'cancelled']

QUERY = parts.page_query(
    sort_keys=('created_at', 'uuid', 'state'),
    filters={
        'project_id': parts.NAME,
        'kind': {'enum': _KINDS},
        'state': {'enum': _STATES},
        'claim_uuid': parts.UUID,
        'deployable_uuid': parts.UUID,
        'hostname': parts.NAME,
        'image_uuid': parts.UUID,
    },
)

_OPERATION = parts.closed(
    {
        'uuid': parts.UUID,
        'kind': {'enum': _KINDS},
        'state': {'enum': _STATES},
        'hostname': parts.NAME,
        'device_address': parts.PCI_ADDRESS,
        'deployable_uuid': parts.UUID,
        'claim_uuid': parts.UUID_OR_NULL,
        'project_id': parts.TEXT_OR_NULL,
        'user_id': parts.TEXT_OR_NULL,
        'image_uuid': parts.UUID_OR_NULL,
        'wipe_level': parts.TEXT_OR_NULL,
        'progress': {'type': 'integer', 'minimum': 0, 'maximum': 100},
        'step': parts.TEXT,
        'cause': parts.TEXT_OR_NULL,
        'detail': parts.TEXT,
        'deadline': parts.TIME_OR_NULL,
        'started_at': parts.TIME_OR_NULL,
        'finished_at': parts.TIME_OR_NULL,
        'state_changed_at': parts.TIME_OR_NULL,
        'created_at': parts.TIME_OR_NULL,
        'updated_at': parts.TIME_OR_NULL,
        'links': parts.LINKS,
    }
)
OPERATION: parts.Versions = [(0, _OPERATION)]
OPERATIONS: parts.Versions = [(0, parts.page('operations', _OPERATION))]
