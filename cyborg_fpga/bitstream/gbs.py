"""Intel's GBS ("green bitstream"): a function for a region behind DFL.

A file is 16 bytes of magic, the length of a JSON text, that text, and then
the raw image for the region; only the raw image goes to the card. A signed
file has :mod:`signature blocks <cyborg_fpga.bitstream.pacsign>` at the
beginning of the image, which the card wants as well, or around all of it.
The oldest files have 20 bytes before the image: another magic and the
region's id, last byte first; they do not say which function they hold.
"""

import json
import re
import uuid
from typing import Any

from cyborg_fpga.bitstream import header
from cyborg_fpga.bitstream import pacsign
from cyborg_fpga.bitstream import source

_MAGIC = b'XeonFPGA\xb7GBSv001'
_LEGACY = bytes.fromhex('80861f1d')
_LEGACY_SIZE = 20
_JSON_LIMIT = 4095
_AFU_MAGIC = 488605312
_NAME_LIMIT = 64
_ID = re.compile('[0-9a-f]{32}')


def matches(head: bytes) -> bool:
    """Tell from a file's head whether it is one."""
    return head.startswith((_MAGIC, _LEGACY, pacsign.MAGIC))


def parse(file: source.Source) -> header.Header:
    """Read the header.

    :raises errors.BadBitstream: It is not a function's GBS.
    """
    start, outer = 0, None
    if file.head.startswith(pacsign.MAGIC):
        outer = pacsign.parse(file, 0)
        start = outer.offset
    if file.upto(start, len(_LEGACY)) == _LEGACY:
        end = start + _LEGACY_SIZE
        region = file.at(start + len(_LEGACY), 16)[::-1].hex()
        told: dict[str, Any] = {'region_id': region}
    else:
        end = _end(file, start)
        told = _told(_json(file.at(start + 20, end - start - 20)))
    if end >= file.size:
        raise source.bad('it ends with its header')
    blocks = outer or _blocks(file, end)
    return header.Header(
        format=header.Format.GBS,
        size=file.size,
        payload_offset=end,
        payload_size=file.size - end,
        signed=blocks is not None,
        checksum=f'sha256:{blocks.sha256.hex()}' if blocks else '',
        **told,
    )


def verify(file: source.Source) -> None:
    """Compare a signed file with the hash in its signature.

    :raises errors.BadBitstream: It is damaged.
    """
    blocks = _signature(file)
    if blocks is not None:
        pacsign.verify(file, blocks)


def watch(file: source.Source) -> pacsign.Watch | None:
    """The same for a file that goes by; None: it is not signed.

    :param file: Its beginning, at least.
    """
    blocks = _signature(file)
    return None if blocks is None else pacsign.Watch(blocks)


def build(
    region_id: str,
    function_id: str,
    payload: bytes,
    *,
    name: str = 'afu',
    signed: bool = False,
) -> bytes:
    """Make a whole file.

    :param signed: With signature blocks, but without keys.
    """
    described = {
        'version': 1,
        'afu-image': {
            'magic-no': _AFU_MAGIC,
            'interface-uuid': str(uuid.UUID(region_id)),
            'power': 0,
            'accelerator-clusters': [
                {
                    'name': name,
                    'total-contexts': 1,
                    'accelerator-type-uuid': str(uuid.UUID(function_id)),
                }
            ],
        },
    }
    text = json.dumps(described).encode()
    if signed:
        payload = pacsign.build(payload)
    return _MAGIC + len(text).to_bytes(4, 'little') + text + payload


def build_legacy(region_id: str, payload: bytes) -> bytes:
    """Make a whole file with the oldest header."""
    return _LEGACY + uuid.UUID(region_id).bytes[::-1] + payload


def _signature(file: source.Source) -> pacsign.Blocks | None:
    said = parse(file)
    if not said.signed:
        return None
    outer = file.head.startswith(pacsign.MAGIC)
    return pacsign.parse(file, 0 if outer else said.payload_offset)


def _end(file: source.Source, start: int) -> int:
    """Where the header ends."""
    fixed = file.at(start, 20)
    if not fixed.startswith(_MAGIC):
        raise source.bad('the GBS magic is missing')
    length = int.from_bytes(fixed[16:], 'little')
    if not 1 <= length <= _JSON_LIMIT:
        raise source.bad(f'its header claims {length} bytes')
    return start + 20 + length


def _blocks(file: source.Source, offset: int) -> pacsign.Blocks | None:
    if file.upto(offset, len(pacsign.MAGIC)) != pacsign.MAGIC:
        return None
    # They may lie behind all that was fetched of a file that is far away.
    if offset + pacsign.SIZE > file.known < file.size:
        return None
    return pacsign.parse(file, offset)


def _told(described: dict[str, Any]) -> dict[str, Any]:
    afu = _member(described, 'afu-image', dict)
    if afu.get('magic-no') != _AFU_MAGIC:
        raise source.bad('afu-image.magic-no is wrong')
    clusters = _member(afu, 'accelerator-clusters', list)
    if not clusters or not isinstance(clusters[0], dict):
        raise source.bad('afu-image.accelerator-clusters is empty')
    version = _member(described, 'version', int)
    if not 0 <= version <= 0xFFFF:
        raise source.bad('version is out of range')
    return {
        'region_id': _id(afu, 'interface-uuid'),
        'function_id': _id(clusters[0], 'accelerator-type-uuid'),
        'name': _text(clusters[0], 'name'),
        'version': str(version),
        'platform': _text(described, 'platform-name'),
    }


def _json(text: bytes) -> dict[str, Any]:
    try:
        described = json.loads(text.decode())
    except (ValueError, RecursionError) as exc:
        raise source.bad('its header is not JSON') from exc
    if not isinstance(described, dict):
        raise source.bad('its header is not a JSON object')
    return described


def _member(described: dict[str, Any], key: str, kind: type) -> Any:
    value = described.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise source.bad(f'{key} is missing or of the wrong type')
    return value


def _id(described: dict[str, Any], key: str) -> str:
    found: str = _member(described, key, str).replace('-', '').lower()
    if not _ID.fullmatch(found):
        raise source.bad(f'{key} is not a UUID')
    return found


def _text(described: dict[str, Any], key: str) -> str:
    text: str = _member({key: '', **described}, key, str)
    if len(text) > _NAME_LIMIT or not text.isprintable():
        raise source.bad(f'{key} is too long or not printable')
    return text
