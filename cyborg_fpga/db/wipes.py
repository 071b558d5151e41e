"""How deep deployables must be wiped for those who have had them.

What is asked for stands with the deployable from the moment that somebody
has it until it has been wiped, whoever has left or is forgotten by then.
"""

from collections.abc import Collection
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from cyborg_fpga import context
from cyborg_fpga import model
from cyborg_fpga.db import engine
from cyborg_fpga.db import models

_CLAIM, _HANDLE, _REGION = models.Claim, models.AttachHandle, models.Deployable

#: The weakest first; ``none`` is not asked for.
_ASKED = tuple(level.value for level in model.WipeLevel)[1:]

_USED = (
    sa.select(_HANDLE.id)
    .join(_CLAIM, _CLAIM.id == _HANDLE.claim_id)
    .where(_HANDLE.deployable_id == _REGION.id)
    .where(_CLAIM.state != model.ClaimState.RELEASING.value)
    .limit(1)
    .scalar_subquery()
)
#: What is still asked for after a wipe: one that was made before somebody
#: has what another left does nothing for him.
LEFT: Any = sa.case((_USED.is_(None), None), else_=_REGION.wipe_at_least)


def deepest(wanted: Iterable[tuple[int, str | None]]) -> Any:
    """What ``wipe_at_least`` becomes: never less than others have asked for.

    For an UPDATE, in a transaction that holds the rows.

    :param wanted: Deployables (row id), and what those want who have them.
    :returns: None: nobody asks for anything.
    """
    pairs = list(wanted)
    more = []
    for place, level in reversed(list(enumerate(_ASKED))):
        regions = {one for one, asked in pairs if asked == level}
        less = sa.or_(
            _REGION.wipe_at_least.is_(None),
            _REGION.wipe_at_least.in_(_ASKED[:place]),
        )
        if regions:
            more.append((sa.and_(_REGION.id.in_(regions), less), level))
    return sa.case(*more, else_=_REGION.wipe_at_least) if more else None


def ask(
    ctx: context.RequestContext,
    wanted: Iterable[tuple[int, str | None]],
) -> None:
    """Store what :func:`deepest` says."""
    pairs = list(wanted)
    level = deepest(pairs)
    if level is not None:
        engine.change(
            ctx,
            sa.update(_REGION)
            .where(_REGION.id.in_({one for one, _ in pairs}))
            .values(wipe_at_least=level),
        )


def take_back(ctx: context.RequestContext, claim_ids: Collection[int]) -> None:
    """In the transaction that undoes claims: they have touched nothing."""
    held = sa.select(_HANDLE.deployable_id).where(
        _HANDLE.claim_id.in_(claim_ids)
    )
    others = (
        sa.select(_HANDLE.id)
        .where(_HANDLE.deployable_id == _REGION.id)
        .where(_HANDLE.claim_id.is_not(None))
        .where(_HANDLE.claim_id.not_in(claim_ids))
        .limit(1)
        .scalar_subquery()
    )
    engine.change(
        ctx,
        sa.update(_REGION)
        .where(_REGION.wipe_at_least.is_not(None))
        .where(_REGION.id.in_(held))
        .where(others.is_(None))
        .values(wipe_at_least=None),
    )
