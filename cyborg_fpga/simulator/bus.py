"""What the kernel does with the functions of a simulated PCI card.

VFs are made and removed, ports given to them and back, functions bound to
drivers, by the rules of Linux 6.1 with its DFL drivers:

* As many VFs as there are released ports; other cards have any number.
* A port that comes back has no driver until ``dfl-pci`` binds the PF anew.
* A port can be given back while a VF has it, and a region reprogrammed.
* Removing VFs waits for the guest that has one, with the PF locked.
"""

import errno
import os
import pathlib
import threading
from collections.abc import Callable
from typing import Any

from cyborg_fpga.simulator import scenario
from cyborg_fpga.simulator import tree

#: The drivers that a function can be given to by name.
VFIO = 'vfio-pci'
_NUMBERS = 1 << 16


class PowerCut(EOFError):
    """The card stopped in the middle of something; nobody is answered."""


class Bus:
    """Thread-safe under *changed*, which all of the card's state is under.

    :param found: What :meth:`saved` returned; None for a new card.
    :param save: Makes a change visible; called with *changed* held.
    """

    def __init__(
        self,
        card: scenario.Card,
        card_tree: tree.CardTree,
        found: dict[str, Any] | None,
        *,
        changed: threading.Condition,
        save: Callable[[], None],
    ) -> None:
        self._card = card
        self._driver = card_tree.driver
        self._changed = changed
        self._save = save
        #: What the kernel calls the PF's device lock.
        self._device = threading.Lock()
        self._linked = True
        self._stopped = False
        self._opened: int | None = None
        self.guest = ''
        saved = found or {}
        self._vf_ports: list[int] = saved.get('vf_ports', _at_first(card))
        self._released: set[int] = set(
            saved.get('released', [] if card.ofs else self._vf_ports)
        )
        self._bare: set[int] = set(saved.get('bare', ()))
        #: Whether the kernel was told to forget the card.
        self.removed: bool = saved.get('removed', False)
        self._drivers: dict[str, str] = saved.get('drivers', {})
        self._overrides: dict[str, str] = saved.get('overrides', {})

    def saved(self) -> dict[str, Any]:
        return {
            'vf_ports': self._vf_ports,
            'released': sorted(self._released),
            'bare': sorted(self._bare),
            'removed': self.removed,
            'drivers': self._drivers,
            'overrides': self._overrides,
        }

    def layout(self) -> tree.Layout:
        drivers = dict(self._drivers)
        if self.guest:
            drivers[self.guest] = VFIO
        with_pf = set(range(self._card.ports)) - self._released
        return tree.Layout(
            vf_ports=tuple(self._vf_ports),
            linked=self._linked,
            ports=frozenset(with_pf - self._bare),
            bare=frozenset(with_pf & self._bare),
            drivers=drivers,
            overrides=dict(self._overrides),
        )

    def guests(self) -> list[str]:
        """Addresses of what guests can be given."""
        if not self._vf_ports:
            return [self._card.user_address or self._card.address]
        return self._card.vf_addresses_of(len(self._vf_ports))

    def port_of(self, position: int) -> int:
        """The port of the guests' function number *position*."""
        return self._vf_ports[position] if self._vf_ports else 0

    def hold(self, function: str) -> None:
        """Give *function* to a guest; '' takes what it has from it."""
        self.guest = function
        self._close()

    def open(self, node: pathlib.Path | None) -> None:
        """Be the guest's emulator, which has its group's node open."""
        if node is not None and self._opened is None:
            self._opened = os.open(node, os.O_RDWR | os.O_CLOEXEC)

    def stop(self) -> None:
        self._close()
        self._stopped = True

    def release(self, port: int) -> None:
        """:raises OSError: ENODEV, EBUSY."""
        self._check_port(port)
        with self._changed:
            if port in self._released:
                raise os_error(errno.EBUSY)
            self._released.add(port)
            self._bare.discard(port)
            self._save()

    def assign(self, port: int) -> None:
        """:raises OSError: ENODEV, EBUSY."""
        self._check_port(port)
        with self._changed:
            if port not in self._released:
                raise os_error(errno.EBUSY)
            self._released.remove(port)
            self._bare.add(port)
            self._save()

    def set_vfs(self, text: str) -> None:
        """Write *text* to ``sriov_numvfs``; blocks while a guest has one.

        :raises OSError: EINVAL, ERANGE, ENOENT, EBUSY, ENOMEM.
        """
        number = _number(text)
        if number > self._card.vfs_limit:
            raise os_error(errno.ERANGE)
        with self._device, self._changed:
            if number == len(self._vf_ports):
                return
            if self._driver_of(self._card.address) in ('', VFIO):
                raise os_error(errno.ENOENT)
            if not number:
                self._remove_vfs()
            elif self._vf_ports:
                raise os_error(errno.EBUSY)
            else:
                self._make_vfs(number)
            self._save()

    def bind(self, driver: str, function: str) -> None:
        """:raises OSError: ENODEV, EBUSY."""
        with self._device, self._changed:
            if driver != self._wanted(function):
                raise os_error(errno.ENODEV)
            if self._driver_of(function):
                raise os_error(errno.EBUSY)
            self._attach(function, driver)
            self._save()

    def probe(self, function: str) -> None:
        """Write *function* to ``drivers_probe``."""
        with self._device, self._changed:
            if not self._driver_of(function):
                self._attach(function, self._wanted(function))
                self._save()

    def unbind(self, driver: str, function: str) -> None:
        """Blocks while a guest has the function.

        :raises OSError: ENODEV.
        """
        with self._device, self._changed:
            if not driver or self._driver_of(function) != driver:
                raise os_error(errno.ENODEV)
            self._detach(function)
            self._drivers[function] = ''
            self._save()

    def remove(self) -> None:
        """Take the card off the bus; blocks while a guest has a function."""
        with self._device, self._changed:
            self._detach(self._card.address)
            self._drivers.clear()
            self._overrides.clear()
            self.removed = True
            self._save()

    def rescan(self) -> None:
        """Find the card again, if it was removed."""
        with self._device, self._changed:
            if self.removed:
                self.removed = False
                self._save()

    def override(self, function: str, text: str) -> None:
        with self._changed:
            self._overrides[function] = text.strip()
            if not text.strip():
                del self._overrides[function]
            self._save()

    def _close(self) -> None:
        if self._opened is not None:
            os.close(self._opened)
            self._opened = None

    def _detach(self, function: str) -> None:
        """Take the driver from a function that has one."""
        if function == self._card.address:
            # Its driver takes its VFs with it, and all ports.
            self._remove_vfs()
            self._released.clear()
            self._bare.clear()
        self._wait_for_guest({function})

    def _attach(self, function: str, driver: str) -> None:
        self._drivers[function] = driver
        if driver == self._driver:
            del self._drivers[function]

    def _wanted(self, function: str) -> str:
        return self._overrides.get(function) or self._driver

    def _driver_of(self, function: str) -> str:
        if function == self.guest:
            return VFIO
        return self._drivers.get(function, self._driver)

    def _make_vfs(self, number: int) -> None:
        ports = sorted(self._released)
        if self._card.kind == 'dfl' and not self._card.ofs:
            if number != len(ports):
                raise os_error(errno.EINVAL)
            self._vf_ports = ports
        else:
            self._vf_ports = [0] * number
        if not all(map(scenario.is_address, self.guests())):
            self._vf_ports = []
            raise os_error(errno.ENOMEM)

    def _remove_vfs(self) -> None:
        gone = set(self.guests()) if self._vf_ports else set()
        if gone:
            # The links go first, whatever the removal then waits for.
            self._linked = False
            self._save()
            self._wait_for_guest(gone)
        self._linked = True
        self._vf_ports = []
        for function in gone:
            self._drivers.pop(function, None)
            self._overrides.pop(function, None)

    def _wait_for_guest(self, functions: set[str]) -> None:
        while self.guest in functions and not self._stopped:
            self._changed.wait()
        if self._stopped:
            raise PowerCut

    def _check_port(self, port: int) -> None:
        if port not in range(self._card.ports):
            raise os_error(errno.ENODEV)


def os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _at_first(card: scenario.Card) -> list[int]:
    if card.ofs:
        return [0] * card.vfs
    return [n * card.ports // card.vfs for n in range(card.vfs)]


def _number(text: str) -> int:
    try:
        number = int(text, 0)
    except ValueError as exc:
        raise os_error(errno.EINVAL) from exc
    if number < 0:
        raise os_error(errno.EINVAL)
    if number >= _NUMBERS:
        raise os_error(errno.ERANGE)
    return number
