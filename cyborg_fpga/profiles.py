"""What the groups of a device profile say: pure functions.

A group is a mapping of three kinds of key to text::

    resources:<class>   how many units; each becomes an accelerator request
    trait:<name>        required or forbidden
    accel:<key>         what must be loaded, and more: see _ACCEL

Nova and Placement read the first two, we read all three.
"""

import dataclasses
import json
import re
import uuid
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from typing import Any

import os_traits

from cyborg_fpga import errors

#: More would be more requests than any instance can have.
MAX_UNITS = 256
MAX_GROUPS = 32
_MAX_KEYS = 128
#: As JSON, which is how they are kept.
_MAX_LENGTH = 65535
_KINDS = ('resources', 'trait', 'accel')
_CLASSES = {'FPGA', 'GPU', 'PGPU', 'VGPU'}
_CUSTOM = re.compile(r'CUSTOM_[A-Z0-9_]{1,248}')
_AMOUNT = re.compile(r'[0-9]{1,9}', re.ASCII)
_CERTAIN_TYPE = re.compile(r'CUSTOM_ACCELERATOR_([A-Z0-9_]{1,32})')
_PERHAPS_TYPE = re.compile(r'CUSTOM_HW_([A-Z0-9_]{1,32})')
_STANDARD_TRAITS = frozenset(os_traits.get_traits())
_UUID = re.compile(
    r'[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', re.IGNORECASE
)

# The keys that say what to load. A group has at most one.
_IMAGE, _IMAGE_NAME = 'bitstream_id', 'bitstream_name'
_FUNCTION, _FUNCTION_NAME = 'function_id', 'function_name'
_TYPE, _LATER = 'type', 'bitstream_at_runtime'
_LOADS = (_IMAGE, _IMAGE_NAME, _FUNCTION, _FUNCTION_NAME, _TYPE)
_WIPE = 'wipe_level'


def _pattern(text: str) -> Callable[[str], object]:
    return re.compile(text).fullmatch


