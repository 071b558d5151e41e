"""What a Glance image says about the bitstream in it: pure functions."""

from collections.abc import Collection

from cyborg_fpga import nouns
from cyborg_fpga.bitstream import header as file_header
from cyborg_fpga.bitstream import properties
from cyborg_fpga.bitstream import signature
from cyborg_fpga.clients import glance

# As long as the columns.
_MAX_TEXT = 255
_MAX_WORD = 64

_OFF = signature.Rules.read('off', [])


def needs_header(image: glance.Image) -> bool:
    """The properties leave out what the file's header would say."""
    said = properties.Said(image.properties)
    return not _unfit(image) and not (
        said.word('region_id') and said.word('function_id')
    )


def read_image(
    image: glance.Image,
    trusted_projects: Collection[str],
    *,
    header: file_header.Header | None = None,
    fault: str = '',
    rules: signature.Rules = _OFF,
) -> nouns.Bitstream:
    """Make a catalogue record of an image.

    Never raises: what is wrong with the image is the record's ``reason``.

    :param trusted_projects: Whose images count as public.
    :param header: What the file says, where the properties left a gap.
    :param fault: Why *header* could not be read.
    :param rules: What is wanted of signatures.
    """
    signed = signature.said(image.properties)
    said = properties.Said(image.properties)
    reason = _unfit(image) or rules.fault(signed) or said.fault(header, fault)
    told = {} if header is None else said.missing(header)
    return nouns.Bitstream(
        uuid=image.id,
        name=image.name[:_MAX_TEXT],
        status=image.status,
        visibility=image.visibility,
        owner=image.owner,
        vendor=said.vendor,
        family=said.family,
        type=said.type,
        region_id=told.get('region_id', said.ident('region_id')),
        shell=_clip(told.get('shell', said.word('shell')), _MAX_TEXT),
        function_id=told.get('function_id', said.ident('function_id')),
        function_name=_clip(
            told.get('function_name', said.word('function_name')), _MAX_TEXT
        ),
        version=_clip(told.get('version', said.word('version')), _MAX_WORD),
        driver=_clip(said.word('driver'), _MAX_WORD),
        size=image.size,
        checksum=image.checksum,
        hash_algo=image.os_hash_algo,
        hash_value=image.os_hash_value,
        signature=signed or None,
        public=image.visibility == 'public' or image.owner in trusted_projects,
        usable=not reason,
        reason=reason[:_MAX_TEXT],
        image_updated_at=image.updated_at,
    )


def _unfit(image: glance.Image) -> str:
    """What is wrong whatever the properties say, in a sentence."""
    if glance.TAG not in image.tags:
        return f'it has no tag {glance.TAG}'
    return image.fault


def _clip(value: str | None, limit: int) -> str | None:
    return None if value is None else value[:limit]
