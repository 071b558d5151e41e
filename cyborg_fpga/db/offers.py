"""Deployables that could be claimed now, those first that suit best.

Of a large cloud only the first few are read, and each statement finds them
by an index.
"""

import dataclasses
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from cyborg_fpga import context
from cyborg_fpga import model
from cyborg_fpga import nouns
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
    then those on hosts *near*, then those that hold no bitstream, then the
    least recently used, then the *spared*. Those of one host come all, by
    their use alone.

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
    rows: list[Any] = []
    each = _each(ctx, query, made_for, resource_class)
    for tier in _tiers(query, each, wishes, near, spared):
        left = limit - len(rows)
        if left:
            rows += _first(ctx, tier, left)
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


def _each(
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
    ctx: context.RequestContext, tier: Sequence[Any], limit: int
) -> list[Any]:
    """The first rows of statements that are equally good."""
    rows = [
        row
        for statement in tier
        for row in ctx.session.execute(statement.limit(limit))
    ]
    if len(tier) > 1:
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
    query: Any,
    each: Sequence[Any],
    wishes: Sequence[nouns.Bitstream],
    near: Collection[str],
    spared: Collection[int],
) -> Iterator[list[Any]]:
    """Statements, the best first; none finds what another does.

    :param each: *query* in parts, see :func:`_each`.
    """
    far, others = each, [~_EMPTY]
    if wishes:
        yield [_by_use(query.where(_holds(wishes)))]
        others.append(~_holds(wishes))
    if spared:
        others.append(_REGION.id.not_in(spared))
    if near:
        here = query.where(_HOST.hostname.in_(near))
        here = here.where(sa.or_(_EMPTY, sa.and_(*others)))
        yield [here.order_by(sa.case((_EMPTY, 0), else_=1), _REGION.last_used)]
        far = [one.where(_HOST.hostname.not_in(near)) for one in far]
    yield [_by_use(one.where(_EMPTY)) for one in far]
    yield [_by_use(one.where(*others)) for one in far]
    if spared:
        last = query.where(_REGION.id.in_(spared))
        yield [_by_use(last.where(~_holds(wishes)) if wishes else last)]
