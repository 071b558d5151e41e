"""How accelerator requests lose what they hold, at once.

A deployable that nobody else uses is marked to be wiped in the same
transaction, so that it is not offered before; the wipe comes later. As many
statements whatever the number of ARQs.
"""

import dataclasses
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from cyborg_fpga import context
from cyborg_fpga import model
from cyborg_fpga.db import arqs
from cyborg_fpga.db import clock
from cyborg_fpga.db import devices
from cyborg_fpga.db import engine
from cyborg_fpga.db import models

_CLAIM, _HANDLE, _REGION = models.Claim, models.AttachHandle, models.Deployable
_State = model.ClaimState


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """What was given back.

    :ivar hostnames: Where something was held.
    """

    uuids: tuple[str, ...]
    hostnames: tuple[str, ...]


@engine.writer
def fail(
    ctx: context.RequestContext,
    uuid: str,
    fault: tuple[str, str],
    states: Collection[model.ClaimState],
    *,
    grace: float = 0.0,
) -> Released:
    """It cannot have its card: it holds nothing, and Nova is owed that.

    :param fault: Code and message.
    :param states: Only from one of these.
    :param grace: Seconds until that is due, unless ``arqs.hasten`` is called.
    """
    wanted = _CLAIM.state.in_([state.value for state in states])
    return _release(
        ctx,
        sa.and_(_CLAIM.uuid == uuid, wanted),
        {
            'state': _State.FAILED.value,
            'fault_code': fault[0],
            'fault_message': fault[1],
            'event_due': clock.now() + grace,
        },
    )


@engine.writer
def unbind(
    ctx: context.RequestContext,
    uuids: Collection[str],
    project_id: str | None = None,
    *,
    into: model.ClaimState = _State.UNBOUND,
    states: Collection[model.ClaimState] = tuple(_State),
    dirty: bool = True,
) -> Released:
    """Take from ARQs what they hold, and their instance.

    :param states: Only from one of these.
    :param dirty: False: nothing was done with what they hold.
    """
    return _release(
        ctx,
        sa.and_(
            _CLAIM.uuid.in_(uuids),
            _CLAIM.state.in_([state.value for state in states]),
            arqs.owned(project_id),
        ),
        {
            'state': into.value,
            'instance_uuid': None,
            'instance_guard': None,
            'host_id': None,
            'device_rp_uuid': None,
            'rp_uuid': None,
            'resource_class': None,
            'image_uuid': None,
            'fault_code': None,
            'fault_message': None,
            'event_due': None,
        },
        dirty=dirty,
    )


@engine.writer
def delete(
    ctx: context.RequestContext,
    uuids: Collection[str],
    project_id: str | None = None,
    *,
    bound: bool,
) -> Released:
    """Delete ARQs with what they hold.

    :param bound: Also those that an instance has.
    """
    free = sa.true() if bound else _CLAIM.instance_uuid.is_(None)
    mine = sa.and_(_CLAIM.uuid.in_(uuids), arqs.owned(project_id), free)
    return _release(ctx, mine, None)


@engine.writer
def delete_of_instance(
    ctx: context.RequestContext,
    instance_uuid: str,
    project_id: str | None = None,
) -> Released:
    """Delete what an instance has, and take what it holds."""
    mine = sa.and_(
        _CLAIM.instance_uuid == instance_uuid, arqs.owned(project_id)
    )
    return _release(ctx, mine, None)


def _release(
    ctx: context.RequestContext,
    where: Any,
    values: Mapping[str, Any] | None,
    *,
    dirty: bool = True,
) -> Released:
    """Free the handles of ARQs, mark what they used, change or delete them.

    :param values: None: the rows are deleted.
    """
    rows = ctx.session.execute(
        sa.select(_CLAIM.id, _CLAIM.uuid)
        .where(arqs.NOVAS)
        .where(where)
        .order_by(_CLAIM.id)
        .with_for_update()
    ).all()
    if not rows:
        return Released(uuids=(), hostnames=())
    ids = [row.id for row in rows]
    hostnames = _free(ctx, ids, dirty=dirty)
    if values is None:
        engine.change(ctx, sa.delete(_CLAIM).where(_CLAIM.id.in_(ids)))
    else:
        engine.change(
            ctx,
            sa.update(_CLAIM)
            .where(_CLAIM.id.in_(ids))
            .values(state_changed_at=clock.now(), **values),
        )
    return Released(uuids=tuple(row.uuid for row in rows), hostnames=hostnames)


def _free(
    ctx: context.RequestContext, claim_ids: Sequence[int], *, dirty: bool
) -> tuple[str, ...]:
    """Nobody holds the handles any more; the hosts where they are."""
    held = ctx.session.execute(
        sa.select(
            _HANDLE.deployable_id,
            _HANDLE.present,
            _HANDLE.host_id,
            models.Host.hostname,
        )
        .join(models.Host, models.Host.id == _HANDLE.host_id)
        .where(_HANDLE.claim_id.in_(claim_ids))
    ).all()
    if not held:
        return ()
    _mark_wipes(ctx, {row.deployable_id for row in held}, claim_ids, dirty)
    engine.change(
        ctx,
        sa.update(_HANDLE)
        .where(_HANDLE.claim_id.in_(claim_ids))
        .values(claim_id=None),
    )
    devices.touch_host(
        ctx,
        {row.host_id for row in held},
        reread=not all(row.present for row in held),
    )
    return tuple(sorted({row.hostname for row in held}))


def _mark_wipes(
    ctx: context.RequestContext,
    region_ids: Collection[int],
    claim_ids: Collection[int],
    dirty: bool,
) -> None:
    """Deployables that nobody else uses are wiped before they are offered."""
    # The rows' locks make two that leave one region at the same time come
    # one after the other; the second sees the first.
    ctx.session.execute(
        sa.select(_REGION.id)
        .where(_REGION.id.in_(region_ids))
        .order_by(_REGION.id)
        .with_for_update()
    )
    others = ctx.session.execute(
        sa.select(_HANDLE.deployable_id)
        .join(_CLAIM, _CLAIM.id == _HANDLE.claim_id)
        .where(_HANDLE.deployable_id.in_(region_ids))
        .where(_HANDLE.claim_id.not_in(claim_ids))
        .where(_CLAIM.state != _State.RELEASING.value)
    ).scalars()
    left = set(region_ids) - set(others) if dirty else set()
    engine.change(
        ctx,
        sa.update(_REGION)
        .where(_REGION.id.in_(region_ids))
        .values(
            last_used=clock.now(),
            wipe_pending=sa.case(
                (_REGION.id.in_(left), True), else_=_REGION.wipe_pending
            ),
        ),
    )
