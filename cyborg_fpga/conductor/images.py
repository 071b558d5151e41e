"""What a Glance image says about the bitstream in it: pure functions.

People name properties differently: those of Cyborg's specifications, with
and without its prefixes, and the plain words are all understood.
"""

import re
from collections.abc import Collection
from collections.abc import Mapping

from cyborg_fpga import nouns
from cyborg_fpga.bitstream import header as file_header
from cyborg_fpga.clients import glance

TYPE = re.compile(r'[a-z0-9_]{1,32}')

_ID = re.compile(r'[0-9a-f]{32}')
_BLANK = '0' * 32
_PREFIX = re.compile(r'(accel|bs|fpga)_')

# Best known first. Keys are compared in lower case, with ``_`` for ``-``,
# ``:`` and ``.``, and without the prefixes above.
_VENDOR = ('vendor', 'vendor_id')
_TYPE = ('type', 'accelerator_type')
_REGION = (
    'region_id',
    'region_uuid',
    'interface_id',
    'interface_uuid',
    'shell_id',
    'shell_uuid',
)
_FUNCTION = ('function_id', 'function_uuid', 'afu_id', 'afu_uuid')
_FUNCTION_NAME = ('function_name', 'afu_name')
_VERSION = ('version',)
_DRIVER = ('driver',)

_PCI_VENDORS = {'8086': 'intel', '10ee': 'xilinx'}

# As long as the columns.
_MAX_TEXT = 255
_MAX_WORD = 64


def needs_header(image: glance.Image) -> bool:
    """The properties leave out what the file's header would say."""
    words = _words(image.properties)
    return is_whole(image) and not (
        _first(words, _REGION) and _first(words, _FUNCTION)
    )


def is_whole(image: glance.Image) -> bool:
    """There is data, all of it, and Glance has hashed it."""
    return image.status == 'active' and bool(
        image.size and image.os_hash_value
    )


def read_image(
    image: glance.Image,
    trusted_projects: Collection[str],
    *,
    header: file_header.Header | None = None,
    fault: str = '',
) -> nouns.Bitstream:
    """Make a catalogue record of an image.

    Never raises: what is wrong with the image is the record's ``reason``.

    :param trusted_projects: Whose images count as public.
    :param header: What the file says, where the properties left a gap.
    :param fault: Why *header* could not be read.
    """
    words = _words(image.properties)
    region, function = _first(words, _REGION), _first(words, _FUNCTION)
    if header is not None:
        region = region or header.region_id
        if header.function_id != _BLANK:
            function = function or header.function_id
    reason = (
        _not_whole(image)
        or _malformed(words)
        or _contradiction(words, header)
        or _without_region(region, header, fault)
    )
    function_name = _first(words, _FUNCTION_NAME)
    version = _first(words, _VERSION)
    if header is not None:
        function_name = function_name or header.name or None
        version = version or header.version or None
    return nouns.Bitstream(
        uuid=image.id,
        name=image.name[:_MAX_TEXT],
        status=image.status,
        visibility=image.visibility,
        owner=image.owner,
        vendor=_vendor(_first(words, _VENDOR)),
        type=_type(words),
        region_id=_id(region),
        function_id=_id(function),
        function_name=_clip(function_name, _MAX_TEXT),
        version=_clip(version, _MAX_WORD),
        driver=_clip(_first(words, _DRIVER), _MAX_WORD),
        size=image.size,
        checksum=image.checksum,
        hash_algo=image.os_hash_algo,
        hash_value=image.os_hash_value,
        public=image.visibility == 'public' or image.owner in trusted_projects,
        usable=not reason,
        reason=reason[:_MAX_TEXT],
        image_updated_at=image.updated_at,
    )


def _words(properties: Mapping[str, str]) -> dict[str, str]:
    """Properties by their common names; a plain name goes before others."""
    words: dict[str, str] = {}
    for key, value in sorted(properties.items()):
        name = re.sub('[-:.]', '_', key.lower())
        common = _PREFIX.sub('', name, count=1)
        if value.strip() and (common == key or common not in words):
            words[common] = value.strip()
    return words


def _first(words: Mapping[str, str], names: Collection[str]) -> str | None:
    return next((words[name] for name in names if name in words), None)


def _not_whole(image: glance.Image) -> str:
    if glance.TAG not in image.tags:
        return f'it has no tag {glance.TAG}'
    if image.status != 'active':
        return f'its status is {image.status}'
    if not image.size:
        return 'it is empty'
    if not image.os_hash_value:
        return 'it has no os_hash_value: Glance has not hashed it'
    return ''


def _malformed(words: Mapping[str, str]) -> str:
    found = _first(words, _TYPE)
    if found is not None and _type(words) is None:
        return f'its type {found[:40]!r} is not 1 to 32 of a-z, 0-9 and _'
    for names in (_REGION, _FUNCTION):
        value = _first(words, names)
        if value is not None and _id(value) is None:
            return f'its {names[0]} {value[:40]!r} is not a UUID'
    return ''


def _contradiction(
    words: Mapping[str, str], header: file_header.Header | None
) -> str:
    if header is None:
        return ''
    for names, said in (
        (_REGION, header.region_id),
        (_FUNCTION, header.function_id),
    ):
        value = _first(words, names)
        if value is not None and said is not None and _id(value) != said:
            return f'its {names[0]} is {_id(value)}, in the file it is {said}'
    return ''


def _without_region(
    region: str | None, header: file_header.Header | None, fault: str
) -> str:
    if region is not None:
        return ''
    if header is not None:
        fault = f'is {file_header.TITLES[header.format]}'
    return 'it does not say for which region it is' + (
        f', and its file {fault}' if fault else ''
    )


def _type(words: Mapping[str, str]) -> str | None:
    found = (_first(words, _TYPE) or '').lower()
    return found if TYPE.fullmatch(found) else None


def _vendor(value: str | None) -> str | None:
    if value is None:
        return None
    plain = value.lower().removeprefix('0x')
    return _PCI_VENDORS.get(plain, plain)[:_MAX_WORD]


def _id(value: str | None) -> str | None:
    """32 lower-case hex digits, from any way to write a UUID."""
    if value is None:
        return None
    plain = re.sub('[-{} ]', '', value.lower()).removeprefix('0x')
    return plain if _ID.fullmatch(plain) else None


def _clip(value: str | None, limit: int) -> str | None:
    return None if value is None else value[:limit]
