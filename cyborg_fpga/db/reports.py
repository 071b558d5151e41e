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
from cyborg_fpga.db import cached
from cyborg_fpga.db import clock
from cyborg_fpga.db import engine
from cyborg_fpga.db import handles
from cyborg_fpga.db import matching
from cyborg_fpga.db import models

LOG = logging.getLogger(__name__)

_REASON_LIMIT = 1024
_FAILED = 'an operation on it failed'
_UNSEEN = 'the last report of its agent does not have it'


@engine.writer
def store(
    ctx: context.RequestContext, report: model.HostReport, layout: model.Layout
) -> dict[str, int]:
    """Store *report*; *layout* is what a new host gets.

    Placement must be told afterwards (the host is marked so).

    :returns: Fences higher than reported, by deployable name.
    :raises errors.StaleReport: A newer boot or sequence is stored.
    """
    host_id, told, fresh = _find_host(ctx, report, layout)
    cards = _cards(ctx, host_id)
    regions, known = _regions(ctx, host_id)
    held = matching.match(ctx, report, cards, regions, known)
    lost = cards.keys() - {
        str(device.pci_address) for device in report.devices
    }
    kept = handles.lose(
        ctx, held, report, {cards[address].id for address in lost}
    )
    fences: dict[str, int] = {}
    for device in report.devices:
        card_id = _store_device(
            ctx, host_id, device, cards.get(str(device.pci_address))
        )
        for region in device.deployables:
            region_id, fence = _store_region(
                ctx, host_id, card_id, region, regions.get(region.name)
            )
            handles.take_up(ctx, host_id, region_id, region, kept)
            if fence > region.fence:
                fences[region.name] = fence
    for address in sorted(lost):
        _lose_device(ctx, cards[address])
    cached.store(ctx, host_id, report, told)
    if not fresh:
        _advance_host(ctx, report)
    return fences


def _values(report: model.HostReport) -> dict[str, Any]:
    return {
        'rp_name': report.resource_provider_name,
        'boot_id': report.boot_id,
        'report_sequence': report.sequence,
        'report_digest': report.digest,
        'last_seen': clock.now(),
        'up': True,
        'placement_stale': True,
        'cache': json.dumps(dict(report.cache), sort_keys=True),
        'cached_digest': cached.digest(report),
    }


def _find_host(
    ctx: context.RequestContext, report: model.HostReport, layout: model.Layout
) -> tuple[int, str | None, bool]:
    """The host's row id, its cache's digest, whether it is new."""
    find = sa.select(
        models.Host.id,
        models.Host.boot_id,
        models.Host.report_sequence,
        models.Host.cached_digest,
    ).where(models.Host.hostname == report.hostname)
    host = ctx.session.execute(find).one_or_none()
    if host is None and matching.rename_host(ctx, report):
        host = ctx.session.execute(find).one()
    if host is not None:
        # Early, for its price; :func:`_advance_host` decides.
        if (host.boot_id, host.report_sequence) >= (
            report.boot_id,
            report.sequence,
        ):
            raise errors.StaleReport(hostname=report.hostname)
        return host.id, host.cached_digest, False
    ctx.session.execute(
        sa.insert(models.Host).values(
            uuid=uuidutils.generate_uuid(),
            hostname=report.hostname,
            layout=layout.value,
            **_values(report),
        )
    )
    return int(ctx.session.execute(find).one().id), None, True


def _advance_host(
    ctx: context.RequestContext, report: model.HostReport
) -> None:
    """Make *report* the host's last, unless a newer one was faster.

    Last, since releases and outcomes lock the host's row last too.
    """
    engine.change(
        ctx,
        sa.update(models.Host)
        .where(models.Host.hostname == report.hostname)
        .where(models.Host.rp_name != report.resource_provider_name)
        # An operator corrected it: to be looked up anew.
        .values(rp_uuid=None, placement_digest=None),
    )
    newer = sa.or_(
        models.Host.boot_id < report.boot_id,
        sa.and_(
            models.Host.boot_id == report.boot_id,
            models.Host.report_sequence < report.sequence,
        ),
    )
    if not engine.change(
        ctx,
        sa.update(models.Host)
        .where(models.Host.hostname == report.hostname)
        .where(newer)
        .values(**_values(report)),
    ):
        raise errors.StaleReport(hostname=report.hostname)


