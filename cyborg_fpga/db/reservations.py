"""Give a claim its handles, or nothing.

Handles are taken by compare-and-swap under the rows of their card and
deployable, always in that order and by rising id, so that neither a race nor
a deadlock decides.
"""

from collections.abc import Collection
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_exc

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.db import claims
from cyborg_fpga.db import clock
from cyborg_fpga.db import engine
from cyborg_fpga.db import models

_CLAIM, _HANDLE, _REGION = models.Claim, models.AttachHandle, models.Deployable


@engine.writer
def reserve(
    ctx: context.RequestContext,
    values: Mapping[str, Any],
    picks: Mapping[int, int],
    *,
    exclusive: bool = False,
    programmed: Collection[int] = (),
) -> frozenset[int]:
    """Create a claim that holds *picks*, or change nothing.

    Of any number of concurrent callers, exactly one gets each handle. What
    is left of a deployable that holds a project's own function is for that
    project alone.

    :param values: Columns of the claim; state is ``claiming``.
    :param picks: How many handles of each deployable (row id).
    :param exclusive: Only of deployables of which no other project holds a
        handle.
    :param programmed: Those that the claim will have programmed: nobody else
        may hold a handle of them.
    :returns: Deployables that nobody held and that hold somebody's own
        function.
    :raises errors.Duplicate: There is a claim of that uuid.
    :raises errors.NoCapacity: A deployable has too few free handles, or is
        being programmed or wiped, or its card or host is not to be used.
    """
    rows = _lock(ctx, picks)
    _refuse_double(ctx, values['uuid'])
    _refuse_company(ctx, picks, programmed)
    private = {row.id for row in rows.values() if row.bitstream_private}
    alone = picks if exclusive else private
    held = _refuse_neighbours(ctx, alone, values.get('project_id'))
    host_id = next(iter(rows.values())).host_id
    ctx.session.execute(
        sa.insert(_CLAIM).values(
            state=model.ClaimState.CLAIMING.value,
            state_changed_at=clock.now(),
            host_id=host_id,
            **values,
        )
    )
    claim_id = ctx.session.execute(
        sa.select(_CLAIM.id).where(_CLAIM.uuid == values['uuid'])
    ).scalar_one()
    for region_id, count in sorted(picks.items()):
        _take(ctx, claim_id, rows[region_id], count)
    return frozenset(private - held)


def _refuse_double(ctx: context.RequestContext, uuid: str) -> None:
    # Of two that insert it at once, the loser is run again and comes here.
    if ctx.session.execute(
        sa.select(_CLAIM.id).where(_CLAIM.uuid == uuid)
    ).first():
        raise errors.Duplicate(kind='claim', ident=uuid)


def _refuse_company(
    ctx: context.RequestContext,
    picks: Collection[int],
    programmed: Collection[int],
) -> None:
    """Nobody joins a deployable that is about to be programmed."""
    holders = ctx.session.execute(
        sa.select(
            _HANDLE.deployable_id,
            _CLAIM.state,
            _CLAIM.type,
            _CLAIM.image_uuid,
            _REGION.bitstream_id,
        )
        .join(_CLAIM, _CLAIM.id == _HANDLE.claim_id)
        .join(_REGION, _REGION.id == _HANDLE.deployable_id)
        .where(_HANDLE.deployable_id.in_(picks))
    )
    for row in holders:
        if row.deployable_id in programmed:
            raise errors.NoCapacity(
                reason='somebody has a part of it, so it is not programmed'
            )
        warm = row.image_uuid and row.image_uuid == row.bitstream_id
        wants = row.type or row.image_uuid
        if row.state == model.ClaimState.CLAIMING and wants and not warm:
            raise errors.NoCapacity(reason='it may be programmed just now')


