"""Images that uploads have begun to make, until they are whole or gone.

Recorded before Glance is asked for them, so that what a process leaves there
that dies is known to be ours.
"""

import sqlalchemy as sa

from cyborg_fpga import context
from cyborg_fpga.db import clock
from cyborg_fpga.db import engine
from cyborg_fpga.db import models


@engine.writer
def begin(ctx: context.RequestContext, image_uuid: str) -> None:
    """An image of this uuid is about to be made for the caller's project."""
    ctx.session.execute(
        sa.insert(models.Upload).values(
            uuid=image_uuid, project_id=ctx.project_id, seen=clock.now()
        )
    )


@engine.writer
def go_on(ctx: context.RequestContext, image_uuid: str) -> None:
    """Somebody is at it."""
    engine.change(
        ctx,
        sa.update(models.Upload)
        .where(models.Upload.uuid == image_uuid)
        .values(seen=clock.now()),
    )


@engine.writer
def end(ctx: context.RequestContext, image_uuid: str) -> None:
    """The image is whole, or gone. Repeating it is harmless."""
    engine.change(
        ctx, sa.delete(models.Upload).where(models.Upload.uuid == image_uuid)
    )


@engine.reader
def abandoned(
    ctx: context.RequestContext, seconds: float
) -> list[tuple[str, str | None]]:
    """Image and project of those that nobody has been at for so long."""
    found = ctx.session.execute(
        sa.select(models.Upload.uuid, models.Upload.project_id)
        .where(models.Upload.seen < clock.now() - seconds)
        .order_by(models.Upload.id)
    )
    return [(row.uuid, row.project_id) for row in found]
