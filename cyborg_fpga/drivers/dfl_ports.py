"""Resets ports of a DFL card, gives them to virtual functions, and back.

The order is the kernel's: a port is released, then as many VFs are made as
ports are released; the VFs are removed, then the ports are assigned. It
would let a port go back while its VF lives, and it waits without end for a
guest that has a VF, so both are looked at here first.
"""

import contextlib
import errno
from collections.abc import Iterator

from oslo_log import log as logging

from cyborg_fpga import model
from cyborg_fpga.drivers import dfl_tree
from cyborg_fpga.drivers import pci_function
from cyborg_fpga.drivers import sysfs

LOG = logging.getLogger(__name__)

_RESET, _OLD_RESET = 0xB640, 0xB540
_RELEASE, _ASSIGN = 0x4004B681, 0x4004B682
_OLD_RELEASE, _OLD_ASSIGN = 0xB581, 0xB582
_NUMBER_SIZE, _OLD_SIZE = 4, 12
_DRIVERS = 'bus/pci/drivers'


def settled(fs: sysfs.Sysfs, card: dfl_tree.Card, number: int) -> bool:
    """Whether *card* has *number* VFs and everything its driver."""
    if card.leaving or len(card.vfs) != number or card.has_bare_port():
        return False
    if not all(pci_function.Function(fs, vf).driver() for vf in card.vfs):
        return False
    if card.afus_are_vfs():
        return True
    # Whatever is with neither the PF nor a VF was left by a failure.
    return bool(number) or not card.released()


def reset(fs: sysfs.Sysfs, card: dfl_tree.Card, port: int) -> None:
    """Reset *port*: the registers of its logic, and nothing else of it.

    :raises OSError: EBUSY, a guest has it; or what the kernel says.
    """
    nodes = card.port_nodes(port)
    if not nodes:
        raise OSError(
            errno.EBUSY,
            'the port has no device node; is it given to a guest?',
        )
    for node in nodes:
        fs.ioctl(node, _OLD_RESET if card.old else _RESET, b'')


class Ports:
    """The ports of one card, while nobody uses any of them."""

    def __init__(self, fs: sysfs.Sysfs, address: model.PciAddress) -> None:
        self._fs = fs
        self._address = address
        self._function = pci_function.Function(fs, address)

    def set_vfs(self, number: int) -> None:
        """Have *number* VFs from now on.

        :raises OSError: It did not work; what could be undone is undone.
        """
        card = self._card()
        whole = not card.leaving and not card.has_bare_port()
        if number and len(card.vfs) == number and whole:
            self._bind_vfs()
            return
        self._remove_vfs()
        self._take_back()
        if not number:
            return
        card = self._card()
        if not card.afus_are_vfs() and number > len(card.pf_ports()):
            raise OSError(
                errno.EINVAL,
                f'it has {len(card.pf_ports())} ports, so no {number} VFs',
            )
        with self._undone():
            if not card.afus_are_vfs():
                for port in card.pf_ports()[:number]:
                    self._call(card, port, release=True)
            self._fs.write(f'{self._function.path}/sriov_numvfs', str(number))
        self._bind_vfs()

    def _remove_vfs(self) -> None:
        # Also where there is no VF to be seen: one that is leaving may not be
        # found, and this waits for it.
        path = f'{self._function.path}/sriov_numvfs'
        if self._fs.exists(path):
            self._fs.write(path, '0')

    def _take_back(self) -> None:
        self._repair()
        card = self._card()
        for port in card.released():
            self._call(card, port, release=False)
        self._repair()

    def _repair(self) -> None:
        """Give ports without a driver one: only binding the PF anew does."""
        driver, address = self._function.driver(), str(self._address)
        if driver and self._card().has_bare_port():
            LOG.info('Binding %s to %s anew', address, driver)
            self._fs.write(f'{_DRIVERS}/{driver}/unbind', address)
            self._fs.write(f'{_DRIVERS}/{driver}/bind', address)

    @contextlib.contextmanager
    def _undone(self) -> Iterator[None]:
        """Give the ports back if it does not work."""
        try:
            yield
        except OSError as exc:
            # One that goes on may succeed yet, and then needs its ports.
            if exc.errno != errno.ETIMEDOUT:
                self._take_back()
            raise

    def _bind_vfs(self) -> None:
        """Where the kernel does not do it by itself."""
        driver = self._function.driver()
        for vf in self._card().vfs:
            bound = pci_function.Function(self._fs, vf).driver()
            if driver and bound is None:
                self._fs.write(f'{_DRIVERS}/{driver}/bind', str(vf))

    def _call(self, card: dfl_tree.Card, port: int, *, release: bool) -> None:
        argument = port.to_bytes(_NUMBER_SIZE, 'little')
        request = _RELEASE if release else _ASSIGN
        if card.old:
            request = _OLD_RELEASE if release else _OLD_ASSIGN
            size = _OLD_SIZE.to_bytes(4, 'little')
            argument = size + bytes(4) + argument
        self._fs.ioctl(card.fme_node, request, argument)

    def _card(self) -> dfl_tree.Card:
        """As it is now."""
        return dfl_tree.Card(self._fs, self._address)
