"""Bitstreams on the local disk, named by their hash, each verified.

A file has its final name only after it was read completely and its hash was
right. What an earlier process left, or what looks altered, is hashed again
before it is served.
"""

import contextlib
import errno
import pathlib
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator

from oslo_log import log as logging

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.agent import shelf
from cyborg_fpga.agent import transfer

LOG = logging.getLogger(__name__)

Download = transfer.Download
Progress = transfer.Progress

_POLL = 0.2
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_ROOM = 'there is no room in the bitstream cache of this host'
# Names in a report: a hundred bytes each.
_TOLD = 1000
_COUNTS = (
    'hits',
    'misses',
    'downloads_failed',
    'downloads_damaged',
    'prefetched',
    'last_prefetch_at',
)


class Cache:
    """Verified bitstreams, the least recently used leaving first.

    Thread-safe; one agent per directory. :meth:`open` before anything else.

    :param size_limit: Bytes that the files may take together.
    """

    def __init__(
        self,
        path: pathlib.Path,
        size_limit: int,
        download: Download,
    ) -> None:
        self._shelf = shelf.Shelf(path, size_limit)
        self._download = download
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(_COUNTS, 0)
        # What each file was when its hash was found to be right.
        self._verified: dict[str, tuple[int, int, int]] = {}
        # What came and has not got all its sums beside it.
        self._unsettled: set[str] = set()

    def open(self) -> None:
        """Create the directory and remove what a dead agent left of no use.

        :raises OSError: It cannot be created or written.
        """
        self._shelf.open()

    @contextlib.contextmanager
    def fetch(
        self,
        operation: model.Operation,
        progress: Progress,
    ) -> Iterator[pathlib.Path]:
        """Provide the image of *operation* as a verified local file.

        It stays for the length of the ``with`` block. Several fetches of one
        image download it once; what comes damaged is downloaded once more,
        and what was broken off goes on from there.

        :raises errors.BadBitstream: Its hash or size is not what Glance
            says, or Glance says none.
        :raises errors.NotFound: Glance does not have it.
        :raises errors.ServiceUnavailable: Glance cannot be used now.
        :raises OSError: ENOSPC where it does not fit; nothing is left then.
        """
        image = transfer.image_of(operation)
        with self._shelf.hold(image.name) as fetching:
            while not fetching.acquire(timeout=_POLL):
                progress(0, image.size)
            try:
                with _saying_where_it_is_full():
                    if self._is_good(image):
                        self._count('hits')
                    else:
                        self._count('misses')
                        self._get(image, progress)
            finally:
                fetching.release()
            yield self._shelf.use(image.name)

    def prefetch(self, image: transfer.Image, progress: Progress) -> None:
        """Have an image before anybody asks, if there is room to spare.

        Nothing leaves for it, and where room is needed it leaves first until
        it is used.

        :raises OSError: ENOSPC, it would not fit.
        :raises errors.FPGAError: As :meth:`fetch`.
        """
        with self._shelf.hold(image.name) as fetching:
            if not fetching.acquire(blocking=False):
                return
            try:
                if self._shelf.whole(image.name).exists():
                    return
                with self._shelf.room(
                    image.name, image.size or 0, evict=False
                ):
                    self._receive(image, progress)
                self._settle(image.name)
                self._shelf.use(image.name, unasked=True)
            finally:
                fetching.release()
        with self._lock:
            self._counts['prefetched'] += 1
            self._counts['last_prefetch_at'] = int(time.time())

    def settle(self, go_on: Callable[[], None]) -> None:
        """Do what can wait after downloads: write all sums beside the files.

        :param go_on: Raises where that must wait still.
        """
        for name in sorted(self._unsettled):
            go_on()
            with self._shelf.hold(name):
                self._settle(name)

    def spare(self, size: int) -> None:
        """Let files leave until so many bytes are gone, for others' needs.

        As many as are not in use.
        """
        self._shelf.evict(size)

    def contents(self) -> tuple[dict[str, int], tuple[str, ...]]:
        """What there is to report: figures, and names in order.

        The same until something came, left or was used. Of very many files
        those are named that were used last.
        """
        size, names = self._shelf.contents()
        with self._lock:
            figures = {
                'size_limit': self._shelf.limit,
                'bytes': size,
                'files': len(names),
                'evictions': self._shelf.evictions,
                **self._counts,
            }
        return figures, tuple(sorted(names[-_TOLD:]))

    def _is_good(self, image: transfer.Image) -> bool:
        """Tell whether the file is there and, now, what its name says."""
        path = self._shelf.whole(image.name)
        try:
            stamp = _stamp(path)
            if self._verified.get(image.name) == stamp:
                return True
            found = transfer.digest(path, image.algo)
        except FileNotFoundError:
            return False
        except OSError as exc:
            found = str(exc)
        if found != image.value:
            LOG.warning('Bitstream %s was damaged on disk: %s', path, found)
            self._shelf.remove(image.name)
            return False
        self._verified[image.name] = stamp
        return True

    def _settle(self, name: str) -> None:
        with self._lock:
            self._unsettled.discard(name)
        path = self._shelf.whole(name)
        try:
            self._shelf.put_sums(
                name,
                {
                    kind: transfer.digest(path, kind)
                    for kind in self._shelf.lacking(name)
                },
            )
        except OSError as exc:
            # They are for people: what is served was hashed anew.
            LOG.warning('No sums of %s: %s', path, exc)

    def _get(self, image: transfer.Image, progress: Progress) -> None:
        size = image.size or 0
        with self._shelf.room(image.name, size, evict=True):
            try:
                self._receive(image, progress)
            except errors.BadBitstream as exc:
                # The transfer may have damaged it.
                LOG.warning('%s; downloading it once more', exc.message)
                self._receive(image, progress)
            except OSError as exc:
                if exc.errno not in _FULL:
                    raise
                # Others fill this disk too: the limit is no promise.
                LOG.warning('The disk of the bitstream cache is full')
                self._shelf.evict(size or self._shelf.limit)
                self._receive(image, progress)

    def _receive(self, image: transfer.Image, progress: Progress) -> None:
        """Download and verify once; nothing spoilt is left where that fails.

        What is right so far may stay, also when the operation was cancelled
        or the agent stops.
        """
        part = self._shelf.part(image.name)
        try:
            sums = transfer.receive(
                part,
                image,
                self._download,
                progress,
                most=self._shelf.limit,
            )
            self._shelf.put(image.name, sums)
        except (errors.BadBitstream, errors.NotFound, OSError) as exc:
            damaged = isinstance(exc, errors.BadBitstream)
            self._count('downloads_damaged' if damaged else 'downloads_failed')
            self._shelf.abandon(image.name, spoilt=True)
            raise
        except BaseException as exc:
            if isinstance(exc, errors.FPGAError):
                self._count('downloads_failed')
            self._shelf.abandon(image.name, spoilt=False)
            raise
        with self._lock:
            self._verified[image.name] = _stamp(self._shelf.whole(image.name))
            self._unsettled.add(image.name)

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1


@contextlib.contextmanager
def _saying_where_it_is_full() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        if exc.errno not in _FULL:
            raise
        raise OSError(exc.errno, f'{_NO_ROOM}: {exc.strerror}') from exc


def _stamp(path: pathlib.Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino
