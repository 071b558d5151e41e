"""What Cyborg's rows are in our words: pure functions.

Each gives the columns of rows of ours by name; which rows they belong to is
left to whoever stores them.
"""

import collections
import dataclasses
import datetime
import json
import re
import uuid
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import os_resource_classes

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga import profiles

#: Columns of a row of ours.
Values = dict[str, Any]

_CLASS, _TRAIT = 'rc', 'trait'
_CUSTOM = re.compile('CUSTOM_[A-Z0-9_]{1,248}')
_LOADED = 'CUSTOM_FPGA_FUNCTION_ID_'
_FUNCTION = re.compile(f'{_LOADED}[A-Z0-9]+_([0-9A-F]{{32}})')
_PCI_ID = re.compile('(?:0x)?([0-9a-f]{4})', re.IGNORECASE)
_MAX = {'name': 190, 'hostname': 200, 'vendor': 64, 'project_id': 64}
_MAX_TEXT = 255

_NEVER = datetime.datetime(1970, 1, 1)
_HANDLE_TYPES = ('PCI', model.HandleKind.TEST_PCI.value)
_STATES = {
    'Initial': model.ClaimState.INITIAL,
    'Unbound': model.ClaimState.UNBOUND,
    'Bound': model.ClaimState.READY,
    # Whoever was about to do the rest has gone.
    'BindStarted': model.ClaimState.FAILED,
    'BindFailed': model.ClaimState.FAILED,
    'Deleting': model.ClaimState.FAILED,
}


class Damaged(Exception):
    """A row makes no sense; the text names it and says why."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """
    :ivar facts: Its attributes.
    :ivar functions: How many traits were left out that say what is loaded.
    :ivar illegal: Traits that Placement cannot have, left out too.
    """

    values: Values
    driver: str
    facts: Sequence[Values]
    handles: Sequence[Values]
    functions: int
    illegal: Sequence[str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    hostname: str
    values: Values
    regions: Sequence[Region]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Arq:
    """
    :ivar handle: Uuid of what it holds; None: nothing.
    :ivar owed: Nova may wait to be told how its bind ended.
    """

    values: Values
    state: str
    handle: str | None
    hostname: str | None
    owed: bool


def cards(
    devices: Iterable[Any],
    paths: Iterable[Any],
    deployables: Iterable[Any],
    attributes: Iterable[Any],
    handles: Iterable[Any],
    damage: list[str],
) -> list[Card]:
    """Devices with all that belongs to them.

    :param damage: Gains a line for each that makes no sense.
    """
    paths_of = _by(paths, 'device_id')
    deployables_of = _by(deployables, 'device_id')
    attributes_of = _by(attributes, 'deployable_id')
    handles_of = _by(handles, 'deployable_id')
    found = []
    for device in devices:
        try:
            address = _first_function(device, paths_of[device.id])
            regions = [
                _region(
                    row, attributes_of[row.id], handles_of[row.id], address
                )
                for row in deployables_of[device.id]
            ]
            found.append(_card(device, address, regions))
        except Damaged as exc:
            damage.append(str(exc))
    return found


def arq(row: Any) -> Arq:
    """An accelerator request; *row* also tells whose names and uuids it has.

    :raises Damaged: It makes no sense.
    """
    if row.state not in _STATES:
        raise _damaged(row, f'its state is {row.state!r}')
    if row.profile_name is None:
        raise _damaged(row, 'its device profile is not there')
    bound = row.state == 'Bound'
    if bound and not (row.instance_uuid and row.device_rp_uuid):
        raise _damaged(row, 'it is bound to no instance or provider')
    if bound and row.handle_uuid is None:
        raise _damaged(row, 'it is bound, and its attach handle is not there')
    state = _STATES[row.state]
    values = {
        **_common(row),
        'origin': model.Origin.NOVA.value,
        'state': state.value,
        'state_changed_at': _seconds(row.updated_at or row.created_at),
        'project_id': _checked(row, 'project_id', row.project_id or None),
        'device_profile_name': row.profile_name,
        'device_profile_group_id': row.device_profile_group_id,
        # Nova's own.
        'allocation': 'adopted',
        **dict.fromkeys(
            ('instance_uuid', 'device_rp_uuid', 'rp_uuid', 'fault_message')
        ),
        'fault_code': None,
    }
    if state in (model.ClaimState.READY, model.ClaimState.FAILED):
        values['instance_uuid'] = row.instance_uuid
        values['device_rp_uuid'] = values['rp_uuid'] = row.device_rp_uuid
    if state is model.ClaimState.FAILED:
        values['fault_code'] = model.Cause.INTERRUPTED.value
        values['fault_message'] = f'Cyborg left it in state {row.state}.'
    return Arq(
        values=values,
        state=row.state,
        handle=row.handle_uuid if bound else None,
        hostname=row.hostname,
        owed=row.state == 'BindStarted' and row.instance_uuid is not None,
    )


def profile(row: Any) -> tuple[Values, str | None]:
    """A device profile, and why nothing can be had by it, if so.

    :raises Damaged: It makes no sense.
    """
    try:
        groups = json.loads(row.profile_json)['groups']
    except (ValueError, KeyError, TypeError) as exc:
        raise _damaged(row, 'its profile_json holds no groups') from exc
    if not isinstance(groups, list) or not all(map(_is_group, groups)):
        raise _damaged(row, 'its groups are no objects of texts')
    refusal = None
    try:
        profiles.normalised(groups)
    except errors.FPGAError as exc:
        refusal = f'device profile {row.name}: {exc.message}'
    return {
        **_common(row),
        'name': row.name,
        'description': row.description,
        'groups': json.dumps(groups),
    }, refusal


def _card(device: Any, address: str, regions: Sequence[Region]) -> Card:
    if device.status not in list(model.DeviceStatus):
        raise _damaged(device, f'its status is {device.status!r}')
    return Card(
        hostname=_checked(device, 'hostname', device.hostname),
        values={
            **_common(device),
            'pci_address': address,
            'driver': regions[0].driver if regions else '',
            'vendor': _checked(device, 'vendor', device.vendor),
            'vendor_id': _pci_id(device.vendor),
            'product_id': _product(device.std_board_info),
            # An agent's report has one.
            'family': '',
            'model': device.model,
            'status': device.status,
        },
        regions=regions,
    )


def _first_function(device: Any, paths: Sequence[Any]) -> str:
    if len(paths) != 1:
        raise _damaged(device, f'it has {len(paths)} control path ids, not 1')
    return _address(paths[0], paths[0].cpid_info)


def _region(
    row: Any, attributes: Sequence[Any], handles: Sequence[Any], address: str
) -> Region:
    traits = {a.value for a in attributes if a.key.startswith(_TRAIT)}
    loaded = {name for name in traits if name.startswith(_LOADED)}
    illegal = {name for name in traits - loaded if not profiles.is_trait(name)}
    left_out = loaded | illegal
    kept = [
        a
        for a in attributes
        if a.value not in left_out or not a.key.startswith(_TRAIT)
    ]
    name = _checked(row, 'name', row.name)
    return Region(
        values={
            **_common(row),
            'name': name,
            'resource_class': _resource_class(row, attributes),
            'rp_name': name,
            # As Cyborg makes it, where it has not come to that.
            'rp_uuid': row.rp_uuid
            or str(uuid.uuid3(uuid.NAMESPACE_DNS, name)),
            'rp_fixed': True,
            'function_id': _function(loaded),
            'added_traits': ' '.join(sorted(traits - left_out)),
        },
        driver=(row.driver_name or '')[: _MAX['vendor']],
        facts=[_fact(attribute) for attribute in kept],
        handles=[_handle(handle, address) for handle in handles],
        functions=len(loaded),
        illegal=sorted(illegal),
    )


def _fact(row: Any) -> Values:
    if len(row.key) > _MAX_TEXT:
        raise _damaged(row, f'its key has more than {_MAX_TEXT} characters')
    return {
        **_common(row),
        'key': row.key,
        'value': row.value,
        # Our records say that too.
        'reported': row.key == _CLASS,
    }


def _handle(row: Any, first: str) -> Values:
    if row.attach_type not in _HANDLE_TYPES:
        raise _damaged(row, f'its type is {row.attach_type!r}')
    address = _address(row, row.attach_info)
    kind = model.HandleKind.PF if address == first else model.HandleKind.VF
    if row.attach_type == model.HandleKind.TEST_PCI:
        kind = model.HandleKind.TEST_PCI
    return {**_common(row), 'pci_address': address, 'kind': kind.value}


def _resource_class(row: Any, attributes: Sequence[Any]) -> str:
    names = {a.value for a in attributes if a.key == _CLASS}
    if len(names) > 1:
        raise _damaged(row, f'it has the classes {", ".join(sorted(names))}')
    name = next(iter(names), os_resource_classes.FPGA)
    if name not in os_resource_classes.STANDARDS and not _CUSTOM.fullmatch(
        name
    ):
        raise _damaged(row, f'its class is {name!r}')
    return str(name)


def _function(traits: Iterable[str]) -> str | None:
    """What is loaded, where the traits are of one mind."""
    matches = [_FUNCTION.fullmatch(name) for name in traits]
    ids = {match[1].lower() for match in matches if match}
    return ids.pop() if len(ids) == 1 else None


def _address(row: Any, text: str) -> str:
    """The PCI function that a JSON text tells in four members."""
    try:
        parts = json.loads(text)
        domain, bus, device, function = (
            parts[name].removeprefix('0x').zfill(width)
            for name, width in (
                ('domain', 4),
                ('bus', 2),
                ('device', 2),
                ('function', 1),
            )
        )
        found = model.PciAddress.parse(f'{domain}:{bus}:{device}.{function}')
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise _damaged(row, f'{text[:80]!r} is no PCI address') from exc
    return str(found)


def _product(board: str | None) -> str:
    """Its id, if the board's description tells."""
    try:
        facts = json.loads(board or '{}')
        found = facts.get('product_id') or facts.get('device_id') or ''
    except (ValueError, AttributeError):
        return ''
    return _pci_id(str(found))


