"""Record how an operation ended and what its card holds since."""

import dataclasses
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from cyborg_fpga import context
from cyborg_fpga import model
from cyborg_fpga.db import clock
from cyborg_fpga.db import devices
from cyborg_fpga.db import engine
from cyborg_fpga.db import models
from cyborg_fpga.db import operations
from cyborg_fpga.db import wipes

_OP, _REGION, _CARD = models.Operation, models.Deployable, models.Device

_UNFINISHED = model.OPERATION_UNFINISHED
# What a card has no part in. It is as unusable as after a failure of its
# own until it was read and wiped again, but not because of it.
_NOT_THE_CARDS = (model.Cause.AGENT_LOST, model.Cause.INTERRUPTED)

_NOW_WHAT = (
    'What it holds now is not known: program it again, or release the claim.'
)


@engine.writer
def finish(
    ctx: context.RequestContext,
    status: model.OperationStatus,
    *,
    quarantine_after: int,
) -> model.Operation | None:
    """Record an outcome and what the card holds; None: it had ended before.

    A failure that touched the card leaves the deployable ``unknown`` under a
    raised fence, until a report that carries it says what is loaded.
    """
    return _end(ctx, status, _UNFINISHED, quarantine_after)


@engine.writer
def give_up(
    ctx: context.RequestContext,
    operation: model.Operation,
    cause: model.Cause,
    detail: str,
    *,
    quarantine_after: int,
    begun: bool = True,
) -> model.Operation | None:
    """End an operation without its agent's word; None: it had ended before.

    One that has not begun cannot begin any more, so its card is as it was;
    one that has begun leaves the deployable ``unknown``. Of an agent that is
    lost nothing is believed.

    :param begun: False: leave one alone that has begun.
    """
    status = model.OperationStatus(
        uuid=operation.uuid,
        fence=operation.fence,
        done=True,
        touched=cause is model.Cause.AGENT_LOST,
        cause=cause,
        detail=detail,
    )
    pending = [model.OperationState.PENDING]
    ended = _end(ctx, status, pending, quarantine_after)
    if ended is None and begun:
        # It is running, or has ended: nothing becomes pending again.
        status = dataclasses.replace(status, touched=True)
        ended = _end(ctx, status, _UNFINISHED, quarantine_after)
    return ended


def _end(
    ctx: context.RequestContext,
    status: model.OperationStatus,
    states: Collection[model.OperationState],
    quarantine_after: int,
) -> model.Operation | None:
    state = (
        model.OperationState.SUCCEEDED
        if status.succeeded
        else model.OperationState.FAILED
    )
    if status.cause is model.Cause.CANCELLED:
        state = model.OperationState.CANCELLED
    if not engine.change(
        ctx,
        sa.update(_OP)
        .where(_OP.uuid == status.uuid)
        .where(_OP.fence == status.fence)
        .where(_OP.state.in_([one.value for one in states]))
        .values(
            state=state.value,
            progress=100 if status.succeeded else _OP.progress,
            step='',
            touched=status.touched,
            cause=status.cause.value if status.cause else None,
            detail=_storable(status.detail[:2000]),
            finished_at=clock.now(),
        ),
    ):
        return None
    operation = operations.one(ctx, status.uuid)
    if operation.kind is model.OperationKind.PROGRAM:
        _tell_claim(ctx, operation)
    if status.succeeded:
        _record_success(ctx, operation, status)
    else:
        _record_failure(ctx, operation, status, quarantine_after)
    return operation


def _storable(text: str) -> str:
    """A tool's own words, without what a database refuses to store."""
    return text.replace('\0', '').encode(errors='replace').decode()


def _tell_claim(
    ctx: context.RequestContext, operation: model.Operation
) -> None:
    """Let a claim say what its deployables hold since *operation*.

    One that is ready keeps what it has, whatever its owner loads: a failure
    shows as its fault until each of its deployables is loaded again.
    """
    bad = _damaged(ctx, operation.claim_uuid)
    if operation.state is not model.OperationState.SUCCEEDED and not bad:
        return
    claim = sa.update(models.Claim).where(
        models.Claim.uuid == operation.claim_uuid
    )
    ready = models.Claim.state == model.ClaimState.READY.value
    code, message = bad.fault() if bad else (None, None)
    engine.change(
        ctx,
        claim.where(ready).values(
            image_uuid=None if bad else operation.image_uuid,
            fault_code=code,
            fault_message=f'{message}. {_NOW_WHAT}' if message else None,
        ),
    )
    if not bad:
        engine.change(
            ctx, claim.where(~ready).values(image_uuid=operation.image_uuid)
        )


