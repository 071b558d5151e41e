"""What sysfs says of one PCI function, whoever's card it is on."""

import re
from collections.abc import Iterable

from oslo_log import log as logging

from cyborg_fpga import model
from cyborg_fpga.drivers import holders
from cyborg_fpga.drivers import sysfs

LOG = logging.getLogger(__name__)

DEVICES = 'bus/pci/devices'

#: Attribute of a card: addresses with blanks between them.
PHYSICAL = 'physical_functions'

_NUMBER = re.compile('[0-9]+$')
#: PCIe extended capability "device serial number" and where they start.
_SERIAL_CAPABILITY = 0x0003
_CAPABILITIES = 0x100


def addresses(fs: sysfs.Sysfs) -> list[model.PciAddress]:
    """Every PCI function of the host, in order."""
    try:
        names = fs.listdir(DEVICES)
    except OSError:
        return []
    return sorted(filter(None, map(parsed, names)))


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


def physical_functions(
    fs: sysfs.Sysfs, address: model.PciAddress
) -> dict[str, str]:
    """The attribute :data:`PHYSICAL` of the card that has *address*.

    Of all drivers and kinds, also those that nobody is given; {} where there
    are none (any more).
    """
    slot = str(address).partition('.')[0]
    paths = fs.glob(f'{DEVICES}/{slot}.*')
    names = [
        path.rpartition('/')[2]
        for path in paths
        if not fs.exists(f'{path}/physfn')
    ]
    return {PHYSICAL: ' '.join(names)} if names else {}


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
                return serial if serial.strip('0') else None
            offset = head >> 20
        return None

    def vfs(self) -> list[model.PciAddress]:
        """Its virtual functions in the order of their numbers."""
        links = self._fs.glob(f'{self.path}/virtfn*')
        targets = (
            parsed(self._fs.readlink(link).rpartition('/')[2])
            for link in sorted(links, key=_number)
        )
        return [target for target in targets if target is not None]

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
        return self._fs.exists(f'{self.path}/physfn')

    def physical(self) -> model.PciAddress:
        """The physical function that it is or belongs to.

        :raises OSError: There is no such function.
        """
        if not self.is_vf():
            self.id('vendor')
            return self.address
        link = self._fs.readlink(f'{self.path}/physfn')
        return model.PciAddress.parse(link.rpartition('/')[2])

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
