"""What the agent must still know after a power failure.

One JSON file per operation, the highest fence per deployable, and a boot
counter. Every write is: temporary file, fsync, rename, fsync of the
directory; when it returns, the new contents survive, and before that the old
ones do.
"""

import dataclasses
import enum
import errno
import fcntl
import json
import os
import pathlib
import re
import threading
import time
from typing import Any

from oslo_log import log as logging

from cyborg_fpga import errors
from cyborg_fpga import model

LOG = logging.getLogger(__name__)

#: How long a delivered outcome can still be asked for.
KEEP_SECONDS = 86400.0

_ENTRY_NAME = re.compile(r'(?P<uuid>[0-9a-f-]{36})\.(?P<fence>\d+)\.json')
_TEMPORARY = '.tmp'
_LOCK_WAIT = 5.0


class Stage(enum.StrEnum):
    """How far an operation is, in order."""

    ACCEPTED = 'accepted'
    FETCHING = 'fetching'
    VERIFYING = 'verifying'
    PROGRAMMING = 'programming'
    PROGRAMMED = 'programmed'
    READING_BACK = 'reading_back'
    DONE = 'done'


#: Unfinished stages in which the card may have been written to.
TOUCHED = (Stage.PROGRAMMING, Stage.PROGRAMMED, Stage.READING_BACK)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Entry(model.Wire):
    """One operation as the journal has it.

    :ivar expected: What read-back must show; set before ``programming``.
    :ivar telling: Read-back showed something else before, so that finding
        *expected* now proves that the card was programmed.
    :ivar attempt: With which the conductor is asked for leave. It stays the
        same as long as the entry: an agent that restarts before the first
        byte asks again as the same, and after it never asks.
    :ivar delivered: A conductor has confirmed the outcome.
    """

    operation: model.Operation
    status: model.OperationStatus
    stage: Stage = Stage.ACCEPTED
    expected: str | None = None
    telling: bool = False
    attempt: str | None = None
    delivered: bool = False
    accepted_at: float = 0.0
    finished_at: float = 0.0


class Journal:
    """The agent's state directory; held by one agent at a time.

    Thread-safe. :meth:`open` before anything else.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._entries = path / 'operations'
        self._lock = threading.Lock()
        self._fences: dict[str, int] = {}
        self._lock_file: int | None = None

    def open(self) -> None:
        """Create the directory, lock it, and read the fences.

        :raises errors.ServiceUnavailable: Another agent uses it.
        :raises OSError: It cannot be created or written.
        """
        self._entries.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sync_directory(self._path)
        self._lock_file = self._acquire()
        for leftover in (
            *self._path.glob(f'*{_TEMPORARY}'),
            *self._entries.glob(f'*{_TEMPORARY}'),
        ):
            LOG.warning('Removing half-written %s', leftover)
            leftover.unlink()
        self._fences = self._load_fences()

    def close(self) -> None:
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def load(self) -> tuple[list[Entry], list[model.OperationStatus]]:
        """Read every entry.

        :returns: The readable entries, oldest first, and for each unreadable
            one the failed status that its file name allows.
        """
        entries = []
        broken = []
        for path in sorted(self._entries.iterdir()):
            try:
                entries.append(Entry.from_wire(json.loads(path.read_text())))
            except (OSError, ValueError, TypeError) as exc:
                LOG.error('Unreadable journal entry %s: %s', path, exc)
                match = _ENTRY_NAME.fullmatch(path.name)
                if match:
                    broken.append(_interrupted(match))
        entries.sort(key=lambda entry: entry.accepted_at)
        return entries, broken

    def write(self, entry: Entry) -> None:
        """Make *entry* what is known of its operation; durable on return.

        :raises OSError: Not written; what was there before still holds.
        """
        with self._lock:
            self._check_open()
            _replace(self._file(entry.status), entry.to_wire())

    def forget(self, status: model.OperationStatus) -> None:
        """Remove an entry; repeating it is harmless."""
        self._file(status).unlink(missing_ok=True)

    def fence(self, deployable: str) -> int:
        return self._fences.get(deployable, 0)

    def fences(self) -> dict[str, int]:
        return dict(self._fences)

    def raise_fence(self, deployable: str, fence: int) -> bool:
        """Persist *fence* if it is higher; tell whether it was.

        :raises OSError: Not written; the old fence still holds.
        """
        with self._lock:
            if fence <= self.fence(deployable):
                return False
            self._check_open()
            fences = {**self._fences, deployable: fence}
            _replace(self._path / 'fences.json', fences)
            self._fences = fences
            return True

    def next_boot(self) -> int:
        """Number this start: higher than every earlier one, durable."""
        path = self._path / 'boot.json'
        try:
            last = int(json.loads(path.read_text()))
        except FileNotFoundError:
            last = 0
        except (OSError, ValueError, TypeError) as exc:
            # The clock keeps the number growing where the file is lost.
            LOG.error('Unreadable boot counter %s: %s', path, exc)
            last = 0
        boot = max(last + 1, int(time.time()))
        _replace(path, boot)
        return boot

    def _file(self, status: model.OperationStatus) -> pathlib.Path:
        return self._entries / f'{status.uuid}.{status.fence}.json'

    def _check_open(self) -> None:
        # A card that hangs may come back when a next agent has the directory.
        if self._lock_file is None:
            raise OSError(errno.EBADF, 'the journal is closed')

    def _acquire(self) -> int:
        lock = os.open(
            self._path / 'lock', os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        give_up = time.monotonic() + _LOCK_WAIT
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return lock
            except BlockingIOError as exc:
                # A helper process of a killed agent may need a moment to go.
                if time.monotonic() > give_up:
                    os.close(lock)
                    raise errors.ServiceUnavailable(
                        service=str(self._path),
                        reason='another agent is using it',
                    ) from exc
                time.sleep(0.1)

    def _load_fences(self) -> dict[str, int]:
        path = self._path / 'fences.json'
        try:
            loaded = json.loads(path.read_text())
            return {str(key): int(value) for key, value in loaded.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as exc:
            # The conductor answers the next report with the fences it knows,
            # and `begin` refuses given-up operations until then.
            LOG.error('Unreadable fences %s: %s', path, exc)
        fences: dict[str, int] = {}
        for entry in self.load()[0]:
            name = entry.operation.deployable
            fences[name] = max(fences.get(name, 0), entry.operation.fence)
        return fences


def _interrupted(match: re.Match[str]) -> model.OperationStatus:
    return model.OperationStatus(
        uuid=match['uuid'],
        fence=int(match['fence']),
        done=True,
        touched=True,
        step=Stage.DONE.value,
        progress=100,
        cause=model.Cause.INTERRUPTED,
        detail='the journal entry of the operation is damaged',
    )


def _replace(path: pathlib.Path, content: Any) -> None:
    temporary = path.with_name(path.name + _TEMPORARY)
    try:
        with temporary.open('w') as stream:
            # json.dump() would encode in Python, many times as slow.
            stream.write(json.dumps(content, sort_keys=True))
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _sync_directory(path: pathlib.Path) -> None:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
