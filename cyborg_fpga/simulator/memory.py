"""Copies from a caller's memory, as a kernel does for an ioctl."""

import errno
import os


def copy(process: int | str, address: int, length: int) -> bytes:
    """Read *length* bytes at *address* of the memory of *process*.

    :param process: Its number, or ``self``.
    :raises OSError: EFAULT, not all of it is there or for us to read.
    """
    try:
        fd = os.open(f'/proc/{process}/mem', os.O_RDONLY | os.O_CLOEXEC)
        try:
            return _exactly(fd, address, length)
        finally:
            os.close(fd)
    except (OSError, OverflowError) as exc:
        raise OSError(errno.EFAULT, os.strerror(errno.EFAULT)) from exc


def _exactly(fd: int, address: int, length: int) -> bytes:
    part = os.pread(fd, length, address)
    if len(part) == length:
        # Images are large: most often they are there in one piece.
        return part
    data = bytearray(part)
    while len(data) < length:
        part = os.pread(fd, length - len(data), address + len(data))
        if not part:
            raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))
        data += part
    return bytes(data)
