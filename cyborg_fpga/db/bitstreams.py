"""The catalogue: cached metadata of Glance images tagged ``FPGA``."""

import collections
import dataclasses
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import nouns
from cyborg_fpga.db import engine
from cyborg_fpga.db import models

_FIELDS = tuple(f.name for f in dataclasses.fields(nouns.Bitstream))


@engine.writer
def upsert(
    ctx: context.RequestContext, rows: Sequence[nouns.Bitstream]
) -> int:
    """Store *rows*; how many were new or differed (others cost no write)."""
    known = {
        row.uuid: row
        for row in ctx.session.execute(
            sa.select(models.Bitstream).where(
                models.Bitstream.uuid.in_([row.uuid for row in rows])
            )
        ).scalars()
    }
    new, changed = [], 0
    for row in rows:
        old = known.get(row.uuid)
        if old is not None and _bitstream(old) == row:
            continue
        changed += 1
        values = {name: getattr(row, name) for name in _FIELDS}
        if old is None:
            new.append(values)
        else:
            engine.change(
                ctx,
                sa.update(models.Bitstream)
                .where(models.Bitstream.id == old.id)
                .values(**values),
            )
    if new:
        ctx.session.execute(sa.insert(models.Bitstream).values(new))
    if changed:
        _tell_all(ctx)
    return changed


@engine.writer
def forget(ctx: context.RequestContext, image_uuids: Sequence[str]) -> int:
    """Drop images that are no longer offered; how many there were."""
    gone = engine.change(
        ctx,
        sa.delete(models.Bitstream).where(
            models.Bitstream.uuid.in_(image_uuids)
        ),
    )
    if gone:
        _tell_all(ctx)
    return gone


def _tell_all(ctx: context.RequestContext) -> None:
    """What can be had changed: compare every host with Placement.

    In the same transaction, or a crash in between would hide the change.
    """
    engine.change(
        ctx,
        sa.update(models.Host)
        .where(models.Host.placement_stale.is_(False))
        .values(placement_stale=True),
    )


@engine.reader
def get(ctx: context.RequestContext, uuid: str) -> nouns.Bitstream:
    """:raises errors.NotFound: Not in the catalogue (see Glance)."""
    row = ctx.session.execute(
        sa.select(models.Bitstream).where(models.Bitstream.uuid == uuid)
    ).scalar_one_or_none()
    if row is None:
        raise errors.NotFound(kind='bitstream', ident=uuid)
    return _bitstream(row)


@engine.reader
def some(
    ctx: context.RequestContext, uuids: Collection[str]
) -> list[nouns.Bitstream]:
    """Those of *uuids* that are in the catalogue."""
    query = sa.select(models.Bitstream).where(models.Bitstream.uuid.in_(uuids))
    return [_bitstream(row) for row in ctx.session.execute(query).scalars()]


@engine.reader
def list_page(
    ctx: context.RequestContext,
    *,
    filters: Mapping[str, Any],
    limit: int,
    marker: str | None = None,
    sort_key: str = 'created_at',
    sort_dir: str = 'asc',
) -> list[nouns.Bitstream]:
    """``project_id``: what that project may use; leave it out for all.
    Other projects' community images are among it only where ``visibility``
    asks for them: anybody may call one like a public image.

    ``fits``: what is made for regions like that deployable.
    """
    asked = dict(filters)
    query = sa.select(models.Bitstream)
    if 'project_id' in asked:
        query = query.where(
            _visible(asked.pop('project_id'), asked.get('visibility'))
        )
    if 'fits' in asked:
        query = query.where(_made_for(asked.pop('fits')))
    rows = engine.page(
        ctx,
        query,
        models.Bitstream,
        where=[getattr(models.Bitstream, k) == v for k, v in asked.items()],
        limit=limit,
        marker=marker,
        sort_key=getattr(models.Bitstream, sort_key),
        sort_dir=sort_dir,
    )
    return [_bitstream(row[0]) for row in rows]


def offered(
    ctx: context.RequestContext,
    project_id: str | None,
    column: str,
    value: str,
) -> list[nouns.Bitstream]:
    """:func:`offers` of one."""
    asked = (column, value)
    return offers(ctx, project_id, [asked])[asked]


@engine.reader
def offers(
    ctx: context.RequestContext,
    project_id: str | None,
    asked: Collection[tuple[str, str]],
) -> dict[tuple[str, str], list[nouns.Bitstream]]:
    """Usable bitstreams for a project, by a column and its value: its own
    first, then the most recent.

    Images that are merely shared with the project are not among them, nor
    are community images: those are claimed by their uuid. One statement
    whatever the number of *asked*.
    """
    values = collections.defaultdict(list)
    for column, value in asked:
        values[getattr(models.Bitstream, column)].append(value)
    rows = ctx.session.execute(
        sa.select(models.Bitstream)
        .where(sa.or_(*(key.in_(values[key]) for key in values)))
        .where(models.Bitstream.usable.is_(True))
        .where(_offered(project_id))
        .order_by(
            sa.case((models.Bitstream.owner == project_id, 0), else_=1),
            models.Bitstream.id.desc(),
        )
    ).scalars()
    found = [_bitstream(row) for row in rows]
    # To MariaDB AES is aes.
    return {
        (column, value): [i for i in found if getattr(i, column) == value]
        for column, value in asked
    }


