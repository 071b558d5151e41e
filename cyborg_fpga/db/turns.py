"""Who of many conductors does what one does for all."""

import sqlalchemy as sa

from cyborg_fpga import context
from cyborg_fpga.db import clock
from cyborg_fpga.db import engine
from cyborg_fpga.db import models


@engine.writer
def take(
    ctx: context.RequestContext, name: str, owner: str, seconds: float
) -> bool:
    """Of many conductors, the one that gets True does *name*'s work now.

    It keeps the turn for *seconds*, and may take it again meanwhile.
    """
    mine = (
        sa.update(models.Cursor)
        .where(models.Cursor.name == name)
        .where(
            sa.or_(
                models.Cursor.lease_owner == owner,
                models.Cursor.lease_expires < clock.now(),
            )
        )
        .values(lease_owner=owner, lease_expires=clock.now() + seconds)
    )
    if engine.change(ctx, mine):
        return True
    exists = ctx.session.execute(
        sa.select(models.Cursor.name).where(models.Cursor.name == name)
    ).first()
    if exists:
        return False
    ctx.session.execute(
        sa.insert(models.Cursor).values(
            name=name, lease_owner=owner, lease_expires=clock.now() + seconds
        )
    )
    return True


@engine.writer
def end(ctx: context.RequestContext, name: str, owner: str) -> None:
    """Let another do *name*'s work, if it was *owner* that did it."""
    engine.change(
        ctx,
        sa.update(models.Cursor)
        .where(models.Cursor.name == name)
        .where(models.Cursor.lease_owner == owner)
        .values(lease_expires=0.0),
    )
