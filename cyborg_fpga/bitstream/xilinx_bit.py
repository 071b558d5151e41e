"""Xilinx's .bit: a configuration with a few words about it before.

Those words are fields with a letter, a length and text, in this order: ``a``
the design, ``b`` the part, ``c`` and ``d`` date and time; then ``e`` and the
length of the image. All numbers are big endian. The image begins with
padding and a sync word, then come the words of the configuration; one of
them writes the chip's IDCODE, which the chip compares with its own. Its
check words are the chip's business too.
"""

import re
import struct

from cyborg_fpga.bitstream import header
from cyborg_fpga.bitstream import source

_MAGIC = bytes.fromhex('00090ff00ff00ff00ff0000001')
_LENGTH = struct.Struct('>cH')
_IMAGE = struct.Struct('>cI')
_TEXT_LIMIT = 1024
#: Bytes of the image in which the IDCODE is looked for.
_SEARCHED = 2048
_SYNC = bytes.fromhex('aa995566')
_NOTHING = 0x20000000
_IDCODE = 12
_VERSION = re.compile('Version=([0-9A-Za-z.]{1,32})')


def matches(head: bytes) -> bool:
    """Tell from a file's head whether it is one."""
    return head.startswith(_MAGIC)


def parse(file: source.Source) -> header.Header:
    """Read the fields and the first words of the image.

    :raises errors.BadBitstream: It is damaged.
    """
    if file.upto(0, len(_MAGIC)) != _MAGIC:
        raise source.bad('the magic of .bit files is missing')
    at, found = len(_MAGIC), {}
    for key in 'abcd':
        letter, length = _LENGTH.unpack(file.at(at, _LENGTH.size))
        at += _LENGTH.size
        if letter != key.encode() or not 1 <= length <= _TEXT_LIMIT:
            raise source.bad(f'its field {key} is damaged')
        found[key] = source.text(file.at(at, length), f'its field {key}')
        at += length
    letter, size = _IMAGE.unpack(file.at(at, _IMAGE.size))
    at += _IMAGE.size
    if letter != b'e' or not size or at + size != file.size:
        raise source.bad(f'it claims an image of {size} bytes')
    design, _, told = found['a'].partition(';')
    version = _VERSION.search(told)
    return header.Header(
        format=header.Format.BIT,
        size=file.size,
        payload_offset=at,
        payload_size=size,
        name=design[:64],
        version=version[1] if version else '',
        part=found['b'],
        idcode=_idcode(file.upto(at, min(size, _SEARCHED))),
        partial='PARTIAL=TRUE' in told.upper(),
    )


def build(
    part: str,
    payload: bytes,
    *,
    name: str = 'top',
    partial: bool = False,
    idcode: int | None = None,
) -> bytes:
    """Make a whole file.

    :param idcode: Puts padding, sync word and the IDCODE before *payload*.
    """
    design = f'{name};UserID=0XFFFFFFFF;Version=2023.2'
    if partial:
        design += ';PARTIAL=TRUE'
    if idcode is not None:
        payload = _start(idcode) + payload
    data = _MAGIC
    for key, value in (
        (b'a', design),
        (b'b', part),
        (b'c', '2026/01/01'),
        (b'd', '00:00:00'),
    ):
        text = value.encode('ascii') + b'\0'
        data += _LENGTH.pack(key, len(text)) + text
    return data + _IMAGE.pack(b'e', len(payload)) + payload


def _start(idcode: int) -> bytes:
    return (
        b'\xff' * 32
        + bytes.fromhex('000000bb11220044ffffffffffffffff')
        + _SYNC
        + _NOTHING.to_bytes(4, 'big')
        + bytes.fromhex('30018001')
        + idcode.to_bytes(4, 'big')
    )


def _idcode(image: bytes) -> int | None:
    """What is written to the IDCODE register, if that comes early.

    Encrypted images do not show it.
    """
    at = image.find(_SYNC)
    if at < 0:
        return None
    words = image[at + len(_SYNC) :]
    at = 0
    while at + 8 <= len(words):
        (word,) = struct.unpack_from('>I', words, at)
        at += 4
        # A packet of type 1: operation, register, how many words follow.
        if word >> 29 != 1:
            return None
        if (word >> 27 & 3, word >> 13 & 0x3FFF) == (2, _IDCODE):
            return int.from_bytes(words[at : at + 4], 'big')
        at += 4 * (word & 0x7FF)
    return None
