"""What a mounted simulated host does when its files are used.

It shows the tree of files that the cards keep below ``DIR/sys`` and
``DIR/dev``, with the modes and errors of the kernel's, and hands what is
written or called to the very cards. Device nodes are regular files: opening
any other kind would end at the kernel's own driver.
"""

import ctypes
import errno
import itertools
import os
import pathlib
import stat
import threading
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from cyborg_fpga.simulator import memory
from cyborg_fpga.simulator import server
from cyborg_fpga.simulator import tree

_PAGE = 4096
#: What requests of the kernel's FPGA drivers, now and before, have in their
#: second byte.
_MAGIC = (0xB5, 0xB6)
_SHOWN = ('dev', 'sys')


class Identity(NamedTuple):
    """Whose program asks."""

    user: int
    process: int


class _File(NamedTuple):
    """A path: of which host, in which part, and its name there.

    :ivar kept: Where the cards keep it.
    """

    host: server.Host
    part: str
    name: str
    kept: pathlib.Path


class _Reader:
    """What one open file has read: its text is made at offset 0."""

    def __init__(self) -> None:
        self.text = b''


class _Process:
    """A caller that the kernel names by its process.

    :param data: Where the kernel has put a copy of the argument: of so many
        bytes as the *request* tells.
    """

    def __init__(
        self, process: int, request: int, pointer: int | None, data: int | None
    ) -> None:
        self._process = process
        self._size = request >> 16 & 0x3FFF
        self._pointer = pointer or 0
        self._data = data

    @property
    def empty(self) -> bool:
        return not self._pointer

    def argument(self, length: int) -> bytes:
        if self._data is None:
            return self.memory(self._pointer, length)
        if length > self._size:
            raise _error(errno.EFAULT)
        return ctypes.string_at(self._data, length)

    def memory(self, address: int, length: int) -> bytes:
        return memory.copy(self._process, address, length)


