"""Accelerator requests: claims that came through Nova's door.

How they get what they hold is in :mod:`bindings`, how they lose it in
:mod:`unbindings`.
"""

import json
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from oslo_utils import uuidutils

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.db import clock
from cyborg_fpga.db import device_profiles
from cyborg_fpga.db import engine
from cyborg_fpga.db import models

_CLAIM, _HANDLE = models.Claim, models.AttachHandle
NOVAS = _CLAIM.origin == model.Origin.NOVA.value
# What an ARQ shows, and not the whole row: most of what it costs to read one
# is how many columns there are.
_QUERY = (
    sa.select(
        _CLAIM.uuid,
        _CLAIM.state,
        _CLAIM.project_id,
        _CLAIM.device_profile_name,
        _CLAIM.device_profile_group_id,
        _CLAIM.device_rp_uuid,
        _CLAIM.instance_uuid,
        _CLAIM.created_at,
        _CLAIM.updated_at,
        models.Host.hostname,
        _HANDLE.uuid.label('handle_uuid'),
        _HANDLE.pci_address,
        _HANDLE.kind,
    )
    .outerjoin(models.Host, models.Host.id == _CLAIM.host_id)
    .outerjoin(_HANDLE, _HANDLE.claim_id == _CLAIM.id)
    .where(NOVAS)
)
_WITH_PROFILE = _QUERY.add_columns(
    models.DeviceProfile.name.label('profile'), models.DeviceProfile.groups
).outerjoin(
    models.DeviceProfile,
    models.DeviceProfile.name == _CLAIM.device_profile_name,
)
_ENDS = (model.ClaimState.READY.value, model.ClaimState.FAILED.value)

# Constants, see engine.run().
_OWED = sa.select(_CLAIM.id).where(_CLAIM.event_due <= clock.now()).limit(1)
_DUE = (
    sa.select(
        _CLAIM.id,
        _CLAIM.uuid,
        _CLAIM.instance_uuid,
        _CLAIM.state,
        _CLAIM.event_attempts,
    )
    .where(_CLAIM.event_due <= clock.now())
    .where(_CLAIM.state.in_(_ENDS))
    .order_by(_CLAIM.id)
    .limit(sa.bindparam('most'))
    .with_for_update()
)
_LEND = (
    sa.update(_CLAIM)
    .where(_CLAIM.id.in_(sa.bindparam('ids', expanding=True)))
    .values(
        event_due=clock.now() + sa.bindparam('seconds', type_=sa.Double),
        event_attempts=_CLAIM.event_attempts + 1,
    )
)
_TOLD = (
    sa.update(_CLAIM)
    .where(_CLAIM.uuid.in_(sa.bindparam('uuids', expanding=True)))
    # Not what has come since: it was bound to another instance.
    .where(_CLAIM.event_attempts == sa.bindparam('attempt'))
    .where(_CLAIM.event_due.is_not(None))
)
_CROSS_OFF = _TOLD.values(event_due=None)
_POSTPONE = _TOLD.values(
    event_due=clock.now() + sa.bindparam('seconds', type_=sa.Double)
)

#: Of a device profile.
Groups = Sequence[Mapping[str, str]]

#: What is in one of these can be bound.
BINDABLE = (model.ClaimState.INITIAL.value, model.ClaimState.UNBOUND.value)


@engine.writer
def create(
    ctx: context.RequestContext,
    profile: nouns.DeviceProfile,
    groups: Sequence[int],
) -> list[nouns.Arq]:
    """Make one ARQ of *profile* for each of *groups*, for the caller.

    :param groups: Index of the group that each is of.
    :raises errors.NotFound: The profile was deleted meanwhile.
    """
    # Whoever deletes the profile comes before or sees them.
    device_profiles.hold(ctx, profile.name)
    uuids = [uuidutils.generate_uuid() for _ in groups]
    ctx.session.execute(
        sa.insert(_CLAIM).values(
            [
                {
                    'uuid': uuid,
                    'origin': model.Origin.NOVA.value,
                    'state': model.ClaimState.INITIAL.value,
                    'project_id': ctx.project_id,
                    'user_id': ctx.user_id,
                    'device_profile_name': profile.name,
                    'device_profile_group_id': group,
                    # Nova allocates before it asks for them.
                    'allocation': 'adopted',
                }
                for uuid, group in zip(uuids, groups, strict=True)
            ]
        )
    )
    return _load(ctx, _QUERY.where(_CLAIM.uuid.in_(uuids)))


