"""Hosts: heartbeats, silence, and what Placement was told of them."""

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.db import clock
from cyborg_fpga.db import engine
from cyborg_fpga.db import models

# Nobody tells Placement of it, or did so when they died.
_SETTLED = models.Host.placement_teller_until == 0


@engine.writer
def heartbeat(ctx: context.RequestContext, report: model.HostReport) -> bool:
    """Record that nothing changed: one statement. False: read the report.

    That is so when its digest is another, the host is unknown or was down,
    or the report is older than the last.
    """
    return bool(
        engine.change(
            ctx,
            sa.update(models.Host)
            .where(models.Host.hostname == report.hostname)
            .where(models.Host.report_digest == report.digest)
            .where(models.Host.boot_id == report.boot_id)
            .where(models.Host.report_sequence < report.sequence)
            .where(models.Host.up.is_(True))
            .values(last_seen=clock.now(), report_sequence=report.sequence),
        )
    )


@engine.reader
def get(ctx: context.RequestContext, hostname: str) -> nouns.Host:
    """:raises errors.NotFound: No agent of that name ever reported."""
    row = ctx.session.execute(
        sa.select(models.Host).where(models.Host.hostname == hostname)
    ).scalar_one_or_none()
    if row is None:
        raise errors.NotFound(kind='host', ident=hostname)
    return noun(row)


@engine.reader
def list_page(
    ctx: context.RequestContext,
    *,
    filters: Mapping[str, Any],
    limit: int,
    marker: str | None = None,
    sort_key: str = 'hostname',
    sort_dir: str = 'asc',
) -> list[nouns.Host]:
    """Hosts in pages; *marker* is a host's uuid."""
    rows = engine.page(
        ctx,
        sa.select(models.Host),
        models.Host,
        where=[getattr(models.Host, k) == v for k, v in filters.items()],
        limit=limit,
        marker=marker,
        sort_key=getattr(models.Host, sort_key),
        sort_dir=sort_dir,
    )
    return [noun(row[0]) for row in rows]


@engine.writer
def set_status(
    ctx: context.RequestContext,
    hostname: str,
    status: model.HostStatus,
    reason: str | None,
) -> None:
    """:raises errors.NotFound: Unknown host."""
    if not engine.change(
        ctx,
        sa.update(models.Host)
        .where(models.Host.hostname == hostname)
        .values(
            status=status.value,
            disabled_reason=reason
            if status is model.HostStatus.DISABLED
            else None,
            placement_stale=True,
        ),
    ):
        raise errors.NotFound(kind='host', ident=hostname)


@engine.writer
def mark_silent(ctx: context.RequestContext, seconds: float) -> int:
    """Mark as down the hosts not heard of for *seconds*; how many."""
    return engine.change(
        ctx,
        sa.update(models.Host)
        .where(models.Host.up.is_(True))
        .where(models.Host.last_seen < clock.now() - seconds)
        .values(up=False, placement_stale=True),
    )


@engine.writer
def set_root(
    ctx: context.RequestContext, hostname: str, rp_uuid: str | None
) -> None:
    """Keep which provider is the host's; None: look it up again."""
    engine.change(
        ctx,
        sa.update(models.Host)
        .where(models.Host.hostname == hostname)
        .values(rp_uuid=rp_uuid),
    )


@engine.writer
def set_layout(
    ctx: context.RequestContext, hostname: str, layout: model.Layout
) -> None:
    """Keep how the host's deployables are grouped from now on."""
    engine.change(
        ctx,
        sa.update(models.Host)
        .where(models.Host.hostname == hostname)
        .values(layout=layout.value),
    )


@engine.writer
def mark_stale(
    ctx: context.RequestContext, hostname: str | None = None
) -> None:
    """Have Placement compared with one host's records, or with all."""
    query = sa.update(models.Host).values(placement_stale=True)
    if hostname is not None:
        query = query.where(models.Host.hostname == hostname)
    engine.change(ctx, query)


@engine.reader
def stale(ctx: context.RequestContext) -> list[str]:
    """Names of hosts of which Placement must be told.

    Also those of which somebody began to tell it and never ended. Not those
    that were imported and of which no agent has reported yet.
    """
    given_up = sa.and_(
        sa.or_(models.Host.placement_digest.is_(None), ~_SETTLED),
        models.Host.placement_teller_until < clock.now(),
    )
    return list(
        ctx.session.execute(
            sa.select(models.Host.hostname)
            .where(sa.or_(models.Host.placement_stale.is_(True), given_up))
            .where(models.Host.boot_id > 0)
            .order_by(models.Host.id)
        ).scalars()
    )


