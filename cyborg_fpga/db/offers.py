"""Deployables that could be claimed now, those first that suit best.

Of a large cloud only the first few are read, and each statement finds them
by an index.
"""

import dataclasses
import functools
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from cyborg_fpga import context
from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.db import clock
from cyborg_fpga.db import deployables
from cyborg_fpga.db import engine
from cyborg_fpga.db import models
from cyborg_fpga.db import operations

_HANDLE, _REGION = models.AttachHandle, models.Deployable
_OP, _HOST = models.Operation, models.Host

# Not EXISTS: MariaDB would read all handles there are before the first region.
_FREE = (
    sa.select(_HANDLE.id)
    .where(
        _HANDLE.deployable_id == _REGION.id,
        _HANDLE.claim_id.is_(None),
        _HANDLE.present.is_(True),
    )
    .limit(1)
    .scalar_subquery()
)
_CLAIMABLE = sa.and_(
    _HOST.up.is_(True),
    _HOST.status == model.HostStatus.ENABLED.value,
    models.Device.status == model.DeviceStatus.ENABLED.value,
    models.Device.health == model.Health.OK.value,
    _REGION.state == model.DeployableState.IDLE.value,
    _REGION.wipe_pending.is_(False),
    _FREE.is_not(None),
)
_EMPTY = _REGION.bitstream_id.is_(None)


@dataclasses.dataclass(frozen=True, slots=True)
class Warm:
    """A deployable (row id) that holds an image, or soon will."""

    region_id: int
    image_uuid: str
    hostname: str


@engine.reader
def holding(
    ctx: context.RequestContext,
    wishes: Sequence[nouns.Bitstream],
    *,
    resource_class: str | None,
    limit: int,
) -> list[nouns.Deployable]:
    """The first of the claimable that hold one of *wishes*."""
    query = _narrowed(resource_class).where(_holds(wishes))
    return deployables.load(ctx, _by_use(query).limit(limit))


@engine.reader
def claimable(
    ctx: context.RequestContext,
    *,
    hostname: str | None,
    resource_class: str | None,
    limit: int,
    wishes: Sequence[nouns.Bitstream] = (),
    near: Collection[str] = (),
    spared: Collection[int] = (),
    whole: bool = False,
) -> list[nouns.Deployable]:
    """Deployables that could be claimed now, the best first.

    Idle, wiped, on an enabled and healthy card of an enabled host that is
    up, with at least one free handle. First those that hold one of *wishes*,
    then those that hold no bitstream, then the least recently used, then the
    *spared*. Those that hold nothing come before others of their kind if they
    are on hosts *near*, and of the others those that have not been used for
    at least half as long as the least recently used: were they always
    preferred, few hosts would have all that is loaded. Those of one host come
    all, by their use alone.

    :param limit: Where fewer come than that, there are no more.
    :param wishes: Only regions that one of these bitstreams is made for.
    :param near: Hosts that have a file of *wishes*.
    :param spared: Deployables (row id) to be taken last.
    :param whole: After them all others of their providers.
    """
    query = _narrowed(resource_class)
    made_for = sorted({wish.region_id or '' for wish in wishes})
    if made_for:
        query = query.where(_REGION.region_id.in_(made_for))
    if hostname is not None:
        query = query.where(_HOST.hostname == hostname)
        return deployables.load(ctx, query.order_by(_REGION.last_used))
    parts = _parts(ctx, query, made_for, resource_class)
    rows: list[Any] = []
    for tier in _tiers(ctx, query, parts, wishes, near, spared):
        rows += tier(limit - len(rows))
        if len(rows) == limit:
            break
    if whole:
        rows += _others(ctx, query, rows)
    return deployables.with_handles(ctx, rows)


@engine.reader
def warm(
    ctx: context.RequestContext, image_uuids: Collection[str]
) -> list[Warm]:
    """The claimable that hold one of these images, the last used first."""
    rows = ctx.session.execute(
        sa.select(_REGION.id, _REGION.bitstream_id, _HOST.hostname)
        .join(models.Device, models.Device.id == _REGION.device_id)
        .join(_HOST, _HOST.id == _REGION.host_id)
        .where(_CLAIMABLE)
        .where(_REGION.bitstream_id.in_(image_uuids))
        .order_by(_REGION.last_used.desc(), _REGION.id.desc())
    )
    return [Warm(one, str(image), host) for one, image, host in rows]


