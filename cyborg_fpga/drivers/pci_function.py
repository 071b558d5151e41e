"""What sysfs says of one PCI function, whoever's card it is on."""

import contextlib
import re
from collections.abc import Callable
from collections.abc import Iterable
from typing import NamedTuple
from typing import TypeVar

from oslo_log import log as logging

from cyborg_fpga import model
from cyborg_fpga.drivers import holders
from cyborg_fpga.drivers import sysfs

LOG = logging.getLogger(__name__)

DEVICES = 'bus/pci/devices'
#: Why a card of which :attr:`VFs.leaving` names any is suspect.
REMOVAL = 'its virtual functions are being removed'

#: Attributes of a card: addresses with blanks between them.
PHYSICAL = 'physical_functions'
VIRTUAL = 'further_virtual_functions'

_NUMBER = re.compile('[0-9]+$')
#: PCIe extended capability "device serial number" and where they start.
_SERIAL_CAPABILITY = 0x0003
_CAPABILITIES = 0x100
#: Serial numbers of cards whose makers have left what the vendor's example
#: has: it is that of many.
_NOBODYS = ('0000000101000a35',)

_Slot = TypeVar('_Slot')


def addresses(fs: sysfs.Sysfs) -> list[model.PciAddress]:
    """Every PCI function of the host, in order."""
    try:
        names = fs.listdir(DEVICES)
    except OSError:
        return []
    return sorted(filter(None, map(parsed, names)))


def not_bound(address: model.PciAddress, driver: str | None) -> str:
    """Why nothing is to be seen of a card, in words.

    :param driver: What has its function in place of its driver; None: nothing.
    """
    if driver is None:
        return f'driver not bound to {address}'
    return f'driver {driver} has it, so its regions are not seen'


def iommu_groups(
    fs: sysfs.Sysfs, functions: Iterable[model.PciAddress]
) -> dict[str, str]:
    """The attribute ``iommu_group`` of a card; {} on a host without.

    :param functions: What guests are given of it. Those in one group can
        only be given to one guest.
    """
    groups = set()
    for address in functions:
        try:
            link = fs.readlink(f'{DEVICES}/{address}/iommu_group')
        except OSError:
            continue
        groups.add(link.rpartition('/')[2])
    if not groups:
        return {}
    return {'iommu_group': ','.join(sorted(groups, key=_number))}


def slot(address: model.PciAddress) -> tuple[str, str, str]:
    """What the addresses of all functions of a slot have in common."""
    return address.domain, address.bus, address.device


def boards(
    slots: Iterable[_Slot], board: Callable[[_Slot], tuple[str, str | None]]
) -> list[list[_Slot]]:
    """Those of *slots* together that are one card; both in their order.

    A card may take several slots: one with a bridge of its own, or one whose
    lanes are shared out. Its serial number tells; without one each slot is
    a card.

    :param board: Says which kind of card is in a slot, and its serial number.
    """
    found: dict[object, list[_Slot]] = {}
    for place, each in enumerate(slots):
        kind, serial = board(each)
        found.setdefault((kind, serial) if serial else place, []).append(each)
    return list(found.values())


def physical_functions(
    fs: sysfs.Sysfs, address: model.PciAddress
) -> dict[str, str]:
    """The attributes :data:`PHYSICAL` and :data:`VIRTUAL` of a card.

    Of all drivers and kinds, also those that nobody is given; {} where there
    are none (any more).

    :param address: One of its physical functions. Its virtual ones are not
        among the further ones.
    """
    place = str(address).partition('.')[0]
    paths = fs.glob(f'{DEVICES}/{place}.*')
    beside = filter(None, (parsed(path.rpartition('/')[2]) for path in paths))
    found = [each for each in beside if not Function(fs, each).is_vf()]
    further = [
        str(vf)
        for each in found
        if each != address
        for vf in Function(fs, each).vfs().numbered.values()
    ]
    return {
        **({PHYSICAL: ' '.join(map(str, found))} if found else {}),
        **({VIRTUAL: ' '.join(further)} if further else {}),
    }


def joined(attributes: Iterable[dict[str, str]]) -> dict[str, str]:
    """The attributes of a card that takes several slots."""
    found: dict[str, list[str]] = {}
    for each in attributes:
        for name, text in each.items():
            if text not in found.setdefault(name, []):
                found[name].append(text)
    return {name: ' '.join(texts) for name, texts in found.items()}


class VFs(NamedTuple):
    """The virtual functions of one function.

    :ivar numbered: All that there are, by number and in its order.
    :ivar leaving: Those among them whose removal has begun. A guest that has
        one keeps it from ending.
    """

    numbered: dict[int, model.PciAddress]
    leaving: list[model.PciAddress]