@engine.writer
def start_telling(
    ctx: context.RequestContext, hostname: str, teller: str, seconds: float
) -> None:
    """Let *teller*, and no other conductor, tell Placement of a host.

    To be called before the records are read: what changes later marks the
    host again. It is alone for *seconds*, and may start again meanwhile.
    Until :func:`finish_telling` nobody knows what Placement holds; what it
    was told before, *teller* reads with the records.

    :raises errors.HostUnavailable: It was imported, and what is on it nobody
        has seen: Placement keeps what it has.
    :raises errors.InUse: Another does it now.
    :raises errors.NotFound: Unknown host.
    """
    alone = sa.or_(
        models.Host.placement_teller == teller,
        models.Host.placement_teller_until < clock.now(),
    )
    # How much one that never ended has told it, nobody knows.
    known = sa.case((_SETTLED, models.Host.placement_digest), else_=None)
    if not engine.change(
        ctx,
        sa.update(models.Host)
        .where(models.Host.hostname == hostname)
        .where(models.Host.boot_id > 0)
        .where(alone)
        # In this order: MariaDB reads what it has just set.
        .ordered_values(
            (models.Host.placement_digest, known),
            (models.Host.placement_stale, False),
            (models.Host.placement_teller, teller),
            (models.Host.placement_teller_until, clock.now() + seconds),
        ),
    ):
        raise _not_to_be_told(ctx, hostname)


def _not_to_be_told(
    ctx: context.RequestContext, hostname: str
) -> errors.FPGAError:
    boot_id = ctx.session.execute(
        sa.select(models.Host.boot_id).where(models.Host.hostname == hostname)
    ).scalar_one_or_none()
    if boot_id is None:
        return errors.NotFound(kind='host', ident=hostname)
    if not boot_id:
        return errors.HostUnavailable(hostname=hostname, state='not seen yet')
    return errors.InUse(
        kind='Host',
        ident=hostname,
        reason='another conductor tells Placement of it',
    )


@engine.writer
def finish_telling(
    ctx: context.RequestContext, hostname: str, teller: str, digest: str
) -> bool:
    """Keep what Placement was told and let others tell it.

    False: start again. The host was marked meanwhile, or another has told
    Placement too, or does so now, so that nobody knows whose word is last.
    """
    this = sa.update(models.Host).where(models.Host.hostname == hostname)
    mine = this.where(models.Host.placement_teller == teller)
    unmarked = mine.where(models.Host.placement_stale.is_(False))
    told = {'placement_digest': digest, 'placement_teller_until': 0.0}
    if engine.change(ctx, unmarked.values(**told)):
        return True
    if not engine.change(ctx, mine.values(**told)):
        # Nor shall the other say so at its end.
        engine.change(
            ctx, this.values(placement_digest=None, placement_teller=None)
        )
    return False


@engine.writer
def stop_telling(
    ctx: context.RequestContext, hostname: str, teller: str
) -> None:
    """Let others tell Placement; *teller* could not, or not to the end."""
    engine.change(
        ctx,
        sa.update(models.Host)
        .where(models.Host.hostname == hostname)
        .where(models.Host.placement_teller == teller)
        .values(placement_digest=None, placement_teller_until=0.0),
    )


@engine.reader
def placement_digest(ctx: context.RequestContext, hostname: str) -> str | None:
    """What Placement was told; None: nobody knows."""
    return ctx.session.execute(
        sa.select(models.Host.placement_digest)
        .where(models.Host.hostname == hostname)
        .where(_SETTLED)
    ).scalar_one_or_none()


def noun(row: models.Host) -> nouns.Host:
    return nouns.Host(
        uuid=row.uuid,
        hostname=row.hostname,
        status=model.HostStatus(row.status),
        disabled_reason=row.disabled_reason,
        up=row.up,
        layout=model.Layout(row.layout),
        rp_name=row.rp_name,
        rp_uuid=row.rp_uuid,
        boot_id=row.boot_id,
        report_sequence=row.report_sequence,
        last_seen=row.last_seen,
        created_at=engine.iso(row.created_at),
        updated_at=engine.iso(row.updated_at),
        cache=json.loads(row.cache or '{}'),
    )
