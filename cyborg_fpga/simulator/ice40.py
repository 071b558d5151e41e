"""How an iCE40 chip takes its configuration.

It waits for the four bytes ``7e aa 99 7e``. Then come commands: four bits
that say which, four that say how many bytes follow, and these bytes as one
number, highest first. Of those that matter here:

=====  ======================================================================
0 1    the configuration of a bank follows, and two bytes of zeros
0 3    the contents of a bank of its memories, likewise
0 5    the check sum starts anew
0 6    the chip wakes up
2      the check sum of all since it was started, up to this number
6, 7   a bank's columns without one, and its rows
=====  ======================================================================

What stands before is not for the chip: ``ff 00``, text, ``00 ff``. This is
known from Project IceStorm (https://prjicestorm.readthedocs.io, "Bitstream
File Format"), and nothing here is shared with the reader that the service
has for such files: a mistake in that one must show.
"""

import binascii
import io
import re

_SYNC = bytes((0x7E, 0xAA, 0x99, 0x7E))
_TEXT = re.compile(rb'\xff\x00([\x20-\x7e]*)\x00?\x00\xff')
_START = 0xFFFF
#: Commands that change nothing here: bank, frequency, offset, warm boot.
_IGNORED = (0x1, 0x5, 0x8, 0x9)


class Damaged(ValueError):
    """The chip stays asleep."""


def text(image: bytes) -> str:
    """What stands before the configuration; '' for nothing."""
    found = _TEXT.match(image)
    return found[1].decode('ascii') if found else ''


def load(image: bytes) -> tuple[int, int]:
    """Configure a chip; gives the columns and rows of its banks.

    Those of its memories have others.

    :raises Damaged: It does not wake up.
    """
    begin = image.find(_SYNC)
    if begin < 0:
        raise Damaged('there is nothing to wait for')
    logic = _Logic(image[begin + len(_SYNC) :])
    while not logic.awake:
        logic.step()
    return logic.chip


class _Logic:
    """The chip's configuration logic."""

    def __init__(self, stream: bytes) -> None:
        self._stream = io.BytesIO(stream)
        self._sum = _START
        self._agreed = False
        self._columns = self._rows = 0
        self.chip = 0, 0
        self.awake = False

    def step(self) -> None:
        head = self._take(1)[0]
        upto = self._sum
        number = int.from_bytes(self._take(head & 0xF), 'big')
        match head >> 4:
            case 0x0:
                self._act(number)
            case 0x2:
                self._agreed = number == upto
                if not self._agreed:
                    raise Damaged('the check sum is another')
            case 0x6:
                self._columns = number + 1
            case 0x7:
                self._rows = number
            case other if other not in _IGNORED:
                raise Damaged(f'there is no command {other:x}')

    def _act(self, number: int) -> None:
        match number:
            case 1 | 3:
                if number == 1:
                    self.chip = self._columns, self._rows
                self._take(self._columns * self._rows // 8)
                if self._take(2) != bytes(2):
                    raise Damaged('a bank has another length')
                self._agreed = False
            case 5:
                self._sum = _START
            case 6:
                self.awake = self._agreed
                if not self.awake:
                    raise Damaged('it was never checked')

    def _take(self, count: int) -> bytes:
        taken = self._stream.read(count)
        if len(taken) < count:
            raise Damaged('it ends too early')
        self._sum = binascii.crc_hqx(taken, self._sum)
        return taken
