"""``/v2/accelerator_requests``: what instances hold, through Nova's door."""

from collections.abc import Sequence
from typing import Any

import oslo_messaging as messaging
from oslo_log import log as logging

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga import profiles
from cyborg_fpga.api import handler
from cyborg_fpga.api import paging
from cyborg_fpga.api.controllers import arq_patch
from cyborg_fpga.api.schemas import arqs as schema
from cyborg_fpga.db import arqs
from cyborg_fpga.db import device_profiles
from cyborg_fpga.db import unbindings
from cyborg_fpga.policies import arqs as policies

LOG = logging.getLogger(__name__)

#: Nothing more happens by itself.
_RESOLVED = (
    model.ClaimState.READY,
    model.ClaimState.FAILED,
    model.ClaimState.RELEASING,
)


class Arqs(handler.Controller):
    @handler.expose(query=schema.QUERY, answers={200: schema.ARQS})
    def index(self, call: handler.Call) -> dict[str, Any]:
        """List; ``instance`` gives all that an instance has.

        A service that asks for an instance of which a bind has failed is
        told that it has none. Nova takes a failed ARQ that it finds for one
        that is done, and would start the server without its card; where it
        finds none it gives up. Users see ``BindFailed``.
        """
        call.authorize(policies.GET_ALL)
        project = _visible_to(call)
        if 'instance' in call.query:
            return {'arqs': _of_instance(call, project)}
        narrow: dict[str, Any] = {'project_id': project}
        if 'bind_state' in call.query:
            narrow['states'] = _RESOLVED
        return paging.page(
            call,
            'arqs',
            _list_page,
            _shown,
            narrow=narrow,
        )

    @handler.expose(answers={200: schema.ARQ})
    def show(self, call: handler.Call, uuid: str) -> dict[str, Any]:
        call.authorize(policies.GET_ONE)
        ident = handler.required_uuid(uuid)
        return _shown(call, arqs.get(call.ctx, ident, _visible_to(call)))

    @handler.expose(body=schema.CREATE, answers={201: schema.ARQS})
    def create(self, call: handler.Call) -> dict[str, Any]:
        """Make one ARQ per unit that a device profile asks for."""
        call.authorize(policies.CREATE)
        name = call.body.get('device_profile_name')
        if name is None:
            raise errors.InvalidInput('DeviceProfile name needed.')
        if not name.isascii() or not name.isprintable() or len(name) > 255:
            raise errors.NotFound(
                f'Device Profile not found with name={name[:64]!r}'
            )
        profile = device_profiles.by_name(call.ctx, name)
        groups = [
            index
            for index, group in enumerate(profile.groups)
            for _ in range(profiles.read(group).units)
        ]
        made = arqs.create(call.ctx, profile, groups)
        return {'arqs': [_shown(call, arq) for arq in made]}

    @handler.expose(body=schema.UPDATE, answers={202: None})
    def update(self, call: handler.Call, *_again: str) -> None:
        """Bind all ARQs of an instance, or unbind some.

        Nothing to program: they are bound before the answer. Else Nova is
        told how it ended. openstacksdk appends an ARQ's uuid to the URL.
        """
        call.authorize(policies.UPDATE)
        wanted = arq_patch.read(call, call.body)
        if isinstance(wanted, arq_patch.Bind):
            self._bind(call, wanted)
        else:
            self.services.conductor.unbind(
                call.ctx, wanted.uuids, visible_to=_visible_to(call)
            )

    @handler.expose(query=schema.DELETE_QUERY, answers={204: None})
    def delete_many(self, call: handler.Call) -> None:
        """Delete those of ``arqs`` that there are, or an ``instance``'s."""
        call.authorize(policies.DELETE)
        named, instance = call.query.get('arqs'), call.query.get('instance')
        if bool(named) is bool(instance):
            raise errors.InvalidInput(
                reason='it needs either arqs or instance'
            )
        if named:
            self._delete(call, named)
        else:
            call.require_service_token()
            self._delete_of_instance(call, instance or '')

    @handler.expose(answers={204: None})
    def delete(self, call: handler.Call, uuid: str) -> None:
        """Like :meth:`delete_many`: the path may name several too."""
        call.authorize(policies.DELETE)
        self._delete(call, uuid)

    def _bind(self, call: handler.Call, wanted: arq_patch.Bind) -> None:
        request = {
            'arqs': wanted.providers,
            'hostname': wanted.hostname,
            'instance_uuid': wanted.instance_uuid,
            'project_id': wanted.project_id,
            'visible_to': _visible_to(call),
        }
        try:
            self.services.conductor.bind(call.ctx, request)
        except messaging.MessagingTimeout:
            LOG.warning(
                'No conductor answered in time for instance %s',
                wanted.instance_uuid,
            )
            # Where it has begun, Nova is told how it ends.
            begun = arqs.of_instance(call.ctx, wanted.instance_uuid)
            if {arq.uuid for arq in begun} != set(wanted.providers):
                raise

    def _delete(self, call: handler.Call, text: str) -> None:
        """:raises errors.NotFound: One was not there; the others are gone."""
        given = [part.strip() for part in text.split(',')]
        uuids = [uuid for uuid in map(handler.canonical, given) if uuid]
        project, bound = _visible_to(call), call.by_service
        if not bound:
            _refuse_bound(arqs.some(call.ctx, uuids, project))
        try:
            self.services.conductor.delete_arqs(
                call.ctx, uuids, visible_to=project, bound=bound
            )
        except messaging.MessagingTimeout:
            _delete_here(call, uuids, project, bound=bound)
        if len(uuids) < len(given):
            unknown = [one for one in given if not handler.canonical(one)]
            raise arqs.missing(unknown[0][:64])

    def _delete_of_instance(self, call: handler.Call, instance: str) -> None:
        project = _visible_to(call)
        try:
            self.services.conductor.delete_arqs_of(
                call.ctx, instance, visible_to=project
            )
        except messaging.MessagingTimeout:
            LOG.warning('No conductor deletes the ARQs of %s', instance)
            unbindings.delete_of_instance(call.ctx, instance, project)


