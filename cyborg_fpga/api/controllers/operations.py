"""``/v2/operations``: acts on hardware, running and past."""

import datetime
from typing import Any

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.api import handler
from cyborg_fpga.api import paging
from cyborg_fpga.api.schemas import operations as schema
from cyborg_fpga.api.schemas import parts
from cyborg_fpga.db import operations
from cyborg_fpga.policies import operations as policies


class Operations(handler.Controller):
    @handler.expose(query=schema.QUERY, answers={200: schema.OPERATIONS})
    def index(self, call: handler.Call) -> dict[str, Any]:
        call.authorize(policies.GET_ALL)
        everybody = call.may(policies.GET_ALL_PROJECTS)
        return paging.page(
            call,
            'operations',
            operations.list_page,
            shown,
            narrow=None if everybody else {'project_id': call.ctx.project_id},
        )

    @handler.expose(answers={200: schema.OPERATION})
    def show(self, call: handler.Call, uuid: str) -> dict[str, Any]:
        return shown(call, _visible(call, uuid))

    @handler.expose(body=[(0, parts.NO_BODY)], answers={202: schema.OPERATION})
    def cancel(self, call: handler.Call, uuid: str) -> handler.Answer:
        """End an operation that has not ended.

        One that has begun leaves its deployable ``unknown`` until the card
        has been read back.
        """
        operation = _visible(call, uuid)
        call.authorize(policies.CANCEL)
        self.services.conductor.cancel(call.ctx, operation.uuid)
        return handler.Answer(
            status=202,
            data=shown(call, operations.get(call.ctx, operation.uuid)),
            headers={'Location': call.link('operations', operation.uuid)},
        )


def _visible(call: handler.Call, uuid: str) -> model.Operation:
    """Like a claim: somebody else's is not there."""
    call.authorize(policies.GET_ONE)
    ident = handler.known_uuid('operation', uuid)
    operation = operations.get(call.ctx, ident)
    if not call.may(policies.GET_ONE, operation.project_id or ''):
        raise errors.NotFound(kind='operation', ident=ident)
    return operation


def shown(call: handler.Call, operation: model.Operation) -> dict[str, Any]:
    """An operation as the API shows it."""
    wipe, cause = operation.wipe_level, operation.cause
    started, finished = iso(operation.started_at), iso(operation.finished_at)
    return {
        'uuid': operation.uuid,
        'kind': operation.kind.value,
        'state': operation.state.value,
        'hostname': operation.hostname,
        'device_address': str(operation.device),
        'deployable_uuid': operation.deployable_uuid,
        'claim_uuid': operation.claim_uuid,
        'project_id': operation.project_id,
        'user_id': operation.user_id,
        'image_uuid': operation.image_uuid,
        'wipe_level': None if wipe is None else wipe.value,
        'progress': operation.progress,
        'step': operation.step,
        'cause': None if cause is None else cause.value,
        'detail': operation.detail,
        'deadline': iso(operation.deadline or None),
        'started_at': started,
        'finished_at': finished,
        'state_changed_at': finished or started or operation.created_at,
        'created_at': operation.created_at,
        'updated_at': operation.updated_at,
        'links': call.self_link('operations', operation.uuid),
    }


def iso(seconds: float | None) -> str | None:
    """Seconds since 1970 as the API writes times; None stays."""
    if seconds is None:
        return None
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()
