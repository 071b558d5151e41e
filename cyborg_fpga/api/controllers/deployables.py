"""``/v2/deployables``: regions that can be programmed and handed out."""

import contextlib
from collections.abc import Sequence
from typing import Any

from oslo_serialization import jsonutils

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.api import handler
from cyborg_fpga.api import paging
from cyborg_fpga.api.schemas import deployables as schema
from cyborg_fpga.api.schemas import parts
from cyborg_fpga.db import attributes
from cyborg_fpga.db import claims
from cyborg_fpga.db import deployables
from cyborg_fpga.policies import claims as claim_policies
from cyborg_fpga.policies import deployables as policies

#: Filters by what a project may have loaded for itself.
_SECRETS = frozenset({'function_id', 'bitstream_id'})


class Deployables(handler.Controller):
    @handler.expose(
        query=schema.QUERY,
        cyborg_filters=True,
        answers={200: schema.DEPLOYABLES},
    )
    def index(self, call: handler.Call) -> dict[str, Any]:
        call.authorize(policies.GET_ALL)
        facts: dict[int, list[attributes.Fact]] = {}
        whose = call.may(claim_policies.GET_ALL_PROJECTS)

        def source(*args: Any, **asked: Any) -> list[nouns.Deployable]:
            found = deployables.list_page(*args, **asked)
            ids = [region.id for region in found]
            facts.update(attributes.of_deployables(call.ctx, ids))
            return found

        def show(call: handler.Call, region: nouns.Deployable) -> Any:
            return _shown(call, region, facts.get(region.id, []), whose=whose)

        # Who may not be shown what a project loaded for itself must not find
        # it by asking for it either.
        asked = not whose and not _SECRETS.isdisjoint(call.query)
        return paging.page(
            call,
            'deployables',
            source,
            show,
            narrow={'bitstream_private': False} if asked else None,
        )

    @handler.expose(answers={200: schema.DEPLOYABLE})
    def show(self, call: handler.Call, uuid: str) -> dict[str, Any]:
        call.authorize(policies.GET_ONE)
        return _one(call, handler.required_uuid(uuid))

    @handler.expose(body=schema.PROGRAM, answers={200: schema.DEPLOYABLE})
    def program(
        self, call: handler.Call, uuid: str, again: str | None = None
    ) -> handler.Answer:
        """Start loading an image into a deployable that nobody has claimed.

        Answers before the work is done: ``Location`` is the operation.
        """
        call.authorize(policies.PROGRAM)
        if again not in (None, uuid):
            raise errors.NotFound(kind='resource', ident='at this URL')
        ident = handler.required_uuid(uuid)
        deployable = deployables.get(call.ctx, ident)
        image = handler.canonical(call.body[0]['value'][0]['image_uuid'])
        operation = self.services.conductor.program(
            call.ctx, deployable.uuid, str(image)
        )
        return handler.Answer(
            status=200,
            data=_one(call, deployable.uuid),
            headers={'Location': call.link('operations', operation.uuid)},
        )

    @handler.expose(body=parts.BYTES, answers={200: parts.BYTES, 204: None})
    def run(self, call: handler.Call, uuid: str) -> bytes:
        """Let the function in a simulated deployable answer to the body.

        Pecan makes a 204 of an answer without a byte.
        """
        call.authorize(policies.RUN)
        region = deployables.get(call.ctx, handler.required_uuid(uuid))
        claim = _own_claim(call, region)
        return self.services.conductor.run(
            call.ctx, region.uuid, claim.uuid, call.body
        )


def _own_claim(call: handler.Call, region: nouns.Deployable) -> nouns.Claim:
    """The claim by which the caller's project has *region*.

    :raises errors.WrongState: It has none, or a server has what it has.
    """
    held = {handle.claim_uuid for handle in region.handles}
    for uuid in sorted(filter(None, held)):
        with contextlib.suppress(errors.NotFound):  # it has just gone
            claim = claims.get(call.ctx, uuid)
            own = call.may(policies.RUN, claim.project_id or '')
            if own and claim.origin is model.Origin.API:
                return claim
    raise errors.WrongState(
        kind='Deployable',
        ident=region.uuid,
        state='not claimed by your project',
        reason='claim it through this API first.',
    )


def _one(call: handler.Call, uuid: str) -> dict[str, Any]:
    region = deployables.get(call.ctx, uuid)
    facts = attributes.of_deployables(call.ctx, [region.id])
    whose = call.may(claim_policies.GET_ALL_PROJECTS)
    return _shown(call, region, facts.get(region.id, []), whose=whose)


def _shown(
    call: handler.Call,
    region: nouns.Deployable,
    facts: Sequence[attributes.Fact],
    *,
    whose: bool,
) -> dict[str, Any]:
    """One item.

    :param whose: The caller may know who has what.
    """
    # What a project loaded for itself is its own and the operators' business.
    told = whose or not region.bitstream_private
    bookmark = f'{call.base_url}/deployables/{region.uuid}'
    return {
        'uuid': region.uuid,
        # We have no nested deployables.
        'parent_id': None,
        'root_id': None,
        'name': region.name,
        'num_accelerators': len(region.handles),
        'device_id': region.device_id,
        'attributes_list': jsonutils.dumps(
            [{key: value} for key, value in facts]
        ),
        'rp_uuid': region.rp_uuid or None,
        'driver_name': region.driver,
        'bitstream_id': region.bitstream_id if told else None,
        # By this attributes name it; 'id' is the uuid to openstacksdk.
        'deployable_id': region.id,
        'device_uuid': region.device_uuid,
        'device_address': str(region.device_address),
        'hostname': region.hostname,
        'state': region.state.value,
        'health': region.health.value,
        'health_reason': region.health_reason,
        'resource_class': region.resource_class,
        'rp_name': region.rp_name,
        'region_id': region.region_id,
        'function_id': region.function_id if told else None,
        'wipe_pending': region.wipe_pending,
        'wipe_levels': [level.value for level in region.wipe_levels],
        'handles': [_handle(handle, whose) for handle in region.handles],
        'links': [
            *call.self_link('deployables', region.uuid),
            {'href': bookmark, 'rel': 'bookmark'},
        ],
        'created_at': region.created_at,
        'updated_at': region.updated_at,
    }


def _handle(handle: nouns.AttachHandle, whose: bool) -> dict[str, Any]:
    return {
        'uuid': handle.uuid,
        'pci_address': str(handle.pci_address),
        'kind': handle.kind.value,
        'claimed': handle.claim_uuid is not None,
        'claim_uuid': handle.claim_uuid if whose else None,
        'present': handle.present,
    }
