"""Where the kernel's DFL drivers put things in sysfs.

Region, FME and port numbers are global counters, so everything is found by
its path below the card's PCI function and never by number. Intel's own driver,
which there was before, has other names for most of it.
"""

import errno
import functools
import re
from typing import NamedTuple

from oslo_log import log as logging

from cyborg_fpga import model
from cyborg_fpga.drivers import pci_function
from cyborg_fpga.drivers import pci_health
from cyborg_fpga.drivers import sysfs

LOG = logging.getLogger(__name__)

_PCI = pci_function.DEVICES
_AFU_ID = re.compile('[0-9a-f]{32}')
_TRAILING = re.compile('[0-9]+$')
_PORTS_MAX = 64


class _Names(NamedTuple):
    """Patterns of names: *base* is below a function, the rest as it says.

    :ivar regions: Below the FME: files with the ids of its regions.
    :ivar sensors: Kinds and files, of those that are no hwmon chips.
    """

    base: str
    fme: str
    port: str
    regions: str
    manager: str
    errors: tuple[str, ...]
    sensors: tuple[tuple[str, str], ...]


_NAMES = _Names(
    'fpga_region/region*',
    'dfl-fme.*',
    'dfl-port.*',
    'dfl-fme-region.*/fpga_region/region*/compat_id',
    'dfl-fme-mgr.*/fpga_manager/fpga*',
    ('fme_errors', 'catfatal_errors', 'nonfatal_errors'),
    (),
)
_OLD_NAMES = _Names(
    'fpga/intel-fpga-dev.*',
    'intel-fpga-fme.*',
    'intel-fpga-port.*',
    'pr/interface_id',
    'fpga_manager/fpga*',
    ('fme-errors/errors', 'fme-errors/catfatal_errors', 'nonfatal_errors'),
    # In degrees and in watts.
    (
        ('temperature', 'thermal_mgmt/temperature'),
        ('power', 'power_mgmt/consumed'),
    ),
)
#: The kernel's drivers by which cards are seen, and that of functions which
#: guests are given.
_DRIVERS = ('dfl-pci', 'intel-fpga-pci')
GUESTS = 'vfio-pci'
#: Where there is such a driver at all.
_OLD_CLASS = 'class/fpga'


def addresses(fs: sysfs.Sysfs) -> list[model.PciAddress]:
    """The functions that have an FME, in order of their addresses."""
    found = set()
    paths = fs.glob(f'{_PCI}/*/{_NAMES.base}/{_NAMES.fme}')
    if fs.exists(_OLD_CLASS):
        paths += fs.glob(f'{_PCI}/*/{_OLD_NAMES.base}/{_OLD_NAMES.fme}')
    for path in paths:
        try:
            found.add(model.PciAddress.parse(path.split('/')[3]))
        except ValueError:
            LOG.debug('Not a PCI function: %s', path)
    return sorted(found)


def unseen(fs: sysfs.Sysfs) -> list[tuple[model.PciAddress, str | None]]:
    """First functions of slots that show no more than any PCI function.

    With the driver that has each; None: none has.
    """
    found = [
        (address, pci_function.Function(fs, address).driver())
        for address in pci_function.addresses(fs)
        if address.function == '0'
    ]
    return [each for each in found if each[1] not in _DRIVERS]


