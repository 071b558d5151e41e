"""The directory of the bitstream cache: what lies there, and what leaves.

A whole file has the name of its content (``nouns.content_name``); beside it
lie ``<name>.sha512`` and ``<name>.md5`` in the format of ``sha512sum`` and
``md5sum``, and in its place ``<name>.part`` while it is on its way.
"""

import collections
import contextlib
import errno
import os
import pathlib
import re
import shutil
import threading
import time
from collections.abc import Iterator
from collections.abc import Mapping

from oslo_log import log as logging

LOG = logging.getLogger(__name__)

#: Sums that lie beside a file.
SIDES = ('sha512', 'md5')
#: Bytes from which on the beginning of a file is worth to be kept.
WORTH = 2**20

_PART = '.part'
_NAME = re.compile(r'[a-z0-9_]+-[0-9a-f]+')
_PARTS = re.compile(rf'[a-z0-9_]+-[0-9a-f]+\{_PART}')
_PART_SECONDS = 7 * 86400
# Part of the disk that is left to others by what nobody has asked for.
_RESERVE = 10

_Found = tuple[os.stat_result, pathlib.Path]


class Shelf:
    """Files by name, the least recently used leaving first.

    Thread-safe; one agent per directory. :meth:`open` before anything else.

    :param limit: Bytes that the files may take together.
    :ivar evictions: Whole files that left to make room.
    """

    def __init__(self, path: pathlib.Path, limit: int) -> None:
        self.path = path
        self.limit = limit
        self.evictions = 0
        self._lock = threading.RLock()
        self._users: collections.Counter[str] = collections.Counter()
        self._fetching: dict[str, threading.Lock] = {}
        self._expected: dict[str, int] = {}
        # None: something came or left since they were listed.
        self._listed: tuple[int, list[str]] | None = None

    def open(self) -> None:
        """Create the directory and remove what a dead agent left of no use.

        :raises OSError: It cannot be created or written.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self.path.iterdir():
            whole = path.with_name(path.stem)
            orphan = path.suffix[1:] in SIDES and not whole.exists()
            if orphan or (path.suffix == _PART and not _resumable(path)):
                path.unlink(missing_ok=True)

    def whole(self, name: str) -> pathlib.Path:
        """Where the file is once it is whole."""
        return self.path / name

    def part(self, name: str) -> pathlib.Path:
        """Where the file is while it is on its way."""
        return self.path / f'{name}{_PART}'

    @contextlib.contextmanager
    def hold(self, name: str) -> Iterator[threading.Lock]:
        """Keep a file from leaving, inside the block.

        :returns: The lock of whoever brings it.
        """
        with self._lock:
            self._users[name] += 1
            fetching = self._fetching.setdefault(name, threading.Lock())
        try:
            yield fetching
        finally:
            with self._lock:
                self._users[name] -= 1
                if not self._users[name]:
                    del self._users[name]
                    del self._fetching[name]

    @contextlib.contextmanager
    def room(self, name: str, size: int, *, evict: bool) -> Iterator[None]:
        """Have room for a file that is brought inside the block.

        :param evict: Others leave for it; else a part of the disk stays
            free, too.
        :raises OSError: ENOSPC, there is not enough.
        """
        try:
            with self._lock:
                self._expected[name] = size
                over = self._taken() - self.limit
                if evict:
                    over -= self.evict(over)
                else:
                    disk = shutil.disk_usage(self.path)
                    over = max(over, size + disk.total // _RESERVE - disk.free)
            if over > 0:
                raise OSError(
                    errno.ENOSPC,
                    f'it is limited to {self.limit} bytes, and the files in '
                    'use leave too few',
                )
            yield
        finally:
            with self._lock:
                self._expected.pop(name, None)

    def put(self, name: str, sums: Mapping[str, str]) -> None:
        """Give what has come its final name, and the sums beside it."""
        self.put_sums(name, sums)
        with self._lock:
            os.replace(self.part(name), self.whole(name))
            self._listed = None

    def put_sums(self, name: str, sums: Mapping[str, str]) -> None:
        for kind in SIDES:
            if kind in sums:
                self._side(name, kind).write_text(f'{sums[kind]}  {name}\n')

    def lacking(self, name: str) -> list[str]:
        """Sums that do not lie beside a file yet."""
        return [k for k in SIDES if not self._side(name, k).exists()]

    def use(self, name: str, *, unasked: bool = False) -> pathlib.Path:
        """Make a file the last used one, or one that nobody has used yet.

        :raises OSError: It is not there.
        """
        path = self.whole(name)
        # The access time is our order of use, also across restarts.
        now = 0 if unasked else time.time_ns()
        os.utime(path, ns=(now, path.stat().st_mtime_ns))
        return path

    def remove(self, name: str) -> None:
        with self._lock:
            self.whole(name).unlink(missing_ok=True)
            self._listed = None
        for kind in SIDES:
            self._side(name, kind).unlink(missing_ok=True)

    def abandon(self, name: str, *, spoilt: bool) -> None:
        """Keep of what did not come to its end only what is of use."""
        self.remove(name)
        part = self.part(name)
        if spoilt or (part.exists() and not _resumable(part)):
            part.unlink(missing_ok=True)

    def evict(self, wanted: int) -> int:
        """Remove what is not in use until *wanted* bytes are gone.

        What is not whole goes first, then the least recently used.

        :returns: How many bytes went.
        """
        gone = 0
        with self._lock:
            for found, path in [*self._parts(), *self._files()]:
                if gone >= wanted:
                    break
                if not self._users[_name(path)]:
                    LOG.info('Removing %s to make room', path)
                    gone += found.st_size
                    if path.suffix == _PART:
                        path.unlink(missing_ok=True)
                    else:
                        self.remove(path.name)
                        self.evictions += 1
        return gone

    def contents(self) -> tuple[int, list[str]]:
        """Bytes of all whole files; their names, the last used ones last.

        Read from the disk where something came or left; a directory that
        cannot be read is empty.
        """
        with self._lock:
            if self._listed is None:
                try:
                    files = self._files()
                except OSError as exc:
                    # A report says first of all that the host is there.
                    LOG.warning('Cannot list %s: %s', self.path, exc)
                    files = []
                size = sum(found.st_size for found, _path in files)
                self._listed = size, [path.name for _found, path in files]
            return self._listed

    def _taken(self) -> int:
        """Bytes that are there, or on their way."""
        there = [*self._parts(), *self._files()]
        return sum(self._expected.values()) + sum(
            found.st_size
            for found, path in there
            if path.suffix != _PART or _name(path) not in self._expected
        )

    def _files(self) -> list[_Found]:
        return self._found(_NAME)

    def _parts(self) -> list[_Found]:
        return self._found(_PARTS)

    def _found(self, names: re.Pattern[str]) -> list[_Found]:
        """What may leave, the least recently used first."""
        found = [
            (path.stat(), path)
            for path in self.path.iterdir()
            if names.fullmatch(path.name)
        ]
        return sorted(found, key=lambda file: file[0].st_atime_ns)

    def _side(self, name: str, kind: str) -> pathlib.Path:
        return self.path / f'{name}.{kind}'


def _name(path: pathlib.Path) -> str:
    return path.name.removesuffix(_PART)


def _resumable(path: pathlib.Path) -> bool:
    found = path.stat()
    return (
        _PARTS.fullmatch(path.name) is not None
        and found.st_size >= WORTH
        and found.st_mtime > time.time() - _PART_SECONDS
    )