@engine.reader
def get(
    ctx: context.RequestContext, uuid: str, project_id: str | None = None
) -> nouns.Arq:
    """:raises errors.NotFound: No such ARQ (of that project)."""
    found = _load(
        ctx, _QUERY.where(owned(project_id)).where(_CLAIM.uuid == uuid)
    )
    if not found:
        raise missing(uuid)
    return found[0]


@engine.reader
def of_instance(
    ctx: context.RequestContext,
    instance_uuid: str,
    project_id: str | None = None,
) -> list[nouns.Arq]:
    """What an instance has, one statement."""
    return _load(
        ctx,
        _QUERY.where(owned(project_id)).where(
            _CLAIM.instance_uuid == instance_uuid
        ),
    )


@engine.reader
def some(
    ctx: context.RequestContext,
    uuids: Collection[str],
    project_id: str | None = None,
) -> list[nouns.Arq]:
    """Those of *uuids* that there are."""
    return _load(
        ctx, _QUERY.where(owned(project_id)).where(_CLAIM.uuid.in_(uuids))
    )


@engine.reader
def to_bind(
    ctx: context.RequestContext,
    uuids: Collection[str],
    instance_uuid: str,
    project_id: str | None = None,
) -> tuple[list[nouns.Arq], dict[str, Groups]]:
    """All of *uuids*, in a state to be bound to an instance that has none.

    :returns: They, and the groups of their profiles by name: one statement.
    :raises errors.FPGAError: See :func:`check_bindable`.
    :raises errors.NotFound: A profile is gone.
    """
    mine = sa.and_(_CLAIM.uuid.in_(uuids), owned(project_id))
    theirs = _CLAIM.instance_uuid == instance_uuid
    rows = ctx.session.execute(
        _WITH_PROFILE.where(sa.or_(mine, theirs)).order_by(_CLAIM.id)
    ).all()
    found = [_arq(row) for row in rows]
    check_bindable(found, uuids, instance_uuid)
    said = {row.profile: row.groups for row in rows}
    for arq in found:
        # To MariaDB AES is aes.
        if arq.device_profile_name not in said:
            raise device_profiles.missing('name', arq.device_profile_name)
    return found, {name: json.loads(said[name]) for name in said}


def check_bindable(
    found: Sequence[Any], uuids: Collection[str], instance_uuid: str
) -> None:
    """Refuse a bind of *uuids*, where *found* is they and the instance's.

    :raises errors.InvalidInput: The instance has ARQs.
    :raises errors.NotFound: One is not there.
    :raises errors.WrongState: One is neither initial nor unbound.
    """
    if any(row.instance_uuid == instance_uuid for row in found):
        raise errors.InvalidInput(
            f'Instance {instance_uuid} already has accelerator requests. '
            'Cannot bind additional ARQs.'
        )
    gone = set(uuids) - {row.uuid for row in found}
    if gone:
        raise missing(min(gone))
    for row in found:
        if row.state not in BINDABLE:
            raise errors.WrongState(
                kind='ARQ',
                ident=row.uuid,
                state=nouns.ARQ_STATES[model.ClaimState(row.state)],
                reason='only one that is Initial or Unbound can be bound.',
            )


def missing(uuid: str) -> errors.NotFound:
    return errors.NotFound(f'ExtArq not found with uuid={uuid}')


