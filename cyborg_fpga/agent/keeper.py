"""What an agent does for its cache while no card waits for it.

It finishes what downloads left for later, and brings the bitstreams that are
loaded often elsewhere, so that the first claim here need not wait for them.
"""

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import oslo_messaging as messaging
from oslo_log import log as logging

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga.agent import cache as agent_cache
from cyborg_fpga.agent import transfer
from cyborg_fpga.rpc import conductor as conductor_rpc

LOG = logging.getLogger(__name__)

#: Seconds between two questions which bitstreams are popular.
INTERVAL = 600.0
# While a card is worked on, look again after so long.
_PATIENCE = 1.0


class _Busy(Exception):
    """A card is worked on: its own download comes first."""


class Keeper:
    """Works in one thread, which operations have stopped within a moment.

    :param count: How many bitstreams are brought unasked; 0: none.
    :param busy: Whether any card is worked on.
    :param interval: Seconds between two questions which are popular.
    """

    def __init__(
        self,
        hostname: str,
        cache: agent_cache.Cache,
        conductor: conductor_rpc.ConductorAPI,
        *,
        count: int,
        busy: Callable[[], bool],
        interval: float = INTERVAL,
    ) -> None:
        self._hostname = hostname
        self._cache = cache
        self._conductor = conductor
        self._count = count
        self._busy = busy
        self._interval = interval
        self._wishes: list[dict[str, Any]] = []
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(
            target=self._serve, name='keeper', daemon=True
        )
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        self._stopping.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def wake(self) -> None:
        """An operation has ended; never blocks."""
        self._woken.set()

    def _serve(self) -> None:
        # Hosts that start together do not all ask at once.
        due = time.monotonic() + self._interval * random.uniform(0.1, 1)  # noqa: S311 (no secret)
        while not self._stopping.is_set():
            self._woken.wait(max(0.0, due - time.monotonic()))
            self._woken.clear()
            if self._stopping.is_set():
                return
            try:
                due = self._cycle(due)
            except _Busy:
                due = max(due, time.monotonic() + _PATIENCE)
            except Exception:
                # The top of a thread: the next time may go better.
                LOG.exception('Keeping the bitstream cache failed')
                due = time.monotonic() + self._interval

    def _cycle(self, due: float) -> float:
        """:returns: When to ask again."""
        self._go_on()
        self._cache.settle(self._go_on)
        if time.monotonic() >= due:
            due = time.monotonic() + self._interval
            self._ask()
        while self._wishes:
            self._bring(self._wishes[0])
            del self._wishes[0]
        return due

    def _ask(self) -> None:
        if not self._count:
            return
        try:
            self._wishes = self._conductor.popular(
                context.service(), self._hostname, self._count
            )
        except (messaging.MessagingException, errors.FPGAError) as exc:
            # Also a conductor of an earlier release.
            LOG.debug('Nobody says which bitstreams are popular: %s', exc)

    def _bring(self, wish: dict[str, Any]) -> None:
        try:
            self._cache.prefetch(transfer.image(**wish), self._go_on)
        except (errors.FPGAError, OSError) as exc:
            LOG.info('Image %s is not prefetched: %s', wish['uuid'], exc)

    def _go_on(self, *_progress: int | None) -> None:
        """:raises _Busy: Operations come first."""
        if self._stopping.is_set() or self._busy():
            raise _Busy
