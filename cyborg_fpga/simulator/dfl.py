"""A simulated card behind the kernel's DFL drivers, as sysfs shows it.

Numbers of regions, engines and ports are global counters.

With the shell of the Open FPGA Stack (``ofs`` in a scenario) a card has four
more physical functions, one of them a network adapter; its ports stay with
the first function and show no AFU, which is behind any number of VFs.
"""

import dataclasses
import errno
import pathlib
from collections.abc import Iterator

from cyborg_fpga.simulator import holding
from cyborg_fpga.simulator import pci_tree
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


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where one function shows one port.

    :ivar bare: No driver has it: nothing but its directory is there.
    """

    function: str
    port: int
    region: int
    number: int
    bare: bool = False


class DflTree(pci_tree.PciTree):
    """One card with an engine and its ports."""

    driver = 'dfl-pci'
    #: What the names of nodes and directories begin with.
    fme, port = 'dfl-fme', 'dfl-port'
    #: Below a function: where its regions are.
    base = 'fpga_region/region'
    #: Names in /sys/class.
    classes = ('fpga_region', 'fpga_manager', 'fpga_bridge')

    def __init__(
        self,
        directory: pathlib.Path,
        card: scenario.Card,
        numbers: tree.Numbers,
    ) -> None:
        super().__init__(directory, card, numbers)
        self._region = next(numbers.region)
        self._fme = next(numbers.fme)
        self._manager_number = next(numbers.manager)
        self._pr_regions = [next(numbers.region) for _ in range(card.ports)]
        self._bridges = [next(numbers.bridge) for _ in range(card.ports)]
        self._pf_ports = [next(numbers.port) for _ in range(card.ports)]
        self._chips = [next(numbers.hwmon) for _ in self._well.dfl_chips()]
        self._other_regions = [next(numbers.region) for _ in card.other_pfs]
        self._vf_regions = [
            (next(numbers.region), next(numbers.port))
            for _ in range(card.vfs_limit)
        ]

    def show_function(self, port: int, value: str | int) -> None:
        text = value if isinstance(value, str) else tree.marker(value)
        for place in self._places():
            ofs_port = self._card.ofs and place.function == self._card.address
            if place.port == port and not place.bare and not ofs_port:
                self._set(self._port_path(place) / 'afu_id', text)

    def show_manager(self, state: str, status: str) -> None:
        if self._bound(self._card.address):
            self._set(self._manager / 'state', state)
            self._set(self._manager / 'status', status)

    def show_errors(self, value: int) -> None:
        if self._bound(self._card.address):
            self._set(self._engine / 'errors/fme_errors', f'{value:#x}')

    def show_port_errors(self, value: int) -> None:
        for place in self._places():
            if not place.bare:
                path = self._port_path(place) / 'errors/errors'
                self._set(path, f'{value:#x}')

    def arrange(self, layout: tree.Layout) -> None:
        before = set(self._places())
        super().arrange(layout)
        gone = before - set(self._places())
        for place in gone:
            self._erase(self._port_path(place))
        # A port that has lost its driver keeps its directory.
        if gone and self.present():
            self.build()

    def _functions(self) -> dict[str, str]:
        first, *virtual = super()._functions().items()
        others = {f: pair[1] for f, pair in self._card.other_pfs.items()}
        return dict([first, *others.items(), *virtual])

    def _vendor_of(self, function: str) -> str:
        vendor, _ = self._card.other_pfs.get(function, (self._card.vendor, ''))
        return vendor

    def _driver_of(self, function: str) -> str:
        if self._vendor_of(function) != self._card.vendor:
            return 'virtio-pci'
        return super()._driver_of(function)

    def _bound(self, function: str) -> bool:
        return self._driver_of(function) == self.driver

    def _unbound(self, function: str, driver: str) -> None:
        super()._unbound(function, driver)
        if driver == self.driver:
            self._erase(self._pci(function) / self.base.partition('/')[0])

    def _nodes(self) -> dict[str, tree.Node]:
        card, found = self._card, super()._nodes()
        if self._bound(card.address):
            name = f'{self.fme}.{self._fme}'
            found[name] = tree.Node('fme', card.address)
        for place in self._places():
            if not place.bare:
                name = f'{self.port}.{place.number}'
                found[name] = tree.Node('port', place.function, place.port)
        return found

    def _places(self) -> Iterator[Place]:
        card, layout = self._card, self._layout
        if self._bound(card.address):
            for port in sorted(layout.ports | layout.bare):
                number = self._pf_ports[port]
                bare = port in layout.bare
                yield Place(card.address, port, self._region, number, bare)
        # A port that was released is gone from the PF; each VF has a region
        # of its own to hold it.
        vfs = card.vf_addresses_of(len(layout.vf_ports))
        for function, port, numbers in zip(
            vfs, layout.vf_ports, self._vf_regions, strict=False
        ):
            if self._bound(function):
                yield Place(function, port, *numbers)

    def _port_path(self, place: Place) -> pathlib.Path:
        base = self._region_path(place.function, place.region)
        return base / f'{self.port}.{place.number}'

    def _region_path(self, function: str, number: int) -> pathlib.Path:
        return self._pci(function) / f'{self.base}{number}'

    @property
    def _engine(self) -> pathlib.Path:
        base = self._region_path(self._card.address, self._region)
        return base / f'{self.fme}.{self._fme}'

    @property
    def _manager(self) -> pathlib.Path:
        return (
            self._engine
            / f'dfl-fme-mgr.{self._fme}'
            / f'fpga_manager/fpga{self._manager_number}'
        )

    def _write(self) -> None:
        super()._write()
        if self._bound(self._card.address):
            self._write_region(self._card.address, self._region)
            self._write_engine()
        for function, number in zip(
            self._card.other_pfs, self._other_regions, strict=True
        ):
            if self._bound(function):
                self._write_region(function, number)
        for place in self._places():
            self._write_port(place)

    def _write_engine(self) -> None:
        card, fme = self._card, self._engine
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
        self._write_memory()
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

    def _write_memory(self) -> None:
        """The interfaces to its memory, which the engine can overwrite.

        The shells of OFS only say how these are, and how it is with several
        ports nobody knows.
        """
        if self._card.ports > 1:
            return
        path = self._engine / f'dfl_dev.{self._fme}'
        self._set(path / 'type', '0x0')
        self._set(path / 'feature_id', '0x9')
        for number in range(holding.INTERFACES):
            self._set(path / f'inf{number}_init_done', '1')
            self._set(path / f'inf{number}_cal_fail', '0')
            if not self._card.ofs:
                self._knob(
                    path / f'inf{number}_clear',
                    tree.Knob('clear', self._card.address, number=number),
                )

    def _write_wellbeing(self) -> None:
        super()._write_wellbeing()
        if not self._bound(self._card.address):
            return
        for number, chip in zip(
            self._chips, self._well.dfl_chips(), strict=True
        ):
            path = self._engine / f'hwmon/hwmon{number}'
            for name, text in chip.items():
                self._set(path / name, text)
            self._class('hwmon', path)

    def _write_port(self, place: Place) -> None:
        if place.function != self._card.address:
            self._write_region(place.function, place.region)
        path = self._port_path(place)
        if place.bare:
            self._set(path / 'uevent', 'MODALIAS=platform:dfl-port')
            return
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
        path = self._region_path(function, number)
        path.mkdir(parents=True, exist_ok=True)
        self._link(path / 'device', self._pci(function))
        # Nothing but the regions of an engine has such an id.
        self._set(path / 'compat_id', tree.marker(errno.ENOENT))
        self._class(self.classes[0], path)
