"""A card whose regions compute: each is an iCE40 HX8K of its own.

It looks like any card behind the kernel's DFL drivers. What reaches a region
is an iCE40 bitstream as icepack writes it, and nothing else; the comment at
its beginning says for which interface it was made and which function it is::

    interface 1ce4... function c32d...

What a loaded function answers is for :mod:`.models`.
"""

import re

from cyborg_fpga import errors
from cyborg_fpga.bitstream import ice40
from cyborg_fpga.bitstream import source
from cyborg_fpga.simulator import families
from cyborg_fpga.simulator import payload
from cyborg_fpga.simulator import scenario

FAMILY = 'VIRTUAL'
#: The interface of such regions.
REGION = str(families.FAMILIES[FAMILY]['region_id'])
_PART = 'iCE40-8k'
_COMMENT = re.compile('interface ([0-9a-f]{32}) function ([0-9a-f]{32})')
#: Columns and rows of a bank of the chip's configuration memory.
_WIDTH, _HEIGHT, _BANKS = 872, 272, 4


def decode(image: bytes, card: scenario.Card) -> str:
    """Which function *image* is.

    First the interface is compared, then the chip, then the bitstream's own
    CRC.

    :raises payload.BadImage: The card does not take it.
    """
    said = _COMMENT.fullmatch(ice40.comment(image))
    if said is None or said[1] != card.region_id:
        raise payload.BadImage('reconfig incompatible image')
    try:
        with source.opened(image) as file:
            found = ice40.parse(file)
            if found.part != _PART:
                raise payload.BadImage('reconfig incompatible image')
            ice40.verify(file)
    except errors.BadBitstream as exc:
        raise payload.BadImage('reconfig CRC error') from exc
    return said[2]


def image(bitstream: bytes, region_id: str, function_id: str) -> bytes:
    """What a region takes: *bitstream* with its comment.

    :raises errors.BadBitstream: It is not for an iCE40.
    """
    text = f'interface {region_id} function {function_id}'
    return ice40.with_comment(bitstream, text)


def sample(region_id: str, function_id: str) -> bytes:
    """An image that configures nothing, for regions that need not compute."""
    bank = bytes(_WIDTH * _HEIGHT // 8)
    made = ice40.build(_WIDTH, _HEIGHT, [bank] * _BANKS)
    return image(made, region_id, function_id)
