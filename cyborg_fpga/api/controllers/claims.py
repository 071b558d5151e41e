"""``/v2/claims``: what projects hold."""

import contextlib
from typing import Any

import oslo_messaging as messaging
from oslo_log import log as logging
from oslo_utils import uuidutils

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.api import handler
from cyborg_fpga.api import paging
from cyborg_fpga.api.controllers import operations
from cyborg_fpga.api.schemas import claims as schema
from cyborg_fpga.api.schemas import operations as operation_schema
from cyborg_fpga.db import claims
from cyborg_fpga.policies import claims as policies

LOG = logging.getLogger(__name__)


class Claims(handler.Controller):
    @handler.expose(query=schema.QUERY, answers={200: schema.CLAIMS})
    def index(self, call: handler.Call) -> dict[str, Any]:
        call.authorize(policies.GET_ALL)
        everybody = call.may(policies.GET_ALL_PROJECTS)
        return paging.page(
            call,
            'claims',
            claims.list_page,
            _shown,
            narrow=None if everybody else {'project_id': call.ctx.project_id},
        )

    @handler.expose(answers={200: schema.CLAIM})
    def show(self, call: handler.Call, uuid: str) -> dict[str, Any]:
        return _shown(call, _visible(call, uuid))

    @handler.expose(
        body=schema.CREATE, answers={201: schema.CLAIM, 202: schema.CLAIM}
    )
    def create(self, call: handler.Call) -> handler.Answer:
        """Claim; 201 when it is ready, 202 while cards are programmed.

        Then ``Location`` is to be asked until ``state`` is ``ready`` or
        ``failed``.
        """
        call.authorize(policies.CREATE)
        wanted = _wanted(call.body)
        # Made here, so that the claim can be found when no answer comes.
        uuid = uuidutils.generate_uuid()
        try:
            self.services.conductor.claim(call.ctx, uuid, wanted)
        except messaging.MessagingTimeout:
            claim = _late(call, uuid)
        else:
            claim = claims.get(call.ctx, uuid)
        ready = claim.state is model.ClaimState.READY
        return handler.Answer(
            status=201 if ready else 202,
            data=_shown(call, claim),
            headers={'Location': call.link('claims', uuid)},
        )

    @handler.expose(
        query=schema.DELETE_QUERY, answers={202: schema.CLAIM, 204: None}
    )
    def delete(self, call: handler.Call, uuid: str) -> handler.Answer:
        """Give back; 202 while the cards are wiped, then the claim is gone.

        204 when there was nothing to wait for.
        """
        claim = _visible(call, uuid)
        force = call.query.get('force', '').lower() == 'true'
        rule = policies.FORCE_DELETE if force else policies.DELETE
        call.authorize(rule, claim.project_id or '')
        if not force:
            _refuse_novas(claim)
        self._release(call, claim, force=force)
        try:
            left = claims.get(call.ctx, claim.uuid)
        except errors.NotFound:
            return handler.Answer(status=204)
        return handler.Answer(
            status=202,
            data=_shown(call, left),
            headers={'Location': call.link('claims', claim.uuid)},
        )

    def _release(
        self, call: handler.Call, claim: nouns.Claim, *, force: bool
    ) -> None:
        if claim.origin is model.Origin.API:
            self.services.conductor.release(call.ctx, claim.uuid, force=force)
            return
        with contextlib.suppress(errors.NotFound):  # it has just gone
            self.services.conductor.delete_arqs(
                call.ctx, [claim.uuid], visible_to=None, bound=True
            )

    @handler.expose(
        body=schema.PROGRAM, answers={202: operation_schema.OPERATION}
    )
    def program(self, call: handler.Call, uuid: str) -> handler.Answer:
        """Load another image into what is claimed.

        Answers with the operation, before its work is done.
        """
        claim = _visible(call, uuid)
        call.authorize(policies.PROGRAM, claim.project_id or '')
        _refuse_novas(claim)
        operation = self.services.conductor.program(
            call.ctx,
            _deployable(claim, call.body.get('deployable_uuid')),
            call.body['image_uuid'],
            claim_uuid=claim.uuid,
        )
        return handler.Answer(
            status=202,
            data=operations.shown(call, operation),
            headers={'Location': call.link('operations', operation.uuid)},
        )


