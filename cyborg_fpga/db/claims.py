"""A claim's life after its reservation. Each function is one transaction.

How a claim comes to its handles is in :mod:`reservations`.
"""

import collections
import json
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.db import clock
from cyborg_fpga.db import devices
from cyborg_fpga.db import engine
from cyborg_fpga.db import models

_QUERY = sa.select(models.Claim, models.Host.hostname).outerjoin(
    models.Host, models.Host.id == models.Claim.host_id
)
_CLAIM, _HANDLE, _REGION = models.Claim, models.AttachHandle, models.Deployable
# Constants, see engine.run().
_SET_STATE = (
    sa.update(_CLAIM)
    .where(_CLAIM.uuid == sa.bindparam('claim'))
    .where(_CLAIM.state.in_(sa.bindparam('old', expanding=True)))
    .values(state=sa.bindparam('new'), state_changed_at=clock.now())
)
_HELD = (
    sa.select(_HANDLE.claim_id, _HANDLE.pci_address, _REGION.uuid)
    .join(_REGION, _REGION.id == _HANDLE.deployable_id)
    .where(_HANDLE.claim_id.in_(sa.bindparam('claims', expanding=True)))
    .order_by(_HANDLE.pci_address)
)
_DONE = (
    sa.select(models.Operation.claim_uuid, models.Operation.uuid)
    .where(
        models.Operation.claim_uuid.in_(sa.bindparam('claims', expanding=True))
    )
    .order_by(models.Operation.id)
)
_HOLDING = (
    model.ClaimState.CLAIMING,
    model.ClaimState.PROGRAMMING,
    model.ClaimState.READY,
)


def lease(seconds: float) -> Any:
    """When a lease taken now ends, for a column in ``values``."""
    return clock.now() + seconds


@engine.writer
def set_state(
    ctx: context.RequestContext,
    uuid: str,
    old: Sequence[model.ClaimState],
    new: model.ClaimState,
) -> bool:
    """Compare-and-swap the state; False: it was none of *old*."""
    return bool(
        engine.run(
            ctx,
            _SET_STATE,
            claim=uuid,
            old=[state.value for state in old],
            new=new.value,
        ).rowcount
    )


@engine.writer
def start_release(
    ctx: context.RequestContext,
    uuid: str,
    *,
    fault: tuple[str, str] | None = None,
    owner: str | None = None,
    lease: float = 0.0,
    dirty: bool = True,
    states: Sequence[model.ClaimState] = _HOLDING,
) -> bool:
    """Begin to give a claim back; False: it holds nothing (any more).

    Deployables that only releasing claims hold are marked to be wiped.

    :param fault: (code, message) with which the claim ends as ``failed``;
        without one its row is deleted in the end.
    :param dirty: False: nothing was done with its deployables.
    :param states: Only from one of these.
    """
    values: dict[str, Any] = {
        'state': model.ClaimState.RELEASING.value,
        'state_changed_at': clock.now(),
        'lease_owner': owner,
        'lease_expires': clock.now() + lease,
    }
    # What its owner gives back has not failed, whatever he did with it.
    code, message = fault or (None, None)
    values.update(fault_code=code, fault_message=message)
    if not engine.change(
        ctx,
        sa.update(_CLAIM)
        .where(_CLAIM.uuid == uuid)
        .where(_CLAIM.state.in_([state.value for state in states]))
        .values(**values),
    ):
        return False
    if dirty:
        _mark_wipes(ctx, uuid)
    return True


def _mark_wipes(ctx: context.RequestContext, uuid: str) -> None:
    mine = (
        sa.select(_HANDLE.deployable_id)
        .join(_CLAIM, _CLAIM.id == _HANDLE.claim_id)
        .where(_CLAIM.uuid == uuid)
    )
    regions = sorted(set(ctx.session.execute(mine).scalars()))
    for region_id in regions:
        # The row's lock makes two claims that leave one region at the same
        # time come one after the other; the second sees the first.
        engine.change(
            ctx,
            sa.update(_REGION)
            .where(_REGION.id == region_id)
            .values(last_used=clock.now()),
        )
    held = (
        sa.select(_HANDLE.deployable_id)
        .join(_CLAIM, _CLAIM.id == _HANDLE.claim_id)
        .where(_HANDLE.deployable_id.in_(regions))
        .where(_CLAIM.state != model.ClaimState.RELEASING.value)
    )
    others = set(ctx.session.execute(held).scalars())
    engine.change(
        ctx,
        sa.update(_REGION)
        .where(_REGION.id.in_([r for r in regions if r not in others]))
        .values(wipe_pending=True),
    )


