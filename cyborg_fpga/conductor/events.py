"""Nova is told from here, and from nowhere else, how binds ended.

A transaction that ends a bind leaves in the ARQ's row that Nova is owed the
event; it is taken from there, sent, and crossed off. So it is sent at least
once, whoever dies in between and however long Nova is away.
"""

import threading
from collections.abc import Sequence

from oslo_config import cfg
from oslo_log import log as logging

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import killpoints
from cyborg_fpga import nouns
from cyborg_fpga.clients import nova
from cyborg_fpga.db import arqs

LOG = logging.getLogger(__name__)

# Nova looks at each of one request in turn.
_BATCH = 100
_LONGEST_PAUSE = 60.0
# Nova is told at once of the first, and not more often than this of those that
# follow: what is bound meanwhile it is told together.
_APART_SECONDS = 0.1


class Events:
    """Sends what is owed, soon after :meth:`wake`."""

    def __init__(self, conf: cfg.ConfigOpts, client: nova.Nova) -> None:
        self._conf = conf.conductor
        self._nova = client
        self._woken = threading.Event()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(
            target=self._loop, name='events', daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join(10)

    def wake(self) -> None:
        """Something is owed now."""
        self._woken.set()

    def send(self, ctx: context.RequestContext) -> None:
        """Send all that is owed now; what Nova does not take comes again."""
        more = True
        while more and not self._ending.is_set():
            events = arqs.take_events(ctx, _BATCH, self._conf.lease_seconds)
            if not events:
                return
            more = len(events) == _BATCH
            killpoints.reached('event_taken')
            try:
                self._nova.tell_bound([_bound(event) for event in events])
            except errors.ServiceUnavailable as exc:
                self._postpone(ctx, events, exc)
            else:
                killpoints.reached('event_sent')
                arqs.told(ctx, events)

    def _postpone(
        self,
        ctx: context.RequestContext,
        events: Sequence[nouns.BoundEvent],
        exc: errors.ServiceUnavailable,
    ) -> None:
        attempts = min(event.attempt for event in events)
        pause = min(2.0 ** min(attempts - 1, 10), _LONGEST_PAUSE)
        LOG.warning(
            'Nova is told of %s binds in %s s: %s',
            len(events),
            pause,
            exc.message,
        )
        arqs.postpone(ctx, events, pause)

    def _loop(self) -> None:
        woken = False
        while not self._ending.is_set():
            self._woken.clear()
            ctx = context.service()
            try:
                # Unasked it only looks: taking is a write.
                if woken or arqs.owes_events(ctx):
                    self.send(ctx)
            except Exception:
                # At the top of a thread: what fails is tried again.
                LOG.exception('Telling Nova failed')
            self._ending.wait(_APART_SECONDS)
            woken = self._woken.wait(self._conf.reconcile_interval)


def _bound(event: nouns.BoundEvent) -> nova.Bound:
    return nova.Bound(
        server_uuid=event.instance_uuid,
        arq_uuid=event.arq_uuid,
        ok=event.bound,
    )