class View:
    """The operations of the mount, as the library calls them.

    They are called from any number of threads at a time; one that is slow,
    as a load is, holds no other.

    :param hosts: By their names; a single one of the name ``''`` is the
        root of the mount itself.
    :param caller: Says who asks, in the thread that is called.
    """

    use_ns = True

    def __init__(
        self, hosts: Mapping[str, server.Host], caller: Callable[[], Identity]
    ) -> None:
        self.ready = threading.Event()
        self._hosts = hosts
        self._caller = caller
        self._numbers = itertools.count(1)
        self._readers: dict[int, _Reader] = {}

    def init(self, path: str) -> None:
        self.ready.set()

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        file = self._file(path)
        if file is None:
            return {'st_mode': stat.S_IFDIR | 0o755, 'st_nlink': 2}
        found = file.kept.lstat()
        kind = stat.S_IFMT(found.st_mode)
        size = found.st_size
        if stat.S_ISREG(kind):
            mode = 0o600 if file.part == 'dev' else self._mode(file)
            size = 0 if file.part == 'dev' else _PAGE
        else:
            mode = 0o755 if stat.S_ISDIR(kind) else 0o777
        return {
            'st_mode': kind | mode,
            'st_nlink': 2 if stat.S_ISDIR(kind) else 1,
            'st_size': size,
            'st_mtime': found.st_mtime_ns,
            'st_ctime': found.st_ctime_ns,
            'st_atime': found.st_mtime_ns,
        }

    def readlink(self, path: str) -> str:
        return os.readlink(self._kept(path).kept)

    def readdir(self, path: str, fh: int) -> Iterator[tuple[str, int, int]]:
        file = self._file(path)
        here: list[tuple[str, int, int]] = [
            (name, stat.S_IFDIR, 0) for name in ('.', '..')
        ]
        if file is None:
            names = _SHOWN if '' in self._hosts else sorted(self._hosts)
            if path != '/':
                names = _SHOWN
            here += [(name, stat.S_IFDIR, 0) for name in names]
        else:
            with os.scandir(file.kept) as entries:
                here += [(entry.name, _kind(entry), 0) for entry in entries]
        return iter(here)

    def open(self, path: str, flags: int) -> int:
        file = self._kept(path)
        file.kept.lstat()
        mode = 0o600 if file.part == 'dev' else self._mode(file)
        if self._caller().user in (0, os.geteuid()):
            mode >>= 6
        # Nobody else checks it, as root may open anything.
        access = flags & os.O_ACCMODE
        if access != os.O_WRONLY and not mode & os.R_OK:
            raise _error(errno.EACCES)
        if access != os.O_RDONLY and not mode & os.W_OK:
            raise _error(errno.EACCES)
        if file.part == 'dev' and file.host.held(file.name):
            raise _error(errno.EBUSY)
        number = next(self._numbers)
        self._readers[number] = _Reader()
        return number

    def release(self, path: str, fh: int) -> int:
        del self._readers[fh]
        return 0

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        file, reader = self._kept(path), self._readers[fh]
        if file.part == 'dev':
            raise _error(errno.EINVAL)
        if not offset:
            try:
                reader.text = file.kept.read_bytes()
            except FileNotFoundError as exc:
                # It was there when it was opened.
                raise _error(errno.ENODEV) from exc
            number = tree.injected_errno(reader.text)
            if number:
                raise _error(number)
        return reader.text[offset : offset + size]

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        file = self._kept(path)
        if file.part == 'dev':
            raise _error(errno.EINVAL)
        try:
            file.host.write(file.name, data)
        except ValueError as exc:
            raise _error(errno.EINVAL) from exc
        except EOFError as exc:
            # The power was cut.
            raise _error(errno.EIO) from exc
        return len(data)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        # That of open(..., 'w'), which attributes accept and ignore.
        self._kept(path)
        return 0

    def ioctl(
        self,
        path: str,
        cmd: int,
        arg: int | None,
        fh: int,
        flags: int,
        data: int | None,
    ) -> int:
        file = self._kept(path)
        if file.part != 'dev' or cmd >> 8 & 0xFF not in _MAGIC:
            # Python, for one, asks whether what it opens is a terminal.
            raise _error(errno.ENOTTY)
        caller = _Process(self._caller().process, cmd, arg, data)
        try:
            file.host.ioctl(file.name, cmd, caller)
        except EOFError as exc:
            # The power was cut.
            raise _error(errno.EIO) from exc
        return 0

    def create(self, path: str, mode: int, flags: int) -> int:
        raise _error(errno.EACCES)

    def mkdir(self, path: str, mode: int) -> int:
        raise _error(errno.EPERM)

    def unlink(self, path: str) -> int:
        raise _error(errno.EPERM)

    def rmdir(self, path: str) -> int:
        raise _error(errno.EPERM)

    def symlink(self, target: str, source: str) -> int:
        raise _error(errno.EPERM)

    def link(self, target: str, source: str) -> int:
        raise _error(errno.EPERM)

    def rename(self, old: str, new: str) -> int:
        raise _error(errno.EPERM)

    def _file(self, path: str) -> _File | None:
        """What is at *path*; None for the directories above the parts.

        :raises OSError: ENOENT.
        """
        names = [name for name in path.split('/') if name]
        if '' not in self._hosts and not names:
            return None
        host = self._hosts.get('' if '' in self._hosts else names.pop(0))
        if host is None or (names and names[0] not in _SHOWN):
            raise _error(errno.ENOENT)
        if not names:
            return None
        kept = host.directory.joinpath(*names)
        return _File(host, names[0], '/'.join(names[1:]), kept)

    def _kept(self, path: str) -> _File:
        file = self._file(path)
        if file is None:
            raise _error(errno.EISDIR)
        return file

    def _mode(self, file: _File) -> int:
        if not file.host.writable(file.name):
            return 0o444
        data = file.kept.read_bytes()
        return 0o200 if tree.injected_errno(data) == errno.EACCES else 0o644


def _kind(entry: os.DirEntry[str]) -> int:
    if entry.is_symlink():
        return stat.S_IFLNK
    return stat.S_IFDIR if entry.is_dir() else stat.S_IFREG


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