def _cards(
    ctx: context.RequestContext, host_id: int
) -> dict[str, models.Device]:
    """By address, locked: no claim on any of them can come in between."""
    rows = ctx.session.execute(
        sa.select(models.Device)
        .where(models.Device.host_id == host_id)
        .order_by(models.Device.id)
        .with_for_update()
    ).scalars()
    return {row.pci_address: row for row in rows}


def _regions(
    ctx: context.RequestContext, host_id: int
) -> tuple[
    dict[str, models.Deployable],
    list[tuple[models.Deployable, models.AttachHandle]],
]:
    """By name, locked against operations; and each handle with its region."""
    rows = ctx.session.execute(
        sa.select(models.Deployable, models.AttachHandle)
        .outerjoin(
            models.AttachHandle,
            models.AttachHandle.deployable_id == models.Deployable.id,
        )
        .where(models.Deployable.host_id == host_id)
        .order_by(models.Deployable.id)
        .with_for_update(of=models.Deployable)
    ).all()
    return (
        {region.name: region for region, _ in rows},
        [(region, handle) for region, handle in rows if handle is not None],
    )


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
        'traits': ' '.join(sorted(set(device.traits))),
    }
    if row is None:
        address = str(device.pci_address)
        ctx.session.execute(
            sa.insert(models.Device).values(
                uuid=uuidutils.generate_uuid(),
                host_id=host_id,
                pci_address=address,
                health=device.health.value,
                health_reason=device.health_reason[:_REASON_LIMIT],
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
        values.update(_health(row, device))
    engine.change_row(ctx, row, values)
    return row.id


def _health(row: models.Device, device: model.DeviceReport) -> dict[str, str]:
    health, reason = device.health, device.health_reason
    # Failed programmings keep a card suspect until one succeeds.
    suspect = row.failures > 0
    if suspect and health is model.Health.OK:
        health, reason = model.Health.SUSPECT, _FAILED
        if row.health == model.Health.SUSPECT:
            reason = row.health_reason
    return {'health': health.value, 'health_reason': reason[:_REASON_LIMIT]}


def _store_region(
    ctx: context.RequestContext,
    host_id: int,
    device_id: int,
    region: model.DeployableReport,
    row: models.Deployable | None,
) -> tuple[int, int]:
    """Store one region; its row id and the fence it must have."""
    values: dict[str, Any] = {
        'device_id': device_id,
        'region_id': region.region_id,
        'wipe_levels': ' '.join(region.wipe_levels),
        'program_fixed': region.program_fixed,
        'program_rate': region.program_rate,
    }
    if row is None:
        region_id = _insert_region(ctx, host_id, region, values)
        return region_id, region.fence
    if region.region_id is None and not region.readable:
        # A guest has all of the card: what was known of it still holds.
        for name in ('region_id', 'wipe_levels'):
            del values[name]
    # A report from before the record's fence, or from amid an operation,
    # says nothing of what is loaded.
    current = region.fence >= row.fence and not region.busy
    programming = row.state == model.DeployableState.PROGRAMMING
    # An operation ends under the fence it began with.
    if region.fence > row.fence and not programming:
        values['fence'] = region.fence
    if current and not programming:
        values.update(_loaded(row, region))
    engine.change_row(ctx, row, values)
    return row.id, max(row.fence, region.fence)


def _loaded(
    row: models.Deployable, region: model.DeployableReport
) -> dict[str, Any]:
    """What a current report changes in the record of what is loaded."""
    values: dict[str, Any] = {}
    if row.state == model.DeployableState.UNKNOWN:
        values['state'] = model.DeployableState.IDLE.value
        if not region.readable:
            # A failed load leaves the port in reset until another succeeds:
            # nothing but another one makes it readable.
            values['wipe_pending'] = True
    if region.readable and region.function_id != row.function_id:
        LOG.warning(
            'Deployable %s holds function %s, the record said %s',
            region.name,
            region.function_id,
            row.function_id,
        )
        values.update(
            function_id=region.function_id,
            # Left by somebody: whose state it holds nobody knows.
            wipe_pending=row.wipe_pending or region.function_id is not None,
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
            # Left by somebody: whose state it holds nobody knows.
            wipe_pending=region.function_id is not None,
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


def _lose_device(ctx: context.RequestContext, row: models.Device) -> None:
    if row.health == model.Health.QUARANTINED:
        return
    if row.health != model.Health.LOST:
        LOG.warning('Card %s is gone', row.pci_address)
    engine.change_row(
        ctx,
        row,
        {'health': model.Health.LOST.value, 'health_reason': _UNSEEN},
    )
