"""Writes the sysfs tree of simulated cards, as the kernel's would look.

Attributes end in a newline, links are relative, numbers of regions, engines
and ports are global counters, and an attribute that cannot be read now holds
a marker that only the accessor knows.
"""

import dataclasses
import itertools
import os
import pathlib
import shutil
from collections.abc import Iterator
from collections.abc import Sequence

from cyborg_fpga.simulator import scenario

_ERRNO = b'\0errno '
_DRIVER = 'dfl-pci'
_FME_ERRORS = (
    'fme_errors',
    'first_error',
    'next_error',
    'pcie0_errors',
    'pcie1_errors',
    'nonfatal_errors',
    'catfatal_errors',
)


def injected_errno(data: bytes) -> int:
    """The errno that reading *data*'s attribute ends with; 0 for none."""
    if not data.startswith(_ERRNO):
        return 0
    return int(data[len(_ERRNO) :])


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
    """A device node: which port of which function, or the engine."""

    kind: str
    function: str
    port: int = 0


@dataclasses.dataclass(slots=True)
class _Port:
    """Where one function shows one port."""

    function: str
    port: int
    region: int
    number: int
    bridge: int


class CardTree:
    """One card's part of the tree.

    :ivar nodes: The card's device nodes by name.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        card: scenario.Card,
        numbers: '_Numbers',
    ) -> None:
        self._card = card
        self._root = directory / 'sys'
        self._dev = directory / 'dev'
        self._scratch = directory / 'state'
        bus = int(card.address[5:7], 16) - 1
        bridge = f'{card.address[:4]}:{bus:02x}'
        self._bridge = self._root / f'devices/pci{bridge}' / f'{bridge}:00.0'
        self._region = next(numbers.region)
        self._fme = next(numbers.fme)
        self._pr_regions = [next(numbers.region) for _ in range(card.ports)]
        self._bridges = [next(numbers.bridge) for _ in range(card.ports)]
        self._ports = list(self._place_ports(numbers))
        self.nodes = {f'dfl-fme.{self._fme}': Node('fme', card.address)}
        for port in self._ports:
            self.nodes[f'dfl-port.{port.number}'] = Node(
                'port', port.function, port.port
            )

    def build(self) -> None:
        """Write everything; what is there already is only brought up to date.

        The links by which a card is found come last.
        """
        self._write_functions()
        self._write_engine()
        for port in self._ports:
            self._write_port(port)
        self._dev.mkdir(exist_ok=True)
        for name in self.nodes:
            (self._dev / name).touch()
        for function in self._functions:
            path = self._pci(function)
            driver = self._root / 'bus/pci/drivers' / _DRIVER
            self._link(driver / function, path)
            self._link(path / 'driver', driver)
            self._link(path / 'subsystem', self._root / 'bus/pci')
            self._link(self._root / 'bus/pci/devices' / function, path)

    def present(self) -> bool:
        """Whether the card is on the bus."""
        link = self._root / 'bus/pci/devices' / self._functions[-1]
        return link.is_symlink()

    def remove(self) -> None:
        """Take the card off the bus."""
        for function in self._functions:
            for bus in ('devices', f'drivers/{_DRIVER}'):
                link = self._root / 'bus/pci' / bus / function
                link.unlink(missing_ok=True)
        for name in self.nodes:
            (self._dev / name).unlink(missing_ok=True)
        for link in self._root.glob('class/*/*'):
            if set(self._functions) & set(os.readlink(link).split('/')):
                link.unlink()
        for function in self._functions:
            shutil.rmtree(self._pci(function), ignore_errors=True)

    def show_function(self, port: int, value: str | int) -> None:
        """Let *port* show a function id, or an errno to those who read it."""
        text = value if isinstance(value, str) else _marker(value)
        for place in self._ports:
            if place.port == port:
                self._set(self._port_path(place) / 'afu_id', text)

    def show_manager(self, state: str, status: str) -> None:
        self._set(self._manager / 'state', state)
        self._set(self._manager / 'status', status)

    def show_errors(self, value: int) -> None:
        self._set(self._engine / 'errors/fme_errors', f'{value:#x}')

    @property
    def _functions(self) -> list[str]:
        return [self._card.address, *self._card.vf_addresses]

    @property
    def _engine(self) -> pathlib.Path:
        return (
            self._pci(self._card.address)
            / f'fpga_region/region{self._region}/dfl-fme.{self._fme}'
        )

    @property
    def _manager(self) -> pathlib.Path:
        return (
            self._engine
            / f'dfl-fme-mgr.{self._fme}/fpga_manager/fpga{self._fme}'
        )

    def _place_ports(self, numbers: '_Numbers') -> Iterator[_Port]:
        card = self._card
        if not card.vfs:
            for port in range(card.ports):
                yield _Port(
                    card.address,
                    port,
                    self._region,
                    next(numbers.port),
                    self._bridges[port],
                )
        # A port that was released is gone from the PF; each VF has a region
        # of its own to hold it.
        for position, function in enumerate(card.vf_addresses):
            port = card.port_of(position)
            yield _Port(
                function,
                port,
                next(numbers.region),
                next(numbers.port),
                self._bridges[port],
            )

    def _pci(self, function: str) -> pathlib.Path:
        return self._bridge / function

    def _port_path(self, place: _Port) -> pathlib.Path:
        return (
            self._pci(place.function)
            / f'fpga_region/region{place.region}/dfl-port.{place.number}'
        )

    def _write_functions(self) -> None:
        card = self._card
        pf = self._pci(card.address)
        self._write_pci(pf, card.device)
        for name, text in {
            'sriov_totalvfs': str(max(card.vfs, card.ports)),
            'sriov_numvfs': str(card.vfs),
            'sriov_offset': str(card.vf_offset),
            'sriov_stride': str(card.vf_stride),
            'sriov_vf_device': card.vf_device,
            'sriov_drivers_autoprobe': '1',
        }.items():
            self._set(pf / name, text)
        for number, function in enumerate(card.vf_addresses):
            vf = self._pci(function)
            self._write_pci(vf, card.vf_device)
            self._link(vf / 'physfn', pf)
            self._link(pf / f'virtfn{number}', vf)

    def _write_pci(self, path: pathlib.Path, device: str) -> None:
        card = self._card
        for name, text in {
            'vendor': f'0x{card.vendor}',
            'device': f'0x{device}',
            'subsystem_vendor': f'0x{card.vendor}',
            'subsystem_device': f'0x{card.subsystem_device}',
            'class': '0x120000',
            'revision': '0x01',
            'irq': '0',
            'numa_node': str(card.numa_node),
            'driver_override': '(null)',
            'uevent': f'DRIVER={_DRIVER}\nPCI_CLASS=120000\n'
            f'PCI_ID={card.vendor.upper()}:{device.upper()}\n'
            f'PCI_SLOT_NAME={path.name}',
            'resource': '\n'.join([' '.join([f'0x{0:016x}'] * 3)] * 7),
        }.items():
            self._set(path / name, text)
        self._replace(path / 'config', _config(card, device))

    def _write_engine(self) -> None:
        card, fme = self._card, self._engine
        self._write_region(card.address, self._region)
        for name, text in {
            'dev': f'238:{self._fme}',
            'ports_num': str(card.ports),
            'bitstream_id': '0x202000200000237',
            'bitstream_metadata': '0x1910174',
            'uevent': f'DEVNAME=dfl-fme.{self._fme}',
        }.items():
            self._set(fme / name, text)
        for name in _FME_ERRORS:
            self._set(fme / 'errors' / name, '0x0')
        self._set(self._manager / 'name', 'DFL FME FPGA Manager')
        self._class('fpga_manager', self._manager)
        for bridge, region in zip(
            self._bridges, self._pr_regions, strict=True
        ):
            path = fme / f'dfl-fme-region.{bridge}/fpga_region/region{region}'
            self._set(path / 'compat_id', card.region_id)
            self._class('fpga_region', path)
            path = fme / f'dfl-fme-bridge.{bridge}.auto/fpga_bridge/br{bridge}'
            self._set(path / 'name', 'DFL FPGA FME Bridge')
            self._set(path / 'state', 'enabled')
            self._class('fpga_bridge', path)

    def _write_port(self, place: _Port) -> None:
        if place.function != self._card.address:
            self._write_region(place.function, place.region)
        path = self._port_path(place)
        for name, text in {
            'dev': f'238:{128 + place.number}',
            'id': str(place.port),
            'power_state': '0x0',
            'uevent': f'DEVNAME=dfl-port.{place.number}',
            'errors/errors': '0x0',
            'errors/first_error': '0x0',
            'errors/first_malformed_req': '0x' + '0' * 32,
        }.items():
            self._set(path / name, text)

    def _write_region(self, function: str, number: int) -> None:
        path = self._pci(function) / f'fpga_region/region{number}'
        path.mkdir(parents=True, exist_ok=True)
        self._link(path / 'device', self._pci(function))
        self._class('fpga_region', path)

    def _class(self, name: str, path: pathlib.Path) -> None:
        self._link(self._root / 'class' / name / path.name, path)

    def _set(self, path: pathlib.Path, text: str) -> None:
        self._replace(path, f'{text}\n'.encode())

    def _replace(self, path: pathlib.Path, data: bytes) -> None:
        """Change an attribute so that no reader sees half of it."""
        try:
            if path.read_bytes() == data:
                return
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not self.present():
                # Nobody can find the card yet, so nobody reads.
                path.write_bytes(data)
                return
        temporary = self._scratch / f'{self._card.address}.attribute'
        temporary.write_bytes(data)
        temporary.replace(path)

    def _link(self, link: pathlib.Path, target: pathlib.Path) -> None:
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(os.path.relpath(target, link.parent))


class _Numbers:
    """Counters that all cards of a host share, as in the kernel."""

    def __init__(self) -> None:
        self.region = itertools.count()
        self.fme = itertools.count()
        self.port = itertools.count()
        self.bridge = itertools.count()


def plan(
    directory: pathlib.Path, cards: Sequence[scenario.Card]
) -> list[CardTree]:
    """Give every card its numbers; writes nothing."""
    numbers = _Numbers()
    return [CardTree(directory, card, numbers) for card in cards]


def _marker(number: int) -> str:
    return f'{_ERRNO.decode()}{number}'


def _config(card: scenario.Card, device: str) -> bytes:
    """PCI configuration space with ids and, if set, the serial number."""
    config = bytearray(4096)
    config[0:2] = bytes.fromhex(card.vendor)[::-1]
    config[2:4] = bytes.fromhex(device)[::-1]
    config[8:12] = bytes.fromhex('01000012')
    config[0x2C:0x2E] = bytes.fromhex(card.vendor)[::-1]
    config[0x2E:0x30] = bytes.fromhex(card.subsystem_device)[::-1]
    if card.serial:
        config[0x100:0x104] = (0x0003 | 1 << 16).to_bytes(4, 'little')
        config[0x104:0x10C] = bytes.fromhex(card.serial)[::-1]
    return bytes(config)
