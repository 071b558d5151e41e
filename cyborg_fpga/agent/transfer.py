"""How an image comes from Glance into a file, and that it is the right one.

What was broken off goes on where it ended: the beginning is hashed again, so
that it is the whole file that has the right hash, or none.
"""

import contextlib
import hashlib
import pathlib
import queue
import re
import threading
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any
from typing import BinaryIO
from typing import NamedTuple
from typing import Protocol

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga import nouns

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
_CHUNK = 1 << 20
# Chunks that wait to be hashed: what they take is all that a download takes.
_WAITING = 4


class Download(Protocol):
    """Streams an image by its uuid, from a byte on."""

    def __call__(self, image_uuid: str, start: int = 0, /) -> Iterator[bytes]:
        """:raises errors.NotFound: There is none.

        :raises errors.ServiceUnavailable: Glance cannot be used now.
        """


class Image(NamedTuple):
    """What Glance says of an image; *size* None: it does not say."""

    uuid: str
    algo: str
    value: str
    size: int | None

    @property
    def name(self) -> str:
        return nouns.content_name(self.algo, self.value)


def image(
    uuid: str | None, algo: str | None, value: str | None, size: int | None
) -> Image:
    """Check what Glance says of an image.

    :raises errors.BadBitstream: It has no hash that can be trusted.
    """
    if not algo or not value:
        raise errors.BadBitstream(reason='Glance knows no hash of it')
    if algo not in _ALGORITHMS:
        raise errors.BadBitstream(reason=f'its hash {algo} is not accepted')
    if not re.fullmatch(
        f'[0-9a-f]{{{hashlib.new(algo).digest_size * 2}}}', value
    ):
        raise errors.BadBitstream(reason=f'its {algo} is not one')
    return Image(str(uuid), algo, value, size)


def image_of(operation: model.Operation) -> Image:
    """:raises errors.BadBitstream: It has no hash that can be trusted."""
    return image(
        operation.image_uuid,
        operation.image_hash_algo,
        operation.image_hash_value,
        operation.image_size,
    )


def receive(
    part: pathlib.Path,
    image: Image,
    download: Download,
    progress: Progress,
    *,
    most: int,
) -> dict[str, str]:
    """Bring *image* into the file *part*, behind what that holds of it.

    :param most: Bytes that an image of unknown size may have.
    :returns: Its sums: of its own algorithm, and sha512.
    :raises errors.BadBitstream: What came is not the image.
    :raises OSError: It cannot be written.
    """
    with _hashed({'sha512', image.algo}) as hashes:
        done = _write(part, image, download, progress, hashes, most)
    if image.size is not None and done != image.size:
        raise errors.BadBitstream(
            reason=f'it has {done} bytes instead of {image.size}'
        )
    found = hashes.digests()
    if found[image.algo] != image.value:
        raise errors.BadBitstream(
            reason=f'its {image.algo} is {found[image.algo]} instead of '
            f'{image.value}'
        )
    return found


def digest(path: pathlib.Path, algo: str) -> str:
    """:raises OSError: The file cannot be read."""
    with path.open('rb') as stream:
        return hashlib.file_digest(
            stream, lambda: hashlib.new(algo, usedforsecurity=False)
        ).hexdigest()


def _write(
    part: pathlib.Path,
    image: Image,
    download: Download,
    progress: Progress,
    hashes: '_Hashes',
    most: int,
) -> int:
    """:returns: How many bytes the file has then."""
    limit = most if image.size is None else image.size
    with part.open('ab+') as stream:
        if stream.tell() > limit:
            stream.truncate(0)
        stream.seek(0)
        for chunk in _chunks(stream):
            hashes.add(chunk)
        done = stream.tell()
        if done == image.size:
            return done
        with _closing(download, image.uuid, done) as chunks:
            for chunk in chunks:
                done += len(chunk)
                if done > limit:
                    raise errors.BadBitstream(
                        reason=f'it is longer than {limit} bytes'
                    )
                stream.write(chunk)
                hashes.add(chunk)
                progress(done, image.size)
    return done


class _Hashes(threading.Thread):
    """Hashes what has come while the next is on its way."""

    def __init__(self, algos: Iterable[str]) -> None:
        super().__init__(name='hashes', daemon=True)
        self._hashes = {
            algo: hashlib.new(algo, usedforsecurity=False) for algo in algos
        }
        self._waiting: queue.Queue[bytes] = queue.Queue(_WAITING)

    def add(self, chunk: bytes) -> None:
        if chunk:
            self._waiting.put(chunk)

    def close(self) -> None:
        """Wait until all is hashed."""
        self._waiting.put(b'')
        self.join()

    def digests(self) -> dict[str, str]:
        """Once it is closed."""
        return {algo: one.hexdigest() for algo, one in self._hashes.items()}

    def run(self) -> None:
        for chunk in iter(self._waiting.get, b''):
            for one in self._hashes.values():
                one.update(chunk)


@contextlib.contextmanager
def _hashed(algos: Iterable[str]) -> Iterator[_Hashes]:
    hashes = _Hashes(algos)
    hashes.start()
    try:
        yield hashes
    finally:
        hashes.close()


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: stream.read(_CHUNK), b'')


@contextlib.contextmanager
def _closing(
    download: Download, uuid: str, start: int
) -> Iterator[Iterator[bytes]]:
    """Close a generator at once, and with it the connection it holds."""
    chunks = download(uuid, start) if start else download(uuid)
    try:
        yield chunks
    finally:
        close: Any = getattr(chunks, 'close', None)
        if close is not None:
            close()
