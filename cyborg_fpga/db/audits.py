"""What Placement's allocations are compared with."""

from collections.abc import Iterable

import sqlalchemy as sa

from cyborg_fpga import context
from cyborg_fpga import model
from cyborg_fpga.db import engine
from cyborg_fpga.db import models

_CLAIM, _HANDLE, _REGION = models.Claim, models.AttachHandle, models.Deployable

#: Provider uuid to resource class to amount.
Held = dict[str, dict[str, int]]


@engine.reader
def hosts(ctx: context.RequestContext) -> list[str]:
    """Names of the hosts that are in Placement."""
    return list(
        ctx.session.execute(
            sa.select(models.Host.hostname)
            .where(models.Host.rp_uuid.is_not(None))
            .order_by(models.Host.id)
        ).scalars()
    )


@engine.reader
def entitled(
    ctx: context.RequestContext, consumers: Iterable[str]
) -> frozenset[str]:
    """Those of *consumers* that are claims which may hold an allocation.

    One that failed holds none.
    """
    found = ctx.session.execute(
        sa.select(_CLAIM.uuid)
        .where(_CLAIM.uuid.in_(list(consumers)))
        .where(_CLAIM.state != model.ClaimState.FAILED.value)
    )
    return frozenset(found.scalars())


@engine.reader
def ready(ctx: context.RequestContext, hostname: str) -> dict[str, Held]:
    """What a host's ready claims must hold of their own, by claim."""
    rows = ctx.session.execute(
        sa.select(
            _CLAIM.uuid,
            _REGION.rp_uuid,
            _REGION.resource_class,
            sa.func.count(),
        )
        .join(_HANDLE, _HANDLE.claim_id == _CLAIM.id)
        .join(_REGION, _REGION.id == _HANDLE.deployable_id)
        .join(models.Host, models.Host.id == _REGION.host_id)
        .where(models.Host.hostname == hostname)
        .where(_CLAIM.state == model.ClaimState.READY.value)
        .where(_CLAIM.allocation == 'own')
        .group_by(_CLAIM.uuid, _REGION.rp_uuid, _REGION.resource_class)
    )
    found: dict[str, Held] = {}
    for uuid, rp_uuid, resource_class, amount in rows:
        amounts = found.setdefault(uuid, {}).setdefault(rp_uuid, {})
        amounts[resource_class] = int(amount)
    return found


@engine.reader
def bound(ctx: context.RequestContext, hostname: str) -> dict[str, set[str]]:
    """Providers that instances have bound requests of, by instance."""
    rows = ctx.session.execute(
        sa.select(_CLAIM.instance_uuid, _REGION.rp_uuid)
        .join(_HANDLE, _HANDLE.claim_id == _CLAIM.id)
        .join(_REGION, _REGION.id == _HANDLE.deployable_id)
        .join(models.Host, models.Host.id == _REGION.host_id)
        .where(models.Host.hostname == hostname)
        .where(_CLAIM.origin == model.Origin.NOVA.value)
        .where(_CLAIM.state == model.ClaimState.READY.value)
        .where(_CLAIM.instance_uuid.is_not(None))
        .distinct()
    )
    found: dict[str, set[str]] = {}
    for instance, rp_uuid in rows:
        found.setdefault(str(instance), set()).add(rp_uuid)
    return found
