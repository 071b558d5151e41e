"""What every simulated card on the PCI bus has in sysfs."""

import pathlib

from cyborg_fpga.simulator import scenario
from cyborg_fpga.simulator import sensors
from cyborg_fpga.simulator import tree

VFIO = 'vfio-pci'


class PciTree(tree.CardTree):
    """A card on the PCI bus, below a bridge of its own."""

    pci_class = '0x120000'

    def __init__(
        self,
        directory: pathlib.Path,
        card: scenario.Card,
        numbers: tree.Numbers,
    ) -> None:
        super().__init__(directory, card, numbers)
        self._layout = tree.Layout()
        bus = int(card.address[5:7], 16) - 1
        bridge = f'{card.address[:4]}:{bus:02x}'
        self._bridge = self._root / f'devices/pci{bridge}' / f'{bridge}:00.0'
        self._numbers = numbers
        self._groups: dict[str, int] = {}
        self._well = sensors.Wellbeing()

    def arrange(self, layout: tree.Layout) -> None:
        if layout == self._layout:
            return
        before = {f: self._driver_of(f) for f in self._functions()}
        nodes = set(self.nodes)
        self._layout = layout
        # What was cached of the former layout.
        self.__dict__.pop('_doors', None)
        after = {f: self._driver_of(f) for f in self._functions()}
        self.nodes = self._nodes()
        for name in nodes - set(self.nodes):
            (self._dev / name).unlink(missing_ok=True)
        if not layout.linked or not layout.vf_ports:
            for link in self._pci(self._card.address).glob('virtfn*'):
                link.unlink()
            for function in before:
                (self._pci(function) / 'physfn').unlink(missing_ok=True)
        for function, driver in before.items():
            if after.get(function) != driver:
                self._unbound(function, driver)
            if function not in after:
                self._erase_function(function)
        if self.present():
            self.build()

    def show_wellbeing(self, found: sensors.Wellbeing) -> None:
        if found != self._well:
            self._well = found
            self._write_wellbeing()

    def functions(self) -> list[str]:
        return list(self._functions())

    def vfio_node(self, function: str) -> pathlib.Path | None:
        node = self._dev / f'vfio/{self._group(function)}'
        return node if node.exists() else None

    def _functions(self) -> dict[str, str]:
        """Address and device id of each function, the first one first."""
        card = self._card
        vfs = card.vf_addresses_of(len(self._layout.vf_ports))
        return {
            card.address: card.device,
            **dict.fromkeys(vfs, card.vf_device),
        }

    def _driver_of(self, function: str) -> str:
        return self._layout.drivers.get(function, self.driver)

    def _nodes(self) -> dict[str, tree.Node]:
        return {
            f'vfio/{self._group(function)}': tree.Node('vfio', function)
            for function in self._functions()
            if self._driver_of(function) == VFIO
        }

    def _group(self, function: str) -> int:
        """Of the IOMMU; every function has one to itself."""
        if function not in self._groups:
            self._groups[function] = next(self._numbers.group)
        return self._groups[function]

    def _pci(self, function: str) -> pathlib.Path:
        return self._bridge / function

    def _homes(self) -> list[pathlib.Path]:
        groups = [self._group_home(f) for f in self._functions()]
        return [self._pci(f) for f in self._functions()] + groups

    def _group_home(self, function: str) -> pathlib.Path:
        return self._root / f'kernel/iommu_groups/{self._group(function)}'

    def _entrances(self) -> list[tuple[pathlib.Path, pathlib.Path]]:
        bus = self._root / 'bus/pci'
        found = []
        # The first function last: it is what a card is found by.
        for function in reversed(self._functions()):
            path, driver = self._pci(function), self._driver_of(function)
            if driver:
                home = bus / 'drivers' / driver
                found += [(home / function, path), (path / 'driver', home)]
            found += [
                (path / 'subsystem', bus),
                (bus / 'devices' / function, path),
            ]
        return found

    def _unbound(self, function: str, driver: str) -> None:
        """Remove what *driver* showed of a function."""
        home = self._root / 'bus/pci/drivers' / driver
        if driver:
            (home / function).unlink(missing_ok=True)
            (self._pci(function) / 'driver').unlink(missing_ok=True)

    def _erase_function(self, function: str) -> None:
        devices = self._root / 'bus/pci/devices'
        (devices / function).unlink(missing_ok=True)
        self._erase(self._pci(function))
        self._erase(self._group_home(function))

    def _write(self) -> None:
        for function, device in self._functions().items():
            self._write_pci(self._pci(function), device)
        self._write_virtual()
        self._write_drivers()
        self._write_wellbeing()

    def _write_virtual(self) -> None:
        card, layout = self._card, self._layout
        pf = self._pci(card.address)
        self._knob(
            pf / 'sriov_numvfs',
            tree.Knob('numvfs', card.address),
            str(len(layout.vf_ports)),
        )
        for name, text in {
            'sriov_totalvfs': str(card.vfs_limit),
            'sriov_offset': str(card.vf_offset),
            'sriov_stride': str(card.vf_stride),
            'sriov_vf_device': card.vf_device,
            'sriov_drivers_autoprobe': '1',
        }.items():
            self._set(pf / name, text)
        vfs = card.vf_addresses_of(len(layout.vf_ports))
        for number, function in enumerate(vfs):
            vf = self._pci(function)
            if layout.linked:
                self._link(vf / 'physfn', pf)
                self._link(pf / f'virtfn{number}', vf)

    def _write_wellbeing(self) -> None:
        first = self._pci(next(iter(self._functions())))
        for name, text in self._well.counters().items():
            self._set(first / name, text)

    def _write_drivers(self) -> None:
        """The ways to give functions to drivers, which all cards share."""
        bus = self._root / 'bus/pci'
        self._knob(bus / 'drivers_probe', tree.Knob('probe', ''))
        self._knob(bus / 'rescan', tree.Knob('rescan', ''))
        pf = self._card.address
        self._knob(self._pci(pf) / 'remove', tree.Knob('remove', pf))
        for driver in {self.driver, VFIO} - {''}:
            for action in ('bind', 'unbind'):
                path = bus / 'drivers' / driver / action
                self._knob(path, tree.Knob(action, '', driver))

    def _vendor_of(self, function: str) -> str:
        return self._card.vendor

    def _write_pci(self, path: pathlib.Path, device: str) -> None:
        card, vendor = self._card, self._vendor_of(path.name)
        override = self._layout.overrides.get(path.name, '(null)')
        for name, text in {
            'vendor': f'0x{vendor}',
            'device': f'0x{device}',
            'subsystem_vendor': f'0x{vendor}',
            'subsystem_device': f'0x{card.subsystem_device}',
            'class': self.pci_class,
            'revision': '0x01',
            'irq': '0',
            'numa_node': str(card.numa_node),
            'uevent': f'DRIVER={self._driver_of(path.name)}\n'
            f'PCI_CLASS={self.pci_class[2:]}\n'
            f'PCI_ID={vendor.upper()}:{device.upper()}\n'
            f'PCI_SLOT_NAME={path.name}',
            'resource': '\n'.join([' '.join([f'0x{0:016x}'] * 3)] * 7),
        }.items():
            self._set(path / name, text)
        self._knob(
            path / 'driver_override',
            tree.Knob('override', path.name),
            override,
        )
        self._replace(path / 'config', _config(card, vendor, device))
        group = self._group_home(path.name)
        self._link(path / 'iommu_group', group)
        self._link(group / 'devices' / path.name, path)


class PlainTree(PciTree):
    """A card that nothing but PCI is known of."""

    driver = 'qdma-pf'

    def _write(self) -> None:
        super()._write()
        for function in self._functions():
            path = self._pci(function)
            self._set(path / 'reset_method', 'flr bus')
            self._knob(path / 'reset', tree.Knob('reset', function))


def _config(card: scenario.Card, vendor: str, device: str) -> bytes:
    """PCI configuration space with ids and, if set, the serial number."""
    config = bytearray(4096)
    config[0:2] = bytes.fromhex(vendor)[::-1]
    config[2:4] = bytes.fromhex(device)[::-1]
    config[8:12] = bytes.fromhex('01000012')
    config[0x2C:0x2E] = bytes.fromhex(vendor)[::-1]
    config[0x2E:0x30] = bytes.fromhex(card.subsystem_device)[::-1]
    if card.serial:
        config[0x100:0x104] = (0x0003 | 1 << 16).to_bytes(4, 'little')
        config[0x104:0x10C] = bytes.fromhex(card.serial)[::-1]
    return bytes(config)