@engine.reader
def public(
    ctx: context.RequestContext,
    named: Collection[str] | None = None,
    *,
    region_ids: Collection[str] | None = None,
) -> list[nouns.Bitstream]:
    """Usable bitstreams that everybody may use: what traits are made of.

    :param named: Only images and functions with these uuids.
    :param region_ids: Only those made for one of these: of ten thousand a
        host can use a few.
    """
    query = (
        sa.select(models.Bitstream)
        .where(models.Bitstream.public.is_(True))
        .where(models.Bitstream.usable.is_(True))
        .order_by(models.Bitstream.id)
    )
    if named is not None:
        query = query.where(
            sa.or_(
                models.Bitstream.uuid.in_(named),
                models.Bitstream.function_id.in_(named),
            )
        )
    if region_ids is not None:
        query = query.where(models.Bitstream.region_id.in_(region_ids))
    rows = ctx.session.execute(query).scalars()
    return [_bitstream(row) for row in rows]


@engine.reader
def types(
    ctx: context.RequestContext,
    project_id: str | None,
    *,
    limit: int | None = None,
    marker: str | None = None,
) -> list[tuple[str, int]]:
    """Accelerator types that a project (None: anybody) can claim, with the
    number of bitstreams for each, by name.

    :param marker: Those behind this one.
    """
    query = (
        sa.select(models.Bitstream.type, sa.func.count())
        .where(models.Bitstream.usable.is_(True))
        .where(models.Bitstream.type.is_not(None))
        .group_by(models.Bitstream.type)
        .order_by(models.Bitstream.type)
        .limit(limit)
    )
    if project_id is not None:
        query = query.where(_offered(project_id))
    if marker is not None:
        query = query.where(models.Bitstream.type > marker)
    return [(str(row[0]), int(row[1])) for row in ctx.session.execute(query)]


@engine.reader
def sweep_page(
    ctx: context.RequestContext, after: str | None, limit: int
) -> list[str]:
    """Image uuids in order, those behind *after*."""
    query = sa.select(models.Bitstream.uuid).order_by(models.Bitstream.uuid)
    if after is not None:
        query = query.where(models.Bitstream.uuid > after)
    return list(ctx.session.execute(query.limit(limit)).scalars())


@engine.reader
def recorded(
    ctx: context.RequestContext, image_uuids: Sequence[str]
) -> list[str]:
    """Those of the images that are in the catalogue."""
    query = sa.select(models.Bitstream.uuid).where(
        models.Bitstream.uuid.in_(image_uuids)
    )
    return list(ctx.session.execute(query).scalars())


@engine.reader
def cursor(ctx: context.RequestContext, name: str) -> str | None:
    """The value kept under *name*, None before the first."""
    return ctx.session.execute(
        sa.select(models.Cursor.value).where(models.Cursor.name == name)
    ).scalar_one_or_none()


@engine.writer
def set_cursor(
    ctx: context.RequestContext, name: str, value: str | None
) -> None:
    if not engine.change(
        ctx,
        sa.update(models.Cursor)
        .where(models.Cursor.name == name)
        .values(value=value),
    ):
        ctx.session.execute(
            sa.insert(models.Cursor).values(name=name, value=value)
        )


def _offered(project_id: str | None) -> Any:
    """What serves a claim by type. Not community images: anybody may make
    those, and so decide what strangers get.
    """
    return sa.or_(
        models.Bitstream.public.is_(True),
        models.Bitstream.owner == project_id,
    )


def _made_for(region: nouns.Deployable | nouns.RegionKind) -> Any:
    """As ``conductor.choice.fits`` has it."""
    return sa.and_(
        models.Bitstream.region_id.is_not(None),
        models.Bitstream.region_id == region.region_id,
        sa.or_(
            models.Bitstream.vendor.is_(None),
            models.Bitstream.vendor == region.vendor,
        ),
        sa.or_(
            sa.true() if not region.family else sa.false(),
            models.Bitstream.family.is_(None),
            models.Bitstream.family == region.family,
        ),
    )


def _visible(project_id: str | None, visibility: str | None) -> Any:
    everybodys = {'public'} | ({'community'} & {visibility})
    return sa.or_(
        models.Bitstream.visibility.in_(everybodys),
        models.Bitstream.public.is_(True),
        models.Bitstream.owner == project_id,
    )


def _bitstream(row: models.Bitstream) -> nouns.Bitstream:
    return nouns.Bitstream(**{name: getattr(row, name) for name in _FIELDS})
