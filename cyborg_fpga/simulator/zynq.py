"""A simulated Zynq: a chip that a generic FPGA manager loads.

The tree is that of the vendor's kernel, with ``firmware`` and ``flags`` to
write. The chip takes its configuration as 32-bit words whose bytes are
swapped, and reads it as the vendor's guide tells (UG585, UG470)::

    ffffffff ...        padding, with the words of the bus width in it
    aa995566            synchronizes; all before it is skipped
    30018001 <idcode>   the chip that it is for
    30004000 5<count>   how many words of configuration data follow
    30000001 <check>    here the CRC-32 of IDCODE and data
    30008001 0000000d   the end

What happens when it does not like them is what ``zynq-fpga.c`` does.
"""

import errno
import hashlib
import pathlib
import struct
import zlib
from collections.abc import Sequence

from cyborg_fpga.simulator import payload
from cyborg_fpga.simulator import scenario
from cyborg_fpga.simulator import tree

_PADDING = b'\xff' * 32 + bytes.fromhex('000000bb11220044ffffffffffffffff')
_SYNC = 0xAA995566
_NOTHING = 0x20000000
_WRITE_IDCODE = 0x30018001
_WRITE_DATA = 0x30004000
_MANY = 5 << 28
_WRITE_CHECK = 0x30000001
_COMMAND = 0x30008001
_END = 0x0000000D
#: Words in which the driver looks for the sync word.
_LOOKED_AT = 32


class _NoSync(payload.BadImage):
    """Refused before the first word is written."""

    number, state = errno.EINVAL, 'write init error'


class _NotTransferred(payload.BadImage):
    number, state = errno.EIO, 'write error'


class _NotDone(payload.BadImage):
    """The chip does not say that it works."""

    number, state = errno.ETIMEDOUT, 'write complete error'


def manager(card: scenario.Card) -> int:
    """The number of its manager, which drivers make its address of."""
    device, function = card.address.rpartition(':')[2].split('.')
    return int(device, 16) << 3 | int(function)


class ZynqTree(tree.CardTree):
    """A platform device with a manager; no bus has its address."""

    def __init__(
        self,
        directory: pathlib.Path,
        card: scenario.Card,
        numbers: tree.Numbers,
    ) -> None:
        super().__init__(directory, card, numbers)
        self._number = manager(card)
        self._home = (
            self._root / f'devices/soc0/amba/f8007{self._number:03x}.devcfg'
        )
        self._manager = self._home / f'fpga_manager/fpga{self._number}'

    def show_manager(self, state: str, status: str) -> None:
        self._set(self._manager / 'state', state)

    def show_flags(self, value: int) -> None:
        self._set(self._manager / 'flags', f'{value:x}')

    def _write(self) -> None:
        model = {'ZYNQ7000': 'Zynq', 'ZYNQMP': 'ZynqMP'}[self._card.family]
        manager = self._manager
        self._set(manager / 'name', f'Xilinx {model} FPGA Manager')
        # This manager has no status of its own.
        self._set(manager / 'status', tree.marker(errno.ENOENT))
        chip = self._card.address
        self._knob(manager / 'firmware', tree.Knob('firmware', chip))
        self._knob(manager / 'flags', tree.Knob('flags', chip), '0')
        self._link(manager / 'device', self._home)

    def _homes(self) -> list[pathlib.Path]:
        return [self._home]

    def _entrances(self) -> list[tuple[pathlib.Path, pathlib.Path]]:
        return [
            (
                self._root / 'class/fpga_manager' / self._manager.name,
                self._manager,
            )
        ]


def decode(image: bytes, card: scenario.Card) -> str:
    """Configure the chip: which function it has then.

    :raises payload.BadImage: It does not work.
    """
    if len(image) % 4:
        raise _NoSync('the length is not of whole words')
    words = struct.unpack(f'<{len(image) // 4}I', image)
    if _SYNC not in words[:_LOOKED_AT]:
        raise _NoSync('could not find a sync word')
    written = _Words(words[words.index(_SYNC) + 1 :])
    written.expect(_WRITE_IDCODE)
    (idcode,) = written.take(1)
    written.expect(_WRITE_DATA)
    (count,) = written.take(1)
    data = written.take(count ^ _MANY)
    written.expect(_WRITE_CHECK)
    if written.take(1) != (_check(idcode, data),):
        raise _NotTransferred('CRC error')
    written.expect(_COMMAND)
    written.expect(_END)
    if f'{idcode:08x}' != card.idcode:
        raise _NotDone('another chip')
    return hashlib.sha256(image).hexdigest()[:32]


def build(idcode: str, body: bytes) -> bytes:
    """What follows the header of a ``.bit`` file for such a chip."""
    padded = body + bytes(-len(body) % 4)
    data = list(struct.unpack(f'>{len(padded) // 4}I', padded))
    chip = int(idcode, 16)
    words = [_SYNC, _NOTHING, _WRITE_IDCODE, chip, _WRITE_DATA]
    words += [_MANY | len(data), *data, _WRITE_CHECK, _check(chip, data)]
    words += [_COMMAND, _END, _NOTHING]
    return _PADDING + struct.pack(f'>{len(words)}I', *words)


class _Words:
    """What is written to the chip, word after word."""

    def __init__(self, words: tuple[int, ...]) -> None:
        self._words = words
        self._at = 0

    def take(self, count: int) -> tuple[int, ...]:
        self._at += count
        if not 0 <= count <= self._at <= len(self._words):
            raise _NotTransferred('it ends too early')
        return self._words[self._at - count : self._at]

    def expect(self, wanted: int) -> None:
        (word,) = self.take(1)
        while word == _NOTHING:
            (word,) = self.take(1)
        if word != wanted:
            raise _NotTransferred(f'{word:08x} is not {wanted:08x}')


def _check(idcode: int, data: Sequence[int]) -> int:
    return zlib.crc32(struct.pack(f'>{len(data) + 1}I', idcode, *data))