#: Key -> whether a value is one for it, and what its values are.
_ACCEL: dict[str, tuple[Callable[[str], object], str]] = {
    _IMAGE: (_UUID.fullmatch, 'the UUID of an image'),
    _IMAGE_NAME: (_pattern(r'[^\x00-\x1f]{1,255}'), 'the name of an image'),
    _FUNCTION: (_pattern('[!-~]{1,64}'), 'the id of a function'),
    _FUNCTION_NAME: (
        _pattern(r'[^\x00-\x1f]{1,255}'),
        'the name of a function',
    ),
    _TYPE: (_pattern('[a-z0-9_]{1,32}'), '1 to 32 of a-z, 0-9 and _'),
    _LATER: (_pattern('(?i:true|false)'), 'True or False'),
    _WIPE: (_pattern('reset|clear|blank'), 'reset, clear or blank'),
    'attach_target': (_pattern('VM|host|none'), 'VM, host or none'),
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What one group asks of one provider.

    At most one of the five that say what must be loaded is not None.

    :ivar amounts: Units by resource class.
    :ivar function_id: 32 lower-case hex digits where it is a UUID.
    :ivar type: Named, or in a required ``CUSTOM_ACCELERATOR_<TYPE>``.
    :ivar perhaps_types: What stands in required ``CUSTOM_HW_<NAME>``:
        types, vendors or anything else. See :meth:`type_among`.
    :ivar loaded_later: The guest's user programs it: nothing is loaded.
    :ivar wipe_level: It is wiped at least so when it is given back.
    """

    amounts: Mapping[str, int]
    required: frozenset[str]
    forbidden: frozenset[str]
    bitstream_id: str | None = None
    bitstream_name: str | None = None
    function_id: str | None = None
    function_name: str | None = None
    type: str | None = None
    perhaps_types: frozenset[str] = frozenset()
    loaded_later: bool = False
    wipe_level: str | None = None

    @property
    def units(self) -> int:
        """How many accelerator requests it makes."""
        return sum(self.amounts.values())

    def type_among(self, known: Collection[str]) -> str | None:
        """The type to load; None: none is asked for.

        :param known: Types that there are bitstreams of.
        :raises errors.InvalidInput: It asks for two.
        """
        if self.type is not None:
            return self.type
        found = sorted(self.perhaps_types.intersection(known))
        if len(found) > 1:
            raise errors.InvalidInput(
                reason=f'one group asks for types {" and ".join(found)}'
            )
        return found[0] if found else None


def normalised(groups: Any) -> list[dict[str, str]]:
    """Groups as a profile keeps them; blanks around names are gone.

    :param groups: As a client sent them.
    :raises errors.InvalidInput: Nova, Placement or we could not use them.
    """
    if not groups or not isinstance(groups, list):
        raise errors.InvalidInput('DeviceProfile needs groups field.')
    if len(groups) > MAX_GROUPS:
        raise errors.InvalidInput(reason=f'more than {MAX_GROUPS} groups')
    plain = [_plain(group) for group in groups]
    if len(json.dumps(plain)) > _MAX_LENGTH:
        raise errors.InvalidInput(
            reason=f'its groups are longer than {_MAX_LENGTH} bytes'
        )
    units = sum(read(group).units for group in plain)
    if units > MAX_UNITS:
        raise errors.InvalidInput(
            reason=f'{units} units in all, at most {MAX_UNITS} are possible'
        )
    return plain


def read(group: Mapping[str, str]) -> Group:
    """What a group asks for.

    :raises errors.InvalidInput: It makes no sense.
    """
    kinds: dict[str, dict[str, str]] = {kind: {} for kind in _KINDS}
    for key, value in group.items():
        kind, name = _split(key)
        kinds[kind][name] = value
    amounts = {
        name: _amount(name, value)
        for name, value in kinds['resources'].items()
    }
    if not amounts:
        raise errors.InvalidInput(
            reason='a group of a device profile needs resources:<class>'
        )
    required, forbidden = _traits(kinds['trait'])
    return Group(
        amounts=amounts,
        required=required,
        forbidden=forbidden,
        **_load(kinds['accel'], required),
    )


def _plain(group: Any) -> dict[str, str]:
    if not isinstance(group, dict) or not 0 < len(group) <= _MAX_KEYS:
        raise errors.InvalidInput(
            reason='a group of a device profile must be an object with 1 to '
            f'{_MAX_KEYS} members'
        )
    plain: dict[str, str] = {}
    for key, value in group.items():
        kind, name = _split(key)
        if f'{kind}:{name}' in plain:
            raise errors.InvalidInput(reason=f'{kind}:{name} is there twice')
        plain[f'{kind}:{name}'] = _text(f'{kind}:{name}', value)
    return plain


def _split(key: str) -> tuple[str, str]:
    kind, colon, name = key.partition(':')
    if not colon or kind not in _KINDS:
        raise errors.InvalidInput(
            'Device profile group keys must be of the form '
            f'^(resources:|trait:|accel:), not {key[:64]!r}'
        )
    return kind, name.strip()


def _text(key: str, value: Any) -> str:
    number = isinstance(value, int) and not isinstance(value, bool)
    if key.startswith('resources:') and number:
        # Python refuses to write very long ones.
        return str(value) if abs(value) < 10**9 else 'too large'
    if not isinstance(value, str):
        raise errors.InvalidInput(reason=f'the value of {key} must be text')
    return value.strip()


def _amount(name: str, value: str) -> int:
    if name not in _CLASSES and not _CUSTOM.fullmatch(name):
        raise errors.InvalidInput(
            reason=f'resource class {name[:64]!r} must be CUSTOM_… or one of '
            f'{", ".join(sorted(_CLASSES))}'
        )
    if not _AMOUNT.fullmatch(value):
        raise errors.InvalidInput(f'Resources number {value[:16]} is invalid')
    if not 1 <= int(value) <= MAX_UNITS:
        raise errors.InvalidInput(
            f'Resources number {value} is invalid: not in 1 to {MAX_UNITS}'
        )
    return int(value)


def _traits(
    traits: Mapping[str, str],
) -> tuple[frozenset[str], frozenset[str]]:
    for name, value in traits.items():
        if not is_trait(name):
            raise errors.InvalidInput(
                reason=f'trait {name[:64]!r} is neither CUSTOM_… nor one of '
                'the standard traits'
            )
        if value not in ('required', 'forbidden'):
            raise errors.InvalidInput(
                reason=f'trait {name} is required or forbidden, not '
                f'{value[:16]!r}'
            )
    required = frozenset(n for n, v in traits.items() if v == 'required')
    return required, frozenset(traits) - required


def is_trait(name: str) -> bool:
    """Whether Placement takes *name* for a trait."""
    return bool(_CUSTOM.fullmatch(name)) or name in _STANDARD_TRAITS


def _load(
    accel: Mapping[str, str], required: Collection[str]
) -> dict[str, Any]:
    for key, value in accel.items():
        if key not in _ACCEL:
            raise errors.InvalidInput(
                reason=f'accel:{key[:64]} means nothing; known are '
                f'{", ".join(f"accel:{known}" for known in sorted(_ACCEL))}'
            )
        matches, words = _ACCEL[key]
        if not matches(value):
            raise errors.InvalidInput(
                reason=f'accel:{key} must be {words}, not {value[:64]!r}'
            )
    return _what(accel, required)


def _what(
    accel: Mapping[str, str], required: Collection[str]
) -> dict[str, Any]:
    """Checked keys as members of a :class:`Group`."""
    load: dict[str, Any] = {key: accel[key] for key in _LOADS if key in accel}
    later = accel.get(_LATER, '').lower() == 'true'
    ways = [*load, _LATER] if later else [*load]
    if len(ways) > 1:
        raise errors.InvalidInput(
            reason='a group says in one way what to load, not in '
            f'{len(ways)}: {", ".join(f"accel:{way}" for way in ways)}'
        )
    load['loaded_later'] = later
    load[_WIPE] = accel.get(_WIPE)
    if _IMAGE in load:
        load[_IMAGE] = str(uuid.UUID(load[_IMAGE]))
    if _UUID.fullmatch(load.get(_FUNCTION, '')):
        load[_FUNCTION] = uuid.UUID(load[_FUNCTION]).hex
    if not ways or _TYPE in load:
        load.update(_types(load.get(_TYPE), required))
    return load


def _types(named: str | None, required: Collection[str]) -> dict[str, Any]:
    """What to load where traits may say it; *named* is ``accel:type``."""
    certain = _matches(_CERTAIN_TYPE, required)
    types = sorted(certain if named is None else certain | {named})
    if len(types) > 1:
        raise errors.InvalidInput(
            reason=f'one group asks for types {" and ".join(types)}'
        )
    if types:
        return {_TYPE: types[0]}
    return {'perhaps_types': _matches(_PERHAPS_TYPE, required)}


def _matches(
    pattern: re.Pattern[str], traits: Collection[str]
) -> frozenset[str]:
    found = (pattern.fullmatch(name) for name in traits)
    return frozenset(match[1].lower() for match in found if match)