@engine.reader
def list_page(
    ctx: context.RequestContext,
    *,
    filters: Mapping[str, Any],
    limit: int,
    marker: str | None = None,
    sort_key: str = 'created_at',
    sort_dir: str = 'desc',
) -> list[nouns.Arq]:
    """Two statements with *marker*, one without.

    :param filters: *states*: any of these.
    """
    asked = dict(filters)
    query = _QUERY.where(owned(asked.pop('project_id', None)))
    states = asked.pop('states', list(model.ClaimState))
    rows = engine.page(
        ctx,
        query,
        _CLAIM,
        where=[
            _CLAIM.state.in_(states),
            *(getattr(_CLAIM, name) == asked[name] for name in asked),
        ],
        limit=limit,
        marker=marker,
        sort_key=getattr(_CLAIM, sort_key),
        sort_dir=sort_dir,
    )
    return [_arq(row) for row in rows]


@engine.reader
def owes_events(ctx: context.RequestContext) -> bool:
    """Nova is to be told something now."""
    return engine.run(ctx, _OWED).first() is not None


@engine.writer
def take_events(
    ctx: context.RequestContext, limit: int, lease: float
) -> list[nouns.BoundEvent]:
    """Events to be sent now; nobody else is given them for *lease* seconds.

    Each is given again after that until it is :func:`told`.
    """
    rows = engine.run(ctx, _DUE, most=limit).all()
    if rows:
        engine.run(ctx, _LEND, ids=[row.id for row in rows], seconds=lease)
    return [
        nouns.BoundEvent(
            arq_uuid=row.uuid,
            instance_uuid=row.instance_uuid or '',
            bound=row.state == model.ClaimState.READY.value,
            attempt=row.event_attempts + 1,
        )
        for row in rows
    ]


@engine.writer
def hasten(ctx: context.RequestContext, uuid: str) -> None:
    """What is owed of an ARQ is due now."""
    engine.change(
        ctx,
        sa.update(_CLAIM)
        .where(_CLAIM.uuid == uuid)
        .where(_CLAIM.event_due.is_not(None))
        .values(event_due=clock.now()),
    )


@engine.writer
def told(
    ctx: context.RequestContext, events: Sequence[nouns.BoundEvent]
) -> None:
    """Nova has these, and is owed nothing more of them."""
    for attempt, uuids in _by_attempt(events):
        engine.run(ctx, _CROSS_OFF, attempt=attempt, uuids=uuids)


@engine.writer
def postpone(
    ctx: context.RequestContext,
    events: Sequence[nouns.BoundEvent],
    seconds: float,
) -> None:
    """Nova did not take these: give them out again after *seconds*."""
    for attempt, uuids in _by_attempt(events):
        engine.run(
            ctx, _POSTPONE, attempt=attempt, uuids=uuids, seconds=seconds
        )


def _by_attempt(
    events: Sequence[nouns.BoundEvent],
) -> list[tuple[int, list[str]]]:
    return [
        (attempt, [e.arq_uuid for e in events if e.attempt == attempt])
        for attempt in {event.attempt for event in events}
    ]


def owned(project_id: str | None) -> Any:
    """What is this project's, for a WHERE; None: every one's."""
    return sa.true() if project_id is None else _CLAIM.project_id == project_id


def _load(ctx: context.RequestContext, query: Any) -> list[nouns.Arq]:
    rows = ctx.session.execute(query.order_by(_CLAIM.id))
    return [_arq(row) for row in rows]


def _arq(row: Any) -> nouns.Arq:
    address, kind = row.pci_address, row.kind
    return nouns.Arq(
        uuid=row.uuid,
        state=model.ClaimState(row.state),
        project_id=row.project_id,
        device_profile_name=row.device_profile_name or '',
        group=row.device_profile_group_id or 0,
        hostname=row.hostname,
        device_rp_uuid=row.device_rp_uuid,
        instance_uuid=row.instance_uuid,
        handle_uuid=row.handle_uuid,
        address=model.PciAddress.parse(address) if address else None,
        kind=model.HandleKind(kind) if kind else None,
        created_at=engine.iso(row.created_at),
        updated_at=engine.iso(row.updated_at),
    )
