"""Store accelerator requests, and give them what they hold."""

from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from cyborg_fpga import model
from cyborg_fpga.db import clock
from cyborg_fpga.db import models
from cyborg_fpga.takeover import records
from cyborg_fpga.takeover import source
from cyborg_fpga.takeover import translate

_CLAIM, _HANDLE, _REGION = models.Claim, models.AttachHandle, models.Deployable

OF_OTHERS = 'accelerator requests bound to other devices'


def store(made: records.Records, rows: Sequence[Any]) -> None:
    """Store *rows*, in as many statements however many there are."""
    found = []
    for row in made.new(_CLAIM, rows):
        if row.device_type not in (None, source.FPGA):
            made.summary.left_out[OF_OTHERS] += 1
            continue
        try:
            found.append(translate.arq(row))
        except translate.Damaged as exc:
            made.damage.append(str(exc))
    handles = _handles(made, [one.handle for one in found if one.handle])
    hosts = made.ids(
        models.Host.hostname, {one.hostname for one in found if one.hostname}
    )
    made.add(_CLAIM, [_claim(made, one, handles, hosts) for one in found])
    for one in found:
        made.summary.states[one.state] += 1
    _hold(made, [one for one in found if one.handle in handles])
    _owe(made, [one.values['uuid'] for one in found if one.owed])


def guard_instances(made: records.Records) -> None:
    """Let the first of each instance's stand for all, as a bind does."""
    firsts = (
        sa.select(sa.func.min(_CLAIM.id).label('id'))
        .where(_CLAIM.origin == model.Origin.NOVA.value)
        .where(_CLAIM.instance_uuid.is_not(None))
        .group_by(_CLAIM.instance_uuid)
        # MariaDB reads no table that it changes, but what was made of it.
        .subquery()
    )
    made.change(
        sa.update(_CLAIM)
        .where(_CLAIM.id.in_(sa.select(firsts.c.id)))
        .where(_CLAIM.instance_guard.is_(None))
        .values(
            instance_guard=_CLAIM.instance_uuid, updated_at=_CLAIM.updated_at
        )
    )


def _handles(
    made: records.Records, uuids: Collection[str]
) -> Mapping[str | None, Any]:
    """Handles by uuid, each with its host, provider and class."""
    found = made.session.execute(
        sa.select(
            _HANDLE.uuid,
            _HANDLE.host_id,
            _REGION.rp_uuid,
            _REGION.resource_class,
        )
        .join(_REGION, _REGION.id == _HANDLE.deployable_id)
        .where(_HANDLE.uuid.in_(uuids))
    )
    return {row.uuid: row for row in found}


def _claim(
    made: records.Records,
    one: translate.Arq,
    handles: Mapping[str | None, Any],
    hosts: Mapping[str, int],
) -> translate.Values:
    values = {**one.values, 'host_id': None, 'resource_class': None}
    if one.handle is None:
        failed = values['state'] == model.ClaimState.FAILED.value
        values['host_id'] = hosts.get(one.hostname or '') if failed else None
        return values
    handle = handles.get(one.handle)
    if handle is None:
        _blame(made, one, f'attach handle {one.handle} is not there')
    elif handle.rp_uuid != values['rp_uuid']:
        _blame(
            made,
            one,
            f'it is of provider {values["rp_uuid"]} and its attach handle of '
            f'{handle.rp_uuid}',
        )
    else:
        values['host_id'] = handle.host_id
        values['resource_class'] = handle.resource_class
    return values


def _hold(made: records.Records, bound: Sequence[translate.Arq]) -> None:
    ids = made.ids(_CLAIM.uuid, [one.values['uuid'] for one in bound])
    holders: dict[str, int] = {}
    free = made.ids(
        _HANDLE.uuid,
        [one.handle for one in bound],
        where=_HANDLE.claim_id.is_(None),
    )
    for one in bound:
        handle = one.handle or ''
        if handle in holders or handle not in free:
            _blame(made, one, f'another one has attach handle {handle}')
        else:
            holders[handle] = ids[one.values['uuid']]
    if holders:
        made.change(
            sa.update(_HANDLE)
            .where(_HANDLE.uuid.in_(holders))
            .values(claim_id=sa.case(holders, value=_HANDLE.uuid))
        )


def _owe(made: records.Records, uuids: Collection[str]) -> None:
    if uuids:
        made.change(
            sa.update(_CLAIM)
            .where(_CLAIM.uuid.in_(uuids))
            .values(event_due=clock.now(), updated_at=_CLAIM.updated_at)
        )


def _blame(made: records.Records, one: translate.Arq, why: str) -> None:
    made.damage.append(f'accelerator request {one.values["uuid"]}: {why}')
