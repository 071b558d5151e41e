"""Lattice ECP5 bitstreams, as ecppack and the vendor's tools write them.

After ``ff 00``, texts that end with a NUL byte, ``ff`` and the preamble come
commands: one byte, three bytes of options, and what belongs to the command.
The chip compares the IDCODE in it with its own, and a CRC with every frame
of configuration memory. All numbers are big endian.
"""

import re

from cyborg_fpga.bitstream import header
from cyborg_fpga.bitstream import source

_PREAMBLE = bytes.fromhex('ffffbdb3')
_COMMENT = b'\xff\0'
_COMMENT_LIMIT = 2048
_PART = b'Part: '
_PART_LIMIT = 64
# The largest chip's, uncompressed, is half of that.
_LIMIT = 4 << 20
_COMMANDS = 4096

_DUMMIES = re.compile(b'\xff*')
_RESET_CRC, _VERIFY_ID, _DONE = 0x3B, 0xE2, 0x5E
_FRAMES, _COMPRESSED, _MEMORY = 0x82, 0xB8, 0xB2
#: Command -> bytes that follow its options; a CRC follows them if the first
#: option says so.
_FOLLOWING = {
    _RESET_CRC: 0,
    _VERIFY_ID: 4,
    _DONE: 0,
    0x02: 8,
    0x22: 4,
    0x46: 0,
    0x79: 0,
    0x7E: 4,
    0xC2: 4,
    0xCE: 0,
    0xF6: 4,
}
#: The commands above whose first option may ask for a CRC.
_MAY_CHECK = (0x02, 0xC2)
_CHECK = 0x80
_CHECK_ONCE = 0x40
_MEMORY_ROW = 9
#: IDCODE without its first digit -> bytes of a frame, number of frames.
_CHIPS = {
    0x1111043: (74, 7562),
    0x1112043: (106, 9470),
    0x1113043: (142, 13294),
}

_POLYNOMIAL = 0x8005


def matches(head: bytes) -> bool:
    """Tell from a file's head whether it is one."""
    return _start(head) is not None


def parse(file: source.Source) -> header.Header:
    """Read up to the IDCODE.

    :raises errors.BadBitstream: It is damaged or names no chip.
    """
    start = _start(file.head)
    if start is None:
        raise source.bad('the ECP5 preamble is missing')
    walk = _Walk(file.head, start)
    for _ in range(_COMMANDS):
        if walk.idcode is not None:
            break
        if walk.command() not in _FOLLOWING:
            raise source.bad('it does not begin with an IDCODE')
    else:
        raise source.bad('it has too many commands')
    part = b''
    for text in file.head[len(_COMMENT) : start].split(b'\0'):
        if text.startswith(_PART):
            part = text[len(_PART) :][:_PART_LIMIT]
    return header.Header(
        format=header.Format.ECP5,
        size=file.size,
        payload_offset=0,
        payload_size=file.size,
        part=source.text(part, 'its part'),
        idcode=walk.idcode,
        partial=False,
    )


def verify(file: source.Source) -> None:
    """Walk to the end and compare every CRC.

    :raises errors.BadBitstream: It is damaged, cut off, or much larger than
        any chip's.
    """
    data = file.whole(_LIMIT)
    start = _start(data)
    if start is None:
        raise source.bad('the ECP5 preamble is missing')
    walk = _Walk(data, start)
    for _ in range(_COMMANDS):
        command = walk.command()
        if command == _DONE:
            return
        if command in (_FRAMES, _COMPRESSED):
            walk.frames(compressed=command == _COMPRESSED)
        elif command == _MEMORY:
            walk.memory()
        elif command not in _FOLLOWING:
            raise source.bad(f'it has an unknown command {command:x}')
    raise source.bad('it has too many commands')


