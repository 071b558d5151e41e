"""A card whose regions compute: each is an iCE40 HX8K of its own.

It looks like any card behind the kernel's DFL drivers. What reaches a region
is an iCE40 bitstream as icepack writes it, and nothing else; the comment at
its beginning says for which interface it was made and which function it is::

    interface 1ce4... function c32d...

What a loaded function answers is for :mod:`.models`.
"""

import re

from cyborg_fpga.simulator import families
from cyborg_fpga.simulator import ice40
from cyborg_fpga.simulator import payload
from cyborg_fpga.simulator import scenario

FAMILY = 'VIRTUAL'
#: The interface of such regions.
REGION = str(families.FAMILIES[FAMILY]['region_id'])
_COMMENT = re.compile('interface ([0-9a-f]{32}) function ([0-9a-f]{32})')
#: Columns and rows of a bank of the chip's configuration memory.
_CHIP = 872, 272


def decode(image: bytes, card: scenario.Card) -> str:
    """Which function *image* is.

    First the interface is compared, then the bitstream's own CRC and the
    chip.

    :raises payload.BadImage: The card does not take it.
    """
    said = _COMMENT.fullmatch(ice40.text(image))
    if said is None or said[1] != card.region_id:
        raise payload.BadImage('reconfig incompatible image')
    try:
        chip = ice40.load(image)
    except ice40.Damaged as exc:
        raise payload.BadImage('reconfig CRC error') from exc
    if chip != _CHIP:
        raise payload.BadImage('reconfig incompatible image')
    return said[2]