class Card:
    """One card; short-lived, for it remembers what it has looked up.

    :ivar function: Its PCI function.
    :ivar fme_node: Name of the FME's device node.
    :ivar old: It is shown by the driver of before DFL's.
    :raises OSError: ENODEV, there is no FME (any more); EBUSY, it is kept
        for guests.
    """

    def __init__(self, fs: sysfs.Sysfs, address: model.PciAddress) -> None:
        self.address = address
        self.function = pci_function.Function(fs, address)
        self._fs = fs
        self._pci = self.function.path
        self._names = _NAMES
        found = fs.glob(f'{self._pci}/{_NAMES.base}/{_NAMES.fme}')
        if not found:
            self._names = _OLD_NAMES
            found = fs.glob(f'{self._pci}/{_OLD_NAMES.base}/{_OLD_NAMES.fme}')
        if not found and self.function.driver() == GUESTS:
            raise OSError(errno.EBUSY, f'{address} is bound to {GUESTS}')
        if not found:
            raise OSError(errno.ENODEV, f'card {address} is gone')
        self.old = self._names is _OLD_NAMES
        self._fme = found[0]
        self.fme_node = self._fme.rpartition('/')[2]

    def attributes(self) -> dict[str, str]:
        """What does not change from one report to the next."""
        built = self._try(f'{self._fme}/bitstream_id')
        return {'bitstream_id': built} if built else {}

    def problems(self) -> list[str]:
        """Error registers that are set; unreadable ones count as 0."""
        paths = {
            name: f'{self._fme}/errors/{name}' for name in self._names.errors
        }
        for port, path in self._pf_ports.items():
            paths[f'errors of port {port}'] = f'{path}/errors/errors'
        values = {name: self._try(path) for name, path in paths.items()}
        return [
            f'{name}: {value}'
            for name, value in values.items()
            if _number(value)
        ]

    def sensors(self) -> list[pci_health.Sensor]:
        """What :mod:`.pci_health` does not find; unreadable ones left out."""
        values = {
            (kind, name): _number(self._try(f'{self._fme}/{name}'), -1)
            for kind, name in self._names.sensors
        }
        return [
            pci_health.Sensor(
                name=name.partition('/')[0], kind=kind, value=value
            )
            for (kind, name), value in values.items()
            if value >= 0
        ]

    def manager_words(self) -> str:
        """The FPGA manager's own words about the last load.

        They stay until the next load: read them at once.
        """
        managers = self._fs.glob(f'{self._fme}/{self._names.manager}')
        words = [
            self._try(f'{path}/{name}')
            for path in managers[:1]
            for name in ('state', 'status')
        ]
        return ': '.join(word for word in words if word)

    def manager_failed(self) -> bool:
        """Whether the last load of any port ended in an error."""
        return 'error' in self.manager_words()

    def ports(self) -> list[int]:
        """Ids of the card's ports, wherever they are now, in order."""
        return sorted({*self._pf_ports, *self._released})

    def handles(self) -> dict[int, tuple[model.PciAddress, ...]]:
        """What guests can be given of each port.

        Once there are VFs, they are it, and a port without one is left out;
        without VFs it is the PF, which carries all ports: it counts as the
        first one's. A PF whose ports have no AFU carries none.
        """
        ports = self.ports()
        if not self.vfs:
            if self.afus_are_vfs():
                return {}
            return {port: (self.address,) for port in ports[:1]}
        found: dict[int, list[model.PciAddress]] = {}
        for vf, port in self._vf_ports.items():
            found.setdefault(port, []).append(vf)
        return {port: tuple(sorted(vfs)) for port, vfs in found.items()}

    def region_id(self, port: int) -> str:
        """Interface id of the region behind *port*."""
        regions = self._fs.glob(f'{self._fme}/{self._names.regions}')
        if not self.old:
            regions = _by_number(regions, depth=-4)
        if not regions:
            raise OSError(errno.ENOENT, 'there is no PR region')
        # The kernel makes one region per port, in the ports' order.
        index = self.ports().index(port)
        region = regions[min(index, len(regions) - 1)]
        return self._fs.read(region).lower()

    def afu_id(self, port: int) -> str:
        """Loaded function, from the first place that can tell.

        :raises OSError: EBUSY in reset or given to a guest; EIO where what
            the card shows is not an id.
        """
        failure = OSError(errno.EBUSY, 'the port is not with this host')
        for path in self._port_paths(port):
            try:
                found = self._fs.read(f'{path}/afu_id').lower()
            except OSError as exc:
                failure = exc
                continue
            if _AFU_ID.fullmatch(found):
                return found
            failure = OSError(errno.EIO, f'{found[:40]!r} is not an AFU id')
        raise failure

    def memory_doors(self) -> list[str]:
        """Attributes that have all memory beside its logic overwritten.

        [] where its shell cannot do that, which only early ones can, or
        where several ports share the memory: nobody says which part of it is
        whose.
        """
        base = f'{self._fme}/dfl_dev.*'
        shown = self._fs.glob(f'{base}/inf[0-9]_init_done')
        doors = self._fs.glob(f'{base}/inf[0-9]_clear')
        alone = len(self.ports()) == 1
        return doors if alone and len(doors) == len(shown) else []

    def overwrite_memory(self) -> None:
        """Use :meth:`memory_doors`; seconds for each.

        :raises OSError: What the kernel says.
        """
        for door in self.memory_doors():
            self._fs.write(door, '1')

    def port_nodes(self, port: int) -> list[str]:
        """Device nodes of *port*: one, or one per VF that this host has."""
        return [path.rpartition('/')[2] for path in self._port_paths(port)]

    def _port_paths(self, port: int) -> list[str]:
        own = self._pf_ports.get(port)
        paths = [own] if own else []
        for vf, number in self._vf_ports.items():
            if number == port:
                paths += self._dfl_ports(vf)
        return paths

    @functools.cached_property
    def _pf_ports(self) -> dict[int, str]:
        paths = self._dfl_ports(self.address)
        return {
            _number(self._try(f'{path}/id'), position): path
            for position, path in enumerate(paths)
        }

    @functools.cached_property
    def _released(self) -> list[int]:
        count = _number(self._try(f'{self._fme}/ports_num'))
        return [
            port
            for port in range(min(count, _PORTS_MAX))
            if port not in self._pf_ports
        ]

    def users_nodes(self, port: int) -> list[str]:
        """Device nodes by which *port* can be in use."""
        # Nothing is done to any port while a VF is on its way out.
        functions = [self.address, *self.leaving]
        functions += [vf for vf, n in self._vf_ports.items() if n == port]
        nodes = [
            node
            for address in dict.fromkeys(functions)
            for node in pci_function.Function(self._fs, address).vfio_nodes()
        ]
        return nodes + self.port_nodes(port)

    def afus_are_vfs(self) -> bool:
        """Whether its AFUs are behind VFs and its ports stay with the PF.

        So it is with the shells of the Open FPGA Stack: their ports have an
        id and, which is not the state of being in reset, no AFU.
        """
        paths = self._dfl_ports(self.address)
        return bool(paths) and all(
            self._fs.exists(f'{path}/id')
            and not self._fs.exists(f'{path}/afu_id')
            for path in paths
        )

    def pf_ports(self) -> list[int]:
        """Ids of the ports that are with the PF."""
        return sorted(self._pf_ports)

    def released(self) -> list[int]:
        """Ids of the ports that are not."""
        return self._released

    def has_bare_port(self) -> bool:
        """Whether a port of the PF has no driver.

        Linux 6.1 leaves one so that was given back.
        """
        return not all(
            self._fs.exists(f'{path}/id')
            for path in self._dfl_ports(self.address)
        )

    @property
    def vfs(self) -> list[model.PciAddress]:
        return list(self._vfs.numbered.values())

    @property
    def leaving(self) -> list[model.PciAddress]:
        """Those of its VFs whose removal has begun."""
        return self._vfs.leaving

    @functools.cached_property
    def _vfs(self) -> pci_function.VFs:
        return self.function.vfs()

    @functools.cached_property
    def _vf_ports(self) -> dict[model.PciAddress, int]:
        """Port of each VF: what it says itself, else by number."""
        released = self._released or self.ports()
        found = {}
        for position, vf in self._vfs.numbered.items():
            if not released:
                break
            likely = released[min(position, len(released) - 1)]
            own = self._dfl_ports(vf)
            text = self._try(f'{own[0]}/id') if own else None
            number = _number(text, likely)
            found[vf] = number if number in self.ports() else likely
        return found

    def _dfl_ports(self, function: model.PciAddress) -> list[str]:
        names = self._names
        return _by_number(
            self._fs.glob(f'{_PCI}/{function}/{names.base}/{names.port}')
        )

    def _try(self, path: str) -> str | None:
        try:
            return self._fs.read(path)
        except OSError as exc:
            LOG.debug('%s: %s', path, exc)
            return None


def _number(text: str | None, default: int = 0) -> int:
    try:
        return int(text or '', 0)
    except ValueError:
        return default


def _by_number(paths: list[str], depth: int = -1) -> list[str]:
    """Sort by the number that ends a component: ``.10`` after ``.9``."""

    def number(path: str) -> int:
        match = _TRAILING.search(path.split('/')[depth])
        return int(match[0]) if match else -1

    return sorted(paths, key=number)
