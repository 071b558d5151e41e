"""Bitstreams on the local disk, named by their hash.

A file has its final name only after it was read completely and its hash was
right; beside it lie ``<name>.sha512`` and ``<name>.md5`` in the format of
``sha512sum`` and ``md5sum``.
"""

import collections
import contextlib
import errno
import hashlib
import os
import pathlib
import re
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

from oslo_log import log as logging

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga import nouns

LOG = logging.getLogger(__name__)

#: Streams an image by uuid; raises errors.NotFound or ServiceUnavailable.
Download = Callable[[str], Iterator[bytes]]

#: Called with the bytes so far and their total; may raise to stop.
Progress = Callable[[int, int | None], None]

# Two files with one name would be two images with one hash: only algorithms
# for which nobody can make such a pair.
_ALGORITHMS = frozenset(
    {
        'sha256',
        'sha384',
        'sha512',
        'sha3_256',
        'sha3_384',
        'sha3_512',
        'blake2b',
        'blake2s',
    }
)
_SIDES = ('sha512', 'md5')
_PART = '.part'
_KEPT = 'kept.'  # no hash: never leaves to make room
_NAME = re.compile(r'[a-z0-9_]+-[0-9a-f]+')
_POLL = 0.2
_FULL = (errno.ENOSPC, errno.EDQUOT)
# Names in a report: a hundred bytes each.
_TOLD = 1000
_COUNTS = (
    'hits',
    'misses',
    'evictions',
    'downloads_failed',
    'downloads_damaged',
)
_NO_ROOM = 'there is no room in the bitstream cache of this host'