def _delete_here(
    call: handler.Call,
    uuids: Sequence[str],
    project: str | None,
    *,
    bound: bool,
) -> None:
    """Nova asks only once, so it is recorded whoever is away.

    What was held is marked to be wiped; a conductor does the rest.

    :raises errors.NotFound: One was not there; the others are gone.
    """
    LOG.warning('No conductor deletes ARQs %s', ', '.join(uuids))
    done = unbindings.delete(call.ctx, uuids, project, bound=bound)
    gone = set(uuids) - set(done.uuids)
    if gone:
        raise arqs.missing(min(gone))


def _visible_to(call: handler.Call) -> str | None:
    """The project whose ARQs the caller may touch; None: everybody's."""
    if call.may(policies.ALL_PROJECTS):
        return None
    # Who has no project has no ARQs.
    return call.ctx.project_id or ''


def _refuse_bound(found: Sequence[nouns.Arq]) -> None:
    for arq in found:
        if arq.instance_uuid is not None:
            raise errors.ServiceTokenRequired(
                f'ARQ {arq.uuid} is bound to instance {arq.instance_uuid}. '
                'Use the Compute API to manage instance accelerators.'
            )


def _of_instance(
    call: handler.Call, project: str | None
) -> list[dict[str, Any]]:
    found = arqs.of_instance(call.ctx, call.query['instance'], project)
    if any(arq.state is model.ClaimState.FAILED for arq in found) and (
        call.by_service
    ):
        return []
    if 'bind_state' in call.query:
        for arq in found:
            if arq.state not in _RESOLVED:
                raise errors.Unresolved(
                    arq=arq.uuid, state=nouns.ARQ_STATES[arq.state]
                )
    return [_shown(call, arq) for arq in found]


def _list_page(ctx: Any, *, filters: Any, **how: Any) -> list[nouns.Arq]:
    narrowed = {k: v for k, v in filters.items() if k != 'bind_state'}
    return arqs.list_page(ctx, filters=narrowed, **how)


def _shown(call: handler.Call, arq: nouns.Arq) -> dict[str, Any]:
    bound = arq.state is model.ClaimState.READY and arq.address is not None
    return {
        'uuid': arq.uuid,
        'state': nouns.ARQ_STATES[arq.state],
        'device_profile_name': arq.device_profile_name,
        'device_profile_group_id': arq.group,
        'hostname': arq.hostname,
        'device_rp_uuid': arq.device_rp_uuid,
        'instance_uuid': arq.instance_uuid,
        'project_id': arq.project_id,
        'attach_handle_type': _type(arq) if bound else '',
        'attach_handle_uuid': arq.handle_uuid if bound else None,
        'attach_handle_info': _info(arq) if bound else {},
        'created_at': arq.created_at,
        'updated_at': arq.updated_at,
        'links': call.self_link('accelerator_requests', arq.uuid),
    }


def _type(arq: nouns.Arq) -> str:
    test = arq.kind is model.HandleKind.TEST_PCI
    return 'TEST_PCI' if test else 'PCI'


def _info(arq: nouns.Arq) -> dict[str, str]:
    address = arq.address
    if address is None:
        return {}
    return {
        'domain': address.domain,
        'bus': address.bus,
        'device': address.device,
        'function': address.function,
    }
