"""What a card's worker does with one operation, step by step.

The journal is written before the first byte reaches the card, after the
last, and after read-back; the outcome is what was read back and never what
a call returned.
"""

import contextlib
import dataclasses
import functools
import pathlib
import time
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import oslo_messaging as messaging
from oslo_log import log as logging

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import killpoints
from cyborg_fpga import model
from cyborg_fpga.agent import custody
from cyborg_fpga.agent import journal
from cyborg_fpga.agent import outbox
from cyborg_fpga.agent import recovery
from cyborg_fpga.agent import task as agent_task
from cyborg_fpga.agent import wiping
from cyborg_fpga.drivers import base
from cyborg_fpga.rpc import conductor as conductor_rpc

LOG = logging.getLogger(__name__)

_Stage = journal.Stage

#: Shown progress on entering a stage; the download fills the first gap.
_PERCENT = {
    _Stage.ACCEPTED: 0,
    _Stage.FETCHING: 0,
    _Stage.VERIFYING: 60,
    _Stage.PROGRAMMING: 65,
    _Stage.PROGRAMMED: 90,
    _Stage.READING_BACK: 95,
    _Stage.DONE: 100,
}

_FIRST_RETRY = 0.25
_LAST_RETRY = 5.0

# A conductor's last word: the operation ended, or never was.
_REFUSED = (errors.NotFound, errors.StaleFence, errors.WrongState)


