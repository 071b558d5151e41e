"""What instances may ask for by a name."""

import json
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

_PROFILE = models.DeviceProfile


@engine.writer
def create(
    ctx: context.RequestContext,
    uuid: str,
    *,
    name: str,
    groups: Sequence[Mapping[str, str]],
    description: str | None = None,
) -> nouns.DeviceProfile:
    """:raises errors.Duplicate: The name or the uuid is taken."""
    taken = ctx.session.execute(
        sa.select(_PROFILE.name).where(
            sa.or_(_PROFILE.name == name, _PROFILE.uuid == uuid)
        )
    ).scalars()
    for other in taken:
        # Some databases take two spellings of a name for the same.
        same_name = other.lower() == name.lower()
        raise errors.Duplicate(
            kind='device_profile',
            ident=f'with {"name" if same_name else "uuid"} '
            f'{name if same_name else uuid}',
        )
    ctx.session.execute(
        sa.insert(_PROFILE).values(
            uuid=uuid,
            name=name,
            description=description,
            groups=json.dumps([dict(group) for group in groups]),
        )
    )
    return _one(ctx, uuid=uuid)


@engine.reader
def get(ctx: context.RequestContext, uuid: str) -> nouns.DeviceProfile:
    """:raises errors.NotFound: No such profile."""
    return _one(ctx, uuid=uuid)


@engine.reader
def by_name(ctx: context.RequestContext, name: str) -> nouns.DeviceProfile:
    """:raises errors.NotFound: No profile has that name."""
    return _one(ctx, name=name)


def hold(ctx: context.RequestContext, name: str) -> nouns.DeviceProfile:
    """Inside a writer's transaction: keep a profile from being deleted.

    To be called before an ARQ that names it is stored, so that
    :func:`delete` sees the one or this raises.

    :raises errors.NotFound: No profile has that name.
    """
    return _one(ctx, lock=True, name=name)


@engine.reader
def list_page(
    ctx: context.RequestContext,
    *,
    filters: Mapping[str, Any],
    limit: int,
    marker: str | None = None,
    sort_key: str = 'created_at',
    sort_dir: str = 'asc',
) -> list[nouns.DeviceProfile]:
    """``name``: a list of names; those that nothing has are left out."""
    rows = engine.page(
        ctx,
        sa.select(_PROFILE),
        _PROFILE,
        where=[
            getattr(_PROFILE, key).in_(value) for key, value in filters.items()
        ],
        limit=limit,
        marker=marker,
        sort_key=getattr(_PROFILE, sort_key),
        sort_dir=sort_dir,
    )
    return [_profile(row[0]) for row in rows]


@engine.writer
def delete(ctx: context.RequestContext, uuid: str) -> None:
    """Delete a profile that no accelerator request names.

    :raises errors.NotFound: No such profile.
    :raises errors.InUse: Some do.
    """
    found = _one(ctx, lock=True, uuid=uuid)
    users = ctx.session.execute(
        sa.select(sa.func.count())
        .select_from(models.Claim)
        .where(models.Claim.origin == model.Origin.NOVA.value)
        .where(models.Claim.device_profile_name == found.name)
    ).scalar_one()
    if users:
        raise errors.InUse(
            kind='Device profile',
            ident=found.name,
            reason=f'{users} accelerator requests name it.',
        )
    engine.change(ctx, sa.delete(_PROFILE).where(_PROFILE.uuid == uuid))


def _one(
    ctx: context.RequestContext, *, lock: bool = False, **where: str
) -> nouns.DeviceProfile:
    query = sa.select(_PROFILE).filter_by(**where)
    if lock:
        query = query.with_for_update()
    row = ctx.session.execute(query).scalar_one_or_none()
    [(key, value)] = where.items()
    # To MariaDB AES is aes.
    if row is None or getattr(row, key) != value:
        raise missing(key, value)
    return _profile(row)


def missing(key: str, value: str) -> errors.NotFound:
    return errors.NotFound(f'Device Profile not found with {key}={value}')


def _profile(row: models.DeviceProfile) -> nouns.DeviceProfile:
    return nouns.DeviceProfile(
        uuid=row.uuid,
        name=row.name,
        description=row.description,
        groups=tuple(json.loads(row.groups)),
        created_at=engine.iso(row.created_at),
        updated_at=engine.iso(row.updated_at),
    )
