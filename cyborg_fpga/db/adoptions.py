"""Claims of what an instance holds in Placement already.

An instance has its FPGAs through accelerator requests or through such
claims, never both, and one such claim of each provider. ``instance_guard``
makes that the database's promise: it is the instance's while such a claim is
made, as it is of requests that are bound, and then stands for the instance
and the provider.
"""

import dataclasses
import uuid as uuids
from collections.abc import Collection
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_exc

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.db import devices
from cyborg_fpga.db import engine
from cyborg_fpga.db import models

#: What ``allocation`` says of such a claim: the instance's is there, or has
#: ended, so that nothing in Placement covers what the claim still holds.
ADOPTED, GONE = 'adopted', 'gone'

_CLAIM, _HANDLE = models.Claim, models.AttachHandle
# Fixed for ever: two conductors must come to the same.
_NAMESPACE = uuids.UUID('6f0c2f0b-8f0e-5b4e-9a0e-3d6b7a51c2d4')
_OURS = sa.and_(
    _CLAIM.origin == model.Origin.API.value,
    _CLAIM.instance_uuid.is_not(None),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """What such a claim holds: *amount* handles.

    :ivar gone: The instance's allocation is known to have ended.
    :ivar releasing: It is being given back already.
    """

    uuid: str
    instance_uuid: str
    rp_uuid: str
    resource_class: str
    amount: int
    gone: bool
    releasing: bool


@engine.reader
def of_instance(
    ctx: context.RequestContext, instance_uuid: str
) -> dict[str, str]:
    """Which claim has what an instance holds, by provider."""
    found = ctx.session.execute(
        sa.select(_CLAIM.rp_uuid, _CLAIM.uuid)
        .where(_OURS)
        .where(_CLAIM.instance_uuid == instance_uuid)
        .where(_CLAIM.instance_guard.is_not(None))
    )
    return {str(rp_uuid): uuid for rp_uuid, uuid in found}


@engine.reader
def held(
    ctx: context.RequestContext, rp_uuids: Collection[str] | None = None
) -> list[Adopted]:
    """All such claims that hold something, one statement.

    :param rp_uuids: Only of these providers.
    """
    query = (
        sa.select(
            _CLAIM.uuid,
            _CLAIM.instance_uuid,
            _CLAIM.rp_uuid,
            _CLAIM.resource_class,
            _CLAIM.allocation,
            _CLAIM.state,
            sa.func.count().label('amount'),
        )
        .join(_HANDLE, _HANDLE.claim_id == _CLAIM.id)
        .where(_OURS)
        .group_by(
            _CLAIM.uuid,
            _CLAIM.instance_uuid,
            _CLAIM.rp_uuid,
            _CLAIM.resource_class,
            _CLAIM.allocation,
            _CLAIM.state,
        )
    )
    if rp_uuids is not None:
        query = query.where(_CLAIM.rp_uuid.in_(rp_uuids))
    return [
        Adopted(
            uuid=row.uuid,
            instance_uuid=row.instance_uuid,
            rp_uuid=row.rp_uuid,
            resource_class=row.resource_class,
            amount=int(row.amount),
            gone=row.allocation == GONE,
            releasing=row.state == model.ClaimState.RELEASING.value,
        )
        for row in ctx.session.execute(query)
    ]


@engine.writer
def lose(ctx: context.RequestContext, uuid: str) -> None:
    """Its allocation has ended: what it holds is to be reserved."""
    mine = sa.and_(_OURS, _CLAIM.uuid == uuid)
    if engine.change(
        ctx,
        sa.update(_CLAIM)
        .where(mine)
        .where(_CLAIM.allocation == ADOPTED)
        .values(allocation=GONE),
    ):
        devices.touch_host(ctx, sa.select(_CLAIM.host_id).where(mine))


def be_the_only(
    ctx: context.RequestContext, claim_id: int, values: Mapping[str, Any]
) -> None:
    """Inside the transaction that made a claim with the instance's guard.

    :param values: The claim's columns.
    :raises errors.InUse: The instance has accelerator requests.
    :raises errors.Duplicate: Another claim has what it holds there.
    """
    instance = values['instance_uuid']
    requests = ctx.session.execute(
        sa.select(_CLAIM.id)
        .where(_CLAIM.instance_uuid == instance)
        .where(_CLAIM.origin == model.Origin.NOVA.value)
    )
    if requests.first() is not None:
        raise has_requests(instance)
    name = f'{instance} {values["rp_uuid"]}'
    guarded = sa.update(_CLAIM).where(_CLAIM.id == claim_id)
    try:
        engine.change(
            ctx,
            guarded.values(instance_guard=str(uuids.uuid5(_NAMESPACE, name))),
        )
    except db_exc.DBDuplicateEntry as exc:
        raise errors.Duplicate(
            kind='claim of instance', ident=instance
        ) from exc


def none_of(instance_uuid: str) -> Any:
    """No such claim has what the instance holds, for a WHERE.

    True for good in a transaction that has taken the instance's guard.
    """
    # Not EXISTS, see unbindings.
    return _having(instance_uuid).limit(1).scalar_subquery().is_(None)


def refuse(ctx: context.RequestContext, instance_uuid: str) -> None:
    """Inside such a transaction, where :func:`none_of` says no.

    :raises errors.InUse: Such a claim has what the instance holds.
    """
    found = ctx.session.execute(_having(instance_uuid)).scalar()
    if found is not None:
        raise errors.InUse(
            kind='What instance',
            ident=f'{instance_uuid} holds',
            reason=f'claim {found} has it.',
        )


def _having(instance_uuid: str) -> Any:
    return (
        sa.select(_CLAIM.uuid)
        .where(_OURS)
        .where(_CLAIM.instance_uuid == instance_uuid)
        .where(_CLAIM.instance_guard.is_not(None))
    )


def has_requests(instance_uuid: str) -> errors.InUse:
    return errors.InUse(
        kind='What instance',
        ident=f'{instance_uuid} holds',
        reason='its accelerator requests have it.',
    )
