"""A simulated card behind the driver that there was before the kernel's DFL.

Intel's own ``intel-fpga-pci`` has other names in sysfs and in ``/dev``, one
region for all ports, and calls of its own.
"""

import pathlib

from cyborg_fpga.simulator import dfl
from cyborg_fpga.simulator import pci_tree


class OldTree(dfl.DflTree):
    """The same card, shown by the older driver."""

    driver = 'intel-fpga-pci'
    fme, port = 'intel-fpga-fme', 'intel-fpga-port'
    base = 'fpga/intel-fpga-dev.'
    classes = ('fpga', 'fpga_manager', 'fpga_bridge')

    @property
    def _manager(self) -> pathlib.Path:
        return self._engine / f'fpga_manager/fpga{self._manager_number}'

    def show_errors(self, value: int) -> None:
        if self._bound(self._card.address):
            self._set(self._engine / 'errors/fme-errors/errors', f'{value:#x}')

    def _write_engine(self) -> None:
        fme = self._engine
        for name, text in {
            'dev': f'238:{self._fme}',
            'ports_num': str(self._card.ports),
            'bitstream_id': '0x06300100000001',
            'pr/interface_id': self._card.region_id or '',
            'uevent': f'DEVNAME={self.fme}.{self._fme}',
            'errors/fme-errors/errors': '0x0',
            'errors/pcie0_errors': '0x0',
            'errors/pcie1_errors': '0x0',
        }.items():
            self._set(fme / name, text)
        self._set(self._manager / 'name', 'Intel FPGA Manager')
        self._class('fpga_manager', self._manager)

    def _write_wellbeing(self) -> None:
        pci_tree.PciTree._write_wellbeing(self)
        if self._bound(self._card.address):
            for name, text in {
                'thermal_mgmt/temperature': f'{self._well.celsius:.0f}',
                'power_mgmt/consumed': f'{round(self._well.watts):#x}',
            }.items():
                self._set(self._engine / name, text)

    def _write_port(self, place: dfl.Place) -> None:
        if place.function != self._card.address:
            self._write_region(place.function, place.region)
        path = self._port_path(place)
        if place.bare:
            self._set(path / 'uevent', 'MODALIAS=platform:intel-fpga-port')
            return
        for name, text in {
            'dev': f'238:{128 + place.number}',
            'id': str(place.port),
            'uevent': f'DEVNAME={self.port}.{place.number}',
            'errors/errors': '0x0',
            'errors/clear': '0x0',
        }.items():
            self._set(path / name, text)

    def _write_region(self, function: str, number: int) -> None:
        path = self._region_path(function, number)
        path.mkdir(parents=True, exist_ok=True)
        self._link(path / 'device', self._pci(function))
        self._class('fpga', path)
