"""Durable acts on deployables: begun once.

How they are made is in :mod:`orders`, how they end in :mod:`outcomes`.
"""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.db import clock
from cyborg_fpga.db import engine
from cyborg_fpga.db import models

_OP, _REGION = models.Operation, models.Deployable
UNFINISHED = _OP.state.in_([s.value for s in model.OPERATION_UNFINISHED])
QUERY = (
    sa.select(_OP, _REGION, models.Device, models.Host.hostname, clock.now())
    .join(_REGION, _REGION.id == _OP.deployable_id)
    .join(models.Device, models.Device.id == _REGION.device_id)
    .join(models.Host, models.Host.id == _REGION.host_id)
)


@engine.writer
def begin(
    ctx: context.RequestContext,
    uuid: str,
    fence: int,
    *,
    attempt: str | None = None,
) -> None:
    """Let one attempt of the agent write to the card.

    :param attempt: Told the same again as long as the operation runs, since
        an answer may be lost; None: told once.
    :raises errors.StaleFence: Another has begun it, or it has ended or was
        given up.
    """
    new = _OP.state == model.OperationState.PENDING.value
    mine = sa.and_(
        _OP.state == model.OperationState.RUNNING.value,
        # SQL: what is NULL equals nothing.
        _OP.attempt == sa.literal(attempt, _OP.attempt.type),
    )
    current = sa.select(_REGION.fence).where(_REGION.id == _OP.deployable_id)
    if not engine.change(
        ctx,
        sa.update(_OP)
        .where(_OP.uuid == uuid)
        .where(_OP.fence == fence)
        .where(sa.or_(new, mine))
        .where(_OP.deadline > clock.now())
        .where(_OP.fence == current.scalar_subquery())
        .values(
            state=model.OperationState.RUNNING.value,
            attempt=attempt,
            started_at=sa.func.coalesce(_OP.started_at, clock.now()),
        ),
    ):
        raise errors.StaleFence(operation=uuid, fence=fence)


@engine.writer
def progress(
    ctx: context.RequestContext, status: model.OperationStatus
) -> None:
    """Keep how far an unfinished operation is; late news are ignored."""
    engine.change(
        ctx,
        sa.update(_OP)
        .where(_OP.uuid == status.uuid)
        .where(_OP.fence == status.fence)
        .where(UNFINISHED)
        .values(progress=status.progress, step=status.step),
    )


@engine.writer
def take_unfinished(
    ctx: context.RequestContext, owner: str, lease: float
) -> list[model.Operation]:
    """Extend our leases, take over expired ones; all that are ours now."""
    engine.change(
        ctx,
        sa.update(_OP)
        .where(UNFINISHED)
        .where(
            sa.or_(_OP.lease_owner == owner, _OP.lease_expires < clock.now())
        )
        .values(lease_owner=owner, lease_expires=clock.now() + lease),
    )
    rows = ctx.session.execute(
        QUERY.where(UNFINISHED).where(_OP.lease_owner == owner)
    )
    return [noun(*row) for row in rows]


@engine.reader
def get(
    ctx: context.RequestContext, uuid: str, project_id: str | None = None
) -> model.Operation:
    """:raises errors.NotFound: No such operation (of that project)."""
    found = one(ctx, uuid)
    if project_id is not None and found.project_id != project_id:
        raise errors.NotFound(kind='operation', ident=uuid)
    return found


@engine.reader
def of_claim(
    ctx: context.RequestContext, claim_uuid: str
) -> list[model.Operation]:
    """All of a claim's, oldest first."""
    rows = ctx.session.execute(
        QUERY.where(_OP.claim_uuid == claim_uuid).order_by(_OP.id)
    )
    return [noun(*row) for row in rows]


@engine.reader
def unneeded(ctx: context.RequestContext) -> list[model.Operation]:
    """Programmings for claims, not begun, of what nobody holds any more."""
    held = (
        sa.select(models.AttachHandle.id)
        .where(models.AttachHandle.deployable_id == _OP.deployable_id)
        .where(models.AttachHandle.claim_id.is_not(None))
    )
    rows = ctx.session.execute(
        QUERY.where(_OP.state == model.OperationState.PENDING.value)
        .where(_OP.kind == model.OperationKind.PROGRAM.value)
        .where(_OP.claim_uuid.is_not(None))
        .where(held.limit(1).scalar_subquery().is_(None))
    )
    return [noun(*row) for row in rows]


@engine.reader
def last_for(
    ctx: context.RequestContext, claim_uuid: str
) -> model.Operation | None:
    """The last on the deployable of which a claim of one has a handle.

    Another of its instance's claims may have it done for both.
    """
    held = (
        sa.select(models.AttachHandle.deployable_id)
        .join(models.Claim, models.Claim.id == models.AttachHandle.claim_id)
        .where(models.Claim.uuid == claim_uuid)
    )
    row = ctx.session.execute(
        QUERY.where(_OP.deployable_id.in_(held))
        .order_by(_OP.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else noun(*row)


@engine.reader
def list_page(
    ctx: context.RequestContext,
    *,
    filters: Mapping[str, Any],
    limit: int,
    marker: str | None = None,
    sort_key: str = 'created_at',
    sort_dir: str = 'desc',
) -> list[model.Operation]:
    columns = {
        'hostname': models.Host.hostname,
        'deployable_uuid': _REGION.uuid,
    }
    asked = dict(filters)
    query: Any = QUERY
    if 'project_id' in asked:
        query = query.where(_OP.project_id == asked.pop('project_id'))
    rows = engine.page(
        ctx,
        query,
        _OP,
        where=[
            columns.get(name, getattr(_OP, name, None)) == value
            for name, value in asked.items()
        ],
        limit=limit,
        marker=marker,
        sort_key=getattr(_OP, sort_key),
        sort_dir=sort_dir,
    )
    return [noun(*row) for row in rows]


def one(ctx: context.RequestContext, uuid: str) -> model.Operation:
    """Inside a transaction: :func:`get`."""
    row = ctx.session.execute(QUERY.where(_OP.uuid == uuid)).one_or_none()
    if row is None:
        raise errors.NotFound(kind='operation', ident=uuid)
    return noun(*row)


_SAME: Sequence[str] = (
    'uuid',
    'fence',
    'claim_uuid',
    'project_id',
    'user_id',
    'image_uuid',
    'image_hash_algo',
    'image_hash_value',
    'image_size',
    'image_private',
    'image_signature',
    'expected_function',
    'progress',
    'step',
    'detail',
    'deadline',
    'lease_owner',
    'lease_expires',
    'started_at',
    'finished_at',
)


def noun(
    row: models.Operation,
    region: models.Deployable,
    device: models.Device,
    hostname: str,
    now: float,
) -> model.Operation:
    return model.Operation(
        kind=model.OperationKind(row.kind),
        deployable_uuid=region.uuid,
        deployable=region.name,
        device=model.PciAddress.parse(device.pci_address),
        driver=device.driver,
        hostname=hostname,
        state=model.OperationState(row.state),
        wipe_level=model.WipeLevel(row.wipe_level) if row.wipe_level else None,
        cause=model.Cause(row.cause) if row.cause else None,
        seconds_left=row.deadline - float(now),
        created_at=engine.iso(row.created_at),
        updated_at=engine.iso(row.updated_at),
        **{name: getattr(row, name) for name in _SAME},
    )