def _lock(
    ctx: context.RequestContext, picks: Mapping[int, int]
) -> dict[int, Any]:
    """Take the rows of the picked deployables and of their cards."""
    cards = sa.select(_REGION.device_id).where(_REGION.id.in_(picks))
    for device_id in sorted(set(ctx.session.execute(cards).scalars())):
        engine.change(
            ctx,
            sa.update(models.Device)
            .where(models.Device.id == device_id)
            .values(failures=models.Device.failures),
        )
    for region_id in sorted(picks):
        if not engine.change(
            ctx,
            sa.update(_REGION)
            .where(_REGION.id == region_id)
            .where(_REGION.state == model.DeployableState.IDLE.value)
            .where(_REGION.wipe_pending.is_(False))
            .values(last_used=clock.now()),
        ):
            raise errors.NoCapacity(reason='one was taken meanwhile')
    rows = ctx.session.execute(
        sa.select(
            _REGION.id,
            _REGION.host_id,
            _REGION.device_id,
            _REGION.bitstream_private,
        )
        .join(models.Device, models.Device.id == _REGION.device_id)
        .join(models.Host, models.Host.id == _REGION.host_id)
        .where(_REGION.id.in_(picks))
        .where(models.Host.up.is_(True))
        .where(models.Host.status == model.HostStatus.ENABLED.value)
        .where(models.Device.status == model.DeviceStatus.ENABLED.value)
        .where(models.Device.health.in_(['ok', 'suspect']))
    )
    found = {row.id: row for row in rows}
    if len(found) < len(picks):
        raise errors.NoCapacity(
            reason='a card or its host was taken out of use'
        )
    return found


def _refuse_neighbours(
    ctx: context.RequestContext,
    picks: Collection[int],
    project_id: str | None,
) -> set[int]:
    """Which of *picks* the project holds already; nobody else holds any."""
    if not picks:
        return set()
    holders = ctx.session.execute(
        sa.select(_HANDLE.deployable_id, _CLAIM.project_id)
        .join(_CLAIM, _CLAIM.id == _HANDLE.claim_id)
        .where(_HANDLE.deployable_id.in_(picks))
        .distinct()
    ).all()
    if any(row.project_id != project_id for row in holders):
        raise errors.NoCapacity(reason='another project uses its card')
    return {row.deployable_id for row in holders}


def _take(
    ctx: context.RequestContext, claim_id: int, region: Any, count: int
) -> None:
    """Give *claim_id* that many free handles of a locked deployable."""
    card = ctx.session.execute(
        sa.select(
            _HANDLE.id,
            _HANDLE.deployable_id,
            _HANDLE.kind,
            _HANDLE.claim_id,
            _HANDLE.present,
        )
        .join(_REGION, _REGION.id == _HANDLE.deployable_id)
        .where(_REGION.device_id == region.device_id)
        .order_by(_HANDLE.id)
    ).all()
    free = [
        row
        for row in card
        if row.deployable_id == region.id
        and row.claim_id is None
        and row.present
    ][:count]
    if len(free) < count:
        raise errors.NoCapacity(reason='the last one was taken meanwhile')
    kinds = {row.kind for row in card if row.claim_id is not None}
    if kinds - {free[0].kind}:
        raise errors.NoCapacity(
            reason='a physical function and its virtual ones are never '
            'claimed together'
        )
    taken = engine.change(
        ctx,
        sa.update(_HANDLE)
        .where(_HANDLE.id.in_([row.id for row in free]))
        .where(_HANDLE.claim_id.is_(None))
        .values(claim_id=claim_id),
    )
    if taken != count:  # lost a race: run the whole function again
        raise db_exc.RetryRequest(errors.Conflict())


@engine.writer
def drop(ctx: context.RequestContext, uuid: str) -> None:
    """Undo :func:`reserve` of a claim that never got further."""
    claim_id = claims.id_in_state(ctx, uuid, model.ClaimState.CLAIMING)
    claims.free_handles(ctx, claim_id)
    engine.change(ctx, sa.delete(_CLAIM).where(_CLAIM.id == claim_id))
