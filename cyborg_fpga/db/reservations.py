"""Give a claim its handles, or nothing.

Handles are taken by compare-and-swap under the rows of their card and
deployable, always in that order and by rising id, so that neither a race nor
a deadlock decides.
"""

import collections
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_exc

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.db import adoptions
from cyborg_fpga.db import claims
from cyborg_fpga.db import clock
from cyborg_fpga.db import devices
from cyborg_fpga.db import engine
from cyborg_fpga.db import models
from cyborg_fpga.db import neighbours
from cyborg_fpga.db import wipes

_CLAIM, _HANDLE, _REGION = models.Claim, models.AttachHandle, models.Deployable
_REGIONS: Any = sa.bindparam('regions', expanding=True)

# Constants, see engine.run().
_CARDS = sa.select(_REGION.device_id).where(_REGION.id.in_(_REGIONS))
_LOCK_CARD = (
    sa.update(models.Device)
    .where(models.Device.id == sa.bindparam('card'))
    .values(failures=models.Device.failures)
)
_LOCK_REGION = (
    sa.update(_REGION)
    .where(_REGION.id == sa.bindparam('region'))
    .where(_REGION.state == model.DeployableState.IDLE.value)
    .where(_REGION.wipe_pending.is_(False))
    .values(last_used=clock.now())
)
_LOCKED = (
    sa.select(
        _REGION.id,
        _REGION.host_id,
        _REGION.device_id,
        _REGION.bitstream_id,
        _REGION.bitstream_private,
    )
    .join(models.Device, models.Device.id == _REGION.device_id)
    .join(models.Host, models.Host.id == _REGION.host_id)
    .where(_REGION.id.in_(_REGIONS))
    .where(models.Host.up.is_(True))
    .where(models.Host.status == model.HostStatus.ENABLED.value)
    .where(models.Device.status == model.DeviceStatus.ENABLED.value)
    .where(models.Device.health == model.Health.OK.value)
)
_TAKE = (
    sa.update(_HANDLE)
    .where(_HANDLE.id.in_(sa.bindparam('handles', expanding=True)))
    .where(_HANDLE.claim_id.is_(None))
    .values(claim_id=sa.bindparam('claim'))
)


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
    :raises errors.Duplicate: There is a claim of that uuid, or of what the
        instance holds.
    :raises errors.InUse: The instance's accelerator requests have it.
    :raises errors.NoCapacity: A deployable has too few free handles, or is
        being programmed or wiped, or its card or host is not to be used.
    """
    rows = _lock(ctx, picks)
    host_id = next(iter(rows.values())).host_id
    claim_id = _create(ctx, host_id, values)
    handles = neighbours.handles(ctx, {row.device_id for row in rows.values()})
    held = [
        handle
        for handle in handles
        if handle.claim_id is not None and handle.deployable_id in picks
    ]
    neighbours.refuse_company(held, rows, programmed)
    private = {row.id for row in rows.values() if row.bitstream_private}
    alone = picks if exclusive else private
    neighbours.refuse_others(held, alone, values.get('project_id'))
    _take(ctx, claim_id, _choose(handles, picks))
    level = values.get('wipe_level')
    wipes.ask(ctx, [(region_id, level) for region_id in picks])
    devices.touch_shared(ctx, host_id, handles, picks)
    return frozenset(private - {handle.deployable_id for handle in held})


def _create(
    ctx: context.RequestContext, host_id: int, values: Mapping[str, Any]
) -> int:
    """Insert the claim's row; its id."""
    adopts = values.get('allocation') == adoptions.ADOPTED
    guard = values['instance_uuid'] if adopts else None
    claim = sa.insert(_CLAIM).values(
        state=model.ClaimState.CLAIMING.value,
        state_changed_at=clock.now(),
        host_id=host_id,
        instance_guard=guard,
        **values,
    )
    try:
        key = engine.run(ctx, claim).inserted_primary_key
    except db_exc.DBDuplicateEntry as exc:
        if adopts:
            raise adoptions.has_requests(values['instance_uuid']) from exc
        raise errors.Duplicate(kind='claim', ident=values['uuid']) from exc
    claim_id = int(key[0])
    if adopts:
        adoptions.be_the_only(ctx, claim_id, values)
    return claim_id


def _lock(
    ctx: context.RequestContext, picks: Mapping[int, int]
) -> dict[int, Any]:
    """Take the rows of the picked deployables and of their cards."""
    cards = engine.run(ctx, _CARDS, regions=list(picks)).scalars()
    for device_id in sorted(set(cards)):
        engine.run(ctx, _LOCK_CARD, card=device_id)
    for region_id in sorted(picks):
        if not engine.run(ctx, _LOCK_REGION, region=region_id).rowcount:
            raise errors.NoCapacity(reason='one was taken meanwhile')
    rows = engine.run(ctx, _LOCKED, regions=list(picks))
    found = {row.id: row for row in rows}
    if len(found) < len(picks):
        raise errors.NoCapacity(
            reason='a card or its host was taken out of use'
        )
    return found


def _choose(handles: Sequence[Any], picks: Mapping[int, int]) -> list[int]:
    """The free handles to take, as many of each deployable as picked."""
    chosen = []
    for region_id, count in picks.items():
        free = [
            handle
            for handle in handles
            if handle.deployable_id == region_id
            and handle.claim_id is None
            and handle.present
        ][:count]
        if len(free) < count:
            raise errors.NoCapacity(reason='the last one was taken meanwhile')
        chosen += free
    kinds = collections.defaultdict(set)
    for handle in chosen + [h for h in handles if h.claim_id is not None]:
        kinds[handle.device_id].add(handle.kind)
    neighbours.refuse_mixture(kinds)
    return [handle.id for handle in chosen]


def _take(
    ctx: context.RequestContext, claim_id: int, handle_ids: Collection[int]
) -> None:
    """Give *claim_id* handles that are still free."""
    taken = engine.run(ctx, _TAKE, handles=handle_ids, claim=claim_id).rowcount
    if taken != len(handle_ids):  # lost a race: run the whole function again
        raise db_exc.RetryRequest(errors.Conflict())


@engine.writer
def drop(ctx: context.RequestContext, uuid: str) -> None:
    """Undo :func:`reserve` of a claim that never got further."""
    claim_id = claims.id_in_state(ctx, uuid, model.ClaimState.CLAIMING)
    wipes.take_back(ctx, [claim_id])
    claims.free_handles(ctx, claim_id)
    engine.change(ctx, sa.delete(_CLAIM).where(_CLAIM.id == claim_id))
