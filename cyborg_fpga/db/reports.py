"""Make an agent's report what we know of its host, in one transaction.

What the report does not say stays: a card that is missing is marked lost,
never deleted while anything on it is claimed; an operator's ``maintaining``
and a quarantine survive every report.
"""

import json
from typing import Any

import sqlalchemy as sa
from oslo_log import log as logging
from oslo_utils import uuidutils

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.db import clock
from cyborg_fpga.db import engine
from cyborg_fpga.db import models

LOG = logging.getLogger(__name__)


@engine.writer
def store(
    ctx: context.RequestContext, report: model.HostReport, layout: model.Layout
) -> dict[str, int]:
    """Store *report*; *layout* is what a new host gets.

    Placement must be told afterwards (the host is marked so).

    :returns: Fences higher than reported, by deployable name.
    :raises errors.StaleReport: A newer boot or sequence is stored.
    """
    host_id = _lock_host(ctx, report, layout)
    known = {
        row.pci_address: row
        for row in ctx.session.execute(
            sa.select(models.Device).where(models.Device.host_id == host_id)
        ).scalars()
    }
    regions = _regions(ctx, host_id)
    fences: dict[str, int] = {}
    for device in report.devices:
        row_id = _store_device(
            ctx, host_id, device, known.pop(str(device.pci_address), None)
        )
        seen = set()
        for region in device.deployables:
            seen.add(region.name)
            fence = _store_region(
                ctx, host_id, row_id, region, regions.get(region.name)
            )
            if fence > region.fence:
                fences[region.name] = fence
        _lose_regions(ctx, row_id, seen, regions)
    for row in known.values():
        _lose_device(ctx, row)
    return fences


def _lock_host(
    ctx: context.RequestContext, report: model.HostReport, layout: model.Layout
) -> int:
    """Take the host's row, refuse an older report; return its id."""
    newer = sa.or_(
        models.Host.boot_id < report.boot_id,
        sa.and_(
            models.Host.boot_id == report.boot_id,
            models.Host.report_sequence < report.sequence,
        ),
    )
    values: dict[str, Any] = {
        'boot_id': report.boot_id,
        'report_sequence': report.sequence,
        'report_digest': report.digest,
        'last_seen': clock.now(),
        'up': True,
        'placement_stale': True,
    }
    taken = engine.change(
        ctx,
        sa.update(models.Host)
        .where(models.Host.hostname == report.hostname)
        .where(newer)
        .values(**values),
    )
    find = sa.select(models.Host.id).where(
        models.Host.hostname == report.hostname
    )
    host_id = ctx.session.execute(find).scalar_one_or_none()
    if taken and host_id is not None:
        return host_id
    if host_id is not None:
        raise errors.StaleReport(hostname=report.hostname)
    ctx.session.execute(
        sa.insert(models.Host).values(
            uuid=uuidutils.generate_uuid(),
            hostname=report.hostname,
            layout=layout.value,
            rp_name=report.resource_provider_name,
            **values,
        )
    )
    return int(ctx.session.execute(find).scalar_one())


def _regions(ctx: context.RequestContext, host_id: int) -> dict[str, Any]:
    """By name: (row, its handle rows)."""
    rows = ctx.session.execute(
        sa.select(models.Deployable, models.AttachHandle)
        .outerjoin(
            models.AttachHandle,
            models.AttachHandle.deployable_id == models.Deployable.id,
        )
        .where(models.Deployable.host_id == host_id)
    )
    found: dict[str, Any] = {}
    for region, handle in rows:
        entry = found.setdefault(region.name, (region, []))
        if handle is not None:
            entry[1].append(handle)
    return found


def _store_device(
    ctx: context.RequestContext,
    host_id: int,
    device: model.DeviceReport,
    row: models.Device | None,
) -> int:
    values: dict[str, Any] = {
        'driver': device.driver,
        'vendor': device.vendor,
        'vendor_id': device.vendor_id,
        'product_id': device.product_id,
        'family': device.family,
        'model': device.model,
        'serial': device.serial,
        'numa_node': device.numa_node,
        'attributes': json.dumps(dict(device.attributes), sort_keys=True),
    }
    if row is None:
        address = str(device.pci_address)
        ctx.session.execute(
            sa.insert(models.Device).values(
                uuid=uuidutils.generate_uuid(),
                host_id=host_id,
                pci_address=address,
                health=device.health.value,
                **values,
            )
        )
        return int(
            ctx.session.execute(
                sa.select(models.Device.id)
                .where(models.Device.host_id == host_id)
                .where(models.Device.pci_address == address)
            ).scalar_one()
        )
    if row.health != model.Health.QUARANTINED:
        # Failed programmings keep a card suspect until one succeeds.
        suspect = row.failures > 0
        values['health'] = (
            model.Health.SUSPECT.value if suspect else device.health.value
        )
    _update_if_changed(ctx, models.Device, row, values)
    return row.id


