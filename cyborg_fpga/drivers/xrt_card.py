"""Where XRT's kernel drivers put things in sysfs."""

import contextlib
import errno
import functools
import itertools
import re
from typing import Any
from typing import NamedTuple

from oslo_log import log as logging

from cyborg_fpga import model
from cyborg_fpga.bitstream import header
from cyborg_fpga.drivers import families
from cyborg_fpga.drivers import pci_function
from cyborg_fpga.drivers import sysfs

LOG = logging.getLogger(__name__)

_ID = re.compile('[0-9a-f]{32}')
#: Sub-devices that know the board, of Alveo cards and of Versal ones.
_BOARDS = ('xmc', 'hwmon_sdm')
_SERIAL = re.compile('[0-9A-Za-z-]{6,64}')
_CONTEXTS = re.compile(r'^contexts:\s*([0-9]+)', re.M)


class Known(NamedTuple):
    """A function of a card that is in the table.

    :ivar user: It is the one for tenants.
    """

    function: pci_function.Function
    family: families.Family
    user: bool


def functions(
    fs: sysfs.Sysfs, table: families.Table, driver: str
) -> list[Known]:
    """All functions of *driver*'s cards, in order of their addresses."""
    cards = [f for f in table.families if f.driver == driver]
    vendors = {key.split('/')[0] for f in cards for key in f.ids}
    found = []
    for address in pci_function.addresses(fs) if cards else ():
        function = pci_function.Function(fs, address)
        try:
            vendor = function.id('vendor')
            device = function.id('device') if vendor in vendors else ''
        except OSError as exc:
            LOG.debug('%s: %s', address, exc)
            continue
        family = table.find(driver, vendor, device)
        if family is not None:
            found.append(Known(function, family, False))
        for family in cards:
            ours = any(key.startswith(f'{vendor}/') for key in family.ids)
            if device and ours and device == family.user:
                found.append(Known(function, family, True))
                break
    return found


def boards(
    fs: sysfs.Sysfs, table: families.Table, driver: str
) -> list[list['Card']]:
    """All cards of *driver*, each with what it has in the slots it takes."""
    slots = itertools.groupby(
        functions(fs, table, driver),
        key=lambda known: pci_function.slot(known.function.address),
    )
    return pci_function.boards(
        [Card(fs, list(group)) for _, group in slots],
        lambda card: (card.family.name, card.serial),
    )


def attributes(fs: sysfs.Sysfs, cards: list['Card']) -> dict[str, str]:
    """Of their report."""
    users = [c.user.address for c in cards if c.user is not None]
    return {
        **pci_function.joined(card.attributes() for card in cards),
        **pci_function.iommu_groups(fs, users),
    }


def health(cards: list['Card']) -> dict[str, Any]:
    """Members of their report: whether all their functions have drivers."""
    words = '; '.join(
        pci_function.not_bound(function.address, None)
        for card in cards
        for function in (card.user, card.management)
        if function is not None and function.driver() is None
    )
    health = model.Health.SUSPECT if words else model.Health.OK
    return {'health': health, 'health_reason': words}


class Card:
    """The functions of one slot.

    :ivar first: The function with the lowest address.
    :ivar user: The function for tenants; None: it is not there.
    :ivar management: The other one; None in a guest.
    """

    def __init__(self, fs: sysfs.Sysfs, known: list[Known]) -> None:
        self._fs = fs
        self.first = known[0].function
        self.family = known[0].family
        self.user = next((k.function for k in known if k.user), None)
        self.management = next((k.function for k in known if not k.user), None)

    def function(self) -> str | None:
        """What is loaded; None: nothing.

        :raises OSError: EBUSY, the user function is not with this host's
            driver; EIO, what it shows is not an id.
        """
        text = self._read('xclbinuuid')
        # One line for each slot of the card; the first is the only one here.
        found = text.partition('\n')[0].replace('-', '').lower()
        if not found or found == '0' * 32:
            return None
        if not _ID.fullmatch(found):
            raise OSError(errno.EIO, f'{found[:40]!r} is not a uuid')
        return found

    @functools.cached_property
    def serial(self) -> str | None:
        """The board's own word, which anybody may read, or else PCIe's."""
        functions = filter(None, (self.user, self.management))
        for path in [
            path
            for function in functions
            for name in _BOARDS
            for path in self._fs.glob(f'{function.path}/{name}.*/serial_num')
        ]:
            with contextlib.suppress(OSError):
                found = self._fs.read(path)
                if _SERIAL.fullmatch(found):
                    return found
        return self.first.serial()

    def region_id(self) -> str | None:
        """Interface that an xclbin must be made for; None for old shells."""
        interfaces = self._interfaces()
        return interfaces[-1] if interfaces else self.family.region or None

    def target(self, name: str) -> header.Target:
        """What a file is compared with.

        :raises OSError: Nothing of it can be read now.
        """
        interfaces = self._interfaces()
        if interfaces:
            return header.Target(name=name, region_ids=interfaces)
        stamp = self._rom('timestamp')
        return header.Target(
            name=name,
            platform=self._rom('VBNV') or '',
            feature_timestamp=int(stamp, 0) if stamp else None,
        )

    def users(self) -> int:
        """How many programs on this host have it open.

        :raises OSError: As :meth:`function`.
        """
        match = _CONTEXTS.search(self._read('kdsstat'))
        return int(match[1]) if match else 0

    def problems(self) -> list[str]:
        """What its drivers say of its functions."""
        found = []
        for function in (self.user, self.management):
            if function is None:
                continue
            if function.text('dev_offline') == '1':
                found.append(f'{function.address} is offline')
        return found

    def attributes(self) -> dict[str, str]:
        shell = self._rom('VBNV')
        return {
            **({'shell': shell} if shell else {}),
            **pci_function.physical_functions(self._fs, self.first.address),
        }

    def _interfaces(self) -> list[str]:
        """One per partition of the shell, the topmost last."""
        for function in (self.user, self.management):
            text = function.text('interface_uuids') if function else None
            found = [line.strip().lower() for line in (text or '').split()]
            if found and all(map(_ID.fullmatch, found)):
                return found
        return []

    def _rom(self, name: str) -> str | None:
        for function in (self.user, self.management):
            if function is None:
                continue
            for path in self._fs.glob(f'{function.path}/rom.*/{name}'):
                try:
                    return self._fs.read(path)
                except OSError as exc:
                    LOG.debug('%s: %s', path, exc)
        return None

    def _read(self, attribute: str) -> str:
        if self.user is None:
            raise OSError(errno.ENODEV, 'there is no user function')
        path = f'{self.user.path}/{attribute}'
        if not self._fs.exists(path):
            # A guest has it, or another driver; or it is gone.
            gone = self.user.text('vendor') is None
            raise OSError(
                errno.ENODEV if gone else errno.EBUSY,
                "the user function is not with this host's driver",
            )
        return self._fs.read(path)
