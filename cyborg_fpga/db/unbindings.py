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
from cyborg_fpga.db import engine
from cyborg_fpga.db import models
from cyborg_fpga.db import wipes

_CLAIM, _HANDLE, _REGION = models.Claim, models.AttachHandle, models.Deployable
_State = model.ClaimState
_OF_CLAIMS = _HANDLE.claim_id.in_(sa.bindparam('claims', expanding=True))
_REGIONS: Any = sa.bindparam('regions', expanding=True)

# Who still uses a deployable. Not EXISTS, here and below: MariaDB would read
# all handles there are before the first deployable.
_OTHER = (
    sa.select(_HANDLE.id)
    .join(_CLAIM, _CLAIM.id == _HANDLE.claim_id)
    .where(_HANDLE.deployable_id == _REGION.id)
    .where(_CLAIM.state != _State.RELEASING.value)
    .limit(1)
    .scalar_subquery()
)
# Anybody may join those who use it, as it is.
_OPEN = sa.and_(
    _REGION.state == model.DeployableState.IDLE.value,
    _REGION.wipe_pending.is_(False),
    _REGION.bitstream_private.is_(False),
    sa.select(models.Device.id)
    .join(models.Host, models.Host.id == models.Device.host_id)
    .where(models.Device.id == _REGION.device_id)
    .where(models.Device.status == model.DeviceStatus.ENABLED.value)
    .where(models.Device.health == model.Health.OK.value)
    .where(models.Host.up.is_(True))
    .where(models.Host.status == model.HostStatus.ENABLED.value)
    .scalar_subquery()
    .is_not(None),
)
# What a report took away from a claim, and nobody holds any more.
_ABSENT = (
    sa.select(_HANDLE.id)
    .where(_HANDLE.deployable_id.in_(_REGIONS))
    .where(_HANDLE.host_id == models.Host.id)
    .where(_HANDLE.claim_id.is_(None))
    .where(_HANDLE.present.is_(False))
    .limit(1)
    .scalar_subquery()
)

# Constants, see engine.run().
_LOCK_REGIONS = (
    sa.select(
        _REGION.id,
        _REGION.host_id,
        sa.select(models.Host.hostname)
        .where(models.Host.id == _REGION.host_id)
        .scalar_subquery()
        .label('hostname'),
    )
    .where(_REGION.id.in_(sa.select(_HANDLE.deployable_id).where(_OF_CLAIMS)))
    .order_by(_REGION.id)
    .with_for_update()
)
_GIVE_BACK = sa.update(_HANDLE).where(_OF_CLAIMS).values(claim_id=None)
# Changes those of which Placement must be told at once.
_LEAVE = (
    sa.update(_REGION)
    .where(_REGION.id.in_(_REGIONS))
    .where(sa.or_(_OTHER.is_(None), ~_OPEN))
    .values(
        last_used=clock.now(),
        # What nobody else uses is wiped before it is offered.
        wipe_pending=sa.case(
            (sa.and_(_OTHER.is_(None), sa.bindparam('dirty')), True),
            else_=_REGION.wipe_pending,
        ),
    )
)
_TOUCH = (
    sa.update(models.Host)
    .where(models.Host.id.in_(sa.bindparam('hosts', expanding=True)))
    .values(
        placement_stale=True,
        # Its next report is read whole then, even if it did not change.
        report_digest=sa.case(
            (_ABSENT.is_(None), models.Host.report_digest), else_=None
        ),
    )
)
_DELETE = sa.delete(_CLAIM).where(
    _CLAIM.id.in_(sa.bindparam('claims', expanding=True))
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """What was given back.

    :ivar hostnames: Where something was held.
    :ivar rejoined: All of it is of deployables that others use and everybody
        may join as they are: what Placement promises of them still holds.
    """

    uuids: tuple[str, ...]
    hostnames: tuple[str, ...] = ()
    rejoined: bool = True


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
            'wipe_level': None,
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
        return Released(uuids=())
    ids = [row.id for row in rows]
    released = _free(ctx, ids, dirty=dirty)
    if values is None:
        engine.run(ctx, _DELETE, claims=ids)
    else:
        engine.change(
            ctx,
            sa.update(_CLAIM)
            .where(_CLAIM.id.in_(ids))
            .values(state_changed_at=clock.now(), **values),
        )
    return dataclasses.replace(released, uuids=tuple(row.uuid for row in rows))


def _free(
    ctx: context.RequestContext, claim_ids: Sequence[int], *, dirty: bool
) -> Released:
    """Nobody holds the handles any more.

    Of two that leave a deployable at the same time the second waits here for
    the first, and sees it gone.
    """
    rows = engine.run(ctx, _LOCK_REGIONS, claims=claim_ids).all()
    if not rows:
        return Released(uuids=())
    regions = [row.id for row in rows]
    if not dirty:
        wipes.take_back(ctx, claim_ids)
    engine.run(ctx, _GIVE_BACK, claims=claim_ids)
    # Statements of their own behind the locks: what they ask of other tables
    # is then what those have committed who were waited for.
    left = engine.run(ctx, _LEAVE, regions=regions, dirty=dirty).rowcount
    engine.run(
        ctx, _TOUCH, regions=regions, hosts=list({r.host_id for r in rows})
    )
    return Released(
        uuids=(),
        hostnames=tuple(sorted({row.hostname for row in rows})),
        rejoined=not left,
    )
