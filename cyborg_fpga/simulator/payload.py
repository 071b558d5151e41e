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
"""

import hashlib
import struct
from typing import NamedTuple

_MAGIC = b'FPGASIM1'
_HEAD = struct.Struct('>8s16s16sQ')
_DIGEST_SIZE = 32
SIZE = _HEAD.size + _DIGEST_SIZE


class BadImage(ValueError):
    """The hardware rejects the image; the text is its status."""


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


def _digest(head: bytes, body: bytes) -> bytes:
    return hashlib.sha256(head + body).digest()