def _pci_id(text: str) -> str:
    match = _PCI_ID.fullmatch(text)
    return match[1].lower() if match else ''


def _common(row: Any) -> Values:
    try:
        known = str(uuid.UUID(row.uuid)) == row.uuid
    except (ValueError, TypeError, AttributeError):
        known = False
    if not known:
        raise _damaged(row, 'that is no uuid')
    created = row.created_at or row.updated_at or _NEVER
    return {
        'uuid': row.uuid,
        'created_at': created,
        'updated_at': row.updated_at,
    }


def _checked(row: Any, column: str, value: Any) -> Any:
    """*value*, if there is room for it."""
    if value is not None and not 0 < len(value) <= _MAX[column]:
        raise _damaged(
            row, f'its {column} must have 1 to {_MAX[column]} characters'
        )
    return value


def _is_group(group: Any) -> bool:
    return isinstance(group, dict) and all(
        isinstance(value, str) for value in group.values()
    )


def _seconds(time: datetime.datetime | None) -> float:
    return (time or _NEVER).replace(tzinfo=datetime.UTC).timestamp()


def _by(rows: Iterable[Any], column: str) -> Mapping[int, list[Any]]:
    found: dict[int, list[Any]] = collections.defaultdict(list)
    for row in rows:
        found[getattr(row, column)].append(row)
    return found


def _damaged(row: Any, why: str) -> Damaged:
    return Damaged(f'{row.noun} {row.uuid} (row {row.id}): {why}')
