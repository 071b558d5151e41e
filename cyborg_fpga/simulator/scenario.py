"""Which cards simulated hosts have: a YAML file and its checks.

A file describes one host by its cards, or several::

    hosts:
      - name: rack1-          # of one host, or what the names begin with
        count: 4              # rack1-1 to rack1-4, which are alike
        cards:
          - {address: '0000:3b:00.0', family: PAC_D5005, vfs: 8, count: 2}
      - name: edge1
        cards:
          - {address: 'ffffffff:ff:00.0', family: ZYNQ7000}

A card has these members::

    cards:
      - address: '0000:3b:00.0'   # the only member that must be there
        count: 1                  # the next ones are two buses further
        family: PAC_A10           # or another: ids and defaults
        vendor: '8086'            # these four instead of the family's
        device: '09c4'
        subsystem_device: '0000'
        vf_device: '09c5'
        numa_node: 0              # -1 where the firmware does not say
        serial: '0123456789abcdef'
        region_id: '69528db6eb31577a8c3668f9faa081f6'
        function_id: null         # what is loaded at first
        idcode: '00000000'        # of a ZYNQ: what the chip calls itself
        user_device: null         # of a U250: id of the user function
        platform: ''              # of a U250: what its shell calls itself
        management: true          # of a U250: false, as a guest sees it
        ports: 1
        vfs: 0                    # with VFs, every port belongs to one
        total_vfs: 0              # how many there can be; at least vfs, ports
        ofs: false                # of an N6001: the OFS shell, see dfl.py
        old_names: false          # of a PAC: the driver of before DFL's
        vf_offset: 128            # first VF's distance from the PF
        vf_stride: 2              # and from one VF to the next
        program_fixed: 0.2        # seconds to load an image of any size
        program_rate: 40000000    # bytes per second on top; by family
        memory: 65536             # bytes that a guest sees of a function
        faults:                   # from the first start on, see faults.py
          slow: {seconds: 2, times: 1}
"""

import collections
import dataclasses
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import yaml

from cyborg_fpga.simulator import families
from cyborg_fpga.simulator import faults
from cyborg_fpga.simulator import members

_NAME = re.compile('[a-z0-9]([a-z0-9.-]{0,62}[a-z0-9-])?')
_COUNT_LIMIT = 10_000
#: Kinds of cards that can have VFs, and of those with two functions.
_WITH_VFS = ('dfl', 'pci')
_OF_TWO = ('aws', 'xrt')
#: From one card of a ``count`` to the next: its bridge is on the bus before.
_BUSES = 2
#: Several times as fast where it is.
_DUMPER = getattr(yaml, 'CSafeDumper', yaml.SafeDumper)

DEFAULT = """
cards:
  - {address: '0000:3b:00.0', family: PAC_A10, numa_node: 0}
  - {address: '0000:5e:00.0', family: PAC_A10, numa_node: 1}
  - {address: '0000:86:00.0', family: PAC_D5005, numa_node: 1, vfs: 4}
"""


class ScenarioError(ValueError):
    """The file does not describe a host; its text says where and why."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One card, all members checked."""

    address: str
    family: str = 'PAC_A10'
    vendor: str = '8086'
    device: str = '09c4'
    subsystem_device: str = '0000'
    vf_device: str = '09c5'
    user_device: str | None = None
    platform: str = ''
    management: bool = True
    numa_node: int = -1
    serial: str | None = None
    region_id: str | None = families.FAMILIES['PAC_A10']['region_id']
    function_id: str | None = None
    idcode: str = '00000000'
    ports: int = 1
    vfs: int = 0
    total_vfs: int = 0
    ofs: bool = False
    old_names: bool = False
    vf_offset: int = 128
    vf_stride: int = 2
    program_fixed: float = 0.2
    program_rate: float = 40e6
    memory: int = 65536
    faults: Mapping[str, Mapping[str, Any]] = dataclasses.field(
        default_factory=dict
    )

    @property
    def kind(self) -> str:
        """Which entry of :data:`.kinds.KINDS` it is."""
        return str(families.FAMILIES[self.family]['kind'])

    @property
    def vf_addresses(self) -> list[str]:
        """Of the VFs that it has at first."""
        return self.vf_addresses_of(self.vfs)

    def vf_addresses_of(self, count: int) -> list[str]:
        domain, bus, rest = self.address.split(':')
        device, function = rest.split('.')
        first = int(bus, 16) << 8 | int(device, 16) << 3 | int(function)
        ids = [
            first + self.vf_offset + n * self.vf_stride for n in range(count)
        ]
        return [
            f'{domain}:{rid >> 8:02x}:{rid >> 3 & 31:02x}.{rid & 7}'
            for rid in ids
        ]

    @property
    def user_address(self) -> str | None:
        """The user function's, where management has one of its own."""
        return None if self.user_device is None else self.next_address

    @property
    def next_address(self) -> str:
        """Of the function after its first, where its kind has two."""
        slot, _, function = self.address.partition('.')
        return f'{slot}.{int(function) + 1}'

    @property
    def guest_addresses(self) -> list[str]:
        """What guests can be given."""
        if self.user_address:
            return [self.user_address]
        return self.vf_addresses or [self.address]

    @property
    def vfs_limit(self) -> int:
        """What ``sriov_totalvfs`` says."""
        return max(self.total_vfs, self.vfs, self.ports)

    @property
    def other_pfs(self) -> dict[str, tuple[str, str]]:
        """Vendor and device of an OFS shell's further physical functions."""
        if not self.ofs:
            return {}
        slot = self.address.partition('.')[0]
        own = (self.vendor, self.device)
        ids = {1: own, 2: own, 3: ('1af4', '1000'), 4: own}
        return {f'{slot}.{number}': pair for number, pair in ids.items()}


