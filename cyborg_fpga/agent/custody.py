"""From Glance to the card: the bytes that were checked, and no others.

What lies in the cache can be altered there at any time, by a failing disk or
by somebody. So each load gets a copy of its own, a file without a name that
nobody else can open, and a driver is given that. It is filled with what is
downloaded, as that passes, or from the cache; either way its bytes are hashed
before they are loaded, and their signature is checked.
"""

import contextlib
import errno
import hashlib
import os
import pathlib
import tempfile
import threading
from collections.abc import Callable
from collections.abc import Iterator
from typing import Self

from oslo_log import log as logging

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.agent import cache as agent_cache
from cyborg_fpga.bitstream import signature
from cyborg_fpga.clients import certificates

LOG = logging.getLogger(__name__)

_PIECE = 1 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Copy:
    """A file without a name, for one writer and then for readers.

    It takes room in *directory* until it is closed, and is gone with the
    process.

    :ivar size: Bytes that it has.
    """

    def __init__(self, directory: pathlib.Path) -> None:
        self._file = tempfile.TemporaryFile(  # noqa: SIM115 (as long as we live)
            dir=directory, buffering=0
        )
        self._reading: int | None = None
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def restart(self) -> None:
        """Forget what was added."""
        self._file.seek(0)
        self._file.truncate()
        self.size = 0

    def add(self, piece: bytes) -> None:
        """:raises OSError: ENOSPC among others."""
        view = memoryview(piece)
        while view:
            view = view[self._file.write(view) :]
        self.size += len(piece)

    def seal(self) -> pathlib.Path:
        """Let nobody write to it any more; where it is to be read.

        That name is this process's, for as long as it is not closed.
        """
        number = self._file.fileno()
        os.fchmod(number, 0o400)
        self._reading = os.open(f'/proc/self/fd/{number}', os.O_RDONLY)
        self._file.close()
        return pathlib.Path(f'/proc/{os.getpid()}/fd/{self._reading}')

    def close(self) -> None:
        self._file.close()
        if self._reading is not None:
            os.close(self._reading)
            self._reading = None


class _Intake:
    """What passes on its way into a copy, and whether it is signed.

    :ivar copy: Holds what passed since the last start.
    :ivar whole: A download passed from its beginning to its end.
    """

    def __init__(
        self, copy: Copy, begin: Callable[[], certificates.Verifier | None]
    ) -> None:
        self.copy = copy
        self._begin = begin
        # At once: what cannot be right need not be downloaded.
        self._verifier = begin()
        self._fresh = True
        self.whole = False

    def restart(self) -> None:
        self.whole = False
        if not self._fresh:
            self.copy.restart()
            # Asks the key manager again.
            self._verifier = self._begin()
            self._fresh = True

    def add(self, piece: bytes) -> None:
        self._fresh = False
        self.copy.add(piece)
        if self._verifier is not None:
            self._verifier.update(piece)

    def finish(self) -> None:
        """:raises errors.Untrusted: The signature is of other bytes."""
        if self._verifier is not None:
            self._verifier.finish()


class Tap:
    """A download whose bytes also go to whoever waits for them.

    That is the thread that downloads, and it alone.
    """

    def __init__(self, download: agent_cache.Download) -> None:
        self._download = download
        self._here = threading.local()

    def download(self, image_uuid: str, start: int = 0) -> Iterator[bytes]:
        intake: _Intake | None = getattr(self._here, 'intake', None)
        if intake is not None:
            intake.restart()
        for piece in self._download(image_uuid, start):
            if intake is not None:
                intake.add(piece)
            yield piece
        if intake is not None:
            # What was broken off goes on: its beginning came earlier.
            intake.whole = not start

    @contextlib.contextmanager
    def open(self, intake: _Intake) -> Iterator[None]:
        self._here.intake = intake
        try:
            yield
        finally:
            self._here.intake = None


class Custody:
    """Hands images to who loads them. Thread-safe.

    :param cache: Downloads through *tap*.
    :param directory: Where there is room for the copies.
    """

    def __init__(
        self,
        cache: agent_cache.Cache,
        tap: Tap,
        directory: pathlib.Path,
        rules: signature.Rules,
        keys: certificates.Certificates,
    ) -> None:
        self._cache = cache
        self._tap = tap
        self._directory = directory
        self._rules = rules
        self._certificates = keys
        self._kept: list[Copy] = []

    def keep(self, source: pathlib.Path) -> pathlib.Path:
        """Copy a file of the operator's, as it is now, until :meth:`close`.

        :raises OSError: It cannot be read, or not be written here.
        """
        content = source.read_bytes()
        copy = Copy(self._directory)
        self._kept.append(copy)
        copy.add(content)
        return copy.seal()

    def close(self) -> None:
        """Let go of what was kept."""
        while self._kept:
            self._kept.pop().close()

    @contextlib.contextmanager
    def fetch(
        self, operation: model.Operation, progress: agent_cache.Progress
    ) -> Iterator[pathlib.Path]:
        """Provide the image of *operation*, checked, for a ``with`` block.

        Raises what ``Cache.fetch`` does, and besides:

        :raises errors.Untrusted: It is not signed as it must be.
        :raises errors.ServiceUnavailable: Its signature cannot be checked
            now.
        """
        self._refuse(operation)
        with Copy(self._directory) as copy:
            intake = _Intake(copy, lambda: self._verifier(operation))
            try:
                self._take(operation, progress, intake)
            except _Altered as exc:
                LOG.warning('%s; it is downloaded once more', exc)
                self._take(operation, progress, intake)
            intake.finish()
            yield copy.seal()

    def _refuse(self, operation: model.Operation) -> None:
        said = operation.image_signature or {}
        if operation.kind is model.OperationKind.WIPE:
            # Loaded once more, for nobody: it was somebody's before.
            reason = self._rules.fault(said)
        else:
            reason = self._rules.refusal(said, operation.project_id)
        if reason:
            raise errors.Untrusted(reason=reason)

    def _verifier(
        self, operation: model.Operation
    ) -> certificates.Verifier | None:
        said = operation.image_signature or {}
        if not self._rules.checked(said):
            return None
        return self._certificates.verifier(said)

    def _take(
        self,
        operation: model.Operation,
        progress: agent_cache.Progress,
        intake: _Intake,
    ) -> None:
        """Fill *intake* with bytes that have the right hash.

        :raises _Altered: The cache had others, and has them no more.
        """
        intake.restart()
        with self._tap.open(intake):
            fetched = self._cache.fetch(operation, progress)
            with fetched as path:
                # What was downloaded just now was hashed as it passed.
                if not intake.whole:
                    self._read(path, operation, intake)

    def _read(
        self, path: pathlib.Path, operation: model.Operation, intake: _Intake
    ) -> None:
        try:
            digest = _through(path, operation, intake)
        except FileNotFoundError as exc:
            raise _Altered(f'Bitstream {path} has gone') from exc
        except OSError as exc:
            if exc.errno not in _FULL:
                raise
            self._cache.spare(operation.image_size or intake.copy.size)
            digest = _through(path, operation, intake)
        if digest != operation.image_hash_value:
            path.unlink(missing_ok=True)
            raise _Altered(f'Bitstream {path} was altered on disk')


class _Altered(errors.BadBitstream):
    """What is in the cache is not what was put there."""


def _through(
    path: pathlib.Path, operation: model.Operation, intake: _Intake
) -> str:
    digest = hashlib.new(str(operation.image_hash_algo))
    intake.restart()
    with path.open('rb', buffering=0) as stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
            intake.add(piece)
    return digest.hexdigest()
