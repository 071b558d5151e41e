"""What a PATCH of accelerator requests asks for, in Cyborg's words."""

import dataclasses
import re
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from cyborg_fpga import errors
from cyborg_fpga.api import handler
from cyborg_fpga.db import arqs
from cyborg_fpga.policies import arqs as policies

_NEEDED = ('hostname', 'device_rp_uuid', 'instance_uuid')
_PROJECT = 'project_id'
_PROJECT_SINCE = 1
_NAME = re.compile(r'[!-~]{1,255}')
_PROJECT_NAME = re.compile(r'[!-~]{1,64}')

#: ARQ -> operations.
Body = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """One instance's; *providers* by ARQ."""

    providers: dict[str, str]
    hostname: str
    instance_uuid: str
    project_id: str | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Unbind:
    uuids: list[str]


def read(call: handler.Call, body: Body) -> Bind | Unbind:
    """Check *body* in the order that Cyborg has.

    :raises errors.InvalidInput: It makes no sense.
    :raises errors.NotAcceptable: Or not in this version.
    :raises errors.Forbidden: Only administrators set a project.
    :raises errors.NotFound: An ARQ's uuid is none.
    """
    every = [one for operations in body.values() for one in operations]
    ops = {one['op'] for one in every}
    if len(ops) > 1 or not ops <= {'add', 'remove'}:
        raise errors.InvalidInput(
            "Couldn't apply patch. Reason: Every op must be add or remove"
        )
    _check_paths(call, {one['path'] for one in every})
    adds = ops == {'add'}
    if adds:
        for operations in body.values():
            _check_whole(operations)
    call.require_service_token()
    uuids = [_known(uuid) for uuid in body]
    if len(set(uuids)) < len(uuids):
        raise errors.InvalidInput(reason='an ARQ is there twice')
    if not adds:
        return Unbind(uuids=uuids)
    return _bind(dict(zip(uuids, map(_values, body.values()), strict=True)))


def _check_paths(call: handler.Call, paths: set[str]) -> None:
    if f'/{_PROJECT}' in paths:
        if call.minor < _PROJECT_SINCE:
            raise errors.NotAcceptable(
                reason=f'{_PROJECT} cannot be patched in this version: the '
                f'minimal required API version should be 2.{_PROJECT_SINCE}'
            )
        call.authorize(policies.ALL_PROJECTS)
    for path in sorted(paths):
        if path.removeprefix('/') not in (*_NEEDED, _PROJECT) or path[0] != (
            '/'
        ):
            raise errors.InvalidInput(f'Invalid path in patch {path}')


def _check_whole(operations: Sequence[Mapping[str, Any]]) -> None:
    given = [one['path'].removeprefix('/') for one in operations]
    absent = [name for name in _NEEDED if name not in given]
    if absent:
        raise errors.InvalidInput(f'Fields absent in patch {",".join(absent)}')
    if len(set(given)) < len(given):
        raise errors.InvalidInput(reason='a path is there twice')


def _values(operations: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What is added, with uuids as databases hold them."""
    values = {}
    for one in operations:
        name, value = one['path'].removeprefix('/'), one.get('value') or ''
        if name in ('device_rp_uuid', 'instance_uuid'):
            found = handler.canonical(value)
        else:
            known = _PROJECT_NAME if name == _PROJECT else _NAME
            found = value if known.fullmatch(value) else None
        if found is None:
            raise errors.InvalidInput(
                reason=f'{value[:64]!r} is no value for {name}'
            )
        values[name] = found
    return values


def _bind(values: Mapping[str, Mapping[str, str]]) -> Bind:
    def one(name: str) -> str | None:
        given = {members.get(name) for members in values.values()}
        if len(given) > 1:
            raise errors.InvalidInput(
                reason=f'{name} must be the same for all ARQs of a request'
            )
        return given.pop()

    return Bind(
        providers={
            uuid: members['device_rp_uuid'] for uuid, members in values.items()
        },
        hostname=one('hostname') or '',
        instance_uuid=one('instance_uuid') or '',
        project_id=one(_PROJECT),
    )


def _known(uuid: str) -> str:
    found = handler.canonical(uuid)
    if found is None:
        raise arqs.missing(uuid[:64])
    return found