class Function:
    """One PCI function; reads when asked.

    :ivar path: Its directory, for what only one driver looks at.
    """

    def __init__(self, fs: sysfs.Sysfs, address: model.PciAddress) -> None:
        self.address = address
        self.path = f'{DEVICES}/{address}'
        self._fs = fs

    def id(self, attribute: str) -> str:
        """A PCI id as four hex digits without ``0x``.

        :raises OSError: It cannot be read, so the function is gone.
        """
        return self._fs.read(f'{self.path}/{attribute}').removeprefix('0x')

    def subsystem(self) -> str:
        """Subsystem device id; '' if it cannot be read."""
        return (self.text('subsystem_device') or '').removeprefix('0x')

    def numa_node(self) -> int | None:
        try:
            node = int(self.text('numa_node') or '')
        except ValueError:
            return None
        return node if node >= 0 else None

    def serial(self) -> str | None:
        """PCIe's serial number; None where the card has none."""
        try:
            config = self._fs.read_bytes(f'{self.path}/config', 4096)
        except OSError:
            return None
        offset, seen = _CAPABILITIES, set[int]()
        while _CAPABILITIES <= offset <= len(config) - 12:
            # A broken card may show a ring.
            if offset in seen:
                return None
            seen.add(offset)
            head = int.from_bytes(config[offset : offset + 4], 'little')
            if head & 0xFFFF == _SERIAL_CAPABILITY:
                serial = config[offset + 4 : offset + 12][::-1].hex()
                given = serial.strip('0') and serial not in _NOBODYS
                return serial if given else None
            offset = head >> 20
        return None

    def vfs(self) -> VFs:
        """Its virtual functions, linked or not.

        The kernel takes the links between both away before it waits for
        whoever has one.
        """
        # The bus first: what is made meanwhile is not taken for leaving.
        present = self._vfs_on_bus()
        linked = {}
        for link in self._fs.glob(f'{self.path}/virtfn*'):
            # A removal may take it away between the two.
            with contextlib.suppress(OSError):
                target = parsed(self._fs.readlink(link).rpartition('/')[2])
                if target is not None:
                    linked[_number(link)] = target
        leaving = {
            number: address
            for number, address in present.items()
            if number not in linked and self._makes(address)
        }
        return VFs(
            dict(sorted({**linked, **leaving}.items())),
            sorted(leaving.values()),
        )

    def _vfs_on_bus(self) -> dict[int, model.PciAddress]:
        """What is where its virtual functions would be."""
        try:
            total, offset, stride = (
                int(self._fs.read(f'{self.path}/sriov_{name}'))
                for name in ('totalvfs', 'offset', 'stride')
            )
            present = set(self._fs.listdir(DEVICES))
        except (OSError, ValueError):
            return {}
        own = self.address
        first = int(own.bus, 16) << 8 | int(own.device, 16) << 3
        first += int(own.function) + offset
        found = {}
        # Without VFs a card may say 0 of both; with one, of the stride.
        for number in range(total if stride else 1) if offset else ():
            at = first + number * stride
            name = f'{own.domain}:{at >> 8:02x}:{at >> 3 & 31:02x}.{at & 7}'
            if name in present:
                found[number] = model.PciAddress.parse(name)
        return found

    def _makes(self, address: model.PciAddress) -> bool:
        """Whether *address*, which is in its range, is a VF of its kind."""
        other = Function(self._fs, address)
        try:
            kind = int(self.id('sriov_vf_device'), 16)
            alike = int(other.id('device'), 16) == kind
            # Another card may have ids that are the same for both kinds.
            physical = self._fs.exists(f'{other.path}/sriov_totalvfs')
            return (
                alike
                and not physical
                and other.id('vendor') == self.id('vendor')
            )
        except (OSError, ValueError):
            return False

    def driver(self) -> str | None:
        """The kernel's driver that has it; None: none has."""
        try:
            link = self._fs.readlink(f'{self.path}/driver')
        except OSError:
            return None
        return link.rpartition('/')[2]

    def iommu_group(self) -> str | None:
        """Number of its group; None without an IOMMU."""
        try:
            link = self._fs.readlink(f'{self.path}/iommu_group')
        except OSError:
            return None
        return link.rpartition('/')[2]

    def vfio_nodes(self) -> list[str]:
        """Device nodes by which a guest can have it."""
        devices = self._fs.glob(f'{self.path}/vfio-dev/vfio*')
        return holders.vfio_nodes(
            self.iommu_group(), [path.rpartition('/')[2] for path in devices]
        )

    def is_vf(self) -> bool:
        return (
            self._fs.exists(f'{self.path}/physfn') or self._left() is not None
        )

    def physical(self) -> model.PciAddress:
        """The physical function that it is or belongs to.

        :raises OSError: There is no such function.
        """
        if not self._fs.exists(f'{self.path}/physfn'):
            self.id('vendor')
            return self._left() or self.address
        link = self._fs.readlink(f'{self.path}/physfn')
        return model.PciAddress.parse(link.rpartition('/')[2])

    def _left(self) -> model.PciAddress | None:
        """The function of which this is leaving, if it is."""
        if self._fs.exists(f'{self.path}/sriov_totalvfs'):
            return None
        for path in self._fs.glob(f'{DEVICES}/*/sriov_totalvfs'):
            owner = parsed(path.split('/')[-2])
            if (
                owner
                and self.address in Function(self._fs, owner).vfs().leaving
            ):
                return owner
        return None

    def text(self, attribute: str) -> str | None:
        """An attribute; None while it cannot be read."""
        try:
            return self._fs.read(f'{self.path}/{attribute}')
        except OSError as exc:
            LOG.debug('%s of %s: %s', attribute, self.address, exc)
            return None


def parsed(name: str) -> model.PciAddress | None:
    """The address that a name in sysfs is, if it is one."""
    try:
        return model.PciAddress.parse(name)
    except ValueError:
        LOG.debug('Not a PCI function: %s', name)
        return None


def _number(path: str) -> int:
    match = _NUMBER.search(path)
    return int(match[0]) if match else -1
