"""Check a file while its bytes go by, for files that lie nowhere here.

Holds no more of it than the first :data:`BEGINNING` bytes: all of a file of
those formats that must be read back and forth.
"""

from collections.abc import Callable

from cyborg_fpga.bitstream import formats
from cyborg_fpga.bitstream import gbs
from cyborg_fpga.bitstream import header
from cyborg_fpga.bitstream import source

#: More than any format's header, but for an xclbin's that lies behind its
#: image; see :func:`header_behind`.
BEGINNING = 4 << 20


class Passing:
    """Give it all of the file in order: :meth:`feed`, then :meth:`end`.

    :ivar header: What the file says of itself.
    """

    def __init__(self, beginning: bytes, size: int) -> None:
        """Read the header, and check all of a small file at once.

        :param beginning: The first :data:`BEGINNING` bytes, or all.
        :param size: Of the whole file.
        :raises errors.BadBitstream: It is damaged, or none at all.
        """
        file = source.beginning(beginning, size)
        self.header = formats.read(file)
        self._left = size - len(beginning)
        self._watch = None
        if not self._left:
            formats.verify(beginning)
        elif self.header.format is header.Format.GBS:
            self._watch = gbs.watch(file)
            if self._watch is not None:
                self._watch.feed(beginning)

    def feed(self, piece: bytes) -> None:
        """What comes behind the beginning, piece by piece.

        :raises errors.BadBitstream: It is more than there was to be: who
            sends it may never end.
        """
        self._left -= len(piece)
        if self._left < 0:
            raise source.bad('it is longer than it was said to be')
        if self._watch is not None:
            self._watch.feed(piece)

    def end(self) -> None:
        """:raises errors.BadBitstream: It is damaged, or was not all."""
        if self._left:
            raise source.bad('it is cut off')
        if self._watch is not None:
            self._watch.end()


def says_more_behind(found: header.Header) -> bool:
    """*found* is from the beginning, and that may not be all it says."""
    return found.format is header.Format.XCLBIN and found.size > BEGINNING


def header_behind(
    found: header.Header, read: Callable[[int, int], bytes]
) -> header.Header:
    """*found*, or what all of the file says where that may be more.

    :param read: Gives bytes of the file by offset and length.
    :raises errors.BadBitstream: It is damaged.
    """
    if not says_more_behind(found):
        return found
    return formats.read(source.Source(read, found.size))