def _store_region(
    ctx: context.RequestContext,
    host_id: int,
    device_id: int,
    region: model.DeployableReport,
    known: Any,
) -> int:
    """Store one region and its handles; return the fence it must have."""
    values: dict[str, Any] = {
        'device_id': device_id,
        'region_id': region.region_id,
        'wipe_levels': ' '.join(region.wipe_levels),
        'program_fixed': region.program_fixed,
        'program_rate': region.program_rate,
    }
    if known is None:
        region_pk = _insert_region(ctx, host_id, region, values)
        _store_handles(ctx, host_id, region_pk, region, [])
        return region.fence
    row, handles = known
    # A report from before the record's fence, or from amid an operation,
    # says nothing of what is loaded.
    current = region.fence >= row.fence and not region.busy
    if region.fence > row.fence:
        values['fence'] = region.fence
    if current:
        values.update(_loaded(row, region))
    _update_if_changed(ctx, models.Deployable, row, values)
    _store_handles(ctx, host_id, row.id, region, handles)
    return max(int(row.fence), region.fence)


def _loaded(
    row: models.Deployable, region: model.DeployableReport
) -> dict[str, Any]:
    """What a current report changes in the record of what is loaded."""
    if row.state == model.DeployableState.PROGRAMMING:
        return {}
    values: dict[str, Any] = {}
    if row.state == model.DeployableState.UNKNOWN and region.readable:
        values['state'] = model.DeployableState.IDLE.value
    if region.readable and region.function_id != row.function_id:
        LOG.warning(
            'Deployable %s holds function %s, the record said %s',
            region.name,
            region.function_id,
            row.function_id,
        )
        values.update(
            function_id=region.function_id,
            bitstream_id=None,
            # Whose it is nobody knows: it is cleared when it is released.
            bitstream_private=region.function_id is not None,
        )
    return values


def _insert_region(
    ctx: context.RequestContext,
    host_id: int,
    region: model.DeployableReport,
    values: dict[str, Any],
) -> int:
    ctx.session.execute(
        sa.insert(models.Deployable).values(
            uuid=uuidutils.generate_uuid(),
            host_id=host_id,
            name=region.name,
            state=model.DeployableState.IDLE.value,
            function_id=region.function_id,
            fence=region.fence,
            **values,
        )
    )
    return int(
        ctx.session.execute(
            sa.select(models.Deployable.id)
            .where(models.Deployable.host_id == host_id)
            .where(models.Deployable.name == region.name)
        ).scalar_one()
    )


def _store_handles(
    ctx: context.RequestContext,
    host_id: int,
    region_pk: int,
    region: model.DeployableReport,
    rows: list[models.AttachHandle],
) -> None:
    wanted = {str(address) for address in region.handles}
    for row in rows:
        if row.pci_address in wanted and row.kind == region.handle_kind:
            wanted.discard(row.pci_address)
            _update_if_changed(
                ctx, models.AttachHandle, row, {'present': True}
            )
        else:
            _lose_handle(ctx, row)
    kinds = {row.kind for row in rows if row.claim_id is not None}
    if wanted and kinds - {region.handle_kind.value}:
        LOG.warning(
            'Functions %s of %s are not taken up: it is claimed as %s',
            sorted(wanted),
            region.name,
            sorted(kinds),
        )
        return
    for address in sorted(wanted):
        ctx.session.execute(
            sa.insert(models.AttachHandle).values(
                uuid=uuidutils.generate_uuid(),
                host_id=host_id,
                deployable_id=region_pk,
                pci_address=address,
                kind=region.handle_kind.value,
            )
        )


def _lose_handle(
    ctx: context.RequestContext, row: models.AttachHandle
) -> None:
    """Drop a handle that is gone; a claimed one is only marked absent."""
    gone = (
        sa.delete(models.AttachHandle)
        .where(models.AttachHandle.id == row.id)
        .where(models.AttachHandle.claim_id.is_(None))
    )
    if not engine.change(ctx, gone):
        _update_if_changed(ctx, models.AttachHandle, row, {'present': False})


def _lose_regions(
    ctx: context.RequestContext,
    device_id: int,
    seen: set[str],
    regions: dict[str, Any],
) -> None:
    for name, (row, handles) in regions.items():
        if row.device_id == device_id and name not in seen:
            for handle in handles:
                _lose_handle(ctx, handle)


def _lose_device(ctx: context.RequestContext, row: models.Device) -> None:
    if row.health == model.Health.QUARANTINED:
        return
    if row.health != model.Health.LOST:
        LOG.warning('Card %s is gone', row.pci_address)
    _update_if_changed(
        ctx, models.Device, row, {'health': model.Health.LOST.value}
    )


def _update_if_changed(
    ctx: context.RequestContext, table: Any, row: Any, values: dict[str, Any]
) -> None:
    changed = {k: v for k, v in values.items() if getattr(row, k) != v}
    if changed:
        engine.change(
            ctx, sa.update(table).where(table.id == row.id).values(**changed)
        )
