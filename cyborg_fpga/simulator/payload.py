"""What the simulated hardware understands: the raw image behind the header.

A card gets nothing of a bitstream file but its raw image, as a real one
does, so the image itself says what it is. All numbers are big endian::

    offset  size
         0     8  magic "FPGASIM1"
         8    16  region id
        24    16  function id; all zeros leaves the region blank
        40     8  length of the body
        48    32  SHA-256 over the 48 bytes before and the body
        80        body: stands for the configuration data

It may be signed: then 1024 bytes of signature blocks come first, and zeros
fill it up to a multiple of 128 bytes. The card has no root key set, so all
that it checks of them is the hash.
"""

import errno
import hashlib
import struct
from typing import NamedTuple

#: Largest image that a card takes.
SIZE_LIMIT = 256 << 20

_MAGIC = b'FPGASIM1'
_HEAD = struct.Struct('>8s16s16sQ')
_DIGEST_SIZE = 32
SIZE = _HEAD.size + _DIGEST_SIZE

#: Of a signed image, little endian: magic, length and kind of the content,
#: and at 16 its SHA-256.
_SIGNED = struct.Struct('<III4x32s')
_SIGNED_MAGIC = 0xB6EAFD19
_SIGNED_KIND = 2
_SIGNED_SIZE = 1024


class BadImage(ValueError):
    """The hardware rejects the image; the text is its status.

    :cvar number: errno for who wanted it loaded.
    :cvar state: The manager's afterwards.
    """

    number = errno.EIO
    state = 'write complete error'


class Image(NamedTuple):
    region_id: str
    function_id: str


def build(region_id: str, function_id: str, body: bytes) -> bytes:
    head = _HEAD.pack(
        _MAGIC,
        bytes.fromhex(region_id),
        bytes.fromhex(function_id),
        len(body),
    )
    return head + _digest(head, body) + body


def parse(raw: bytes, region_id: str) -> Image:
    """Decode an image as the hardware of region *region_id* does.

    :raises BadImage: It is for another region, damaged or no image at all.
    """
    raw = _signed_content(raw)
    if len(raw) < SIZE:
        raise BadImage('reconfig IP protocol error')
    magic, region, function, length = _HEAD.unpack_from(raw)
    if magic != _MAGIC:
        raise BadImage('reconfig IP protocol error')
    body = raw[SIZE:]
    digest = raw[_HEAD.size : SIZE]
    if length != len(body) or digest != _digest(raw[: _HEAD.size], body):
        raise BadImage('reconfig CRC error')
    if region.hex() != region_id:
        raise BadImage('reconfig incompatible image')
    return Image(region.hex(), function.hex())


def _signed_content(raw: bytes) -> bytes:
    if len(raw) < _SIGNED_SIZE:
        return raw
    magic, size, kind, digest = _SIGNED.unpack_from(raw)
    if magic != _SIGNED_MAGIC:
        return raw
    content = raw[_SIGNED_SIZE:]
    if (size, kind) != (len(content), _SIGNED_KIND):
        raise BadImage('reconfig IP protocol error')
    if digest != hashlib.sha256(content).digest():
        raise BadImage('reconfig operation error')
    length = _HEAD.unpack_from(content.ljust(SIZE, b'\0'))[3]
    return content[: SIZE + length]


def _digest(head: bytes, body: bytes) -> bytes:
    return hashlib.sha256(head + body).digest()