@dataclasses.dataclass(frozen=True, slots=True)
class Scenario:
    """One host."""

    cards: tuple[Card, ...]
    name: str = 'node1'

    def dump(self) -> str:
        """The YAML text that :func:`parse` turns into this again."""
        cards = [dataclasses.asdict(card) for card in self.cards]
        text: str = yaml.dump(
            {'cards': cards}, Dumper=_DUMPER, sort_keys=False
        )
        return text


def is_address(text: str) -> bool:
    """Whether *text* is the address of a function that a bus can have."""
    return bool(members.ADDRESS.fullmatch(text))


def load(path: pathlib.Path) -> list[Scenario]:
    """Read a scenario file: its hosts.

    :raises ScenarioError: It is not one.
    """
    try:
        return parse_hosts(path.read_text())
    except (OSError, UnicodeDecodeError) as exc:
        raise ScenarioError(f'{path} cannot be read: {exc}') from exc


def parse(text: str) -> Scenario:
    """Read a scenario of one host.

    :raises ScenarioError: It is not one.
    """
    found = parse_hosts(text)
    if len(found) != 1:
        raise ScenarioError(f'it describes {len(found)} hosts, not one')
    return found[0]


def parse_hosts(text: str) -> list[Scenario]:
    """Read a scenario: its hosts, of which there is at least one.

    :raises ScenarioError: It is not one.
    """
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise ScenarioError(f'not YAML: {exc}') from exc
    if not isinstance(found, dict) or set(found) not in (
        {'cards'},
        {'hosts'},
    ):
        raise ScenarioError('the one member of it is "cards" or "hosts"')
    if 'cards' in found:
        return [Scenario(_cards('cards', found['cards']))]
    entries = found['hosts']
    if not isinstance(entries, list) or not entries:
        raise ScenarioError('hosts: must be a list of at least one')
    hosts = [
        host
        for n, entry in enumerate(entries)
        for host in _hosts(f'hosts[{n}]', entry)
    ]
    for name, times in collections.Counter(h.name for h in hosts).items():
        if times > 1:
            raise ScenarioError(f'{name}: two hosts have that name')
    return hosts


def _hosts(where: str, entry: Any) -> list[Scenario]:
    if not isinstance(entry, dict):
        raise ScenarioError(f'{where}: must be a mapping')
    unknown = {str(key) for key in entry} - {'name', 'count', 'cards'}
    if unknown:
        raise ScenarioError(f'{where}: unknown member {min(unknown)!r}')
    name, count = entry.get('name', 'node'), _count(where, entry)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ScenarioError(f'{where}.name: {name!r} is not valid')
    cards = _cards(f'{where}.cards', entry.get('cards'))
    if 'count' not in entry and 'name' in entry:
        return [Scenario(cards, name)]
    return [Scenario(cards, f'{name}{n}') for n in range(1, count + 1)]


def _cards(where: str, entries: Any) -> tuple[Card, ...]:
    if not isinstance(entries, list):
        raise ScenarioError(f'{where}: must be a list')
    cards = tuple(
        card
        for n, entry in enumerate(entries)
        for card in _alike(f'{where}[{n}]', entry)
    )
    _distinct(cards)
    return cards