def _visible(call: handler.Call, uuid: str) -> nouns.Claim:
    """The claim, if the caller may know that there is one.

    :raises errors.Forbidden: The caller may not see any claim.
    :raises errors.NotFound: There is none, or it is somebody else's.
    """
    call.authorize(policies.GET_ONE)
    claim = claims.get(call.ctx, handler.known_uuid('claim', uuid))
    if not call.may(policies.GET_ONE, claim.project_id or ''):
        raise errors.NotFound(kind='claim', ident=claim.uuid)
    return claim


def _refuse_novas(claim: nouns.Claim) -> None:
    if claim.origin is model.Origin.NOVA:
        raise errors.InUse(
            kind='Claim',
            ident=claim.uuid,
            reason=f'instance {claim.instance_uuid} has it; use the Compute '
            'API.',
        )


def _wanted(body: dict[str, Any]) -> dict[str, Any]:
    """The body with every member, and one name for the host."""
    hostname = body.get('hostname', body.get('nodename'))
    if hostname != body.get('nodename', hostname):
        raise errors.InvalidInput(
            reason='hostname and nodename mean the same but differ'
        )
    # Of what an instance holds: all, unless it is said.
    count = body.get('count', None if 'instance_uuid' in body else 1)
    function = body.get('function_id')
    return {
        'hostname': hostname,
        'type': body.get('type'),
        'function_name': body.get('function_name'),
        # As the catalogue and cards write it.
        'function_id': function and function.replace('-', ''),
        'image_uuid': body.get('image_uuid'),
        'traits': body.get('traits', []),
        'resource_class': body.get('resource_class'),
        # JSON may write 2 as 2.0.
        'count': count and int(count),
        'instance_uuid': body.get('instance_uuid'),
        'wipe_level': body.get('wipe_level'),
    }


def _late(call: handler.Call, uuid: str) -> nouns.Claim:
    """The claim that a conductor works on but did not answer for.

    :raises errors.ServiceUnavailable: None does.
    """
    LOG.warning('No conductor answered in time for claim %s', uuid)
    try:
        return claims.get(call.ctx, uuid)
    except errors.NotFound:
        raise errors.ServiceUnavailable(
            service='The conductor',
            reason=f'no answer. If claim {uuid} appears later it is the one '
            'asked for now.',
        ) from None


def _deployable(claim: nouns.Claim, wanted: str | None) -> str:
    """The one deployable of *claim* that is meant."""
    if not claim.deployable_uuids:
        raise errors.WrongState(
            kind='Claim',
            ident=claim.uuid,
            state=claim.state.value,
            reason='it holds no deployable.',
        )
    if wanted is None and len(claim.deployable_uuids) == 1:
        return claim.deployable_uuids[0]
    if wanted not in claim.deployable_uuids:
        raise errors.InvalidInput(
            reason=f'deployable_uuid must be one of claim {claim.uuid}: '
            + ', '.join(claim.deployable_uuids)
        )
    return wanted


def _shown(call: handler.Call, claim: nouns.Claim) -> dict[str, Any]:
    fault = None
    if claim.fault_code is not None:
        fault = {'code': claim.fault_code, 'message': claim.fault_message}
    return {
        'uuid': claim.uuid,
        'origin': claim.origin.value,
        'state': claim.state.value,
        'hostname': claim.hostname,
        'addresses': list(claim.addresses),
        'deployable_uuids': list(claim.deployable_uuids),
        'image_uuid': claim.image_uuid,
        'type': claim.type,
        'resource_class': claim.resource_class,
        'traits': list(claim.traits),
        'count': claim.count,
        'operation_uuids': list(claim.operation_uuids),
        'wipe_level': claim.wipe_level and claim.wipe_level.value,
        'fault': fault,
        'project_id': claim.project_id,
        'user_id': claim.user_id,
        'instance_uuid': claim.instance_uuid,
        # Zero in a record that says of no change.
        'state_changed_at': operations.iso(claim.state_changed_at or None),
        'created_at': claim.created_at,
        'updated_at': claim.updated_at,
        'links': call.self_link('claims', claim.uuid),
    }
