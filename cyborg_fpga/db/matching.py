"""Find in a report what was imported of its host. In its transaction.

An imported deployable has the name that another service gave it, its
provider's, and so waits for the first report of its card: from then on it has
the agent's.
"""

from collections.abc import Mapping
from collections.abc import Sequence

import sqlalchemy as sa
from oslo_log import log as logging
from oslo_utils import uuidutils

from cyborg_fpga import context
from cyborg_fpga import model
from cyborg_fpga.db import engine
from cyborg_fpga.db import models

LOG = logging.getLogger(__name__)

#: Each handle with its deployable.
Held = Sequence[tuple[models.Deployable, models.AttachHandle]]


def rename_host(ctx: context.RequestContext, report: model.HostReport) -> bool:
    """Call by its agent's name a host that was imported by its provider's.

    Only one of which nobody has reported.
    """
    names = {report.hostname, report.resource_provider_name}
    return len(names) > 1 and bool(
        engine.change(
            ctx,
            sa.update(models.Host)
            .where(models.Host.hostname == report.resource_provider_name)
            .where(models.Host.boot_id == 0)
            .values(hostname=report.hostname),
        )
    )


def match(
    ctx: context.RequestContext,
    report: model.HostReport,
    cards: Mapping[str, models.Device],
    regions: dict[str, models.Deployable],
    held: Held,
) -> Held:
    """Give waiting deployables the names of those that have their handles.

    Where several have those of one, they share its provider.

    :param cards: By address; *regions*, by name, gains the new names.
    :returns: *held*, each handle with the deployable it is of now.
    """
    if not any(map(_waits, regions.values())):
        return held
    for device in report.devices:
        card = cards.get(str(device.pci_address))
        for region in device.deployables:
            if card is not None and region.name not in regions:
                held = _match(ctx, card, region, regions, held)
        if card is not None:
            _match_only(card, device, regions, held)
    ctx.session.flush()
    return held


def _waits(row: models.Deployable) -> bool:
    return row.rp_fixed and row.name == row.rp_name


def _match(
    ctx: context.RequestContext,
    card: models.Device,
    region: model.DeployableReport,
    regions: dict[str, models.Deployable],
    held: Held,
) -> Held:
    addresses = set(map(str, region.handles))
    theirs = [
        (row, handle)
        for row, handle in held
        if row.device_id == card.id
        and row.rp_fixed
        and handle.pci_address in addresses
    ]
    if not theirs:
        return held
    row = theirs[0][0]
    if not _waits(row):
        row = _part_of(ctx, row, region.name)
    moved = {handle.id for _, handle in theirs}
    for _, handle in theirs:
        handle.deployable_id = row.id
        handle.kind = region.handle_kind.value
    held = [
        (row if handle.id in moved else other, handle)
        for other, handle in held
    ]
    _take(row, region, regions, [handle for _, handle in theirs])
    return held


def _match_only(
    card: models.Device,
    device: model.DeviceReport,
    regions: dict[str, models.Deployable],
    held: Held,
) -> None:
    """A card's only deployable is its only one, whatever its handles are."""
    waiting = [
        row
        for row in regions.values()
        if row.device_id == card.id and _waits(row)
    ]
    if len(waiting) == len(device.deployables) == 1:
        mine = [handle for row, handle in held if row is waiting[0]]
        _take(waiting[0], device.deployables[0], regions, mine)


def _part_of(
    ctx: context.RequestContext, whole: models.Deployable, name: str
) -> models.Deployable:
    row = models.Deployable(
        uuid=uuidutils.generate_uuid(),
        host_id=whole.host_id,
        device_id=whole.device_id,
        name=name,
        resource_class=whole.resource_class,
        rp_name=whole.rp_name,
        rp_uuid=whole.rp_uuid,
        rp_fixed=True,
        added_traits=whole.added_traits,
    )
    ctx.session.add(row)
    ctx.session.flush()
    return row


def _take(
    row: models.Deployable,
    region: model.DeployableReport,
    regions: dict[str, models.Deployable],
    handles: Sequence[models.AttachHandle],
) -> None:
    LOG.info('Deployable %s is %s', row.name, region.name)
    row.name = region.name
    if region.readable:
        row.function_id = region.function_id
    # Left by somebody: whose state it holds nobody knows.
    row.wipe_pending = row.function_id is not None and not any(
        handle.claim_id for handle in handles
    )
    regions[region.name] = row
