"""The bytes of a file by position, within a budget.

Bitstreams come from users and may be hundreds of megabytes long. Whoever
reads one here reads through this, so that no number in a file decides how
much is read: the first :data:`HEAD` bytes are read once, and behind them a
header may ask for :data:`BUDGET` more in all.
"""

import contextlib
import os
import pathlib
from collections.abc import Callable
from collections.abc import Iterator

from cyborg_fpga import errors

#: The first bytes of a file that are enough for every format's header: as
#: long as a GBS's may be. An xclbin may say more about itself further on.
HEAD = 20 + 4095
#: Bytes that may be read behind them, and what each read costs at least.
BUDGET = 1 << 17
_READ = 512

_PIECE = 1 << 20


class Source:
    """A file to be read in a few pieces: local, in memory or far away.

    :ivar size: Of the whole file.
    :ivar known: How much of it can be read; less than *size* where only the
        beginning was fetched.
    """

    def __init__(
        self,
        read: Callable[[int, int], bytes],
        size: int,
        *,
        known: int | None = None,
    ) -> None:
        """Read the head at once.

        :param read: Gives the bytes from an offset on, so many of them; may
            give fewer, which then is a file that is cut off.
        """
        self._read = read
        self._left = BUDGET
        self.size = size
        self.known = size if known is None else min(known, size)
        self.head = read(0, min(HEAD, self.known))

    def at(self, offset: int, length: int) -> bytes:
        """Exactly *length* bytes.

        :raises errors.BadBitstream: They are not there, or the file's own
            numbers have had enough read.
        """
        end = offset + length
        if end > self.known:
            raise bad('it is cut off within its header')
        if end <= len(self.head):
            return self.head[offset:end]
        self._left -= max(length, _READ)
        if self._left < 0:
            raise bad('its header asks for too much to be read')
        data = self._read(offset, length)
        if len(data) != length:
            raise bad('it is cut off within its header')
        return data

    def upto(self, offset: int, length: int) -> bytes:
        """At most *length* bytes: what there is of them."""
        start = min(offset, self.known)
        return self.at(start, min(length, self.known - start))

    def pieces(self, offset: int, size: int) -> Iterator[bytes]:
        """All the bytes of a part, a megabyte at a time, for checksums."""
        while size > 0:
            data = self._read(offset, min(size, _PIECE))
            if not data:
                raise bad('it is cut off')
            yield data
            offset += len(data)
            size -= len(data)

    def whole(self, limit: int) -> bytes:
        """All of a small file.

        :raises errors.BadBitstream: It is larger than *limit* bytes.
        """
        if self.size > limit:
            raise bad(f'it is larger than {limit} bytes')
        return b''.join(self.pieces(0, self.size))


def beginning(data: bytes, size: int) -> Source:
    """A file of which only the first bytes were fetched.

    :param data: At least :data:`HEAD` bytes, or the whole file.
    :param size: Of the whole file.
    """
    return Source(
        lambda offset, length: data[offset : offset + length],
        size,
        known=len(data),
    )


@contextlib.contextmanager
def opened(file: pathlib.Path | bytes) -> Iterator[Source]:
    """A local file, or one in memory.

    :raises errors.BadBitstream: It cannot be read.
    """
    if isinstance(file, bytes):
        yield beginning(file, len(file))
        return
    try:
        with open(file, 'rb') as stream:
            number = stream.fileno()
            yield Source(
                lambda offset, length: os.pread(number, length, offset),
                os.fstat(number).st_size,
            )
    except OSError as exc:
        raise bad(f'cannot be read: {exc.strerror}') from exc


def text(data: bytes, what: str) -> str:
    """The printable ASCII text before the first NUL byte.

    :raises errors.BadBitstream: It is none.
    """
    found = data.partition(b'\0')[0].decode('ascii', 'replace')
    if not found.isprintable() or not found.isascii():
        raise bad(f'{what} is not printable')
    return found


def bad(reason: str) -> errors.BadBitstream:
    """The one error that a file can cause."""
    return errors.BadBitstream(reason=reason)
