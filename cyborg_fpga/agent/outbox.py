"""Messages to the conductor about operations: progress and outcomes.

They have threads of their own, so that neither a silent conductor nor a
broker that is away keeps a card's worker from going on.
"""

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import oslo_messaging as messaging
from oslo_log import log as logging

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import killpoints
from cyborg_fpga import model
from cyborg_fpga.rpc import conductor as conductor_rpc

LOG = logging.getLogger(__name__)

_PROGRESS_PERIOD = 0.5
_FIRST_RETRY = 0.5
_LAST_RETRY = 10.0

# A conductor that says so has answered: the outcome is of no use to it.
_REFUSED = (errors.NotFound, errors.StaleFence, errors.WrongState)


class _Outcome(NamedTuple):
    due: float
    order: int  # orders equal times; what follows has no order
    wait: float
    status: model.OperationStatus
    answered: Callable[[], None]


class Outbox:
    """Tells progress at most twice a second, and outcomes until answered."""

    def __init__(self, conductor: conductor_rpc.ConductorAPI) -> None:
        self._conductor = conductor
        self._stopping = threading.Event()
        self._news = threading.Condition()
        self._progress: dict[str, model.OperationStatus] = {}
        self._outcomes: list[_Outcome] = []
        self._count = itertools.count()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        for target in (self._tell_progress, self._deliver_outcomes):
            thread = threading.Thread(
                target=target, name=f'outbox{target.__name__}', daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def stop(self, timeout: float = 5.0) -> None:
        """End both threads; what is undelivered stays in the journal."""
        self._stopping.set()
        with self._news:
            self._news.notify_all()
        for thread in self._threads:
            thread.join(timeout)

    def tell(self, status: model.OperationStatus) -> None:
        """Send *status* soon, unless a newer one replaces it."""
        with self._news:
            self._progress[status.uuid] = status
            self._news.notify_all()

    def deliver(
        self, status: model.OperationStatus, answered: Callable[[], None]
    ) -> None:
        """Send an outcome until a conductor has answered.

        :param answered: Called then, in the outbox's thread.
        """
        with self._news:
            self._progress.pop(status.uuid, None)
            self._push(status, answered, 0.0)

    def _push(
        self,
        status: model.OperationStatus,
        answered: Callable[[], None],
        wait: float,
    ) -> None:
        due = time.monotonic() + wait
        heapq.heappush(
            self._outcomes,
            _Outcome(due, next(self._count), wait, status, answered),
        )
        self._news.notify_all()

    def _tell_progress(self) -> None:
        context_ = context.service()
        while not self._stopping.is_set():
            with self._news:
                self._news.wait_for(
                    lambda: self._progress or self._stopping.is_set()
                )
                statuses = list(self._progress.values())
                self._progress.clear()
            for status in statuses:
                try:
                    self._conductor.progress(context_, status)
                except Exception:
                    # The top of a thread; the outcome does not depend on it.
                    LOG.exception('Progress of %s is lost', status.uuid)
            self._stopping.wait(_PROGRESS_PERIOD)

    def _deliver_outcomes(self) -> None:
        while True:
            outcome = self._next_due()
            if outcome is None:
                return
            try:
                self._deliver(outcome)
            except Exception as exc:
                # The top of a thread: whatever it is, the outcome must
                # arrive once the reason is gone.
                wait = min(max(outcome.wait * 2, _FIRST_RETRY), _LAST_RETRY)
                LOG.warning(
                    'Outcome of operation %s is not delivered; next attempt '
                    'in %.1f s: %s',
                    outcome.status.uuid,
                    wait,
                    exc,
                    exc_info=not isinstance(exc, messaging.MessagingException),
                )
                with self._news:
                    self._push(outcome.status, outcome.answered, wait)

    def _next_due(self) -> _Outcome | None:
        with self._news:
            while not self._stopping.is_set():
                if not self._outcomes:
                    self._news.wait()
                    continue
                left = self._outcomes[0].due - time.monotonic()
                if left <= 0:
                    return heapq.heappop(self._outcomes)
                self._news.wait(left)
        return None

    def _deliver(self, outcome: _Outcome) -> None:
        try:
            self._conductor.finish(context.service(), outcome.status)
        except _REFUSED as exc:
            LOG.warning(
                'Outcome of operation %s came too late: %s',
                outcome.status.uuid,
                exc.message,
            )
        killpoints.reached('delivered')
        outcome.answered()