class Work:
    """Brings tasks to their end. Stateless: every card's worker uses it.

    :ivar admit: Makes a task irrevocable, or raises Failure where its fence
        is old or it was cancelled.
    :ivar levels: Wipe levels of a deployable by name, weakest first; empty
        while unknown.
    """

    def __init__(
        self,
        entries: journal.Journal,
        drivers: Mapping[str, base.Driver],
        cache: custody.Custody,
        conductor: conductor_rpc.ConductorAPI,
        out: outbox.Outbox,
        *,
        admit: Callable[[agent_task.Task], None],
        levels: Callable[[str], tuple[model.WipeLevel, ...]],
    ) -> None:
        self._journal = entries
        self._drivers = drivers
        self._cache = cache
        self._conductor = conductor
        self._outbox = out
        self._admit = admit
        self._levels = levels

    def perform(self, task: agent_task.Task) -> None:
        """Bring *task* to ``done``, unless the agent is stopping.

        Blocks for as long as download and card take; raises nothing.
        """
        try:
            status = self._attempt(task)
        except agent_task.Stopped:
            return
        except Exception as exc:
            # The top of a card's thread: its other operations go on.
            status = self._failed(task, exc)
        self.finish(task, status)

    def finish(
        self, task: agent_task.Task, status: model.OperationStatus
    ) -> None:
        """Journal the outcome of *task*."""
        self._note(task, _Stage.DONE, status=status, finished_at=time.time())
        LOG.info(
            'Operation %s on %s: %s',
            status.uuid,
            task.operation.deployable,
            'succeeded' if status.succeeded else status.cause,
        )
        killpoints.reached('journalled_done')

    def _attempt(self, task: agent_task.Task) -> model.OperationStatus:
        operation = task.operation
        driver = self._drivers.get(operation.driver)
        if task.entry.stage in journal.TOUCHED:
            return recovery.recover(task, driver)
        task.check()
        if driver is None:
            raise agent_task.Failure(
                model.Cause.DEVICE_GONE,
                f'driver {operation.driver} is not enabled on this host',
            )
        if operation.kind is model.OperationKind.WIPE:
            return self._wipe(task, driver)
        return self._program(task, driver)

    def _program(
        self, task: agent_task.Task, driver: base.Driver
    ) -> model.OperationStatus:
        operation = task.operation
        self._advance(task, _Stage.FETCHING)
        with self._cache.fetch(operation, self._meter(task)) as image:
            killpoints.reached('fetched')
            self._advance(task, _Stage.VERIFYING)
            expected = driver.expected_function(
                image, told=operation.expected_function
            )
            if operation.expected_function not in (None, expected):
                raise agent_task.Failure(
                    model.Cause.IMAGE_MISMATCH,
                    f'the file holds function {expected}, not '
                    f'{operation.expected_function}',
                )
            killpoints.reached('verified')
            return self._write(
                task,
                driver,
                expected,
                lambda: driver.program(
                    operation.device, operation.deployable, image
                ),
                telling=self._shows_other(driver, operation, expected),
            )

    def _wipe(
        self, task: agent_task.Task, driver: base.Driver
    ) -> model.OperationStatus:
        operation = task.operation
        level = operation.wipe_level or model.WipeLevel.NONE
        if level is model.WipeLevel.NONE:
            found = driver.identify(operation.device, operation.deployable)
            return self._write(task, driver, found, None)
        with contextlib.ExitStack() as held:
            image = None
            if level is model.WipeLevel.RESET:
                level, image = self._reset(task, driver, held)
            act = functools.partial(
                driver.wipe,
                operation.device,
                operation.deployable,
                level,
                image=image,
            )
            keeps = level is not model.WipeLevel.CLEAR
            return self._write(
                task,
                driver,
                operation.expected_function if keeps else None,
                act,
                # What a blank image shows, its driver alone knows and checks.
                any_function=level is model.WipeLevel.BLANK,
            )

    def _reset(
        self,
        task: agent_task.Task,
        driver: base.Driver,
        held: contextlib.ExitStack,
    ) -> tuple[model.WipeLevel, pathlib.Path | None]:
        """How deep a reset must go here, and the file that it loads again."""
        operation = task.operation
        offered = self._levels(operation.deployable)
        level = wiping.reset_level(
            operation,
            offered,
            lambda: self._shows_other(
                driver,
                operation,
                operation.expected_function,
                unreadable=True,
            ),
        )
        if level is not model.WipeLevel.RESET or not operation.image_uuid:
            return level, None
        self._advance(task, _Stage.FETCHING)
        fetched = self._cache.fetch(operation, self._meter(task))
        try:
            return level, held.enter_context(fetched)
        except (errors.FPGAError, OSError) as exc:
            LOG.warning('Nothing to load again after a reset: %s', exc)
            return wiping.clear_level(offered), None

    def _shows_other(
        self,
        driver: base.Driver,
        operation: model.Operation,
        expected: str | None,
        *,
        unreadable: bool = False,
    ) -> bool:
        """Tell whether the card shows something else than *expected* now."""
        try:
            found = driver.identify(operation.device, operation.deployable)
        except agent_task.UNREADABLE as exc:
            LOG.debug('Cannot read %s: %s', operation.deployable, exc)
            return unreadable
        return found != expected

    def _write(
        self,
        task: agent_task.Task,
        driver: base.Driver,
        expected: str | None,
        act: Callable[[], None] | None,
        *,
        telling: bool = False,
        any_function: bool = False,
    ) -> model.OperationStatus:
        """Do *act* on the card, with everything before and after it.

        :param act: None: nothing is to be done.
        """
        operation = task.operation
        self._begin(task)
        if act is not None:
            self._refuse_users(driver, operation)
        self._advance(
            task, _Stage.PROGRAMMING, expected=expected, telling=telling
        )
        killpoints.reached('journalled_programming')
        if act is not None:
            act()
        killpoints.reached('programmed_before_journal')
        self._note(task, _Stage.PROGRAMMED)
        killpoints.reached('journalled_programmed')
        self._note(task, _Stage.READING_BACK)
        found = driver.identify(operation.device, operation.deployable)
        killpoints.reached('read_back')
        if found != expected and not any_function:
            raise agent_task.Failure(
                model.Cause.READBACK_MISMATCH,
                f'the card shows function {found} instead of {expected}',
            )
        return task.outcome(succeeded=True, touched=True, function_id=found)

    def _refuse_users(
        self, driver: base.Driver, operation: model.Operation
    ) -> None:
        """Leave a region alone that a guest or a process has open.

        The kernel would reprogram or reset it under them.
        """
        found = driver.users(operation.device, operation.deployable)
        if found:
            raise agent_task.Failure(
                model.Cause.DEVICE_BUSY,
                f'it is in use: {"; ".join(map(str, found))}',
            )

    def _begin(self, task: agent_task.Task) -> None:
        """Get the conductor's leave, then make *task* irrevocable."""
        operation = task.operation
        wait = _FIRST_RETRY
        while True:
            task.check()
            try:
                self._conductor.begin(
                    context.service(),
                    operation.uuid,
                    operation.fence,
                    attempt=task.entry.attempt,
                )
                break
            except _REFUSED as exc:
                raise agent_task.Failure(
                    model.Cause.STALE, exc.message
                ) from exc
            except (errors.FPGAError, messaging.MessagingException) as exc:
                # It may have been heard all the same: the same attempt is
                # given the same leave, or none and then nothing is touched.
                LOG.warning('No leave yet for %s: %s', operation.uuid, exc)
            task.stopping.wait(wait)
            wait = min(wait * 2, _LAST_RETRY)
        killpoints.reached('begun')
        self._admit(task)

    def _failed(
        self, task: agent_task.Task, exc: Exception
    ) -> model.OperationStatus:
        stage = task.entry.stage
        failure = agent_task.failure_from(exc, stage)
        if failure is None:
            LOG.error('Operation %s failed', task.operation.uuid, exc_info=exc)
            failure = agent_task.Failure(
                model.Cause.INTERNAL, 'the agent failed; its log says why'
            )
        # A driver that refuses the file has not written to the card, by its
        # contract, so what was recorded of it still holds.
        touched = stage in journal.TOUCHED and not isinstance(
            exc, (errors.BadBitstream, errors.DoesNotFit)
        )
        return task.outcome(
            touched=touched,
            function_id=self._peek(task) if touched else None,
            cause=failure.cause,
            detail=failure.detail,
        )

    def _peek(self, task: agent_task.Task) -> str | None:
        operation = task.operation
        try:
            return self._drivers[operation.driver].identify(
                operation.device, operation.deployable
            )
        except Exception as exc:
            # Still the top of the thread: what a driver does wrong now must
            # not hide the first failure.
            LOG.warning('Cannot read %s: %s', operation.deployable, exc)
            return None

    def _advance(
        self, task: agent_task.Task, stage: journal.Stage, **changes: Any
    ) -> None:
        """Journal that *task* is at *stage*, then tell.

        :raises OSError: It is not journalled: do not go on.
        """
        entry = _at(task, stage, **changes)
        self._journal.write(entry)
        task.entry = entry
        if stage is not _Stage.DONE:
            self._outbox.tell(entry.status)

    def _note(
        self, task: agent_task.Task, stage: journal.Stage, **changes: Any
    ) -> None:
        """As :meth:`_advance`, but go on where the journal cannot be written.

        The card has changed already; a restart would read it back again.
        """
        try:
            self._advance(task, stage, **changes)
        except OSError as exc:
            LOG.error('Cannot journal %s: %s', task.operation.uuid, exc)
            task.entry = _at(task, stage, **changes)

    def _meter(
        self, task: agent_task.Task
    ) -> Callable[[int, int | None], None]:
        """Make the download's callback: progress, and a reason to stop."""

        def meter(done: int, total: int | None) -> None:
            task.check()
            if not total:
                return
            percent = min(done, total) * _PERCENT[_Stage.VERIFYING] // total
            if percent > task.status.progress:
                status = dataclasses.replace(task.status, progress=percent)
                task.entry = dataclasses.replace(task.entry, status=status)
                self._outbox.tell(status)

        return meter


def _at(
    task: agent_task.Task, stage: journal.Stage, **changes: Any
) -> journal.Entry:
    if 'status' not in changes:
        changes['status'] = dataclasses.replace(
            task.status, step=stage.value, progress=_PERCENT[stage]
        )
    return dataclasses.replace(task.entry, stage=stage, **changes)
