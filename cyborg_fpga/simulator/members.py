"""The members of a card in a scenario: what each can be by itself."""

import re
from collections.abc import Mapping
from typing import Any

ADDRESS = re.compile('([0-9a-f]{4}|f{8}):[0-9a-f]{2}:[01][0-9a-f][.][0-7]')
#: What the shell of an AWS slot calls itself.
SHELL = re.compile('[0-9a-f]{8}')
_HEX4 = re.compile('[0-9a-f]{4}')
_HEX16 = re.compile('[0-9a-f]{16}')
_HEX32 = re.compile('[0-9a-f]{32}')

_TEXTS: Mapping[str, re.Pattern[str]] = {
    'address': ADDRESS,
    'family': re.compile('.*'),
    'vendor': _HEX4,
    'device': _HEX4,
    'subsystem_device': _HEX4,
    'vf_device': _HEX4,
    'user_device': _HEX4,
    'platform': re.compile('[A-Za-z0-9_.:-]{0,63}'),
    'serial': _HEX16,
    'region_id': _HEX32,
    'function_id': _HEX32,
    'idcode': re.compile('[0-9a-f]{8}'),
}
_RANGES: Mapping[str, tuple[float, float]] = {
    'numa_node': (-1, 1023),
    'ports': (1, 4),
    'vfs': (0, 64),
    'total_vfs': (0, 64),
    'vf_offset': (1, 4096),
    'vf_stride': (1, 256),
    'program_fixed': (0, 3600),
    'program_rate': (1, 1e12),
    'memory': (16, 1 << 30),
}
_SWITCHES = ('management', 'ofs', 'old_names')
_FRACTIONS = ('program_fixed', 'program_rate')


def good(name: str, value: Any) -> bool:
    """Whether member *name* of a card can be *value*.

    Of its faults only that there can be some.
    """
    if value is None:
        return name in ('serial', 'region_id', 'function_id', 'user_device')
    if name in _SWITCHES:
        return isinstance(value, bool)
    if name == 'faults':
        return isinstance(value, dict)
    if name in _TEXTS:
        return isinstance(value, str) and bool(_TEXTS[name].fullmatch(value))
    kinds = (int, float) if name in _FRACTIONS else (int,)
    low, high = _RANGES[name]
    return type(value) in kinds and low <= value <= high
