"""Which images are loaded most often."""

import sqlalchemy as sa

from cyborg_fpga import context
from cyborg_fpga.db import clock
from cyborg_fpga.db import engine
from cyborg_fpga.db import models

_OP = models.Operation


@engine.reader
def most_loaded(
    ctx: context.RequestContext, seconds: float, limit: int
) -> list[str]:
    """Uuids of images, those first that were loaded most often.

    Resets count: they load what they found once more. So what is claimed
    often is found here, too, where it need not be programmed for that.

    :param seconds: So far back from now.
    """
    rows = ctx.session.execute(
        sa.select(_OP.image_uuid)
        .where(_OP.image_uuid.is_not(None))
        .where(_OP.started_at > clock.now() - seconds)
        .group_by(_OP.image_uuid)
        .order_by(sa.func.count().desc(), _OP.image_uuid)
        .limit(limit)
    ).scalars()
    return [str(uuid) for uuid in rows]
