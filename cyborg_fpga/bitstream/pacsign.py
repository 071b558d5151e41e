"""Signature blocks of Intel's PACSign, before what they sign.

Block 0 (128 bytes) says what follows and has its hashes; block 1 (896 bytes)
holds the chain of keys. The card checks the signature; we check the hashes,
and that it is a function and no order to change the card for ever. All
numbers are little endian::

    offset  size
         0     4  magic
         4     4  length of the content, a multiple of 128
         8     4  type of the content: 2 is a function; second byte: 0 to
                  load it, 1 to cancel a key, 2 and 3 to set a root key
        16    32  SHA-256 of the content
        48    48  SHA-384 of the content
       128     4  magic of block 1
      1024        the content
"""

import hashlib
import struct
from typing import NamedTuple

from cyborg_fpga.bitstream import source

#: How a signed file, or a signed image in a file, begins.
MAGIC = bytes.fromhex('19fdeab6')
#: Both blocks.
SIZE = 1024

_BLOCK_0 = struct.Struct('<4sIII32s48s32s')
_BLOCK_1 = struct.Struct('<I892x')
_BLOCK_1_MAGIC = 0xF27F28D7
_FUNCTION = 2
_UNIT = 128
_CONTENTS = {
    0: 'the static region',
    1: 'the board controller',
    3: 'the factory image',
}


class Blocks(NamedTuple):
    """What the two blocks say; *offset* is where their content begins."""

    offset: int
    size: int
    sha256: bytes
    sha384: bytes


def parse(file: source.Source, offset: int) -> Blocks:
    """Read the blocks of a function that begin at *offset*.

    :raises errors.BadBitstream: They are damaged, or for anything but
        loading a function.
    """
    block = file.at(offset, _BLOCK_0.size)
    magic, size, kind, _, sha256, sha384, _ = _BLOCK_0.unpack(block)
    (second,) = _BLOCK_1.unpack(file.at(offset + _BLOCK_0.size, _BLOCK_1.size))
    if magic != MAGIC or second != _BLOCK_1_MAGIC:
        raise source.bad('its signature blocks are damaged')
    # The other kinds cannot be undone. Nobody programs them by a claim.
    if kind >> 8:
        raise source.bad('it is signed to change keys of the card')
    if kind != _FUNCTION:
        content = _CONTENTS.get(kind, f'content {kind}')
        raise source.bad(f'it is signed for {content}, not for a function')
    if not size or size % _UNIT or offset + SIZE + size != file.size:
        raise source.bad(f'its signature claims {size} bytes of content')
    return Blocks(offset + SIZE, size, sha256, sha384)


class Watch:
    """The content's hashes, taken while the file goes by from its start."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._at = 0
        self._digests = hashlib.sha256(), hashlib.sha384()

    def feed(self, piece: bytes) -> None:
        """The next bytes of the file."""
        start = max(self._blocks.offset - self._at, 0)
        end = max(self._blocks.offset + self._blocks.size - self._at, 0)
        for digest in self._digests:
            digest.update(piece[start:end])
        self._at += len(piece)

    def end(self) -> None:
        """:raises errors.BadBitstream: It is damaged."""
        found = tuple(digest.digest() for digest in self._digests)
        if found != (self._blocks.sha256, self._blocks.sha384):
            raise source.bad('it does not match the hash in its signature')


def verify(file: source.Source, blocks: Blocks) -> None:
    """Compare the content with its hashes: reads all of it.

    :raises errors.BadBitstream: It is damaged.
    """
    watch = Watch(blocks._replace(offset=0))
    for piece in file.pieces(blocks.offset, blocks.size):
        watch.feed(piece)
    watch.end()


def build(content: bytes) -> bytes:
    """Put blocks without keys before *content*, which is padded.

    Cards take that as long as no root key has been set in them.
    """
    content += bytes(-len(content) % _UNIT)
    block = _BLOCK_0.pack(
        MAGIC,
        len(content),
        _FUNCTION,
        0,
        hashlib.sha256(content).digest(),
        hashlib.sha384(content).digest(),
        b'',
    )
    return block + _BLOCK_1.pack(_BLOCK_1_MAGIC) + content
