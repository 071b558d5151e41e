"""Where the kernel's DFL drivers put things in sysfs.

Region, FME and port numbers are global counters, so everything is found by
its path below the card's PCI function and never by number.
"""

import errno
import functools
import re

from oslo_log import log as logging

from cyborg_fpga import model
from cyborg_fpga.drivers import pci_function
from cyborg_fpga.drivers import sysfs

LOG = logging.getLogger(__name__)

_PCI = pci_function.DEVICES
_AFU_ID = re.compile('[0-9a-f]{32}')
_TRAILING = re.compile('[0-9]+$')
_PORTS_MAX = 64
_ERRORS = ('fme_errors', 'catfatal_errors', 'nonfatal_errors')


def addresses(fs: sysfs.Sysfs) -> list[model.PciAddress]:
    """The functions that have an FME, in order of their addresses."""
    found = set()
    for path in fs.glob(f'{_PCI}/*/fpga_region/region*/dfl-fme.*'):
        try:
            found.add(model.PciAddress.parse(path.split('/')[3]))
        except ValueError:
            LOG.debug('Not a PCI function: %s', path)
    return sorted(found)


class Card:
    """One card; short-lived, for it remembers what it has looked up.

    :ivar function: Its PCI function.
    :ivar fme_node: Name of the FME's device node.
    :raises OSError: ENODEV, there is no FME (any more).
    """

    def __init__(self, fs: sysfs.Sysfs, address: model.PciAddress) -> None:
        self.address = address
        self.function = pci_function.Function(fs, address)
        self._fs = fs
        self._pci = self.function.path
        found = fs.glob(f'{self._pci}/fpga_region/region*/dfl-fme.*')
        if not found:
            raise OSError(errno.ENODEV, f'card {address} is gone')
        self._fme = found[0]
        self.fme_node = self._fme.rpartition('/')[2]

    def attributes(self) -> dict[str, str]:
        """What does not change from one report to the next."""
        shell = self._try(f'{self._fme}/bitstream_id')
        return {'bitstream_id': shell} if shell else {}

    def healthy(self) -> bool:
        """False if an error register is set; unreadable ones count as 0."""
        paths = [f'{self._fme}/errors/{name}' for name in _ERRORS]
        paths += [f'{path}/errors/errors' for path in self._pf_ports.values()]
        values = (self._try(path) for path in paths)
        return not any(_number(value) for value in values)

    def manager_words(self) -> str:
        """The FPGA manager's own words about the last load.

        They stay until the next load: read them at once.
        """
        managers = self._fs.glob(
            f'{self._fme}/dfl-fme-mgr.*/fpga_manager/fpga*'
        )
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
        first one's.
        """
        ports = self.ports()
        if not self._vfs:
            return {port: (self.address,) for port in ports[:1]}
        found: dict[int, list[model.PciAddress]] = {}
        for vf, port in self._vf_ports.items():
            found.setdefault(port, []).append(vf)
        return {port: tuple(sorted(vfs)) for port, vfs in found.items()}

    def region_id(self, port: int) -> str:
        """Interface id of the region behind *port*."""
        regions = _by_number(
            self._fs.glob(f'{self._fme}/dfl-fme-region.*/fpga_region/region*'),
            depth=-3,
        )
        if not regions:
            raise OSError(errno.ENOENT, 'there is no PR region')
        # The kernel makes one region per port, in the ports' order.
        index = self.ports().index(port)
        region = regions[min(index, len(regions) - 1)]
        return self._fs.read(f'{region}/compat_id').lower()

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

    @functools.cached_property
    def _vfs(self) -> list[model.PciAddress]:
        return self.function.vfs()

    @functools.cached_property
    def _vf_ports(self) -> dict[model.PciAddress, int]:
        """Port of each VF: what it says itself, else by order."""
        released = self._released or self.ports()
        found = {}
        for position, vf in enumerate(self._vfs):
            if not released:
                break
            likely = released[min(position, len(released) - 1)]
            own = self._dfl_ports(vf)
            text = self._try(f'{own[0]}/id') if own else None
            number = _number(text, likely)
            found[vf] = number if number in self.ports() else likely
        return found

    def _dfl_ports(self, function: model.PciAddress) -> list[str]:
        return _by_number(
            self._fs.glob(f'{_PCI}/{function}/fpga_region/region*/dfl-port.*')
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
