"""An operation on its way through this agent, and how one ends badly."""

import errno
import threading
import time
from typing import Any

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.agent import journal

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_GONE = (errno.ENODEV, errno.ENXIO, errno.ENOENT)

_CAUSES: tuple[tuple[type[Exception], model.Cause], ...] = (
    (errors.BadBitstream, model.Cause.IMAGE_CORRUPT),
    (errors.DoesNotFit, model.Cause.DOES_NOT_FIT),
    (errors.Untrusted, model.Cause.IMAGE_UNTRUSTED),
)

#: What a driver raises where a card cannot be read.
UNREADABLE = (errors.DeviceFailed, errors.NotFound, OSError)

# What a download says about the image rather than about us.
_UNAVAILABLE = (
    errors.BitstreamUnusable,
    errors.Forbidden,
    errors.NotFound,
    errors.ServiceUnavailable,
)


class Failure(Exception):
    """Ends an operation with *cause* and *detail*."""

    def __init__(self, cause: model.Cause, detail: str) -> None:
        super().__init__(f'{cause}: {detail}')
        self.cause = cause
        self.detail = detail


class Stopped(Exception):
    """The agent is stopping; the journal says where to go on."""


class Task:
    """One operation and where it is.

    Only the worker that has taken it (or, before that, the executor under
    its lock) replaces ``entry``; anybody may read it.

    :ivar taken: A worker has it; set under the executor's lock.
    :ivar begun: Nothing can recall it any more; likewise.
    """

    def __init__(
        self, entry: journal.Entry, stopping: threading.Event
    ) -> None:
        self.entry = entry
        self.taken = False
        self.begun = entry.stage in journal.TOUCHED
        self.cancelled = threading.Event()
        self.stopping = stopping

    @property
    def operation(self) -> model.Operation:
        return self.entry.operation

    @property
    def status(self) -> model.OperationStatus:
        return self.entry.status

    @property
    def done(self) -> bool:
        return self.entry.stage is journal.Stage.DONE

    def check(self) -> None:
        """Go on only while there is a reason to.

        The conductor owns the deadline; this only saves work.

        :raises Failure: Cancelled, or past the deadline.
        :raises Stopped: The agent is stopping.
        """
        if self.stopping.is_set():
            raise Stopped
        if self.cancelled.is_set():
            raise Failure(model.Cause.CANCELLED, 'cancelled before it began')
        if self.operation.seconds_left > 0 and self.overdue():
            raise Failure(
                model.Cause.TIMEOUT,
                f'not begun within {self.operation.seconds_left:.0f} s',
            )

    def outcome(self, **values: Any) -> model.OperationStatus:
        """Build the final status."""
        return model.OperationStatus(
            uuid=self.operation.uuid,
            fence=self.operation.fence,
            done=True,
            progress=100,
            step=journal.Stage.DONE.value,
            **values,
        )

    def overdue(self) -> bool:
        """Past what was left to the deadline when it was accepted."""
        end = self.entry.accepted_at + self.operation.seconds_left
        return time.time() > end


def failure_from(exc: Exception, stage: journal.Stage) -> Failure | None:
    """Name the cause of *exc*; None where it is a bug of ours."""
    if isinstance(exc, Failure):
        return exc
    if isinstance(exc, errors.DeviceFailed):
        return _device_failure(exc)
    for kind, cause in _CAUSES:
        if isinstance(exc, kind):
            return Failure(cause, exc.args[0])
    if stage is journal.Stage.FETCHING and isinstance(exc, _UNAVAILABLE):
        return Failure(model.Cause.IMAGE_UNAVAILABLE, exc.message)
    if isinstance(exc, errors.NotFound):
        return Failure(model.Cause.DEVICE_GONE, exc.message)
    if isinstance(exc, OSError):
        return _os_failure(exc, stage)
    return None


def _device_failure(exc: errors.DeviceFailed) -> Failure:
    try:
        cause = model.Cause(exc.kwargs['cause'])
    except (KeyError, ValueError):
        cause = model.Cause.DEVICE_ERROR
    return Failure(cause, str(exc.kwargs.get('detail') or exc.message))


def _os_failure(exc: OSError, stage: journal.Stage) -> Failure | None:
    detail = exc.strerror or str(exc)
    if exc.errno in _NO_SPACE:
        return Failure(model.Cause.NO_SPACE, detail)
    if stage not in journal.TOUCHED:
        return None
    if exc.errno in _GONE:
        return Failure(model.Cause.DEVICE_GONE, detail)
    if exc.errno == errno.EBUSY:
        return Failure(model.Cause.DEVICE_BUSY, detail)
    return Failure(model.Cause.DEVICE_ERROR, detail)
