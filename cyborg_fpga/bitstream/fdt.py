"""Flattened device trees, as far as an xclbin's metadata needs them.

All numbers are big endian. Behind a header of ten words lie the structure, a
list of tokens (1 begins a node, 2 ends one, 3 is a property, 4 nothing, 9 the
end), and the strings with the properties' names.
"""

import struct

from cyborg_fpga.bitstream import source

_HEADER = struct.Struct('>10I')
_PROPERTY = struct.Struct('>2I')
_MAGIC = 0xD00DFEED
_VERSION = 17
_OLDEST = 16
_BEGIN, _END, _VALUE, _NOTHING, _DONE = 1, 2, 3, 4, 9


def values(tree: bytes, name: bytes) -> list[bytes]:
    """The values of all properties *name*, of whatever node, in order.

    :raises errors.BadBitstream: It is no device tree.
    """
    if len(tree) < _HEADER.size:
        raise _damaged()
    magic, _, start, strings, _, _, oldest, _, _, size = _HEADER.unpack_from(
        tree
    )
    if magic != _MAGIC or oldest > _VERSION or start + size > len(tree):
        raise _damaged()
    end = start + size
    found = []
    # Every turn takes four bytes at least.
    at = start
    while at + 4 <= end:
        token = int.from_bytes(tree[at : at + 4], 'big')
        at += 4
        if token == _BEGIN:
            at = _aligned(_terminated(tree, at, end) + 1)
        elif token == _VALUE:
            length, offset = _property(tree, at, end)
            at += _PROPERTY.size
            if at + length > end:
                raise _damaged()
            if _is(tree, strings + offset, name):
                found.append(tree[at : at + length])
            at = _aligned(at + length)
        elif token == _DONE:
            return found
        elif token not in (_END, _NOTHING):
            raise _damaged()
    raise _damaged()


def build(nodes: dict[str, dict[str, bytes]]) -> bytes:
    """Make a tree whose root has *nodes*, which have properties alone."""
    structure, strings = _token(_BEGIN) + bytes(4), b''
    for node, properties in nodes.items():
        structure += _token(_BEGIN) + _padded(node.encode() + b'\0')
        for name, value in properties.items():
            structure += _token(_VALUE)
            structure += _PROPERTY.pack(len(value), len(strings))
            structure += _padded(value)
            strings += name.encode() + b'\0'
        structure += _token(_END)
    structure += _token(_END) + _token(_DONE)
    # An empty list of reserved memory lies between.
    start = _HEADER.size + 16
    end = start + len(structure)
    total = end + len(strings)
    return (
        _HEADER.pack(
            _MAGIC,
            total,
            start,
            end,
            _HEADER.size,
            _VERSION,
            _OLDEST,
            0,
            len(strings),
            len(structure),
        )
        + bytes(16)
        + structure
        + strings
    )


def _property(tree: bytes, at: int, end: int) -> tuple[int, int]:
    if at + _PROPERTY.size > end:
        raise _damaged()
    length, offset = _PROPERTY.unpack_from(tree, at)
    return length, offset


def _terminated(tree: bytes, at: int, end: int) -> int:
    """Where the NUL byte is that ends the text at *at*."""
    found = tree.find(b'\0', at, end)
    if found < 0:
        raise _damaged()
    return found


def _is(tree: bytes, at: int, name: bytes) -> bool:
    return tree[at : at + len(name) + 1] == name + b'\0'


def _aligned(number: int) -> int:
    return number + -number % 4


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _token(number: int) -> bytes:
    return number.to_bytes(4, 'big')


def _damaged() -> Exception:
    return source.bad('its partition metadata is damaged')
