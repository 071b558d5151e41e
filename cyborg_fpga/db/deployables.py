"""Reconfigurable regions with their handles."""

import collections
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.db import adoptions
from cyborg_fpga.db import engine
from cyborg_fpga.db import hosts
from cyborg_fpga.db import models

QUERY = (
    sa.select(models.Deployable, models.Device, models.Host.hostname)
    .join(models.Device, models.Device.id == models.Deployable.device_id)
    .join(models.Host, models.Host.id == models.Deployable.host_id)
)
# Columns and not rows of the mapper: a card has many handles, and a claim
# looks at many cards.
_HANDLE = (
    models.AttachHandle.deployable_id,
    models.AttachHandle.uuid,
    models.AttachHandle.pci_address,
    models.AttachHandle.kind,
    models.AttachHandle.present,
    models.Claim.uuid,
    models.Claim.project_id,
    models.Claim.allocation,
    models.Claim.state,
)
_HANDLES = (
    sa.select(*_HANDLE)
    .outerjoin(models.Claim, models.Claim.id == models.AttachHandle.claim_id)
    .where(
        models.AttachHandle.deployable_id.in_(
            sa.bindparam('regions', expanding=True)
        )
    )
    .order_by(models.AttachHandle.pci_address)
)
_WITH_HOST = (
    sa.select(models.Host, models.Deployable, models.Device, *_HANDLE)
    .outerjoin(models.Deployable, models.Deployable.host_id == models.Host.id)
    .outerjoin(models.Device, models.Device.id == models.Deployable.device_id)
    .outerjoin(
        models.AttachHandle,
        models.AttachHandle.deployable_id == models.Deployable.id,
    )
    .outerjoin(models.Claim, models.Claim.id == models.AttachHandle.claim_id)
)


@engine.reader
def get(ctx: context.RequestContext, uuid: str) -> nouns.Deployable:
    """:raises errors.NotFound: No such deployable."""
    found = load(ctx, QUERY.where(models.Deployable.uuid == uuid))
    if not found:
        raise errors.NotFound(kind='deployable', ident=uuid)
    return found[0]


@engine.reader
def of_host(
    ctx: context.RequestContext, hostname: str
) -> list[nouns.Deployable]:
    """All of one host, two statements."""
    return load(
        ctx,
        QUERY.where(models.Host.hostname == hostname).order_by(
            models.Deployable.id
        ),
    )


@engine.reader
def on_host(
    ctx: context.RequestContext, hostname: str
) -> tuple[nouns.Host, str | None, list[nouns.Deployable]]:
    """What Placement is to be told of: one statement.

    :returns: The host, what Placement was told of it last (None: nobody
        knows), and all its deployables.
    :raises errors.NotFound: No agent of that name ever reported.
    """
    rows = ctx.session.execute(
        _WITH_HOST.where(models.Host.hostname == hostname).order_by(
            models.Deployable.id, models.AttachHandle.pci_address
        )
    ).all()
    if not rows:
        raise errors.NotFound(kind='host', ident=hostname)
    host = rows[0][0]
    return hosts.noun(host), host.placement_digest, _apart(rows)


@engine.reader
def fixed_providers(ctx: context.RequestContext, hostname: str) -> list[str]:
    """Uuids of the providers of a host that were imported."""
    return list(
        ctx.session.execute(
            sa.select(models.Deployable.rp_uuid)
            .join(models.Host, models.Host.id == models.Deployable.host_id)
            .where(models.Host.hostname == hostname)
            .where(models.Deployable.rp_fixed.is_(True))
            .distinct()
        ).scalars()
    )


@engine.reader
def of_claim(
    ctx: context.RequestContext, claim_uuid: str
) -> list[nouns.Deployable]:
    """Those of which a claim holds a handle."""
    held = (
        sa.select(models.AttachHandle.deployable_id)
        .join(models.Claim, models.Claim.id == models.AttachHandle.claim_id)
        .where(models.Claim.uuid == claim_uuid)
    )
    return load(
        ctx,
        QUERY.where(models.Deployable.id.in_(held)).order_by(
            models.Deployable.id
        ),
    )


def of_providers(
    ctx: context.RequestContext, rp_uuids: Collection[str]
) -> list[nouns.Deployable]:
    """All of some providers, the least recently used first."""
    return with_hosts(ctx, rp_uuids)[1]


@engine.reader
def with_hosts(
    ctx: context.RequestContext, rp_uuids: Collection[str]
) -> tuple[dict[str, nouns.Host], list[nouns.Deployable]]:
    """:func:`of_providers` and their hosts by name: one statement."""
    rows = ctx.session.execute(
        _WITH_HOST.where(models.Deployable.rp_uuid.in_(rp_uuids)).order_by(
            models.Deployable.last_used,
            models.Deployable.id,
            models.AttachHandle.pci_address,
        )
    ).all()
    found = {row[0].hostname: row[0] for row in rows}
    return {name: hosts.noun(row) for name, row in found.items()}, _apart(rows)


@engine.reader
def wipes_pending(ctx: context.RequestContext) -> list[nouns.Deployable]:
    """Idle deployables that nobody holds and that must be wiped."""
    held = sa.select(models.AttachHandle.id).where(
        models.AttachHandle.deployable_id == models.Deployable.id,
        models.AttachHandle.claim_id.is_not(None),
    )
    return load(
        ctx,
        QUERY.where(models.Deployable.wipe_pending == sa.true())
        .where(models.Deployable.state == model.DeployableState.IDLE.value)
        .where(models.Device.health.in_(['ok', 'suspect']))
        .where(models.Host.up.is_(True))
        .where(~held.exists()),
    )


