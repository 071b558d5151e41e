"""What a bitstream says about itself, whatever its format, and what it fits.

Nothing here reads a file, see :mod:`cyborg_fpga.bitstream.formats`.
"""

import dataclasses
import enum
import re
from collections.abc import Collection


class Format(enum.StrEnum):
    """The file formats that can be read."""

    GBS = 'gbs'
    XCLBIN = 'xclbin'
    BIT = 'bit'
    ICE40 = 'ice40'
    ECP5 = 'ecp5'
    AFI = 'afi'


#: For sentences.
TITLES = {
    Format.GBS: 'an Intel bitstream (GBS)',
    Format.XCLBIN: 'an xclbin for Alveo cards',
    Format.BIT: 'a Xilinx .bit file',
    Format.ICE40: 'an iCE40 bitstream',
    Format.ECP5: 'an ECP5 bitstream',
    Format.AFI: 'the id of an Amazon FPGA image',
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A file's own words.

    Ids are 32 lower-case hex digits. What a file or its format does not say
    is None or ''.

    :ivar size: Bytes of the whole file.
    :ivar payload_offset: Where the part begins that goes to the card;
        *payload_size* is its length.
    :ivar region_id: The only interface or shell it fits.
    :ivar function_id: What the card shows once it is loaded; all zeros in a
        file that leaves the region blank.
    :ivar platform: Name of the board's shell (VBNV, platform name).
    :ivar part: Name of the chip.
    :ivar idcode: The chip's JTAG id, which the chip itself compares.
    :ivar feature_timestamp: Of the shell it was linked against.
    :ivar partial: It replaces a part of what is loaded; None: not told.
    :ivar signed: It carries signature blocks, which the card checks.
    :ivar checksum: ``sha256:<hex>`` of what is signed. Check words within
        the image are not repeated here.
    """

    format: Format
    size: int
    payload_offset: int
    payload_size: int
    region_id: str | None = None
    function_id: str | None = None
    name: str = ''
    version: str = ''
    platform: str = ''
    part: str = ''
    idcode: int | None = None
    feature_timestamp: int | None = None
    partial: bool | None = None
    signed: bool = False
    checksum: str = ''


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is known of the region that is to be programmed.

    What its driver cannot tell, or its files do not, is left out.

    :ivar name: For sentences.
    :ivar region_ids: Interfaces that it offers; a shell may have several.
        Where there are some, a file must name one of them.
    :ivar capacity: Bytes of an image that it takes at most.
    """

    name: str
    region_ids: Collection[str] = ()
    platform: str = ''
    part: str = ''
    idcode: int | None = None
    feature_timestamp: int | None = None
    capacity: int | None = None


def fits(header: Header, target: Target) -> str | None:
    """Say why *header*'s file must not be loaded into *target*.

    :returns: None when all that both sides tell agrees, and they tell at
        least one thing that says what the file is for; else a sentence.
    """
    if target.capacity is not None and header.payload_size > target.capacity:
        return (
            f'it has {header.payload_size} bytes, {target.name} takes '
            f'{target.capacity}'
        )
    if target.region_ids and not header.region_id:
        return f'it does not say that it was made for {target.name}'
    compared = False
    for word, made_for, there, agree in _comparisons(header, target):
        if not made_for or not there:
            continue
        if not agree:
            return (
                f'it was made for {word} {made_for}, {target.name} is {word} '
                f'{there}'
            )
        compared = True
    if not compared:
        return f'it does not say that it was made for {target.name}'
    return None


def may_be(platform: str, other: str) -> bool:
    """Two names of platforms, of which one may be short or not known."""
    one, two = _plain(platform), _plain(other)
    return one in two or two in one


def _comparisons(
    header: Header, target: Target
) -> list[tuple[str, str, str, bool]]:
    """What is compared: its name, both sides' words, whether they agree."""
    return [
        (
            'region',
            header.region_id or '',
            ' or '.join(sorted(target.region_ids)),
            header.region_id in target.region_ids,
        ),
        (
            'platform',
            header.platform,
            target.platform,
            _plain(header.platform) == _plain(target.platform),
        ),
        (
            'part',
            header.part,
            target.part,
            _same_part(header.part, target.part),
        ),
        (
            'chip',
            _hex(header.idcode),
            _hex(target.idcode),
            header.idcode == target.idcode,
        ),
        (
            'shell of',
            _hex(header.feature_timestamp),
            _hex(target.feature_timestamp),
            header.feature_timestamp == target.feature_timestamp,
        ),
    ]


def _plain(platform: str) -> str:
    """Tools write ``xilinx:u250:xdma:1.1`` and ``xilinx_u250_xdma_1_1``."""
    return re.sub('[^a-z0-9]', '_', platform.lower())


def _same_part(made_for: str, there: str) -> bool:
    """Tell whether two names mean one chip.

    A file names package and speed grade too (``7z020clg484-1``), with or
    without ``xc``; what is known of the card may end with the chip.
    """
    ours = made_for.lower().removeprefix('xc')
    theirs = there.lower().removeprefix('xc')
    rest = ours.removeprefix(theirs)
    if not ours.startswith(theirs):
        return False
    return not (rest[:1].isdigit() and theirs[-1:].isdigit())


def _hex(number: int | None) -> str:
    return '' if number is None else f'{number:#x}'