@engine.writer
def finish_release(ctx: context.RequestContext, uuid: str) -> None:
    """Free a releasing claim's handles and end it. Repeating is harmless."""
    try:
        claim_id = id_in_state(ctx, uuid, model.ClaimState.RELEASING)
    except errors.NotFound:
        return
    free_handles(ctx, claim_id)
    failed = engine.change(
        ctx,
        sa.update(_CLAIM)
        .where(_CLAIM.id == claim_id)
        .where(_CLAIM.fault_code.is_not(None))
        .values(
            state=model.ClaimState.FAILED.value,
            state_changed_at=clock.now(),
            # Another may be made of what the instance holds.
            instance_guard=None,
        ),
    )
    if not failed:
        engine.change(ctx, sa.delete(_CLAIM).where(_CLAIM.id == claim_id))


def free_handles(ctx: context.RequestContext, claim_id: int) -> None:
    """Inside a transaction: nobody holds the claim's handles any more."""
    absent = ctx.session.execute(
        sa.select(_HANDLE.id)
        .where(_HANDLE.claim_id == claim_id)
        .where(_HANDLE.present.is_(False))
    ).first()
    engine.change(
        ctx,
        sa.update(_HANDLE)
        .where(_HANDLE.claim_id == claim_id)
        .values(claim_id=None),
    )
    # Who is free decides what Placement is told of the host, and what has
    # been in the way of a report is not there any more.
    devices.touch_host(
        ctx,
        sa.select(_CLAIM.host_id).where(_CLAIM.id == claim_id),
        reread=absent is not None,
    )


@engine.writer
def forget_failed(ctx: context.RequestContext, uuid: str) -> bool:
    """Delete a claim that failed and so holds nothing."""
    return bool(
        engine.change(
            ctx,
            sa.delete(_CLAIM)
            .where(_CLAIM.uuid == uuid)
            .where(_CLAIM.state == model.ClaimState.FAILED.value),
        )
    )


@engine.writer
def clear_fault(ctx: context.RequestContext, uuid: str) -> bool:
    """Its owner released it while it was failing: let the row go.

    False: it is not releasing (any more).
    """
    return bool(
        engine.change(
            ctx,
            sa.update(_CLAIM)
            .where(_CLAIM.uuid == uuid)
            .where(_CLAIM.state == model.ClaimState.RELEASING.value)
            .values(fault_code=None, fault_message=None),
        )
    )


@engine.writer
def take_unfinished(
    ctx: context.RequestContext,
    owner: str,
    lease: float,
    busy: Sequence[str] = (),
) -> list[nouns.Claim]:
    """Claims amid a change that are ours, or nobody's any more.

    The leases of both, and of the *busy* ones that other threads of ours
    work on, are extended; the busy ones are not returned.
    """
    amid = _CLAIM.state.in_(['claiming', 'programming', 'releasing'])
    mine = _CLAIM.lease_owner == owner
    engine.change(
        ctx,
        sa.update(_CLAIM)
        .where(amid)
        .where(sa.or_(mine, _CLAIM.lease_expires < clock.now()))
        .values(lease_owner=owner, lease_expires=clock.now() + lease),
    )
    rows = ctx.session.execute(_QUERY.where(amid).where(mine)).all()
    return _claims(ctx, [row for row in rows if row[0].uuid not in busy])


@engine.reader
def get(
    ctx: context.RequestContext, uuid: str, project_id: str | None = None
) -> nouns.Claim:
    """:raises errors.NotFound: No such claim (of that project)."""
    query: Any = _QUERY.where(_CLAIM.uuid == uuid)
    if project_id is not None:
        query = query.where(_CLAIM.project_id == project_id)
    found = _claims(ctx, ctx.session.execute(query).all())
    if not found:
        raise errors.NotFound(kind='claim', ident=uuid)
    return found[0]


