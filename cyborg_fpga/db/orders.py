"""How acts on deployables are ordered: each its deployable's only one."""

import dataclasses
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.db import clock
from cyborg_fpga.db import engine
from cyborg_fpga.db import models
from cyborg_fpga.db import neighbours
from cyborg_fpga.db import operations

_OP, _REGION = models.Operation, models.Deployable
_NEIGHBOUR = orm.aliased(_REGION)
#: Seconds until all that a deployable's card still has to do must have ended.
QUEUE = (
    sa.select(sa.func.max(_OP.deadline) - clock.now())
    .join(_NEIGHBOUR, _NEIGHBOUR.id == _OP.deployable_id)
    .where(_NEIGHBOUR.device_id == _REGION.device_id)
    .where(operations.UNFINISHED)
    .correlate(_REGION)
    .scalar_subquery()
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class New:
    """An operation that is to be.

    :ivar deployable_id: Row of its deployable.
    :ivar values: Of its columns.
    :ivar seconds: Until its deadline, from when all must have ended that its
        card has to do before.
    :ivar fence: Of the record that the caller has seen; None: any.
    """

    deployable_id: int
    values: Mapping[str, Any]
    seconds: float
    fence: int | None = None


@engine.writer
def create(
    ctx: context.RequestContext,
    wanted: Sequence[New],
    *,
    owner: str,
    lease: float,
) -> list[model.Operation]:
    """Commit operations, each of them its deployable's only one, or none.

    As many statements whatever their number.

    :param wanted: One of a deployable at most.
    :raises errors.InUse: A deployable is not idle, has had another operation
        since, or somebody else holds one of its handles.
    """
    rows = _take(ctx, wanted)
    neighbours.refuse_strangers(
        ctx, {new.deployable_id: new.values for new in wanted}
    )
    return add(ctx, wanted, rows, owner=owner, lease=lease)


def add(
    ctx: context.RequestContext,
    wanted: Sequence[New],
    rows: Collection[Any],
    *,
    owner: str,
    lease: float,
) -> list[model.Operation]:
    """In the transaction that has made their deployables ``programming``.

    It has locked them, raised their fences, and seen that they are *wanted*
    by nobody else.

    :param rows: Those, as they were: id, device_id, fence and QUEUE.
    """
    fences = {row.id: row.fence + 1 for row in rows}
    deadlines = _deadlines(wanted, rows)
    columns = {name for new in wanted for name in new.values}
    ctx.session.execute(
        sa.insert(_OP).values(
            [
                {
                    **dict.fromkeys(columns),
                    'image_private': False,
                    **new.values,
                    **_owner(new.values.get('claim_uuid')),
                    'deployable_id': new.deployable_id,
                    'state': model.OperationState.PENDING.value,
                    'fence': fences[new.deployable_id],
                    'deadline': clock.now() + deadlines[new.deployable_id],
                    'lease_owner': owner,
                    'lease_expires': clock.now() + lease,
                }
                for new in wanted
            ]
        )
    )
    uuids = [new.values['uuid'] for new in wanted]
    found = ctx.session.execute(operations.QUERY.where(_OP.uuid.in_(uuids)))
    made = {row[0].uuid: operations.noun(*row) for row in found}
    return [made[uuid] for uuid in uuids]


def _take(ctx: context.RequestContext, wanted: Sequence[New]) -> Sequence[Any]:
    """Lock the deployables and raise their fences; as they were."""
    seen = {new.deployable_id: new.fence for new in wanted}
    rows = ctx.session.execute(
        sa.select(
            _REGION.id,
            _REGION.uuid,
            _REGION.device_id,
            _REGION.state,
            _REGION.fence,
            QUEUE.label('queue'),
        )
        .where(_REGION.id.in_(seen))
        .order_by(_REGION.id)
        .with_for_update()
    ).all()
    for row in rows:
        idle = row.state == model.DeployableState.IDLE.value
        if not idle or seen[row.id] not in (None, row.fence):
            raise errors.InUse(
                kind='Deployable',
                ident=row.uuid,
                reason='it is being programmed, or was a moment ago, or its '
                'contents are unknown',
            )
    engine.change(
        ctx,
        sa.update(_REGION)
        .where(_REGION.id.in_(seen))
        .values(
            state=model.DeployableState.PROGRAMMING.value,
            fence=_REGION.fence + 1,
        ),
    )
    found: Sequence[Any] = rows
    return found


def _deadlines(
    wanted: Sequence[New], rows: Collection[Any]
) -> dict[int, float]:
    """Seconds until each has to have ended, by the deployable's row id."""
    ends = {row.device_id: max(0.0, float(row.queue or 0)) for row in rows}
    cards = {row.id: row.device_id for row in rows}
    deadlines = {}
    for new in wanted:
        # What its card has to do first counts as the deadlines of that say.
        ends[cards[new.deployable_id]] += new.seconds
        deadlines[new.deployable_id] = ends[cards[new.deployable_id]]
    return deadlines


def _owner(claim_uuid: str | None) -> dict[str, Any]:
    """Whoever asks for what is done to a claim's card, it is the claim's."""
    if claim_uuid is None:
        return {}
    whose = sa.select(models.Claim.project_id).where(
        models.Claim.uuid == claim_uuid
    )
    return {'project_id': whose.scalar_subquery()}
