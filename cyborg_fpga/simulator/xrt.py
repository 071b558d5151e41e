"""A simulated Alveo card, as XRT's kernel drivers show it.

It has a management function (driver ``xclmgmt``) and a user function
(``xocl``) in one slot. An xclbin is taken apart here by the offsets of the
vendor's public header, all little endian: total length at 304, mode at 332,
uuid at 416, number of sections at 448, and from 456 on 40 bytes for each:
kind at 0, offset at 24, size at 32.
"""

import errno
import pathlib
import re
import struct
import uuid

from cyborg_fpga.simulator import payload
from cyborg_fpga.simulator import pci_tree
from cyborg_fpga.simulator import scenario
from cyborg_fpga.simulator import tree

_MAGIC = b'xclbin2\0'
_TABLE = 456
_SECTION = 40
_BITSTREAM, _PARTITION_METADATA = 0, 20
_EMULATION = 4
#: Families whose sensors are those of Versal cards.
_VERSAL = ('VCK5000',)
_INTERFACE = re.compile(b'(?<![0-9a-f])[0-9a-f]{32}(?=\0)')


class _Damaged(payload.BadImage):
    number = errno.EINVAL


class XrtTree(pci_tree.PciTree):
    """Two functions, or in a guest only the user's."""

    def __init__(
        self,
        directory: pathlib.Path,
        card: scenario.Card,
        numbers: tree.Numbers,
    ) -> None:
        super().__init__(directory, card, numbers)
        self._chips = {f: next(numbers.hwmon) for f in self._functions()}

    def show_function(self, port: int, value: str | int) -> None:
        # A load that runs or has failed has left nothing.
        blank = isinstance(value, str) and not value.strip('0')
        if blank or value == errno.EBUSY:
            self._replace(self._user / 'xclbinuuid', b'')
        elif isinstance(value, int):
            self._set(self._user / 'xclbinuuid', tree.marker(value))
        else:
            self._set(self._user / 'xclbinuuid', str(uuid.UUID(value)))

    def show_users(self, count: int) -> None:
        lines = ['outstanding execs:\t0', 'total execs:\t\t0']
        lines += [f'contexts:\t\t{count}', 'client pid:']
        lines += [f'\t\t\t{4000 + number}' for number in range(count)]
        self._set(self._user / 'kdsstat', '\n'.join(lines))

    def show_errors(self, value: int) -> None:
        for path in self._homes():
            self._set(path / 'dev_offline', '1' if value else '0')

    def _unbound(self, function: str, driver: str) -> None:
        super()._unbound(function, driver)
        self._erase(self._pci(function) / 'hwmon')

    def _write_wellbeing(self) -> None:
        super()._write_wellbeing()
        versal = self._card.family in _VERSAL
        for function, number in self._chips.items():
            user = self._pci(function) == self._user
            if self._driver_of(function) != ('xocl' if user else 'xclmgmt'):
                continue
            name = f'{self._card.platform}{"_hwmon_sdm" * versal}'
            name += '_user' if user else '_mgmt'
            shown = (
                self._well.versal_chip(name)
                if versal
                else self._well.alveo_chip(name)
            )
            path = self._pci(function) / f'hwmon/hwmon{number}'
            for attribute, text in shown.items():
                self._set(path / attribute, text)
            self._class('hwmon', path)

    @property
    def _user(self) -> pathlib.Path:
        return self._pci(self._card.guest_addresses[0])

    def _functions(self) -> dict[str, str]:
        card = self._card
        user = {card.guest_addresses[0]: card.user_device or ''}
        if not card.management:
            return user
        return {card.address: card.device, **user}

    def _driver_of(self, function: str) -> str:
        user = function == self._card.guest_addresses[0]
        own = 'xocl' if user else 'xclmgmt'
        return self._layout.drivers.get(function, own)

    def _write_virtual(self) -> None:
        for function in self._functions():
            path, user = self._pci(function), self._pci(function) == self._user
            kind = 'u' if user else 'm'
            for name, text in {
                'ready': '0x1',
                'board_name': self._card.family.lower(),
                'interface_uuids': self._card.region_id or '',
                'logic_uuids': '0' * 31 + '1',
                f'rom.{kind}.0/VBNV': self._card.platform,
                f'rom.{kind}.0/timestamp': '0',
            }.items():
                self._set(path / name, text)
        self._replace(self._user / 'user_pf', b'')


def check(image: bytes, card: scenario.Card) -> None:
    """What the driver refuses before it gives up the old function.

    :raises OSError: EINVAL, it was not made for this shell or is damaged.
    """
    try:
        sections = _sections(image)
        found = _INTERFACE.search(sections.get(_PARTITION_METADATA, b''))
    except (payload.BadImage, struct.error) as exc:
        raise OSError(errno.EINVAL, str(exc)) from exc
    if found is None or found[0].decode() != card.region_id:
        raise OSError(errno.EINVAL, 'the interface is not of this shell')


def decode(image: bytes, card: scenario.Card) -> str:
    """Configure the region; the xclbin's own uuid is its function then.

    :raises payload.BadImage: The configuration data is damaged.
    """
    data = _sections(image).get(_BITSTREAM, b'')
    payload.parse(data, card.region_id or '')
    return uuid_of(image)


def uuid_of(image: bytes) -> str:
    return image[416:432].hex()


def _sections(image: bytes) -> dict[int, bytes]:
    if len(image) < _TABLE or not image.startswith(_MAGIC):
        raise _Damaged('no xclbin')
    (length,) = struct.unpack_from('<Q', image, 304)
    (mode,) = struct.unpack_from('<H', image, 332)
    (count,) = struct.unpack_from('<I', image, 448)
    if length != len(image) or mode >= _EMULATION:
        raise _Damaged('its length or mode is wrong')
    if _TABLE + count * _SECTION > length:
        raise _Damaged('its sections are cut off')
    found = {}
    for number in range(count):
        at = _TABLE + number * _SECTION
        (kind,) = struct.unpack_from('<I', image, at)
        offset, size = struct.unpack_from('<QQ', image, at + 24)
        if offset + size > length:
            raise _Damaged('a section is cut off')
        found[kind] = image[offset : offset + size]
    return found
