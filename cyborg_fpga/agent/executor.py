"""Operations on this host's cards: admission, order, fences, recovery.

One worker thread per card, since all regions of a card share one management
engine; a driver call that hangs blocks its own card only.
"""

import collections
import dataclasses
import functools
import threading
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from typing import NamedTuple

from oslo_log import log as logging
from oslo_utils import uuidutils

from cyborg_fpga import errors
from cyborg_fpga import killpoints
from cyborg_fpga import model
from cyborg_fpga.agent import custody
from cyborg_fpga.agent import journal
from cyborg_fpga.agent import lanes
from cyborg_fpga.agent import outbox
from cyborg_fpga.agent import task as agent_task
from cyborg_fpga.agent import work
from cyborg_fpga.drivers import base
from cyborg_fpga.rpc import conductor as conductor_rpc

LOG = logging.getLogger(__name__)


class _Chore(NamedTuple):
    """What is no operation but needs the card to itself."""

    device: model.PciAddress
    act: Callable[[], None]


class Activity(NamedTuple):
    """A moment of the executor, to compare a later one with."""

    unfinished: frozenset[model.PciAddress]
    accepted: Mapping[model.PciAddress, int]


class Executor:
    """Runs each operation id at most once on its card.

    Thread-safe. The journal must be open when :meth:`start` is called.

    :param changed: Called after each operation and each raised fence, in
        any thread: the next report says something new.
    """

    def __init__(
        self,
        entries: journal.Journal,
        drivers: Mapping[str, base.Driver],
        cache: custody.Custody,
        conductor: conductor_rpc.ConductorAPI,
        *,
        changed: Callable[[], None],
    ) -> None:
        self._journal = entries
        self._changed = changed
        self._outbox = outbox.Outbox(conductor)
        self._work = work.Work(
            entries,
            drivers,
            cache,
            conductor,
            self._outbox,
            admit=self._admit,
            levels=self._levels_of,
        )
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._tasks: dict[str, agent_task.Task] = {}
        self._damaged: dict[str, model.OperationStatus] = {}
        self._lanes = lanes.Lanes(self._serve)
        self._chores: collections.Counter[model.PciAddress] = (
            collections.Counter()
        )
        self._deferred: dict[str, int] = {}
        self._accepted: collections.Counter[model.PciAddress] = (
            collections.Counter()
        )
        self._levels: dict[str, tuple[model.WipeLevel, ...]] = {}

    def start(self) -> None:
        """Take up what an earlier agent left, and start the threads."""
        entries, damaged = self._journal.load()
        with self._lock:
            for entry in entries:
                self._tasks[entry.status.uuid] = agent_task.Task(
                    entry, self._stopping
                )
            self._damaged = {status.uuid: status for status in damaged}
            # Outcomes of what had begun come before what has not.
            for task in sorted(
                self._tasks.values(), key=lambda task: not task.begun
            ):
                self._resume(task)
        for status in damaged:
            self._outbox.deliver(
                status, functools.partial(self._journal.forget, status)
            )
        self._outbox.start()
        self.purge()

    def stop(self, timeout: float = 10.0) -> None:
        """Begin nothing more and wait for what runs on a card.

        What does not end in time goes on as recovery at the next start.
        """
        with self._lock:
            self._stopping.set()
            self._lanes.close()
        self._lanes.join(timeout)
        self._outbox.stop()

    def run(self, operation: model.Operation) -> model.OperationStatus:
        """Journal *operation* and return; its card's worker does the rest.

        Safe to repeat: of a known uuid the status is answered.

        :raises errors.StaleFence: A higher fence is known.
        :raises errors.ServiceUnavailable: It cannot be journalled, or the
            agent is stopping.
        """
        self.purge()
        with self._lock:
            known = self.status(operation.uuid)
            if known is not None:
                return known
            self._refuse_stale(operation)
            if self._stopping.is_set():
                raise errors.ServiceUnavailable(
                    service='agent', reason='it is stopping'
                )
            task = agent_task.Task(_accepted(operation), self._stopping)
            try:
                self._journal.raise_fence(
                    operation.deployable, operation.fence
                )
                self._journal.write(task.entry)
            except OSError as exc:
                raise errors.ServiceUnavailable(
                    service='the journal of the agent',
                    reason=exc.strerror or str(exc),
                ) from exc
            killpoints.reached('accepted')
            LOG.info(
                'Accepted operation %s: %s %s with fence %s',
                operation.uuid,
                operation.kind,
                operation.deployable,
                operation.fence,
            )
            self._drop_stale(operation.deployable)
            self._tasks[operation.uuid] = task
            self._enqueue(task)
            return task.status

    def run_alone(
        self, device: model.PciAddress, act: Callable[[], None]
    ) -> None:
        """Have *act* done when no operation is on the card, and return.

        The card counts as busy until then.
        """
        with self._lock:
            if not self._stopping.is_set():
                self._chores[device] += 1
                self._accepted[device] += 1
                self._lanes.put(device, _Chore(device, act))

    def status(self, uuid: str) -> model.OperationStatus | None:
        """What is known of an operation; None: never heard of it."""
        task = self._tasks.get(uuid)
        return task.status if task else self._damaged.get(uuid)

    def cancel(self, uuid: str) -> None:
        """Drop an operation that has not begun; otherwise do nothing."""
        with self._lock:
            task = self._tasks.get(uuid)
            if task is None or task.begun or task.done:
                return
            task.cancelled.set()
            if not task.taken:
                self._drop(task, model.Cause.CANCELLED, 'cancelled')

    def raise_fences(self, fences: Mapping[str, int]) -> bool:
        """Refuse from now on what is below *fences*, by deployable name.

        While an older operation is on the card, its fence is raised when it
        has ended: only then is a report with the new fence the truth.

        :returns: Whether any was raised now.
        """
        raised = False
        with self._lock:
            for name, fence in fences.items():
                if self._begun_below(name, fence):
                    self._deferred[name] = max(
                        fence, self._deferred.get(name, 0)
                    )
                elif self._raise(name, fence):
                    raised = True
        return raised

    def fences(self) -> Mapping[str, int]:
        """The highest fences persisted, by deployable name."""
        return self._journal.fences()

    def learn(self, devices: Iterable[model.DeviceReport]) -> None:
        """Remember what the cards of a report can do."""
        self._levels = {
            deployable.name: deployable.wipe_levels
            for device in devices
            for deployable in device.deployables
        }

    def _levels_of(self, deployable: str) -> tuple[model.WipeLevel, ...]:
        return self._levels.get(deployable, ())

    def activity(self) -> Activity:
        """Note this moment, for :meth:`busy_since`."""
        with self._lock:
            return Activity(
                frozenset(
                    task.operation.device
                    for task in self._tasks.values()
                    if not task.done
                )
                | frozenset(self._chores),
                collections.Counter(self._accepted),
            )

    def busy_since(self, then: Activity) -> set[model.PciAddress]:
        """Cards that had an unfinished operation at any time since *then*."""
        now = self.activity()
        return {
            device
            for device in now.unfinished | then.unfinished | set(now.accepted)
            if device in now.unfinished
            or device in then.unfinished
            or now.accepted[device] != then.accepted.get(device, 0)
        }

    def purge(self) -> None:
        """Forget outcomes that were delivered a day ago."""
        horizon = time.time() - journal.KEEP_SECONDS
        with self._lock:
            old = [
                task
                for task in self._tasks.values()
                if task.entry.delivered and task.entry.finished_at < horizon
            ]
            for task in old:
                self._journal.forget(task.status)
                del self._tasks[task.status.uuid]

    def _resume(self, task: agent_task.Task) -> None:
        if not task.done:
            LOG.warning(
                'Operation %s was interrupted while %s',
                task.status.uuid,
                task.entry.stage,
            )
            self._enqueue(task)
        elif not task.entry.delivered:
            self._deliver(task)

    def _enqueue(self, task: agent_task.Task) -> None:
        device = task.operation.device
        self._accepted[device] += 1
        self._lanes.put(device, task)

    def _serve(self, item: agent_task.Task | _Chore) -> None:
        if isinstance(item, _Chore):
            self._do(item)
            return
        if self._take(item):
            self._work.perform(item)
        if item.taken and item.done:
            self._ended(item)

    def _do(self, chore: _Chore) -> None:
        try:
            if not self._stopping.is_set():
                chore.act()
        except Exception:
            # The top of a card's thread: its operations go on.
            LOG.exception('Cannot set up card %s', chore.device)
        finally:
            with self._lock:
                self._chores -= collections.Counter([chore.device])

    def _take(self, task: agent_task.Task) -> bool:
        """Give *task* to the calling worker, unless it has ended already."""
        with self._lock:
            if task.done or self._stopping.is_set():
                return False
            task.taken = True
        return True

    def _admit(self, task: agent_task.Task) -> None:
        """Make *task* irrevocable, if it still may touch its card."""
        with self._lock:
            task.check()
            try:
                self._refuse_stale(task.operation)
            except errors.StaleFence as exc:
                raise agent_task.Failure(
                    model.Cause.STALE, exc.message
                ) from exc
            task.begun = True

    def _ended(self, task: agent_task.Task) -> None:
        name = task.operation.deployable
        with self._lock:
            fence = self._deferred.get(name, 0)
            if fence and not self._begun_below(name, fence):
                del self._deferred[name]
                self._raise(name, fence)
        self._deliver(task)
        self._changed()

    def _deliver(self, task: agent_task.Task) -> None:
        def answered() -> None:
            entry = dataclasses.replace(task.entry, delivered=True)
            # Under the lock, or a purge in between would be undone.
            with self._lock:
                task.entry = entry
                try:
                    self._journal.write(entry)
                except OSError as exc:
                    # Delivered again after a restart, which is harmless.
                    LOG.error('Cannot journal a delivery: %s', exc)

        self._outbox.deliver(task.status, answered)

    def _refuse_stale(self, operation: model.Operation) -> None:
        if operation.fence < self._journal.fence(operation.deployable):
            raise errors.StaleFence(
                operation=operation.uuid, fence=operation.fence
            )

    def _begun_below(self, name: str, fence: int) -> bool:
        return any(
            task.begun
            and not task.done
            and task.operation.deployable == name
            and task.operation.fence < fence
            for task in self._tasks.values()
        )

    def _raise(self, name: str, fence: int) -> bool:
        try:
            raised = self._journal.raise_fence(name, fence)
        except OSError as exc:
            LOG.error('Cannot persist the fence of %s: %s', name, exc)
            return False
        self._drop_stale(name)
        return raised

    def _drop_stale(self, name: str) -> None:
        for task in list(self._tasks.values()):
            if (
                task.operation.deployable == name
                and not (task.taken or task.done or task.begun)
                and task.operation.fence < self._journal.fence(name)
            ):
                self._drop(task, model.Cause.STALE, 'a higher fence is known')

    def _drop(
        self, task: agent_task.Task, cause: model.Cause, detail: str
    ) -> None:
        """End a waiting *task*, which its worker will then pass over."""
        self._work.finish(task, task.outcome(cause=cause, detail=detail))
        self._ended(task)


def _accepted(operation: model.Operation) -> journal.Entry:
    return journal.Entry(
        operation=operation,
        status=model.OperationStatus(
            uuid=operation.uuid,
            fence=operation.fence,
            step=journal.Stage.ACCEPTED.value,
        ),
        attempt=uuidutils.generate_uuid(),
        accepted_at=time.time(),
    )