@engine.reader
def exists(ctx: context.RequestContext, uuid: str) -> bool:
    """There is a claim *uuid*."""
    found = sa.select(_CLAIM.id).where(_CLAIM.uuid == uuid)
    return ctx.session.execute(found).first() is not None


@engine.reader
def count_held(ctx: context.RequestContext, project_id: str) -> int:
    """How many handles a project holds, through either door."""
    held = (
        sa.select(sa.func.count())
        .select_from(models.AttachHandle)
        .join(_CLAIM, _CLAIM.id == models.AttachHandle.claim_id)
        .where(_CLAIM.project_id == project_id)
    )
    return int(ctx.session.execute(held).scalar_one())


@engine.reader
def list_page(
    ctx: context.RequestContext,
    *,
    filters: Mapping[str, Any],
    limit: int,
    marker: str | None = None,
    sort_key: str = 'created_at',
    sort_dir: str = 'desc',
) -> list[nouns.Claim]:
    asked = dict(filters)
    query: Any = _QUERY
    if 'project_id' in asked:
        query = query.where(_CLAIM.project_id == asked.pop('project_id'))
    columns = {'hostname': models.Host.hostname}
    rows = engine.page(
        ctx,
        query,
        _CLAIM,
        where=[
            columns.get(name, getattr(_CLAIM, name, None)) == value
            for name, value in asked.items()
        ],
        limit=limit,
        marker=marker,
        sort_key=getattr(_CLAIM, sort_key),
        sort_dir=sort_dir,
    )
    return _claims(ctx, rows)


def id_in_state(
    ctx: context.RequestContext, uuid: str, state: model.ClaimState
) -> int:
    """Inside a transaction: lock a claim's row and give its id.

    :raises errors.NotFound: No claim in that state.
    """
    # FOR UPDATE: of two that end one claim, the second finds it ended.
    found = ctx.session.execute(
        sa.select(_CLAIM.id)
        .where(_CLAIM.uuid == uuid)
        .where(_CLAIM.state == state.value)
        .with_for_update()
    ).scalar_one_or_none()
    if found is None:
        raise errors.NotFound(kind=f'{state.value} claim', ident=uuid)
    return found


def _claims(
    ctx: context.RequestContext, rows: Sequence[Any]
) -> list[nouns.Claim]:
    """Three statements for any number of claims, the given one included."""
    held = collections.defaultdict(list)
    for claim_id, address, uuid in engine.run(
        ctx, _HELD, claims=[row[0].id for row in rows]
    ):
        held[claim_id].append((address, uuid))
    done = collections.defaultdict(list)
    for claim_uuid, uuid in engine.run(
        ctx, _DONE, claims=[row[0].uuid for row in rows]
    ):
        done[claim_uuid].append(uuid)
    return [
        _claim(row, hostname, held[row.id], done[row.uuid])
        for row, hostname in rows
    ]


def _claim(
    row: models.Claim,
    hostname: str | None,
    held: list[tuple[str, str]],
    operations: list[str],
) -> nouns.Claim:
    return nouns.Claim(
        id=row.id,
        uuid=row.uuid,
        origin=model.Origin(row.origin),
        state=model.ClaimState(row.state),
        project_id=row.project_id,
        user_id=row.user_id,
        hostname=hostname,
        resource_class=row.resource_class,
        type=row.type,
        image_uuid=row.image_uuid,
        traits=tuple(json.loads(row.traits)),
        count=row.count,
        instance_uuid=row.instance_uuid,
        allocation=row.allocation,
        fault_code=row.fault_code,
        fault_message=row.fault_message,
        addresses=tuple(address for address, _ in held),
        deployable_uuids=tuple(dict.fromkeys(uuid for _, uuid in held)),
        operation_uuids=tuple(operations),
        state_changed_at=row.state_changed_at,
        created_at=engine.iso(row.created_at),
        updated_at=engine.iso(row.updated_at),
        wipe_level=model.WipeLevel(row.wipe_level) if row.wipe_level else None,
    )