def _alike(where: str, entry: Any) -> list[Card]:
    """A card, and those that its ``count`` adds."""
    if not isinstance(entry, dict):
        raise ScenarioError(f'{where}: must be a mapping')
    count = _count(where, entry)
    card = _card(where, {k: v for k, v in entry.items() if k != 'count'})
    domain, bus, rest = card.address.split(':')
    if int(bus, 16) + _BUSES * (count - 1) > 0xFF:
        raise ScenarioError(f'{where}.count: ends beyond the last PCI bus')
    found = [card]
    for n in range(1, count):
        address = f'{domain}:{int(bus, 16) + _BUSES * n:02x}:{rest}'
        found.append(dataclasses.replace(card, address=address))
    for card in found:
        _check_guest(where, card)
    return found


def _count(where: str, entry: Mapping[str, Any]) -> int:
    count = entry.get('count', 1)
    if type(count) is not int or not 1 <= count <= _COUNT_LIMIT:
        raise ScenarioError(f'{where}.count: {count!r} is not valid')
    return count


def _card(where: str, item: Any) -> Card:
    kinds = {field.name for field in dataclasses.fields(Card)}
    unknown = {str(key) for key in item} - kinds
    if unknown:
        raise ScenarioError(f'{where}: unknown member {min(unknown)!r}')
    family = item.get('family', Card.__dataclass_fields__['family'].default)
    if not isinstance(family, str) or family not in families.FAMILIES:
        known = ', '.join(sorted(families.FAMILIES))
        raise ScenarioError(f'{where}.family: must be one of {known}')
    defaults = {**families.FAMILIES[family], **families.speed(family)}
    del defaults['kind']
    found = {**defaults, **item}
    for name, value in found.items():
        if not members.good(name, value):
            raise ScenarioError(f'{where}.{name}: {value!r} is not valid')
    if 'address' not in found:
        raise ScenarioError(f'{where}.address: is missing')
    card = Card(**found)
    for name in ('region_id', 'user_device'):
        if (getattr(card, name) is None) != (defaults.get(name) is None):
            value = getattr(card, name)
            raise ScenarioError(
                f'{where}.{name}: {value!r} is not for this family'
            )
    _check_kind(where, card)
    _check_functions(where, card)
    _check_faults(where, card)
    return card


def _check_faults(where: str, card: Card) -> None:
    for kind, arguments in card.faults.items():
        try:
            faults.Faults({}, card.kind).set(kind, arguments or {})
        except (TypeError, ValueError) as exc:
            raise ScenarioError(f'{where}.faults: {exc}') from exc


def _check_kind(where: str, card: Card) -> None:
    for name, wrong in {
        'ofs': card.kind != 'dfl' or card.address[-2:] != '.0',
        'old_names': card.kind != 'dfl' or card.ofs,
        'ports': card.kind != 'dfl' and card.ports > 1,
        'vfs': card.kind not in _WITH_VFS,
        'total_vfs': card.kind not in _WITH_VFS,
    }.items():
        if getattr(card, name) and wrong:
            raise ScenarioError(f'{where}.{name}: not for such a card')
    if card.kind == 'aws' and not members.SHELL.fullmatch(card.platform):
        raise ScenarioError(
            f'{where}.platform: {card.platform!r} is not 8 hex digits'
        )


def _check_functions(where: str, card: Card) -> None:
    if card.kind in _OF_TWO and not is_address(card.next_address):
        raise ScenarioError(
            f'{where}.address: such a card has a function after it'
        )
    if card.vfs and card.vfs < card.ports:
        raise ScenarioError(f'{where}.vfs: fewer than ports')
    if not all(map(is_address, card.vf_addresses)):
        raise ScenarioError(f'{where}.vfs: end beyond the last PCI bus')


def _check_guest(where: str, card: Card) -> None:
    function = str((card.faults.get('guest') or {}).get('function', ''))
    if function and function not in card.guest_addresses:
        raise ScenarioError(
            f'{where}.faults.guest: no guest can have {function} of '
            f'card {card.address}'
        )


def _distinct(cards: tuple[Card, ...]) -> None:
    seen: set[str] = set()
    for card in cards:
        domain, bus, _ = card.address.split(':')
        if (card.kind == 'zynq') != ((domain, bus) == ('f' * 8, 'ff')):
            raise ScenarioError(
                f'{card.address}: ffffffff:ff is where chips without a bus '
                'are, and only these'
            )
        if int(bus, 16) == 0:
            raise ScenarioError(f'{card.address}: bus 00 has the bridges')
        beside = [card.next_address] if card.kind == 'aws' else []
        for address in [
            *{card.address, *card.guest_addresses},
            *card.other_pfs,
            *beside,
        ]:
            if address in seen:
                raise ScenarioError(f'{address}: two functions have it')
            seen.add(address)