@engine.reader
def kinds(
    ctx: context.RequestContext, *, hostname: str | None
) -> list[nouns.RegionKind]:
    """What kinds of region there are, claimable or not."""
    query = (
        sa.select(
            models.Deployable.region_id,
            models.Device.vendor,
            models.Device.family,
            models.Device.driver,
        )
        .join(models.Device, models.Device.id == models.Deployable.device_id)
        .join(models.Host, models.Host.id == models.Deployable.host_id)
        .distinct()
    )
    if hostname is not None:
        query = query.where(models.Host.hostname == hostname)
    return [
        nouns.RegionKind(
            region_id=row.region_id,
            vendor=row.vendor,
            family=row.family,
            driver=row.driver,
        )
        for row in ctx.session.execute(query)
    ]


@engine.reader
def list_page(
    ctx: context.RequestContext,
    *,
    filters: Mapping[str, Any],
    limit: int,
    marker: str | None = None,
    sort_key: str = 'created_at',
    sort_dir: str = 'asc',
) -> list[nouns.Deployable]:
    rows = engine.page(
        ctx,
        QUERY,
        models.Deployable,
        where=[_column(name) == value for name, value in filters.items()],
        limit=limit,
        marker=marker,
        sort_key=_column(sort_key),
        sort_dir=sort_dir,
    )
    return with_handles(ctx, rows)


@engine.writer
def set_providers(
    ctx: context.RequestContext,
    membership: Mapping[str, tuple[str, str]],
    classes: Mapping[str, str],
) -> None:
    """Store each deployable's provider (uuid, name) and resource class."""
    row = models.Deployable
    uuids = {key: rp_uuid for key, (rp_uuid, _) in membership.items()}
    names = {key: rp_name for key, (_, rp_name) in membership.items()}
    engine.change(
        ctx,
        sa.update(row)
        .where(row.uuid.in_(membership))
        .values(
            rp_uuid=sa.case(uuids, value=row.uuid),
            rp_name=sa.case(names, value=row.uuid),
            resource_class=sa.case(
                {key: classes[key] for key in membership}, value=row.uuid
            ),
        ),
    )


def _column(name: str) -> Any:
    if name == 'hostname':
        return models.Host.hostname
    if name == 'device_uuid':
        return models.Device.uuid
    return getattr(models.Deployable, name)


def load(ctx: context.RequestContext, query: Any) -> list[nouns.Deployable]:
    """In a transaction: what a statement made of :data:`QUERY` finds."""
    return with_handles(ctx, list(ctx.session.execute(query)))


def with_handles(
    ctx: context.RequestContext, rows: Sequence[Any]
) -> list[nouns.Deployable]:
    """The same for its rows."""
    if not rows:
        return []
    handles = _by_region(
        engine.run(ctx, _HANDLES, regions=[row[0].id for row in rows])
    )
    return [
        _deployable(row[0], row[1], row[2], handles[row[0].id]) for row in rows
    ]


def _apart(rows: Sequence[Any]) -> list[nouns.Deployable]:
    """The deployables that rows of :data:`_WITH_HOST` are of."""
    found = {row[1].id: row for row in rows if row[1] is not None}
    handles = _by_region(row[3:] for row in rows if row[3] is not None)
    return [
        _deployable(row[1], row[2], row[0].hostname, handles[key])
        for key, row in found.items()
    ]


def _by_region(
    found: Iterable[Any],
) -> collections.defaultdict[int, list[nouns.AttachHandle]]:
    """Handles by the row id of their deployable; *found* is of _HANDLE."""
    handles = collections.defaultdict(list)
    for (
        region_id,
        uuid,
        address,
        kind,
        present,
        claim,
        project,
        how,
        state,
    ) in found:
        handles[region_id].append(
            nouns.AttachHandle(
                uuid=uuid,
                pci_address=model.PciAddress.parse(address),
                kind=model.HandleKind(kind),
                claim_uuid=claim,
                present=present,
                project_id=project,
                covered=how != adoptions.GONE,
                leaving=state == model.ClaimState.RELEASING.value,
            )
        )
    return handles


def _deployable(
    row: models.Deployable,
    device: models.Device,
    hostname: str,
    handles: Sequence[nouns.AttachHandle],
) -> nouns.Deployable:
    return nouns.Deployable(
        id=row.id,
        uuid=row.uuid,
        name=row.name,
        hostname=hostname,
        device_id=device.id,
        device_uuid=device.uuid,
        device_address=model.PciAddress.parse(device.pci_address),
        driver=device.driver,
        vendor=device.vendor,
        family=device.family,
        vendor_id=device.vendor_id,
        product_id=device.product_id,
        device_status=model.DeviceStatus(device.status),
        health=model.Health(device.health),
        health_reason=device.health_reason,
        numa_node=device.numa_node,
        region_id=row.region_id,
        resource_class=row.resource_class,
        rp_name=row.rp_name,
        rp_uuid=row.rp_uuid,
        rp_fixed=row.rp_fixed,
        state=model.DeployableState(row.state),
        function_id=row.function_id,
        bitstream_id=row.bitstream_id,
        bitstream_private=row.bitstream_private,
        wipe_pending=row.wipe_pending,
        wipe_levels=tuple(map(model.WipeLevel, row.wipe_levels.split())),
        wipe_at_least=model.WipeLevel(row.wipe_at_least or 'none'),
        fence=row.fence,
        program_fixed=row.program_fixed,
        program_rate=row.program_rate,
        last_used=row.last_used,
        handles=tuple(handles),
        added_traits=tuple(row.added_traits.split()),
        driver_traits=tuple(device.traits.split()),
        created_at=engine.iso(row.created_at),
        updated_at=engine.iso(row.updated_at),
    )
