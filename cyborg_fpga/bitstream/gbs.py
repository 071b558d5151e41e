"""Intel's GBS ("green bitstream"): what the file says about itself.

A file is 16 bytes of magic, the length of a JSON text, that text, and then
the raw image for the region. Only the raw image goes to the card. The files
come from users, so nothing in one makes us allocate or loop without limit:
all that is read is the header, at most :data:`HEADER_LIMIT` bytes.
"""

import dataclasses
import json
import pathlib
import re
import uuid
from typing import Any

from cyborg_fpga import errors

#: The first bytes of a file that are enough for :func:`parse_header`.
HEADER_LIMIT = 20 + 4095

_MAGIC = b'XeonFPGA\xb7GBSv001'
_SIGNED = bytes.fromhex('19fdeab6')
_AFU_MAGIC = 488605312
_NAME_LIMIT = 64
_ID = re.compile('[0-9a-f]{32}')


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Gbs:
    """A file's own words.

    Ids are 32 lower-case hex digits.

    :ivar region_id: The only region this file fits.
    :ivar function_id: What the card shows once it is loaded; all zeros in a
        file that leaves the region blank.
    :ivar header_size: Bytes before the raw image.
    :ivar payload_size: Bytes of the raw image; None when the size of the
        file was not known.
    :ivar power: Watts the function needs; None if not told.
    """

    region_id: str
    function_id: str
    name: str
    version: int
    header_size: int
    payload_size: int | None
    platform: str = ''
    power: int | None = None


def parse(source: pathlib.Path | bytes) -> Gbs:
    """Read the header of a whole file.

    :raises errors.BadBitstream: It is not a GBS, or cannot be read.
    """
    if isinstance(source, bytes):
        return parse_header(source[:HEADER_LIMIT], len(source))
    try:
        with open(source, 'rb') as file:
            head = file.read(HEADER_LIMIT)
            return parse_header(head, file.seek(0, 2))
    except OSError as exc:
        raise errors.BadBitstream(
            reason=f'cannot be read: {exc.strerror}'
        ) from exc


def parse_header(data: bytes, total_size: int | None) -> Gbs:
    """Read a header from the first bytes of a file.

    :param data: :data:`HEADER_LIMIT` bytes, or the whole file if shorter.
    :param total_size: Size of the whole file, where it is known.
    :raises errors.BadBitstream: It is not a GBS.
    """
    header_size = _header_size(data)
    described = _json(data[20:header_size])
    afu = _member(described, 'afu-image', dict)
    if afu.get('magic-no') != _AFU_MAGIC:
        raise _bad('afu-image.magic-no is wrong')
    clusters = _member(afu, 'accelerator-clusters', list)
    if not clusters or not isinstance(clusters[0], dict):
        raise _bad('afu-image.accelerator-clusters is empty')
    version = _member(described, 'version', int)
    if not 0 <= version <= 0xFFFF:
        raise _bad('version is out of range')
    payload_size = None if total_size is None else total_size - header_size
    if payload_size is not None and payload_size <= 0:
        raise _bad('it ends with its header')
    return Gbs(
        region_id=_id(afu, 'interface-uuid'),
        function_id=_id(clusters[0], 'accelerator-type-uuid'),
        name=_text(clusters[0], 'name'),
        version=version,
        header_size=header_size,
        payload_size=payload_size,
        platform=_text(described, 'platform-name'),
        power=_power(afu),
    )


def build(
    region_id: str, function_id: str, payload: bytes, *, name: str = 'afu'
) -> bytes:
    """Write a file that :func:`parse` reads; for demos and tests."""
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
    return _MAGIC + len(text).to_bytes(4, 'little') + text + payload


def _header_size(data: bytes) -> int:
    if data.startswith(_SIGNED):
        raise _bad('signed files are not supported')
    if not data.startswith(_MAGIC):
        raise _bad('the GBS magic is missing')
    length = int.from_bytes(data[16:20], 'little')
    if not 1 <= length <= HEADER_LIMIT - 20:
        raise _bad(f'its header claims {length} bytes')
    if len(data) < 20 + length:
        raise _bad('it is cut off within its header')
    return 20 + length


def _json(text: bytes) -> dict[str, Any]:
    try:
        described = json.loads(text.decode())
    except (ValueError, RecursionError) as exc:
        raise _bad('its header is not JSON') from exc
    if not isinstance(described, dict):
        raise _bad('its header is not a JSON object')
    return described


def _member(described: dict[str, Any], key: str, kind: type) -> Any:
    value = described.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise _bad(f'{key} is missing or of the wrong type')
    return value


def _id(described: dict[str, Any], key: str) -> str:
    found: str = _member(described, key, str).replace('-', '').lower()
    if not _ID.fullmatch(found):
        raise _bad(f'{key} is not a UUID')
    return found


def _text(described: dict[str, Any], key: str) -> str:
    text: str = _member({key: '', **described}, key, str)
    if len(text) > _NAME_LIMIT or not text.isprintable():
        raise _bad(f'{key} is too long or not printable')
    return text


def _power(afu: dict[str, Any]) -> int | None:
    value = afu.get('power')
    # More than a kilowatt is not a statement about a card.
    if type(value) is int and 0 <= value <= 1000:
        return value
    return None


def _bad(reason: str) -> errors.BadBitstream:
    return errors.BadBitstream(reason=reason)
