"""What the ids alone say of a card: the table in ``families.yaml``.

A site can put a file of its own before the table that comes with us.
"""

import dataclasses
import functools
import pathlib
import re
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import Self

import yaml

from cyborg_fpga import errors

_OURS = pathlib.Path(__file__).with_name('families.yaml')
_HEX4 = re.compile('[0-9a-f]{4}')
_ID = re.compile('[0-9a-f]{4}/[0-9a-f]{4}(/[0-9a-f]{4})?')
_WORDS: Mapping[str, re.Pattern[str]] = {
    'driver': re.compile('[a-z0-9_]{1,32}'),
    'vendor': re.compile('[a-z][a-z0-9_]{0,31}'),
    'name': re.compile('[A-Z0-9][A-Z0-9_]{0,31}'),
    'model': re.compile('.{0,255}'),
    'user': _HEX4,
    'vf': _HEX4,
    'part': re.compile('[a-z0-9-]{1,64}'),
    'region': re.compile('[0-9a-f]{32}'),
}
_LISTS: Mapping[str, re.Pattern[str]] = {
    'ids': _ID,
    'managers': re.compile('.{1,255}'),
}
_NEEDED = ('driver', 'vendor', 'name')


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One entry; what its members mean stands in the table itself."""

    driver: str
    vendor: str
    name: str
    model: str = ''
    ids: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()
    user: str = ''
    vf: str = ''
    part: str = ''
    region: str = ''
    program_fixed: float = 2.0
    program_rate: float = 20e6


class Table:
    """All entries; the first that fits best holds.

    :ivar families: In the order of the files.
    """

    def __init__(
        self, families: Sequence[Family], vendors: Mapping[str, str]
    ) -> None:
        self.families = tuple(families)
        self._vendors = dict(vendors)
        self._by_key: dict[tuple[str, str], Family] = {}
        for family in families:
            for key in (*family.ids, *family.managers):
                self._by_key.setdefault((family.driver, key), family)

    @classmethod
    def read(cls, path: pathlib.Path | None = None) -> Self:
        """Read our table, with the site's file at *path* before it.

        :raises errors.InvalidInput: The file is not a table; the sentence
            says where and why.
        """
        found, vendors = _parse(_OURS)
        if path is not None:
            first, named = _parse(path)
            found, vendors = [*first, *found], {**vendors, **named}
        return cls(found, vendors)

    def find(
        self, driver: str, vendor: str, device: str, subsystem: str = ''
    ) -> Family | None:
        """The family of *driver* with these ids, four hex digits each."""
        plain = f'{vendor}/{device}'
        return self._by_key.get(
            (driver, f'{plain}/{subsystem}')
        ) or self._by_key.get((driver, plain))

    def unlisted(
        self, driver: str, vendor: str, device: str, prefix: str
    ) -> Family | None:
        """A family of its own for a card of a vendor that is known.

        The kernel takes new ids at run time. None for an unknown vendor.
        """
        if vendor not in self._vendors:
            return None
        return Family(
            driver=driver,
            vendor=self._vendors[vendor],
            name=f'{prefix}_{device.upper()}',
        )

    def manager(self, driver: str, name: str) -> Family | None:
        """The family of an FPGA manager, by what the kernel calls it."""
        return self._by_key.get((driver, name))

    def vendor_id(self, vendor: str) -> str:
        """The first PCI id of a vendor's word; four zeros if it has none."""
        ids = [key for key, word in self._vendors.items() if word == vendor]
        return min(ids, default='0000')

    def products(self, vendor: str, device: str) -> frozenset[str]:
        """Device ids of all functions of a card, *device* included."""
        found = {device}
        for family in self.families:
            if any(i.startswith(f'{vendor}/{device}') for i in family.ids):
                found |= {family.user, family.vf}
        return frozenset(found - {''})


@functools.cache
def shipped() -> Table:
    """The table without a site's file."""
    return Table.read()


def _parse(path: pathlib.Path) -> tuple[list[Family], dict[str, str]]:
    try:
        found = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        raise _bad(path, f'cannot be read: {exc}') from exc
    if not isinstance(found, dict) or set(found) - {'vendors', 'families'}:
        raise _bad(path, 'its members are "families" and "vendors"')
    vendors = found.get('vendors') or {}
    if not isinstance(vendors, dict) or not all(
        _is(_HEX4, key) and _is(_WORDS['vendor'], word)
        for key, word in vendors.items()
    ):
        raise _bad(path, 'vendors: must be words by four quoted hex digits')
    entries = found.get('families') or []
    if not isinstance(entries, list):
        raise _bad(path, 'families: must be a list')
    return [
        _family(path, f'families[{n}]', entry)
        for n, entry in enumerate(entries)
    ], vendors


def _family(path: pathlib.Path, where: str, entry: Any) -> Family:
    if not isinstance(entry, dict):
        raise _bad(path, f'{where}: must be a mapping')
    unknown = {str(k) for k in entry} - {
        field.name for field in dataclasses.fields(Family)
    }
    if unknown:
        raise _bad(path, f'{where}: unknown member {min(unknown)!r}')
    members = dict(entry)
    for name, value in entry.items():
        if not _good(name, value):
            raise _bad(path, f'{where}.{name}: {value!r} is not valid')
        if name in _LISTS:
            members[name] = tuple(value)
    for name in _NEEDED:
        if name not in members:
            raise _bad(path, f'{where}.{name}: is missing')
    if not members.get('ids') and not members.get('managers'):
        raise _bad(path, f'{where}: has neither ids nor managers')
    return Family(**members)


def _good(name: str, value: Any) -> bool:
    if name in _LISTS:
        return isinstance(value, list) and all(
            _is(_LISTS[name], item) for item in value
        )
    if name in _WORDS:
        return _is(_WORDS[name], value)
    low = 0 if name == 'program_fixed' else 1
    return type(value) in (int, float) and low <= value < 1e12


def _is(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and bool(pattern.fullmatch(value))


def _bad(path: pathlib.Path, words: str) -> errors.InvalidInput:
    return errors.InvalidInput(reason=f'{path}: {words}')
