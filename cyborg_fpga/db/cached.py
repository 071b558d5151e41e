"""Which hosts have which bitstreams on their disks.

By content (``nouns.content_name``), so that two images with the same bytes
are one. It is what the last reports said: a file may have left since, and
then it is downloaded again.
"""

import hashlib
from collections.abc import Collection

import sqlalchemy as sa

from cyborg_fpga import context
from cyborg_fpga import model
from cyborg_fpga.db import engine
from cyborg_fpga.db import models

_FILE = models.CachedBitstream
_NOTHING = hashlib.sha256().hexdigest()


@engine.reader
def hostnames_holding(
    ctx: context.RequestContext, names: Collection[str]
) -> dict[str, frozenset[str]]:
    """Hosts that have each of these contents, in one statement.

    :param names: See ``nouns.Bitstream.content``; a name that no host has is
        not among the answers.
    """
    rows = ctx.session.execute(
        sa.select(_FILE.name, models.Host.hostname)
        .join(models.Host, models.Host.id == _FILE.host_id)
        .where(_FILE.name.in_(names))
    )
    found: dict[str, set[str]] = {}
    for name, hostname in rows:
        found.setdefault(name, set()).add(hostname)
    return {name: frozenset(hosts) for name, hosts in found.items()}


def digest(report: model.HostReport) -> str:
    """Of all that a report says is in its host's cache."""
    return hashlib.sha256(' '.join(report.cached).encode()).hexdigest()


def store(
    ctx: context.RequestContext,
    host_id: int,
    report: model.HostReport,
    told: str | None,
) -> None:
    """Make a report's files the host's. In its transaction.

    :param told: The digest before; None: it had none. While it is the same
        this costs nothing.
    """
    if digest(report) == (told or _NOTHING):
        return
    query = sa.select(_FILE.name).where(_FILE.host_id == host_id)
    before = set(ctx.session.execute(query).scalars())
    now = set(report.cached)
    if before - now:
        engine.change(
            ctx,
            sa.delete(_FILE)
            .where(_FILE.host_id == host_id)
            .where(_FILE.name.in_(before - now)),
        )
    if now - before:
        ctx.session.execute(
            sa.insert(_FILE),
            [{'host_id': host_id, 'name': n} for n in sorted(now - before)],
        )