def build(part: str, idcode: int, frames: list[bytes]) -> bytes:
    """Make a whole file; *frames* have the size that *idcode* demands."""
    body = bytes([_VERIFY_ID, 0, 0, 0]) + idcode.to_bytes(4, 'big')
    body += bytes([_FRAMES, _CHECK | 0x11]) + len(frames).to_bytes(2, 'big')
    crc = _crc(0, body)
    for frame in frames:
        crc = _crc(crc, frame)
        body += frame + crc.to_bytes(2, 'big') + b'\xff'
        crc = _crc(0, b'\xff')
    return (
        _COMMENT
        + _PART
        + part.encode('ascii')
        + b'\0\xff'
        + _PREAMBLE
        + b'\xff\xff\xff\xff'
        + bytes([_RESET_CRC, 0, 0, 0])
        + body
        + bytes([_DONE, 0, 0, 0])
        + b'\xff\xff\xff\xff'
    )


class _Walk:
    """Reads commands one after the other and keeps the CRC."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at
        self._crc = 0
        self._options = b''
        self._frames = 0
        self.idcode: int | None = None

    def command(self) -> int:
        """Read a command, its options, and what has a fixed length."""
        # Bytes between commands that the CRC does not cover.
        filling = _DUMMIES.match(self._data, self._at)
        if filling is not None:
            self._at = filling.end()
        command = self._take(1)[0]
        self._options = self._take(3)
        rest = self._take(_FOLLOWING.get(command, 0))
        if command == _RESET_CRC:
            self._crc = 0
        elif command == _VERIFY_ID:
            self.idcode = int.from_bytes(rest, 'big')
        elif command in _MAY_CHECK and self._options[0] & _CHECK:
            self._check()
        return command

    def frames(self, *, compressed: bool) -> None:
        """Go behind the frames that a command announced."""
        idcode = self.idcode or 0
        size, most = _CHIPS.get(idcode & 0xFFFFFFF, (0, 0))
        if not size:
            raise source.bad(f'no ECP5 has IDCODE {idcode:08x}')
        if not self._options[0] & _CHECK:
            raise source.bad('its frames have no CRC')
        count = int.from_bytes(self._options[1:], 'big')
        self._frames += count
        if self._frames > most:
            raise source.bad(f'it has more than {most} frames')
        for number in range(count):
            if compressed:
                self._take(self._compressed_size(size + -size % 8))
            else:
                self._take(size)
            last = number == count - 1
            if last or not self._options[0] & _CHECK_ONCE:
                self._check()
            self._take(self._options[0] & 15)

    def memory(self) -> None:
        """Go behind the rows of a memory block."""
        count = int.from_bytes(self._options[1:], 'big')
        self._take(count * _MEMORY_ROW)
        self._check()

    def _take(self, length: int) -> bytes:
        end = self._at + length
        if end > len(self._data):
            raise source.bad('it is cut off')
        taken = self._data[self._at : end]
        self._crc = _crc(self._crc, taken)
        self._at = end
        return taken

    def _check(self) -> None:
        found = self._crc
        if int.from_bytes(self._take(2), 'big') != found:
            raise source.bad('a CRC in it is wrong')
        self._crc = 0

    def _compressed_size(self, symbols: int) -> int:
        """Bytes that so many symbols take: of 1, 6 or 10 bits each."""
        bits, end = self._at * 8, len(self._data) * 8
        for _ in range(symbols):
            # A symbol of one bit may be the last.
            if bits + 1 > end:
                raise source.bad('it is cut off')
            at = bits // 8
            two = int.from_bytes(self._data[at : at + 2].ljust(2, b'\0'))
            first = two >> 14 - bits % 8 & 3
            bits += (1, 1, 6, 10)[first]
        return (bits + 7) // 8 - self._at


def _start(head: bytes) -> int | None:
    """Where the commands begin."""
    at = 0
    if head.startswith(_COMMENT):
        at = head.find(b'\xff', len(_COMMENT), _COMMENT_LIMIT)
    # The comment's end may be followed by more of the same.
    found = head.find(_PREAMBLE, max(at, 0), max(at, 0) + 64)
    return None if found < 0 or at < 0 else found + len(_PREAMBLE)


def _table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte << 8
        for _ in range(8):
            crc = crc << 1 ^ (_POLYNOMIAL if crc & 0x8000 else 0)
        table.append(crc & 0xFFFF)
    return table


_TABLE = _table()


def _crc(crc: int, data: bytes) -> int:
    for byte in data:
        crc = (crc << 8 & 0xFFFF) ^ _TABLE[crc >> 8 ^ byte]
    return crc
