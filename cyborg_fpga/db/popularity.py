"""Which images are loaded most often."""

import sqlalchemy as sa

from cyborg_fpga import context
from cyborg_fpga import model
from cyborg_fpga.db import clock
from cyborg_fpga.db import engine
from cyborg_fpga.db import models

_OP = models.Operation


@engine.reader
def most_loaded(
    ctx: context.RequestContext, seconds: float, limit: int
) -> list[str]:
    """Uuids of images, those first that were loaded most often.

    :param seconds: So far back from now.
    """
    rows = ctx.session.execute(
        sa.select(_OP.image_uuid)
        .where(_OP.kind == model.OperationKind.PROGRAM.value)
        .where(_OP.started_at > clock.now() - seconds)
        .group_by(_OP.image_uuid)
        .order_by(sa.func.count().desc(), _OP.image_uuid)
        .limit(limit)
    ).scalars()
    return [uuid for uuid in rows if uuid is not None]
