"""Several processes that do one thing at the same moment, again and again."""

import dataclasses
import functools
import multiprocessing
import tempfile
import time
from collections.abc import Mapping
from collections.abc import Sequence
from multiprocessing import connection as pipes
from multiprocessing import synchronize
from multiprocessing import util
from typing import Any
from unittest import mock

import fixtures
from sqlalchemy import event

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga.db import engine
from tests.fixtures import database
from tests.fixtures import folders
from tests.functional.db import tasks

WORKERS = 8
_PATIENCE = 120
#: Seconds between the moments at which all may start.
_TOGETHER = 0.02


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What one process's task came to.

    Times are of a clock that all processes of a machine share.

    :ivar value: What it returned; None when it raised.
    :ivar error: Class name of one of our errors, or ``leaked: …``.
    :ivar entered: When it sent the first statement that takes a lock.
    :ivar committing: When it was about to commit what counts.
    """

    value: Any
    error: str | None
    entered: float | None
    committing: float | None


class Race(fixtures.Fixture):
    """Processes with connections of their own, waiting for work."""

    def __init__(self, url: str, workers: int = WORKERS) -> None:
        super().__init__()
        self._url = url
        self._workers = workers

    def _setUp(self) -> None:
        start = _processes()
        self._barrier = start.Barrier(self._workers)
        self._pipes = []
        for _ in range(self._workers):
            ours, theirs = start.Pipe()
            process = start.Process(
                target=_work,
                args=(self._url, self._barrier, theirs),
                daemon=True,
            )
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self.addCleanup(_end, process, ours)

    def run(
        self, work: Sequence[tuple[str, Mapping[str, Any]]]
    ) -> list[Outcome]:
        """Do all of *work* at once: (function of ``tasks``, arguments)."""
        assert len(work) == self._workers, len(work)
        for pipe, item in zip(self._pipes, work, strict=True):
            pipe.send(item)
        outcomes = []
        for pipe in self._pipes:
            if not pipe.poll(_PATIENCE):
                raise AssertionError('a process does not answer')
            outcomes.append(pipe.recv())
        return outcomes


@functools.cache
def _processes() -> Any:
    """Start processes that inherit none of our connections, but need not
    import everything for themselves.
    """
    # Its socket must outlive the temporary directory of the first test.
    with mock.patch.object(tempfile, 'tempdir', str(folders.own())):
        util.get_temp_dir()
    start = multiprocessing.get_context('forkserver')
    start.set_forkserver_preload([__name__])
    return start


def _end(process: Any, pipe: pipes.Connection) -> None:
    pipe.close()
    process.join(10)
    if process.is_alive():
        process.kill()
        process.join()


def contenders(outcomes: Sequence[Outcome], winner: Outcome) -> int:
    """How many had reached the locks before the winner let go of them.

    Each of these might have won: it had asked the database for the lock
    while the winner was not yet done, so one of both had to wait.
    """
    assert winner.committing is not None
    return sum(
        1
        for outcome in outcomes
        if outcome.entered is not None and outcome.entered < winner.committing
    )


class _Watch:
    """Notes when this process takes locks and lets go of them."""

    def __init__(self) -> None:
        self.reset()
        target = engine.get_engine()
        event.listen(target, 'before_cursor_execute', self._executing)
        event.listen(target, 'commit', self._committing)

    def reset(self) -> None:
        self.entered: float | None = None
        self.committing: float | None = None

    def _executing(
        self, conn: Any, cursor: Any, statement: str, *rest: Any
    ) -> None:
        # SQLite locks when the transaction begins.
        locks = statement.startswith(('UPDATE', 'BEGIN IMMEDIATE'))
        if locks and self.entered is None:
            self.entered = time.monotonic()

    def _committing(self, conn: Any) -> None:
        self.committing = time.monotonic()


def _work(
    url: str, barrier: synchronize.Barrier, pipe: pipes.Connection
) -> None:
    database.configure(url)
    watch = _Watch()
    ctx = context.service()
    while True:
        try:
            name, arguments = pipe.recv()
        except EOFError:
            return
        task = getattr(tasks, name)
        value, error = None, None
        barrier.wait(_PATIENCE)
        # The barrier lets go of one after the other.
        time.sleep(_TOGETHER - time.monotonic() % _TOGETHER)
        watch.reset()
        try:
            value = task(ctx, **arguments)
        except errors.FPGAError as exc:
            error = type(exc).__name__
        except Exception as exc:
            error = f'leaked: {exc!r}'
        pipe.send(Outcome(value, error, watch.entered, watch.committing))
