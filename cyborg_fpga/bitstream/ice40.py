"""Lattice iCE40 bitstreams, as icepack writes them.

After an optional comment (``ff 00``, text, ``00 ff``) and the preamble come
commands: a byte with the operation in its upper and the number of payload
bytes in its lower half, and that payload, big endian. Operation 0 acts (1
and 3: configuration and memory follow, then two zero bytes; 5 starts the
CRC, 6 wakes the chip up), 6 and 7 set width and height of what follows, 2
holds the CRC. The size of its memories is all that tells a chip.
"""

import binascii
import dataclasses

from cyborg_fpga.bitstream import header
from cyborg_fpga.bitstream import source

_PREAMBLE = bytes.fromhex('7eaa997e')
_COMMENT = b'\xff\0'
_COMMENT_END = b'\0\xff'
_COMMENT_LIMIT = 2048
# The largest chip's is an eighth of that; five may lie behind each other.
_LIMIT = 1 << 20
_COMMANDS = 4096

_ACT, _CRC, _WIDTH, _HEIGHT = 0, 2, 6, 7
_SETTINGS = (1, 5, 8, 9)
_CONFIGURE, _FILL, _START_CRC, _WAKE = 1, 3, 5, 6

#: Columns and rows of a bank of configuration memory -> chip.
_CHIPS = {
    (182, 80): 'iCE40-384',
    (332, 144): 'iCE40-1k',
    (692, 176): 'iCE40-u4k',
    (692, 336): 'iCE40-5k',
    (872, 272): 'iCE40-8k',
}


@dataclasses.dataclass(slots=True)
class _State:
    """Where a walk along the commands is."""

    at: int
    crc: int = 0xFFFF
    width: int = 0
    height: int = 0
    checked: bool = False


def matches(head: bytes) -> bool:
    """Tell from a file's head whether it is one."""
    return _start(head) is not None


def parse(file: source.Source) -> header.Header:
    """Read up to the first bank, whose size tells the chip.

    :raises errors.BadBitstream: It is damaged.
    """
    start = _start(file.head)
    if start is None:
        raise source.bad('the iCE40 preamble is missing')
    state = _State(start)
    for _ in range(_COMMANDS):
        operation, value = _command(file.head, state)
        if operation == _ACT and value in (_CONFIGURE, _FILL):
            break
        if operation == _ACT and value == _WAKE:
            raise source.bad('it configures nothing')
    else:
        raise source.bad('it has too many commands')
    part = _CHIPS.get((state.width, state.height), '')
    return header.Header(
        format=header.Format.ICE40,
        size=file.size,
        payload_offset=0,
        payload_size=file.size,
        part=part,
        partial=False,
    )


def verify(file: source.Source) -> None:
    """Walk to the end and compare the CRC.

    :raises errors.BadBitstream: It is damaged, cut off, without a CRC, or
        much larger than any chip's.
    """
    data = file.whole(_LIMIT)
    start = _start(data)
    if start is None:
        raise source.bad('the iCE40 preamble is missing')
    state = _State(start)
    for _ in range(_COMMANDS):
        operation, value = _command(data, state)
        if operation != _ACT:
            continue
        if value == _WAKE:
            if not state.checked:
                raise source.bad('it has no CRC')
            return
        if value in (_CONFIGURE, _FILL):
            _skip_bank(data, state)
    raise source.bad('it has too many commands')


def build(
    width: int, height: int, banks: list[bytes], *, comment: str = ''
) -> bytes:
    """Make a whole file whose *banks* have *width* times *height* bits."""
    body = b'\x62' + (width - 1).to_bytes(2, 'big')
    body += b'\x72' + height.to_bytes(2, 'big')
    for number, bank in enumerate(banks):
        body += b'\x11' + bytes([number]) + b'\x01\x01' + bank + bytes(2)
    body += b'\x22'
    crc = binascii.crc_hqx(body, 0xFFFF).to_bytes(2, 'big')
    text = comment.encode() + b'\0' if comment else b''
    return (
        _COMMENT
        + text
        + _COMMENT_END
        + _PREAMBLE
        + b'\x51\0\x01\x05'
        + body
        + crc
        + b'\x01\x06\0'
    )


def comment(data: bytes) -> str:
    """What the comment says; '' where there is none.

    No CRC covers it.
    """
    start = _start(data)
    if start is None or not data.startswith(_COMMENT):
        return ''
    end = start - len(_PREAMBLE) - len(_COMMENT_END)
    text = data[len(_COMMENT) : end].rstrip(b'\0')
    return text.decode('ascii', 'replace')


def with_comment(data: bytes, text: str) -> bytes:
    """*data*, a whole file, with this comment instead of its own.

    :param text: Printable ASCII.
    :raises errors.BadBitstream: It is no such file.
    """
    start = _start(data)
    if start is None:
        raise source.bad('the iCE40 preamble is missing')
    head = _COMMENT + text.encode('ascii') + b'\0' + _COMMENT_END
    return head + data[start - len(_PREAMBLE) :]


def _start(head: bytes) -> int | None:
    """Where the commands begin."""
    at = 0
    if head.startswith(_COMMENT):
        found = head.find(_COMMENT_END, 1, _COMMENT_LIMIT)
        if found < 0:
            return None
        at = found + len(_COMMENT_END)
    if head[at : at + len(_PREAMBLE)] != _PREAMBLE:
        return None
    return at + len(_PREAMBLE)


def _command(data: bytes, state: _State) -> tuple[int, int]:
    """Read one command and go behind it."""
    if state.at >= len(data):
        raise source.bad('it is cut off')
    operation, length = divmod(data[state.at], 16)
    end = state.at + 1 + length
    if end > len(data):
        raise source.bad('it is cut off')
    value = int.from_bytes(data[state.at + 1 : end], 'big')
    state.crc = binascii.crc_hqx(data[state.at : end], state.crc)
    state.at = end
    if operation == _ACT and value == _START_CRC:
        state.crc = 0xFFFF
    elif operation == _CRC:
        # A CRC over what it covers and itself is zero.
        if state.crc:
            raise source.bad('its CRC is wrong')
        state.checked = True
    elif operation == _WIDTH:
        state.width = value + 1
    elif operation == _HEIGHT:
        state.height = value
    elif operation not in (_ACT, *_SETTINGS):
        raise source.bad(f'it has an unknown command {operation:x}')
    return operation, value


def _skip_bank(data: bytes, state: _State) -> None:
    size = state.width * state.height // 8
    end = state.at + size + 2
    if not size or end > len(data):
        raise source.bad('it is cut off within a bank')
    if data[end - 2 : end] != bytes(2):
        raise source.bad('a bank does not end where it should')
    state.crc = binascii.crc_hqx(data[state.at : end], state.crc)
    state.checked = False
    state.at = end
