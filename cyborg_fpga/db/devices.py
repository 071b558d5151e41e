"""Cards."""

import collections
import functools
import json
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
from cyborg_fpga.db import engine
from cyborg_fpga.db import models

# What a card shows, in columns: see engine.page().
_QUERY = sa.select(
    models.Device.uuid,
    models.Host.hostname,
    models.Device.pci_address,
    models.Device.driver,
    models.Device.type,
    models.Device.vendor,
    models.Device.vendor_id,
    models.Device.product_id,
    models.Device.family,
    models.Device.model,
    models.Device.serial,
    models.Device.numa_node,
    models.Device.status,
    models.Device.health,
    models.Device.failures,
    models.Device.health_reason,
    models.Device.attributes,
    models.Device.created_at,
    models.Device.updated_at,
).join(models.Host, models.Host.id == models.Device.host_id)
_FIELDS = tuple(_QUERY.selected_columns.keys())
# MariaDB would copy the cards of all hosts to find the first of a page.
_ALL = _QUERY.prefix_with('STRAIGHT_JOIN', dialect='mysql')


@engine.reader
def get(ctx: context.RequestContext, uuid: str) -> nouns.Device:
    """:raises errors.NotFound: No such card."""
    row = ctx.session.execute(
        _QUERY.where(models.Device.uuid == uuid)
    ).one_or_none()
    if row is None:
        raise errors.NotFound(kind='device', ident=uuid)
    return _device(row)


@engine.column_reader
def list_page(
    ctx: context.RequestContext,
    *,
    filters: Mapping[str, Any],
    limit: int,
    marker: str | None = None,
    sort_key: str = 'created_at',
    sort_dir: str = 'asc',
) -> list[nouns.Device]:
    rows = engine.page(
        ctx,
        _QUERY if 'hostname' in filters else _ALL,
        models.Device,
        where=[_column(name) == value for name, value in filters.items()],
        limit=limit,
        marker=marker,
        sort_key=_column(sort_key),
        sort_dir=sort_dir,
        columns=True,
    )
    return [_device(row) for row in rows]


@engine.writer
def update(
    ctx: context.RequestContext,
    uuid: str,
    *,
    status: model.DeviceStatus | None = None,
    health: model.Health | None = None,
) -> None:
    """Store an operator's word; Placement is told by the next sync.

    ``health=ok`` ends a quarantine and forgets the failures; what the agent
    sees of the card is taken from its next report.

    :raises errors.NotFound: No such card.
    """
    values: dict[str, Any] = {}
    if status is not None:
        values['status'] = status.value
    if health is not None:
        values.update(health=health.value, health_reason='', failures=0)
    if not engine.change(
        ctx,
        sa.update(models.Device)
        .where(models.Device.uuid == uuid)
        .values(**values),
    ):
        raise errors.NotFound(kind='device', ident=uuid)
    touch_host(
        ctx,
        sa.select(models.Device.host_id).where(models.Device.uuid == uuid),
        reread=health is not None,
    )


def touch_host(
    ctx: context.RequestContext,
    host_ids: Any,
    *,
    reread: bool = False,
) -> None:
    """Inside a transaction: have Placement told of the hosts of a subquery.

    *reread*: its next report is read whole, even if it did not change.
    """
    values: dict[str, Any] = {'placement_stale': True}
    if reread:
        values['report_digest'] = None
    engine.change(
        ctx,
        sa.update(models.Host)
        .where(models.Host.id.in_(host_ids))
        .values(**values),
    )


def touch_shared(
    ctx: context.RequestContext,
    host_id: int,
    handles: Iterable[Any],
    taken: Collection[int],
) -> None:
    """Inside a transaction: some of *handles* were taken just now.

    What is left of a deployable then cannot be programmed any more, and may
    be for its holder alone: Placement must be told. Of one with a single
    handle nothing is left.

    :param handles: Rows of attach handles, all of each of *taken*.
    :param taken: Deployables (row ids).
    """
    several = collections.Counter(h.deployable_id for h in handles)
    if any(several[region_id] > 1 for region_id in taken):
        touch_host(ctx, [host_id])


def _column(name: str) -> Any:
    return getattr(models.Host if name == 'hostname' else models.Device, name)


def _device(row: Sequence[Any]) -> nouns.Device:
    shown = dict(zip(_FIELDS, row, strict=True))
    shown['pci_address'] = model.PciAddress.parse(shown['pci_address'])
    shown['status'] = model.DeviceStatus(shown['status'])
    shown['health'] = model.Health(shown['health'])
    shown['attributes'] = _attributes(shown['attributes'])
    shown['created_at'] = engine.iso(shown['created_at'])
    shown['updated_at'] = engine.iso(shown['updated_at'])
    return nouns.Device(**shown)


@functools.lru_cache(4096)
def _attributes(text: str) -> Mapping[str, str]:
    """Most cards have those of others of their kind."""
    found: dict[str, str] = json.loads(text)
    return found
