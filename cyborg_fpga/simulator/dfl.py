"""A simulated card behind the kernel's DFL drivers, as sysfs shows it.

Numbers of regions, engines and ports are global counters.
"""

import dataclasses
import pathlib
from collections.abc import Iterator

from cyborg_fpga.simulator import scenario
from cyborg_fpga.simulator import tree

_FME_ERRORS = (
    'fme_errors',
    'first_error',
    'next_error',
    'pcie0_errors',
    'pcie1_errors',
    'nonfatal_errors',
    'catfatal_errors',
)


@dataclasses.dataclass(slots=True)
class _Port:
    """Where one function shows one port."""

    function: str
    port: int
    region: int
    number: int
    bridge: int


class DflTree(tree.PciTree):
    """One card with an engine and its ports."""

    driver = 'dfl-pci'

    def __init__(
        self,
        directory: pathlib.Path,
        card: scenario.Card,
        numbers: tree.Numbers,
    ) -> None:
        super().__init__(directory, card, numbers)
        self._region = next(numbers.region)
        self._fme = next(numbers.fme)
        self._pr_regions = [next(numbers.region) for _ in range(card.ports)]
        self._bridges = [next(numbers.bridge) for _ in range(card.ports)]
        self._ports = list(self._place_ports(numbers))
        self.nodes[f'dfl-fme.{self._fme}'] = tree.Node('fme', card.address)
        for port in self._ports:
            self.nodes[f'dfl-port.{port.number}'] = tree.Node(
                'port', port.function, port.port
            )

    def show_function(self, port: int, value: str | int) -> None:
        """Let *port* show a function id, or an errno to those who read it."""
        text = value if isinstance(value, str) else tree.marker(value)
        for place in self._ports:
            if place.port == port:
                self._set(self._port_path(place) / 'afu_id', text)

    def show_manager(self, state: str, status: str) -> None:
        self._set(self._manager / 'state', state)
        self._set(self._manager / 'status', status)

    def show_errors(self, value: int) -> None:
        self._set(self._engine / 'errors/fme_errors', f'{value:#x}')

    def _write(self) -> None:
        super()._write()
        self._write_engine()
        for port in self._ports:
            self._write_port(port)

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

    def _place_ports(self, numbers: tree.Numbers) -> Iterator[_Port]:
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

    def _port_path(self, place: _Port) -> pathlib.Path:
        return (
            self._pci(place.function)
            / f'fpga_region/region{place.region}/dfl-port.{place.number}'
        )

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
            self._set(path / 'compat_id', card.region_id or '')
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
