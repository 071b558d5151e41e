"""Functions for virtual FPGAs: those that are shipped, with their sources.

A function is a Verilog module ``afu`` that bytes stream through:

=============================== ============================================
Port                            What it is
=============================== ============================================
``clk``, ``rst``                the clock; a reset that lasts two cycles
``in_data``, ``in_valid``       the next byte, if there is one
``in_end``                      there are no more bytes; for one cycle,
                                without a byte
``in_ready``                    the byte or the end is taken in this cycle
``out_data``, ``out_valid``     a byte of the answer, taken at once
``done``                        the answer is complete
=============================== ============================================

Beside each source is its bitstream, made by ``tools/build-functions``.
"""

import lzma
import pathlib
from typing import NamedTuple

from cyborg_fpga.bitstream import gbs
from cyborg_fpga.simulator import virtual

FOLDER = pathlib.Path(__file__).parent
#: Function ids by name.
FUNCTIONS = {
    'aes128': '55e2171e07ee4a8a90e07a9d8f9a9f2c',
    'crc32': '8d4f1c02d7c14f5cb9a33f0a5cbf7c32',
    'sha256': '3b1d7bd1c0a94c5ea2b65f14e29d6256',
}


class Function(NamedTuple):
    """One of them.

    :ivar image: What a region is loaded with.
    """

    name: str
    function_id: str
    source: str
    image: bytes

    def gbs(self) -> bytes:
        """The file for Glance."""
        return gbs.build(
            virtual.REGION, self.function_id, self.image, name=self.name
        )


def load(name: str) -> Function:
    """:raises KeyError: There is none of that name."""
    function_id = FUNCTIONS[name]
    source = (FOLDER / f'{name}.v').read_text()
    packed = (FOLDER / f'{name}.bin.xz').read_bytes()
    return Function(name, function_id, source, lzma.decompress(packed))
