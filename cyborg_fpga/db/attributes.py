"""Facts about deployables under Cyborg's names: our records', and others
that administrators gave them.
"""

import collections
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from oslo_utils import uuidutils

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import nouns
from cyborg_fpga.db import devices
from cyborg_fpga.db import engine
from cyborg_fpga.db import models

#: Keys that begin so have a trait for their value.
TRAIT = 'trait'
#: The key of the resource class.
CLASS = 'rc'

_ATTRIBUTE = models.Attribute
_DEPLOYABLE = models.Deployable

#: (key, value).
Fact = tuple[str, str]


@engine.reader
def get(ctx: context.RequestContext, uuid: str) -> nouns.Attribute:
    """:raises errors.NotFound: No such attribute."""
    return _attribute(_one(ctx, uuid))


@engine.reader
def list_page(
    ctx: context.RequestContext,
    *,
    filters: Mapping[str, Any],
    limit: int,
    marker: str | None = None,
    sort_key: str = 'created_at',
    sort_dir: str = 'asc',
) -> list[nouns.Attribute]:
    rows = engine.page(
        ctx,
        sa.select(_ATTRIBUTE),
        _ATTRIBUTE,
        where=[getattr(_ATTRIBUTE, k) == v for k, v in filters.items()],
        limit=limit,
        marker=marker,
        sort_key=getattr(_ATTRIBUTE, sort_key),
        sort_dir=sort_dir,
    )
    return [_attribute(row[0]) for row in rows]


@engine.reader
def of_deployables(
    ctx: context.RequestContext, ids: Collection[int]
) -> dict[int, list[Fact]]:
    """Keys and values by deployable, the reported ones first."""
    found = collections.defaultdict(list)
    for row in ctx.session.execute(
        sa.select(_ATTRIBUTE.deployable_id, _ATTRIBUTE.key, _ATTRIBUTE.value)
        .where(_ATTRIBUTE.deployable_id.in_(ids))
        .order_by(_ATTRIBUTE.reported.desc(), _ATTRIBUTE.id)
    ):
        found[row.deployable_id].append((row.key, row.value))
    return dict(found)


@engine.writer
def create(
    ctx: context.RequestContext,
    uuid: str,
    *,
    deployable: int | str,
    key: str,
    value: str,
) -> nouns.Attribute:
    """Give a deployable a fact that no report takes away.

    Placement is told of a trait by the next sync.

    :param deployable: Its row id or its uuid.
    :raises errors.NotFound: No such deployable.
    """
    column = _DEPLOYABLE.id if isinstance(deployable, int) else (
        _DEPLOYABLE.uuid
    )  # fmt: skip
    region = ctx.session.execute(
        sa.select(_DEPLOYABLE.id).where(column == deployable).with_for_update()
    ).scalar_one_or_none()
    if region is None:
        raise errors.NotFound(kind='deployable', ident=deployable)
    ctx.session.execute(
        sa.insert(_ATTRIBUTE).values(
            uuid=uuid, deployable_id=region, key=key, value=value
        )
    )
    _tell(ctx, region, key)
    return _attribute(_one(ctx, uuid))


@engine.writer
def delete(ctx: context.RequestContext, uuid: str) -> None:
    """Take away what :func:`create` gave.

    :raises errors.NotFound: No such attribute.
    :raises errors.WrongState: It was not given, it follows from records.
    """
    row = _one(ctx, uuid)
    if row.reported:
        raise errors.WrongState(
            kind='Attribute',
            ident=row.key,
            state='reported',
            reason='it would come back with the next report.',
        )
    ctx.session.execute(
        sa.select(_DEPLOYABLE.id)
        .where(_DEPLOYABLE.id == row.deployable_id)
        .with_for_update()
    )
    engine.change(ctx, sa.delete(_ATTRIBUTE).where(_ATTRIBUTE.id == row.id))
    _tell(ctx, row.deployable_id, row.key)


@engine.writer
def report(
    ctx: context.RequestContext, wanted: Mapping[int, Sequence[Fact]]
) -> int:
    """Make *wanted*, by deployable, what is reported of these deployables.

    :returns: How many facts came or went: nothing else is written.
    """
    # One at a time for each deployable, or two would both add the same.
    ctx.session.execute(
        sa.select(_DEPLOYABLE.id)
        .where(_DEPLOYABLE.id.in_(wanted))
        .order_by(_DEPLOYABLE.id)
        .with_for_update()
    )
    known = {
        (row.deployable_id, row.key): row
        for row in ctx.session.execute(
            sa.select(
                _ATTRIBUTE.id,
                _ATTRIBUTE.deployable_id,
                _ATTRIBUTE.key,
                _ATTRIBUTE.value,
            )
            .where(_ATTRIBUTE.deployable_id.in_(wanted))
            .where(_ATTRIBUTE.reported.is_(True))
        )
    }
    facts = {
        (region, key): value
        for region in wanted
        for key, value in wanted[region]
    }
    gone = [row.id for fact, row in known.items() if fact not in facts]
    if gone:
        engine.change(
            ctx, sa.delete(_ATTRIBUTE).where(_ATTRIBUTE.id.in_(gone))
        )
    changed = 0
    for fact, value in facts.items():
        changed += _store(ctx, fact, value, known.get(fact))
    return len(gone) + changed


def _store(
    ctx: context.RequestContext, fact: tuple[int, str], value: str, row: Any
) -> bool:
    """Write one reported fact; whether there was anything to write."""
    if row is None:
        ctx.session.execute(
            sa.insert(_ATTRIBUTE).values(
                uuid=uuidutils.generate_uuid(),
                deployable_id=fact[0],
                key=fact[1],
                value=value,
                reported=True,
            )
        )
    elif row.value != value:
        engine.change(
            ctx,
            sa.update(_ATTRIBUTE)
            .where(_ATTRIBUTE.id == row.id)
            .values(value=value),
        )
    else:
        return False
    return True


def _tell(ctx: context.RequestContext, region: int, key: str) -> None:
    """Keep the deployable's traits in step with its attributes."""
    if not key.startswith(TRAIT):
        return
    traits = ctx.session.execute(
        sa.select(_ATTRIBUTE.value)
        .where(_ATTRIBUTE.deployable_id == region)
        .where(_ATTRIBUTE.reported.is_(False))
        .where(_ATTRIBUTE.key.startswith(TRAIT, autoescape=True))
    ).scalars()
    engine.change(
        ctx,
        sa.update(_DEPLOYABLE)
        .where(_DEPLOYABLE.id == region)
        .values(added_traits=' '.join(sorted(set(traits)))),
    )
    devices.touch_host(
        ctx, sa.select(_DEPLOYABLE.host_id).where(_DEPLOYABLE.id == region)
    )


def _one(ctx: context.RequestContext, uuid: str) -> models.Attribute:
    row = ctx.session.execute(
        sa.select(_ATTRIBUTE).where(_ATTRIBUTE.uuid == uuid)
    ).scalar_one_or_none()
    if row is None:
        raise errors.NotFound(kind='attribute', ident=uuid)
    return row


def _attribute(row: models.Attribute) -> nouns.Attribute:
    return nouns.Attribute(
        uuid=row.uuid,
        deployable_id=row.deployable_id,
        key=row.key,
        value=row.value,
        reported=row.reported,
        created_at=engine.iso(row.created_at),
        updated_at=engine.iso(row.updated_at),
    )
