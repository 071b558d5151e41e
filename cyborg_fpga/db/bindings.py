"""How accelerator requests get what they hold.

All ARQs of a request in one transaction, in as many statements whatever
their number. Rows are locked in one order: claims, cards, deployables. How
they lose it is in :mod:`unbindings`.
"""

import collections
import dataclasses
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_exc
from oslo_utils import uuidutils

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.db import adoptions
from cyborg_fpga.db import arqs
from cyborg_fpga.db import clock
from cyborg_fpga.db import devices
from cyborg_fpga.db import engine
from cyborg_fpga.db import models
from cyborg_fpga.db import neighbours
from cyborg_fpga.db import orders
from cyborg_fpga.db import wipes

_CLAIM, _HANDLE, _REGION = models.Claim, models.AttachHandle, models.Deployable
_State = model.ClaimState
_REGIONS = _REGION.id.in_(sa.bindparam('regions', expanding=True))

# Constants, see engine.run().
_LOCK_CARDS = (
    sa.select(models.Device.id)
    .where(models.Device.id.in_(sa.select(_REGION.device_id).where(_REGIONS)))
    .where(models.Device.status == model.DeviceStatus.ENABLED.value)
    .where(models.Device.health == model.Health.OK.value)
    .order_by(models.Device.id)
    .with_for_update()
)
_LOCK_REGIONS = (
    sa.select(
        _REGION.id,
        _REGION.host_id,
        _REGION.device_id,
        _REGION.bitstream_id,
        _REGION.bitstream_private,
    )
    .where(_REGIONS)
    .where(_REGION.device_id.in_(sa.bindparam('cards', expanding=True)))
    .where(_REGION.state == model.DeployableState.IDLE.value)
    .where(_REGION.wipe_pending.is_(False))
    .order_by(_REGION.id)
    .with_for_update()
)
_LOCK_TO_PROGRAM = _LOCK_REGIONS.add_columns(
    _REGION.fence, orders.QUEUE.label('queue')
)
_USE = (
    sa.update(_REGION)
    .where(_REGIONS)
    .where(
        _REGION.host_id.in_(
            sa.select(models.Host.id)
            .where(models.Host.up.is_(True))
            .where(models.Host.status == model.HostStatus.ENABLED.value)
        )
    )
    .values(last_used=clock.now())
)
_PROGRAMMED = _REGION.id.in_(sa.bindparam('programmed', expanding=True))
_PROGRAM = _USE.values(
    state=sa.case(
        (_PROGRAMMED, model.DeployableState.PROGRAMMING.value),
        else_=_REGION.state,
    ),
    fence=_REGION.fence + sa.case((_PROGRAMMED, 1), else_=0),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one ARQ goes.

    :ivar region_id: Row of the deployable.
    :ivar image_uuid: What that must hold; None: anything will do.
    :ivar wipe_level: At least so is it wiped when nobody has it any more.
    """

    region_id: int
    rp_uuid: str
    resource_class: str
    image_uuid: str | None
    wipe_level: str | None = None


@engine.writer
def bind(
    ctx: context.RequestContext,
    places: Mapping[str, Place],
    *,
    instance_uuid: str,
    project_id: str | None,
    new_project: str | None = None,
    acts: Sequence[orders.New] = (),
    settled: bool = True,
    exclusive: bool = False,
    owner: str,
    lease: float,
) -> list[model.Operation]:
    """Give every one of *places* a handle and the instance, or none.

    Of any number of concurrent callers exactly one gets an instance, an ARQ
    or a handle. Where something has to be done to their card the ARQs are
    ``programming``; the others are ``ready`` and Nova is owed that.

    :param project_id: Only of this project's ARQs; None: of anybody's.
    :param new_project: Whose they are from now on; None: as they are.
    :param acts: What is done for them, to deployables that nobody else
        holds.
    :param settled: False: they are ``claiming`` until :func:`settle`, of
        nobody whose leases are extended: should that not come, they are
        taken for interrupted once this lease is over.
    :param exclusive: See ``reservations.reserve``.
    :returns: Of *acts*.
    :raises errors.FPGAError: See ``arqs.check_bindable``.
    :raises errors.NoCapacity: As ``reservations.reserve``. Or what somebody
        left in a deployable would be found there, as none of *acts* is for
        that, or for what was there before.
    :raises errors.InUse: A claim has what the instance holds.
    """
    programmed = {act.deployable_id for act in acts}
    claims = _lock_claims(ctx, places, instance_uuid, project_id)
    owners = {new_project or claim.project_id for claim in claims}
    if len(owners) > 1:
        raise errors.InvalidInput(reason='they belong to several projects')
    picks: dict[int, int] = {}
    for place in places.values():
        picks[place.region_id] = picks.get(place.region_id, 0) + 1
    rows = _lock_regions(ctx, places.values(), acts)
    handles = neighbours.handles(ctx, {row.device_id for row in rows.values()})
    held = [h for h in handles if h.claim_id and h.deployable_id in rows]
    neighbours.refuse_company(held, rows, programmed)
    private = {row.id for row in rows.values() if row.bitstream_private}
    neighbours.refuse_others(
        held, set(rows) if exclusive else private, owners.pop()
    )
    left = private - {handle.deployable_id for handle in held}
    kept = [p for p in places.values() if p.region_id not in programmed]
    neighbours.refuse_contents(
        rows, [(place.region_id, place.image_uuid) for place in kept], left
    )
    given = _give(claims, places, handles)
    waiting = {u for u, p in places.items() if p.region_id in programmed}
    values = {
        **_progress(places, waiting if settled else None),
        'instance_uuid': instance_uuid,
        'host_id': next(iter(rows.values())).host_id,
        'lease_owner': owner if settled else uuidutils.generate_uuid(),
        'lease_expires': clock.now() + lease,
    }
    if new_project is not None:
        values['project_id'] = new_project
    _set_bound(ctx, claims, places, values)
    _take(ctx, given, instance_uuid)
    devices.touch_shared(ctx, values['host_id'], handles, picks)
    if not acts:
        return []
    changed = [row for row in rows.values() if row.id in programmed]
    return orders.add(ctx, acts, changed, owner=owner, lease=lease)


def _lock_claims(
    ctx: context.RequestContext,
    uuids: Collection[str],
    instance_uuid: str,
    project_id: str | None,
) -> Sequence[Any]:
    mine = sa.and_(_CLAIM.uuid.in_(uuids), arqs.owned(project_id))
    found = ctx.session.execute(
        sa.select(
            _CLAIM.id,
            _CLAIM.uuid,
            _CLAIM.state,
            _CLAIM.instance_uuid,
            _CLAIM.project_id,
        )
        .where(arqs.NOVAS)
        .where(sa.or_(mine, _CLAIM.instance_uuid == instance_uuid))
        .order_by(_CLAIM.id)
        .with_for_update()
    ).all()
    arqs.check_bindable(found, uuids, instance_uuid)
    return found


def _lock_regions(
    ctx: context.RequestContext,
    places: Collection[Place],
    acts: Sequence[orders.New],
) -> dict[int, Any]:
    """The rows, as they were, of deployables that can be used now.

    Those of *acts* are ``programming`` under a raised fence since.
    """
    wanted = list({place.region_id for place in places})
    cards = engine.run(ctx, _LOCK_CARDS, regions=wanted).scalars().all()
    lock = _LOCK_TO_PROGRAM if acts else _LOCK_REGIONS
    rows = engine.run(ctx, lock, regions=wanted, cards=cards).all()
    found = {row.id: row for row in rows}
    use: Any = _PROGRAM if acts else _USE
    values: dict[str, Any] = {'regions': list(found)}
    if acts:
        values['programmed'] = [act.deployable_id for act in acts]
    level = wipes.deepest((p.region_id, p.wipe_level) for p in places)
    if level is not None:
        use = use.values(wipe_at_least=level)
    used = engine.run(ctx, use, **values)
    if used.rowcount < len(wanted):
        raise errors.NoCapacity(
            reason='one was taken, or its card or host taken out of use'
        )
    for act in acts:
        if act.fence not in (None, found[act.deployable_id].fence):
            raise errors.NoCapacity(reason='it was programmed meanwhile')
    return found


def _progress(
    places: Mapping[str, Place], waiting: Collection[str] | None
) -> dict[str, Any]:
    """State of the ARQs of *places*, and when Nova is to be told.

    :param waiting: For their card; None: nobody knows of the others either.
    """
    if waiting is None:
        return {'state': _State.CLAIMING.value, 'event_due': None}
    if not waiting:
        return {'state': _State.READY.value, 'event_due': clock.now()}
    if len(waiting) == len(places):
        return {'state': _State.PROGRAMMING.value, 'event_due': None}
    waits = _CLAIM.uuid.in_(waiting)
    return {
        'state': sa.case(
            (waits, _State.PROGRAMMING.value), else_=_State.READY.value
        ),
        'event_due': sa.case((waits, None), else_=clock.now()),
    }


def _give(
    claims: Sequence[Any], places: Mapping[str, Place], handles: Sequence[Any]
) -> dict[int, int]:
    """Which handle goes to which claim, both by row id."""
    kinds = collections.defaultdict(set)
    free = collections.defaultdict(list)
    for handle in handles:
        if handle.claim_id is not None:
            kinds[handle.device_id].add(handle.kind)
        elif handle.present:
            free[handle.deployable_id].append(handle)
    given = {}
    for claim in claims:
        left = free[places[claim.uuid].region_id]
        if not left:
            raise errors.NoCapacity(reason='the last one was taken meanwhile')
        handle = left.pop(0)
        given[handle.id] = claim.id
        kinds[handle.device_id].add(handle.kind)
    neighbours.refuse_mixture(kinds)
    return given


def _set_bound(
    ctx: context.RequestContext,
    claims: Sequence[Any],
    places: Mapping[str, Place],
    values: Mapping[str, Any],
) -> None:
    def each(member: str) -> Any:
        by_id = {c.id: getattr(places[c.uuid], member) for c in claims}
        if len(set(by_id.values())) == 1:
            return next(iter(by_id.values()))
        return sa.case(by_id, value=_CLAIM.id)

    ids = [claim.id for claim in claims]
    changed = engine.change(
        ctx,
        sa.update(_CLAIM)
        .where(_CLAIM.id.in_(ids))
        .where(_CLAIM.state.in_(arqs.BINDABLE))
        .values(
            state_changed_at=clock.now(),
            device_rp_uuid=each('rp_uuid'),
            rp_uuid=each('rp_uuid'),
            resource_class=each('resource_class'),
            image_uuid=each('image_uuid'),
            wipe_level=each('wipe_level'),
            fault_code=None,
            fault_message=None,
            instance_guard=sa.case(
                (_CLAIM.id == min(ids), values['instance_uuid']), else_=None
            ),
            **values,
        ),
    )
    if changed != len(ids):
        raise db_exc.RetryRequest(errors.Conflict())


def _take(
    ctx: context.RequestContext, given: Mapping[int, int], instance_uuid: str
) -> None:
    """Swap the claims in, unless one has what the instance holds already.

    To be called when the instance's guard is ours: who made such a claim
    meanwhile had that before us.
    """
    taken = engine.change(
        ctx,
        sa.update(_HANDLE)
        .where(_HANDLE.id.in_(given))
        .where(_HANDLE.claim_id.is_(None))
        .where(adoptions.none_of(instance_uuid))
        .values(claim_id=sa.case(dict(given), value=_HANDLE.id)),
    )
    if taken != len(given):
        adoptions.refuse(ctx, instance_uuid)
        # Lost a race: run the whole function again.
        raise db_exc.RetryRequest(errors.Conflict())


@engine.writer
def settle(
    ctx: context.RequestContext,
    ready: Collection[str],
    programming: Collection[str],
    *,
    owner: str,
    lease: float,
) -> None:
    """End the making of a bind: some are ``ready``, some wait for a card.

    :raises errors.WrongState: One was taken back meanwhile; nothing is done.
    """
    changed = engine.change(
        ctx,
        sa.update(_CLAIM)
        .where(_CLAIM.uuid.in_([*ready, *programming]))
        .where(_CLAIM.state == _State.CLAIMING.value)
        .values(
            state=sa.case(
                (_CLAIM.uuid.in_(ready), _State.READY.value),
                else_=_State.PROGRAMMING.value,
            ),
            event_due=sa.case(
                (_CLAIM.uuid.in_(ready), clock.now()), else_=None
            ),
            state_changed_at=clock.now(),
            lease_owner=owner,
            lease_expires=clock.now() + lease,
        ),
    )
    if changed != len(ready) + len(programming):
        raise errors.WrongState(
            kind='ARQ',
            ident=min([*ready, *programming]),
            state='gone',
            reason='it was deleted while it was bound.',
        )


@engine.writer
def confirm(ctx: context.RequestContext, uuid: str) -> bool:
    """Its card is programmed. False: it does not wait for that any more."""
    return bool(
        engine.change(
            ctx,
            sa.update(_CLAIM)
            .where(_CLAIM.uuid == uuid)
            .where(_CLAIM.state == _State.PROGRAMMING.value)
            .values(
                state=_State.READY.value,
                state_changed_at=clock.now(),
                event_due=clock.now(),
            ),
        )
    )