class Cache:
    """Verified bitstreams, the least recently used leaving first.

    Thread-safe; one agent per directory. :meth:`open` before anything else.

    :param size_limit: Bytes that the files may take together.
    """

    def __init__(
        self, path: pathlib.Path, size_limit: int, download: Download
    ) -> None:
        self._path = path
        self._limit = size_limit
        self._download = download
        self._lock = threading.RLock()
        self._users: collections.Counter[str] = collections.Counter()
        self._fetching: dict[str, threading.Lock] = {}
        self._expected: dict[str, int] = {}
        self._verified: dict[str, tuple[int, int, int]] = {}
        self._counts = dict.fromkeys(_COUNTS, 0)
        # None: something came or left since they were listed.
        self._listed: tuple[int, list[str]] | None = None

    def open(self) -> None:
        """Create the directory and remove what a dead agent left half-done.

        :raises OSError: It cannot be created or written.
        """
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self._path.iterdir():
            whole = path.with_name(path.stem)
            orphan = path.suffix[1:] in _SIDES and not whole.exists()
            if path.suffix == _PART or orphan:
                path.unlink(missing_ok=True)

    def keep(self, name: str, source: pathlib.Path) -> pathlib.Path:
        """Copy *source* here for good, so that drivers may load it.

        :raises OSError: It cannot be read, or not be written here.
        """
        kept = self._path / f'{_KEPT}{name}'
        part = kept.with_name(f'{kept.name}{_PART}')
        try:
            _write(part, source.read_bytes())
            os.replace(part, kept)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        return kept

    @contextlib.contextmanager
    def fetch(
        self, operation: model.Operation, progress: Progress
    ) -> Iterator[pathlib.Path]:
        """Provide the image of *operation* as a verified local file.

        It stays for the length of the ``with`` block. Several fetches of one
        image download it once; what comes damaged is downloaded once more.

        :raises errors.BadBitstream: Its hash or size is not what Glance
            says, or Glance says none.
        :raises errors.NotFound: Glance does not have it.
        :raises errors.ServiceUnavailable: Glance cannot be used now.
        :raises OSError: ENOSPC where it does not fit; nothing is left then.
        """
        name = _name_of(operation)
        with self._used(name) as fetching:
            while not fetching.acquire(timeout=_POLL):
                progress(0, operation.image_size)
            try:
                if self._is_good(name, operation):
                    self._count('hits')
                else:
                    self._count('misses')
                    self._get(name, operation, progress)
            finally:
                fetching.release()
            path = self._path / name
            # The access time is our order of use, also across restarts.
            found = path.stat()
            os.utime(path, ns=(time.time_ns(), found.st_mtime_ns))
            yield path

    def contents(self) -> tuple[dict[str, int], tuple[str, ...]]:
        """What there is to report: figures, and names in order.

        The same until something came, left or was used. Of very many files
        those are named that were used last.
        """
        with self._lock:
            if self._listed is None:
                try:
                    files = self._files()
                except OSError as exc:
                    # A report says first of all that the host is there.
                    LOG.warning('Cannot list %s: %s', self._path, exc)
                    files = []
                size = sum(found.st_size for found, _path in files)
                self._listed = size, [path.name for _found, path in files]
            size, names = self._listed
            figures = {
                'size_limit': self._limit,
                'bytes': size,
                'files': len(names),
                **self._counts,
            }
        return figures, tuple(sorted(names[-_TOLD:]))

    @contextlib.contextmanager
    def _used(self, name: str) -> Iterator[threading.Lock]:
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

    def _is_good(self, name: str, operation: model.Operation) -> bool:
        """Tell whether the file is there and, now, what its name says."""
        path = self._path / name
        if not all(_side(path, kind).exists() for kind in _SIDES):
            return False
        try:
            stamp = _stamp(path)
            if self._verified.get(name) == stamp:
                return True
            with path.open('rb') as stream:
                digest = hashlib.file_digest(
                    stream, str(operation.image_hash_algo)
                )
        except FileNotFoundError:
            return False
        if digest.hexdigest() != operation.image_hash_value:
            LOG.warning('Bitstream %s was damaged on disk', path)
            self._remove(path)
            return False
        self._verified[name] = stamp
        return True

    def _get(
        self, name: str, operation: model.Operation, progress: Progress
    ) -> None:
        try:
            self._make_room(name, operation.image_size or 0)
            try:
                self._download_to(name, operation, progress)
            except errors.BadBitstream as exc:
                # The transfer may have damaged it.
                LOG.warning('%s; downloading it once more', exc.message)
                self._download_to(name, operation, progress)
            except OSError as exc:
                if exc.errno not in _FULL:
                    raise
                # Others fill this disk too, so the limit alone is no promise.
                LOG.warning('The disk of %s is full', self._path)
                self._evict(operation.image_size or self._limit)
                self._download_to(name, operation, progress)
        except OSError as exc:
            if exc.errno not in _FULL:
                raise
            raise OSError(exc.errno, f'{_NO_ROOM}: {exc.strerror}') from exc
        finally:
            with self._lock:
                self._expected.pop(name, None)

    def _download_to(
        self, name: str, operation: model.Operation, progress: Progress
    ) -> None:
        """Download and verify once; nothing is left where that fails."""
        part = self._path / f'{name}{_PART}'
        try:
            digests = self._stream(part, operation, progress)
            path = self._path / name
            for kind in _SIDES:
                _write(
                    _side(path, kind), f'{digests[kind]}  {name}\n'.encode()
                )
            with self._lock:
                os.replace(part, path)
                self._listed = None
            _sync(self._path)
            self._verified[name] = _stamp(path)
        except BaseException as exc:
            # Also when the operation was cancelled or the agent stops.
            part.unlink(missing_ok=True)
            self._remove(self._path / name)
            damaged = isinstance(exc, errors.BadBitstream)
            self._count(f'downloads_{"damaged" if damaged else "failed"}')
            raise

    def _stream(
        self,
        part: pathlib.Path,
        operation: model.Operation,
        progress: Progress,
    ) -> dict[str, str]:
        size = operation.image_size
        wanted = str(operation.image_hash_algo)
        hashes = {
            kind: hashlib.new(kind, usedforsecurity=False)
            for kind in {*_SIDES, wanted}
        }
        most = self._limit if size is None else size
        done = 0
        with part.open('wb') as stream:
            with _closing(self._download(str(operation.image_uuid))) as chunks:
                for chunk in chunks:
                    done += len(chunk)
                    if done > most:
                        raise errors.BadBitstream(
                            reason=f'it is longer than {most} bytes'
                        )
                    stream.write(chunk)
                    for hasher in hashes.values():
                        hasher.update(chunk)
                    progress(done, size)
            stream.flush()
            os.fsync(stream.fileno())
        if size is not None and done != size:
            raise errors.BadBitstream(
                reason=f'it has {done} bytes instead of {size}'
            )
        digests = {kind: value.hexdigest() for kind, value in hashes.items()}
        if digests[wanted] != operation.image_hash_value:
            raise errors.BadBitstream(
                reason=f'its {wanted} is {digests[wanted]} instead of '
                f'{operation.image_hash_value}'
            )
        return digests

    def _make_room(self, name: str, size: int) -> None:
        with self._lock:
            self._expected[name] = size
            total = sum(found.st_size for found, _path in self._files())
            total += sum(self._expected.values())
            total -= self._evict(total - self._limit)
        if total > self._limit:
            raise OSError(
                errno.ENOSPC,
                f'it is limited to {self._limit} bytes, and the files in use '
                'leave too few',
            )

    def _evict(self, wanted: int) -> int:
        """Remove what is not in use until *wanted* bytes are gone; how many.

        The least recently used goes first.
        """
        gone = 0
        with self._lock:
            for found, path in self._files():
                if gone >= wanted:
                    break
                if not self._users[path.name]:
                    LOG.info('Removing %s to make room', path)
                    self._remove(path)
                    self._count('evictions')
                    gone += found.st_size
        return gone

    def _files(self) -> list[tuple[os.stat_result, pathlib.Path]]:
        """What may leave, the least recently used first."""
        files = [
            (path.stat(), path)
            for path in self._path.iterdir()
            if _NAME.fullmatch(path.name)
        ]
        return sorted(files, key=lambda file: file[0].st_atime_ns)

    def _remove(self, path: pathlib.Path) -> None:
        with self._lock:
            self._verified.pop(path.name, None)
            path.unlink(missing_ok=True)
            self._listed = None
        for kind in _SIDES:
            _side(path, kind).unlink(missing_ok=True)

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1


def _name_of(operation: model.Operation) -> str:
    algo, value = operation.image_hash_algo, operation.image_hash_value
    if not algo or not value:
        raise errors.BadBitstream(reason='Glance knows no hash of it')
    if algo not in _ALGORITHMS:
        raise errors.BadBitstream(reason=f'its hash {algo} is not accepted')
    if not re.fullmatch(
        f'[0-9a-f]{{{hashlib.new(algo).digest_size * 2}}}', value
    ):
        raise errors.BadBitstream(reason=f'its {algo} is not one')
    return nouns.content_name(algo, value)


def _side(path: pathlib.Path, kind: str) -> pathlib.Path:
    return path.with_name(f'{path.name}.{kind}')


def _stamp(path: pathlib.Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


def _write(path: pathlib.Path, content: bytes) -> None:
    with path.open('wb') as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _sync(directory: pathlib.Path) -> None:
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextlib.contextmanager
def _closing(chunks: Iterator[bytes]) -> Iterator[Iterator[bytes]]:
    """Close a generator at once, and with it the connection it holds."""
    try:
        yield chunks
    finally:
        close: Any = getattr(chunks, 'close', None)
        if close is not None:
            close()