def _damaged(
    ctx: context.RequestContext, claim_uuid: str | None
) -> model.Operation | None:
    """The last failure of a claim that no success has made good since."""
    good = _OP.state == model.OperationState.SUCCEEDED.value
    last: dict[int, Any] = {}
    for row in ctx.session.execute(
        sa.select(_OP.deployable_id, _OP.uuid, good.label('good'))
        .where(_OP.claim_uuid == claim_uuid)
        .where(_OP.kind == model.OperationKind.PROGRAM.value)
        .where(sa.or_(good, _OP.touched.is_(True)))
        .order_by(_OP.id)
    ):
        last.pop(row.deployable_id, None)
        last[row.deployable_id] = row
    bad = [row.uuid for row in last.values() if not row.good]
    return operations.one(ctx, bad[-1]) if bad else None


def _record_success(
    ctx: context.RequestContext,
    operation: model.Operation,
    status: model.OperationStatus,
) -> None:
    values: dict[str, Any] = {
        'state': model.DeployableState.IDLE.value,
        'function_id': status.function_id,
        'last_used': clock.now(),
    }
    if operation.kind is model.OperationKind.WIPE:
        values['wipe_pending'] = False
        values['wipe_at_least'] = wipes.LEFT
        kept = operation.expected_function == status.function_id
        if status.function_id is None or not kept:
            values.update(bitstream_id=None, bitstream_private=False)
    else:
        values.update(
            bitstream_id=operation.image_uuid,
            bitstream_private=operation.image_private,
        )
    # What its agent finds wrong with it is its agent's to take back.
    healed = sa.and_(
        _CARD.health == model.Health.SUSPECT.value, _CARD.failures > 0
    )
    engine.change(
        ctx,
        sa.update(_CARD)
        .where(_CARD.id == _device_of(operation))
        # In this order: MariaDB reads what it has just set.
        .ordered_values(
            (
                _CARD.health_reason,
                sa.case((healed, ''), else_=_CARD.health_reason),
            ),
            (
                _CARD.health,
                sa.case((healed, model.Health.OK.value), else_=_CARD.health),
            ),
            (_CARD.failures, 0),
        ),
    )
    _set_region(ctx, operation, values)


def _record_failure(
    ctx: context.RequestContext,
    operation: model.Operation,
    status: model.OperationStatus,
    quarantine_after: int,
) -> None:
    wipe = operation.kind is model.OperationKind.WIPE
    # The card's row before its region's, as everywhere.
    if status.touched or wipe:
        # A wipe that the card did not do ends its use at once; one that
        # never came to the card is tried again, but not for ever.
        at_once = (
            wipe and status.touched and status.cause not in _NOT_THE_CARDS
        )
        _blame(ctx, operation, status, 1 if at_once else quarantine_after)
    if status.touched:
        _set_region(
            ctx,
            operation,
            {
                'state': model.DeployableState.UNKNOWN.value,
                'fence': _REGION.fence + 1,
                'function_id': None,
                'bitstream_id': None,
                'bitstream_private': True,
                'wipe_pending': True,
            },
        )
    else:
        _set_region(
            ctx, operation, {'state': model.DeployableState.IDLE.value}
        )


def _blame(
    ctx: context.RequestContext,
    operation: model.Operation,
    status: model.OperationStatus,
    limit: int,
) -> None:
    """Count a failure of the card; quarantine it at *limit* in a row."""
    cause = status.cause or model.Cause.INTERNAL
    reason = f'a {operation.kind} failed ({cause}), operation {operation.uuid}'
    ending = sa.and_(_CARD.failures + 1 >= limit, _CARD.health != 'lost')
    well = _CARD.health == model.Health.OK.value
    engine.change(
        ctx,
        sa.update(_CARD)
        .where(_CARD.id == _device_of(operation))
        # In this order: MariaDB reads what it has just set.
        .ordered_values(
            (
                _CARD.health_reason,
                sa.case(
                    (sa.or_(ending, well), reason), else_=_CARD.health_reason
                ),
            ),
            (
                _CARD.health,
                sa.case(
                    (ending, model.Health.QUARANTINED.value),
                    (well, model.Health.SUSPECT.value),
                    else_=_CARD.health,
                ),
            ),
            (_CARD.failures, _CARD.failures + 1),
        ),
    )


def _set_region(
    ctx: context.RequestContext,
    operation: model.Operation,
    values: dict[str, Any],
) -> None:
    engine.change(
        ctx,
        sa.update(_REGION)
        .where(_REGION.uuid == operation.deployable_uuid)
        .where(_REGION.fence == operation.fence)
        .where(_REGION.state == model.DeployableState.PROGRAMMING.value)
        .values(**values),
    )
    devices.touch_host(
        ctx,
        sa.select(_REGION.host_id).where(
            _REGION.uuid == operation.deployable_uuid
        ),
        reread=True,
    )


def _device_of(operation: model.Operation) -> Any:
    return (
        sa.select(_REGION.device_id)
        .where(_REGION.uuid == operation.deployable_uuid)
        .scalar_subquery()
    )