@engine.reader
def warming(
    ctx: context.RequestContext, image_uuids: Collection[str]
) -> list[Warm]:
    """Those into which one is being loaded that nobody has claimed."""
    rows = ctx.session.execute(
        sa.select(_REGION.id, _OP.image_uuid, _HOST.hostname)
        .join(_REGION, _REGION.id == _OP.deployable_id)
        .join(_HOST, _HOST.id == _REGION.host_id)
        .where(operations.UNFINISHED)
        .where(_OP.kind == model.OperationKind.PROGRAM.value)
        .where(_OP.claim_uuid.is_(None))
        .where(_OP.image_uuid.in_(image_uuids))
    )
    return [Warm(one, str(image), host) for one, image, host in rows]


def _narrowed(resource_class: str | None) -> Any:
    query = deployables.QUERY.where(_CLAIMABLE)
    if resource_class is None:
        return query
    return query.where(_REGION.resource_class == resource_class)


def _holds(wishes: Sequence[nouns.Bitstream]) -> Any:
    return _REGION.bitstream_id.in_([wish.uuid for wish in wishes])


def _by_use(query: Any) -> Any:
    """The least recently used first, as an index has them.

    MariaDB would sort all cards of all hosts to find the first few.
    """
    straight = query.prefix_with('STRAIGHT_JOIN', dialect='mysql')
    return straight.order_by(_REGION.last_used)


def _parts(
    ctx: context.RequestContext,
    query: Any,
    made_for: Sequence[str],
    resource_class: str | None,
) -> list[Any]:
    """*query* in parts of which an index has the use: of one kind each."""
    if made_for:
        return [query.where(_REGION.region_id == one) for one in made_for]
    if resource_class is not None:
        return [query]
    classes = sa.select(_REGION.resource_class).distinct()
    return [
        query.where(_REGION.resource_class == one)
        for one in sorted(ctx.session.execute(classes).scalars())
    ]


def _first(
    ctx: context.RequestContext, statements: Sequence[Any], limit: int
) -> list[Any]:
    """The first rows of statements that are equally good."""
    rows = [
        row
        for statement in statements
        for row in ctx.session.execute(statement.limit(limit))
    ]
    if len(statements) > 1:
        rows.sort(key=lambda row: float(row[0].last_used))
    return rows[:limit]


def _others(
    ctx: context.RequestContext, query: Any, rows: Sequence[Any]
) -> list[Any]:
    """What else there is of the providers of *rows*."""
    pools = {row[0].rp_uuid for row in rows}
    there = {row[0].id for row in rows}
    query = query.where(_REGION.rp_uuid.in_(pools))
    found = ctx.session.execute(query.order_by(_REGION.last_used))
    return [row for row in found if row[0].id not in there]


def _tiers(
    ctx: context.RequestContext,
    query: Any,
    parts: Sequence[Any],
    wishes: Sequence[nouns.Bitstream],
    near: Collection[str],
    spared: Collection[int],
) -> Iterator[Callable[[int], list[Any]]]:
    """What gives the first rows of each kind, the best kind first.

    None gives what another does.

    :param parts: *query*, see :func:`_parts`.
    """
    far = [~_HOST.hostname.in_(near)] if near else []
    here = [_HOST.hostname.in_(near)]
    others = [~_EMPTY]
    if wishes:
        warm = [_by_use(query.where(_holds(wishes)))]
        yield functools.partial(_first, ctx, warm)
        others.append(~_holds(wishes))
    if spared:
        others.append(_REGION.id.not_in(spared))
    if near:
        empty = [query.where(_EMPTY, *here).order_by(_REGION.last_used)]
        yield functools.partial(_first, ctx, empty)
    empty = [_by_use(part.where(_EMPTY, *far)) for part in parts]
    yield functools.partial(_first, ctx, empty)
    used = [_by_use(part.where(*others)) for part in parts]
    close = query.where(*others, *here).order_by(_REGION.last_used)
    yield functools.partial(_used, ctx, used, close if near else None)
    if spared:
        kept = query.where(_REGION.id.in_(spared))
        kept = _by_use(kept.where(~_holds(wishes)) if wishes else kept)
        yield functools.partial(_first, ctx, [kept])


def _used(
    ctx: context.RequestContext,
    statements: Sequence[Any],
    close: Any | None,
    limit: int,
) -> list[Any]:
    """The least recently used, those first that are *close* and as good."""
    rows = _first(ctx, statements, limit)
    if close is None or not rows:
        return rows
    half = (float(rows[0][0].last_used) + clock.now()) / 2
    found = _first(ctx, [close.where(_REGION.last_used <= half)], limit)
    there = {row[0].id for row in found}
    return [*found, *(row for row in rows if row[0].id not in there)][:limit]
