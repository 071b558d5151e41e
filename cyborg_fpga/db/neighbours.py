"""Who may hold a handle beside whom: guards that both doors share.

To be called inside the transaction of a claim or a bind, over rows of cards
that are locked in it.
"""

import collections
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.db import engine
from cyborg_fpga.db import models

_CLAIM, _HANDLE, _REGION = models.Claim, models.AttachHandle, models.Deployable
_MAKING = model.ClaimState.CLAIMING.value

# Constants, see engine.run().
_HANDLES = (
    sa.select(
        _HANDLE.id,
        _HANDLE.deployable_id,
        _REGION.device_id,
        _HANDLE.kind,
        _HANDLE.present,
        _HANDLE.claim_id,
        _CLAIM.state,
        _CLAIM.type,
        _CLAIM.image_uuid,
        _CLAIM.project_id,
    )
    .join(_REGION, _REGION.id == _HANDLE.deployable_id)
    .outerjoin(_CLAIM, _CLAIM.id == _HANDLE.claim_id)
    .where(_REGION.device_id.in_(sa.bindparam('cards', expanding=True)))
    .order_by(_HANDLE.id)
)
_HOLDERS = (
    sa.select(
        _HANDLE.deployable_id,
        _REGION.uuid.label('deployable_uuid'),
        _CLAIM.uuid,
        _CLAIM.state,
    )
    .join(_REGION, _REGION.id == _HANDLE.deployable_id)
    .join(_CLAIM, _CLAIM.id == _HANDLE.claim_id)
    .where(_REGION.id.in_(sa.bindparam('regions', expanding=True)))
    .distinct()
)


def handles(
    ctx: context.RequestContext, device_ids: Collection[int]
) -> Sequence[Any]:
    """All handles of cards, each with the claim that has it."""
    rows = engine.run(ctx, _HANDLES, cards=list(device_ids))
    found: Sequence[Any] = rows.all()
    return found


def refuse_company(
    held: Sequence[Any],
    rows: Mapping[int, Any],
    programmed: Collection[int],
) -> None:
    """Nobody joins a deployable that is about to be programmed."""
    for handle in held:
        if handle.deployable_id in programmed:
            raise errors.NoCapacity(
                reason='somebody has a part of it, so it is not programmed'
            )
        loaded = rows[handle.deployable_id].bitstream_id
        warm = handle.image_uuid and handle.image_uuid == loaded
        wants = handle.type or handle.image_uuid
        if handle.state == model.ClaimState.CLAIMING and wants and not warm:
            raise errors.NoCapacity(reason='it may be programmed just now')


def refuse_others(
    held: Sequence[Any], alone: Collection[int], project_id: str | None
) -> None:
    """Nobody joins another project on one of the deployables *alone*."""
    if any(
        handle.deployable_id in alone and handle.project_id != project_id
        for handle in held
    ):
        raise errors.NoCapacity(reason='another project uses its card')


def refuse_contents(
    rows: Mapping[int, Any],
    wanted: Iterable[tuple[int, str | None]],
    left: Collection[int],
) -> None:
    """Nobody gets what another has loaded there since it was chosen.

    :param rows: Of the deployables.
    :param wanted: Deployables that are used as they are, and the image each
        must hold; None: anything will do that nobody left there.
    :param left: Nobody holds these, and they hold somebody's own function.
    """
    for region_id, image_uuid in wanted:
        if image_uuid not in (None, rows[region_id].bitstream_id):
            raise errors.NoCapacity(reason='it was programmed meanwhile')
        if image_uuid is None and region_id in left:
            raise errors.NoCapacity(reason='somebody left something in it')


def refuse_mixture(kinds: Mapping[int, Collection[str]]) -> None:
    """No card is held as a physical function and as virtual ones.

    :param kinds: Of the handles that are held or about to be, by card.
    """
    if any(len(of_card) > 1 for of_card in kinds.values()):
        raise errors.NoCapacity(
            reason='a physical function and its virtual ones are never '
            'claimed together'
        )


def refuse_strangers(
    ctx: context.RequestContext, acts: Mapping[int, Mapping[str, Any]]
) -> None:
    """Nobody programs a deployable of which another holds a handle.

    :param acts: Columns of the operations that are to be, by deployable.
    :raises errors.InUse: Another does.
    """
    holders = collections.defaultdict(list)
    for row in engine.run(ctx, _HOLDERS, regions=list(acts)):
        holders[row.deployable_id].append(row)
    for region_id, theirs in holders.items():
        act = acts[region_id]
        mine = act.get('claim_uuid')
        if act['kind'] == model.OperationKind.WIPE.value:
            # Of a claim that is being made, its own too: it must not find
            # what somebody left.
            strangers = [
                row
                for row in theirs
                if row.state != model.ClaimState.RELEASING
                and (row.uuid != mine or row.state != _MAKING)
            ]
        else:
            strangers = [
                row
                for row in theirs
                if row.uuid != mine or row.state == model.ClaimState.RELEASING
            ]
        if strangers:
            raise errors.InUse(
                kind='Deployable',
                ident=strangers[0].deployable_uuid,
                reason='a handle of it is claimed by somebody else',
            )
