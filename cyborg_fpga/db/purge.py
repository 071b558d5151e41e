"""Delete records of what has ended long ago, and nothing else.

Bitstreams are not among them: the catalogue forgets an image when Glance does.
"""

import datetime
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from cyborg_fpga import context
from cyborg_fpga import model
from cyborg_fpga.db import clock
from cyborg_fpga.db import devices
from cyborg_fpga.db import engine
from cyborg_fpga.db import models

#: Deleted rows by table.
Counts = dict[str, int]

# Rows per transaction, so that nobody waits for a lock for long.
_BATCH = 500
_DAY_SECONDS = 86400

_CARD, _REGION, _HANDLE = models.Device, models.Deployable, models.AttachHandle
_CLAIM, _OP = models.Claim, models.Operation


def purge(ctx: context.RequestContext, days: int) -> Counts:
    """Delete what ended at least *days* ago; many short transactions.

    May be interrupted and repeated at will, and run beside the service.
    """
    total: Counts = {}
    # In this order: a claim's record keeps those of its operations, and
    # those keep their card's.
    for step in (_purge_claims, _purge_operations, _purge_devices):
        _repeat(ctx, days, step, total)
    return total


def _repeat(
    ctx: context.RequestContext,
    days: int,
    step: Callable[[context.RequestContext, int, int], tuple[int, Counts]],
    total: Counts,
) -> None:
    after = 0
    while True:
        last, counts = step(ctx, days, after)
        for table, number in counts.items():
            total[table] = total.get(table, 0) + number
        if not last:
            return
        after = last


@engine.reader
def count(ctx: context.RequestContext, days: int) -> Counts:
    """What :func:`purge` would delete now."""
    kept = _with_operations(~_old_operation(days))
    cards = sa.select(_CARD.id).where(_old_card(days), ~kept.exists())
    regions = sa.select(_REGION.id).where(_REGION.device_id.in_(cards))
    queries: dict[Any, Any] = {
        _CLAIM: _old_claim(days),
        _OP: _old_operation(days),
        _CARD: _CARD.id.in_(cards),
        _REGION: _REGION.id.in_(regions),
        _HANDLE: _HANDLE.deployable_id.in_(regions),
        models.Attribute: models.Attribute.deployable_id.in_(regions),
    }
    return {
        table.__tablename__: ctx.session.execute(
            sa.select(sa.func.count()).select_from(table).where(where)
        ).scalar_one()
        for table, where in queries.items()
    }


def _before(days: int) -> Any:
    return clock.now() - days * _DAY_SECONDS


def _old_claim(days: int) -> Any:
    """Failed ones. Nova's own are deleted by Nova, with their instance."""
    held = sa.select(_HANDLE.id).where(_HANDLE.claim_id == _CLAIM.id)
    return sa.and_(
        _CLAIM.state == model.ClaimState.FAILED.value,
        _CLAIM.origin == model.Origin.API.value,
        _CLAIM.state_changed_at < _before(days),
        ~held.exists(),
    )


def _old_operation(days: int) -> Any:
    """Ended ones that no claim names which stays."""
    stays = (
        sa.select(_CLAIM.id)
        .where(_CLAIM.uuid == _OP.claim_uuid)
        .where(~_old_claim(days))
    )
    unfinished = [state.value for state in model.OPERATION_UNFINISHED]
    return sa.and_(
        _OP.state.not_in(unfinished),
        _OP.finished_at < _before(days),
        ~stays.exists(),
    )


def _old_card(days: int) -> Any:
    """Lost ones of which nobody holds anything."""
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    changed = sa.func.coalesce(_CARD.updated_at, _CARD.created_at)
    held = (
        sa.select(_HANDLE.id)
        .join(_REGION, _REGION.id == _HANDLE.deployable_id)
        .where(_REGION.device_id == _CARD.id)
        .where(_HANDLE.claim_id.is_not(None))
    )
    return sa.and_(
        _CARD.health == model.Health.LOST.value,
        changed < now - datetime.timedelta(days=days),
        ~held.exists(),
    )


def _with_operations(where: Any) -> Any:
    return (
        sa.select(_OP.id)
        .join(_REGION, _REGION.id == _OP.deployable_id)
        .where(_REGION.device_id == _CARD.id)
        .where(where)
        .correlate(_CARD)
    )


def _batch(
    ctx: context.RequestContext, table: Any, where: Any, after: int
) -> list[int]:
    """Row ids behind *after*, in order and locked."""
    return list(
        ctx.session.execute(
            sa.select(table.id)
            .where(where, table.id > after)
            .order_by(table.id)
            .limit(_BATCH)
            .with_for_update(of=table)
        ).scalars()
    )


def _delete(ctx: context.RequestContext, table: Any, where: Any) -> Counts:
    gone = engine.change(ctx, sa.delete(table).where(where))
    return {table.__tablename__: gone}


@engine.writer
def _purge_claims(
    ctx: context.RequestContext, days: int, after: int
) -> tuple[int, Counts]:
    """:returns: The last row id, 0 at the end; what was deleted."""
    ids = _batch(ctx, _CLAIM, _old_claim(days), after)
    last = ids[-1] if ids else 0
    return last, _delete(ctx, _CLAIM, _CLAIM.id.in_(ids))


@engine.writer
def _purge_operations(
    ctx: context.RequestContext, days: int, after: int
) -> tuple[int, Counts]:
    ids = _batch(ctx, _OP, _old_operation(days), after)
    last = ids[-1] if ids else 0
    return last, _delete(ctx, _OP, _OP.id.in_(ids))


@engine.writer
def _purge_devices(
    ctx: context.RequestContext, days: int, after: int
) -> tuple[int, Counts]:
    found = _batch(ctx, _CARD, _old_card(days), after)
    # Nobody can start an operation on a region whose row is locked.
    _lock_regions(ctx, found)
    cards = list(
        ctx.session.execute(
            sa.select(_CARD.id).where(
                _CARD.id.in_(found),
                _old_card(days),
                ~_with_operations(sa.true()).exists(),
            )
        ).scalars()
    )
    hosts = list(
        ctx.session.execute(
            sa.select(_CARD.host_id).where(_CARD.id.in_(cards)).distinct()
        ).scalars()
    )
    regions = sa.select(_REGION.id).where(_REGION.device_id.in_(cards))
    counts: Counts = {}
    for table, where in (
        (_HANDLE, _HANDLE.deployable_id.in_(regions)),
        (models.Attribute, models.Attribute.deployable_id.in_(regions)),
        (_REGION, _REGION.device_id.in_(cards)),
        (_CARD, _CARD.id.in_(cards)),
    ):
        counts.update(_delete(ctx, table, where))
    devices.touch_host(ctx, hosts)
    return (found[-1] if found else 0), counts


def _lock_regions(ctx: context.RequestContext, cards: list[int]) -> None:
    """Lock the deployables of locked cards."""
    ctx.session.execute(
        sa.select(_REGION.id)
        .where(_REGION.device_id.in_(cards))
        .order_by(_REGION.id)
        .with_for_update()
    ).all()
