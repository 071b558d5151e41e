"""AMD's xclbin (``axlf``): a function for the shell of an Alveo card.

A header with a table of sections, and the sections. Which shell it was
linked against is said by the interface's uuid, in the header and in the
section with the partition's metadata, a device tree; for older shells by the
time stamp of their feature ROM, and by the platform's name (VBNV). There is
no checksum: the card and its driver check the image. All numbers are little
endian::

    offset  size
         0     8  magic "xclbin2\\0"
         8     4  length of the signature behind it all; -1: none
       304     8  length without the signature
       320     8  time stamp of the feature ROM
       328     4  version: patch (2), major, minor
       332     2  mode: 0 flat, 1 partial; 4 and more are for emulators
       336    16  the interface's uuid
       352    64  name of the platform
       416    16  uuid of this xclbin
       448     4  number of sections
       456    40  for each: kind (4), name (16), padding, offset (8), size (8)
"""

import struct
from typing import NamedTuple

from cyborg_fpga.bitstream import fdt
from cyborg_fpga.bitstream import header
from cyborg_fpga.bitstream import source

_MAGIC = b'xclbin2\0'
_HEAD = struct.Struct('<8si28s256sQQQQHBBHH16s64s16s16sI4x')
_SECTION = struct.Struct('<I16s4xQQ')
# Real ones have two dozen at most.
_SECTION_LIMIT = 64
_METADATA_LIMIT = 1 << 16

_BITSTREAM = 0
_PARTITION_METADATA = 20
#: Kinds that hold what is loaded: a bitstream, or Versal's device images.
_IMAGES = (_BITSTREAM, 18, 19)
_MODES = 4
_PARTIAL = 1
_NONE = bytes(16)


class _Fields(NamedTuple):
    magic: bytes
    signature: int
    cipher: bytes
    key: bytes
    unique: int
    length: int
    created: int
    feature_timestamp: int
    patch: int
    major: int
    minor: int
    mode: int
    actions: int
    interface: bytes
    platform: bytes
    uuid: bytes
    debug: bytes
    sections: int


class _Section(NamedTuple):
    kind: int
    name: bytes
    offset: int
    size: int


def matches(head: bytes) -> bool:
    """Tell from a file's head whether it is one."""
    return head.startswith(_MAGIC)


def parse(file: source.Source) -> header.Header:
    """Read the header, the table of sections and the partition's metadata.

    :raises errors.BadBitstream: It is damaged, for an emulator, or holds
        nothing that a card could load.
    """
    fields = _Fields._make(_HEAD.unpack(file.at(0, _HEAD.size)))
    if fields.magic != _MAGIC:
        raise source.bad('the xclbin magic is missing')
    if fields.mode >= _MODES:
        raise source.bad('it was made for an emulator')
    if fields.length + max(fields.signature, 0) != file.size:
        raise source.bad(f'it claims {fields.length} bytes')
    sections = _sections(file, fields)
    image = next((s for s in sections if s.kind in _IMAGES and s.size), None)
    if image is None:
        raise source.bad('it holds no image to load')
    return header.Header(
        format=header.Format.XCLBIN,
        size=file.size,
        payload_offset=image.offset,
        payload_size=image.size,
        region_id=_interface(file, fields, sections),
        function_id=None if fields.uuid == _NONE else fields.uuid.hex(),
        version=f'{fields.major}.{fields.minor}.{fields.patch}',
        platform=source.text(fields.platform, 'its platform'),
        feature_timestamp=fields.feature_timestamp or None,
        partial=fields.mode == _PARTIAL,
        signed=fields.signature > 0,
    )


def build(
    region_id: str | None,
    function_id: str,
    payload: bytes,
    *,
    platform: str = '',
    feature_timestamp: int = 0,
) -> bytes:
    """Make a whole file with one image.

    :param region_id: The interface's uuid; None for an older shell.
    """
    parts = [(_BITSTREAM, b'bitstream', payload)]
    if region_id is not None:
        value = region_id.encode() + b'\0'
        tree = fdt.build({'interfaces': {'interface_uuid': value}})
        parts.append((_PARTITION_METADATA, b'partition', tree))
    at = _HEAD.size + _SECTION.size * len(parts)
    table, rest = b'', b''
    for kind, name, data in parts:
        padding = bytes(-(at + len(rest)) % 8)
        rest += padding + data
        table += _SECTION.pack(
            kind, name, at + len(rest) - len(data), len(data)
        )
    fixed = _Fields(
        magic=_MAGIC,
        signature=-1,
        cipher=b'\xff' * 28,
        key=b'\xff' * 256,
        unique=0,
        length=at + len(rest),
        created=0,
        feature_timestamp=feature_timestamp,
        patch=0,
        major=2,
        minor=0,
        mode=_PARTIAL,
        actions=0,
        interface=bytes.fromhex(region_id or '0' * 32),
        platform=platform.encode(),
        uuid=bytes.fromhex(function_id),
        debug=b'',
        sections=len(parts),
    )
    return _HEAD.pack(*fixed) + table + rest


def _sections(file: source.Source, fields: _Fields) -> list[_Section]:
    if not 1 <= fields.sections <= _SECTION_LIMIT:
        raise source.bad(f'it claims {fields.sections} sections')
    size = _SECTION.size * fields.sections
    table = file.at(_HEAD.size, size)
    sections = [_Section._make(s) for s in _SECTION.iter_unpack(table)]
    for section in sections:
        end = section.offset + section.size
        before = section.offset < _HEAD.size + size
        if section.size and (before or end > fields.length):
            raise source.bad(f'section {section.kind} lies outside of it')
    return sections


def _interface(
    file: source.Source, fields: _Fields, sections: list[_Section]
) -> str | None:
    """The only interface it fits; both places must agree on it."""
    found = {fields.interface} - {_NONE}
    for section in sections:
        # Of a file that is far away, the head must do.
        reached = section.offset + section.size <= file.known
        if section.kind == _PARTITION_METADATA and reached:
            if section.size > _METADATA_LIMIT:
                raise source.bad('its partition metadata is too long')
            tree = file.at(section.offset, section.size)
            for value in fdt.values(tree, b'interface_uuid'):
                found.add(_uuid(value))
    if len(found) > 1:
        raise source.bad('it names more than one interface')
    return found.pop().hex() if found else None


def _uuid(value: bytes) -> bytes:
    try:
        found = bytes.fromhex(value.rstrip(b'\0').decode().replace('-', ''))
    except ValueError as exc:
        raise source.bad('its interface_uuid is not a UUID') from exc
    if len(found) != len(_NONE):
        raise source.bad('its interface_uuid is not a UUID')
    return found
