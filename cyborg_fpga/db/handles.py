"""Attach handles as a report brings and takes them. Inside its transaction.

A PCI function of a host is one handle. One that is claimed stays with its
claim, whatever a report says of it.
"""

from collections.abc import Iterable

import sqlalchemy as sa
from oslo_log import log as logging
from oslo_utils import uuidutils

from cyborg_fpga import context
from cyborg_fpga import model
from cyborg_fpga.db import engine
from cyborg_fpga.db import models

LOG = logging.getLogger(__name__)

_HANDLE = models.AttachHandle


def lose(
    ctx: context.RequestContext,
    held: Iterable[tuple[models.Deployable, models.AttachHandle]],
    report: model.HostReport,
    lost_cards: set[int],
) -> dict[str, models.AttachHandle]:
    """Drop the handles that *report* lacks or has elsewhere.

    Claimed ones are only marked absent; those of lost cards stay as they
    are, unless another card has their address now.

    :returns: What is left, by address.
    """
    places = {
        str(address): (region.name, region.handle_kind.value)
        for device in report.devices
        for region in device.deployables
        for address in region.handles
    }
    left = {}
    for region, row in held:
        place = places.get(row.pci_address)
        away = place is None and region.device_id in lost_cards
        if place == (region.name, row.kind):
            engine.change_row(ctx, row, {'present': True})
        elif not away and _drop(ctx, row):
            continue
        left[row.pci_address] = row
    return left


def _drop(ctx: context.RequestContext, row: models.AttachHandle) -> bool:
    """False: it is claimed, and marked absent."""
    gone = (
        sa.delete(_HANDLE)
        .where(_HANDLE.id == row.id)
        .where(_HANDLE.claim_id.is_(None))
    )
    if engine.change(ctx, gone):
        # SQLite gives its id to the next one.
        ctx.session.expunge(row)
        return True
    engine.change_row(ctx, row, {'present': False})
    return False


def take_up(
    ctx: context.RequestContext,
    host_id: int,
    region_id: int,
    region: model.DeployableReport,
    kept: dict[str, models.AttachHandle],
) -> None:
    """Add the handles that are new; *kept* is what :func:`lose` left.

    Not of a region that somebody holds as the other kind: a physical
    function and its virtual ones are never claimed together.
    """
    wanted = sorted({str(a) for a in region.handles} - kept.keys())
    kinds = {
        row.kind
        for row in kept.values()
        if row.deployable_id == region_id and row.claim_id is not None
    }
    if wanted and kinds - {region.handle_kind.value}:
        LOG.warning(
            'Functions %s of %s are not taken up: it is claimed as %s',
            wanted,
            region.name,
            sorted(kinds),
        )
        return
    for address in wanted:
        row = _HANDLE(
            uuid=uuidutils.generate_uuid(),
            host_id=host_id,
            deployable_id=region_id,
            pci_address=address,
            kind=region.handle_kind.value,
        )
        ctx.session.add(row)
        kept[address] = row
    ctx.session.flush()
