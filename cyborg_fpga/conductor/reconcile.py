"""What nobody waits for: leases, silence, wipes, Placement, the catalogue,
instances that have gone.
"""

import collections
import concurrent.futures
import functools
import threading
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from typing import TypeVar

from oslo_config import cfg
from oslo_log import log as logging

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.conductor import audit
from cyborg_fpga.conductor import catalogue
from cyborg_fpga.conductor import claims
from cyborg_fpga.conductor import inventory
from cyborg_fpga.conductor import programming
from cyborg_fpga.conductor import supervision
from cyborg_fpga.conductor import warming
from cyborg_fpga.db import deployables
from cyborg_fpga.db import hosts
from cyborg_fpga.db import operations
from cyborg_fpga.db import turns

LOG = logging.getLogger(__name__)

_T = TypeVar('_T', model.Operation, nouns.Deployable)

# Jobs at a time. Those that ask agents have threads of their own, so that
# no operation outlives its deadline because Placement is slow.
_THREADS = 16

# What one conductor at a time does, and how much longer than until the next
# time its turn lasts.
_CATALOGUE, _AUDIT, _INSTANCES = 'catalogue', 'audit', 'instances'
_POOLS = 'warm pools'
_TURN_SECONDS = 30


class Jobs:
    """Work for threads, at most one job per key at a time."""

    def __init__(self, name: str) -> None:
        self._pool = concurrent.futures.ThreadPoolExecutor(_THREADS, name)
        self._guard = threading.Lock()
        self._keys: set[str] = set()

    def start(
        self, key: str, work: Callable[[context.RequestContext], object]
    ) -> None:
        """Do *work* soon, unless a job called *key* is under way."""
        with self._guard:
            if key in self._keys:
                return
            self._keys.add(key)
        self._pool.submit(self._run, key, work)

    def stop(self) -> None:
        """Begin nothing more; wait for what runs."""
        self._pool.shutdown(cancel_futures=True)

    def _run(
        self, key: str, work: Callable[[context.RequestContext], object]
    ) -> None:
        try:
            attempt(key, work)
        finally:
            with self._guard:
                self._keys.discard(key)


def attempt(
    name: str, work: Callable[[context.RequestContext], object]
) -> None:
    """Do *work* at the top of a thread; what fails is tried again later."""
    try:
        work(context.service())
    except errors.FPGAError as exc:
        LOG.warning('%s waits: %s', name, exc.message)
    except Exception:
        LOG.exception('%s failed', name)


class Reconciler:
    """Looks at everything unfinished, again and again.

    The looking is one thread's and asks the database alone; whatever asks
    others is a job.
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        holders: claims.Claims,
        images: catalogue.Catalogue,
        stock: inventory.Inventory,
        programs: programming.Programming,
        endings: supervision.Supervision,
        books: audit.Audit,
        owner: str,
    ) -> None:
        self._conf = conf
        self._claims = holders
        self._catalogue = images
        self._inventory = stock
        self._programming = programs
        self._supervision = endings
        self._audit = books
        self._warming = warming.Warming(conf, images, programs)
        self._owner = owner
        self._began = time.monotonic()
        self._woken = threading.Event()
        self._ending = threading.Event()
        self._threads: list[threading.Thread] = []
        self._checks = Jobs('check')
        self._jobs = Jobs('job')

    def start(self) -> None:
        # The configuration may have changed since Placement was told.
        attempt('start', hosts.mark_stale)
        for name, loop in (
            ('reconcile', self._loop),
            ('catalogue', self._catalogue_loop),
            ('audit', self._audit_loop),
            ('instances', self._instances_loop),
        ):
            thread = threading.Thread(target=loop, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        self._ending.set()
        self._woken.set()
        for thread in self._threads:
            thread.join(10)
        self._checks.stop()
        self._jobs.stop()
        attempt('stop', self._end_turns)

    def wake(self) -> None:
        """Look now instead of at the end of the interval."""
        self._woken.set()

    def send(self, started: Sequence[model.Operation]) -> None:
        """Have committed operations sent, while somebody is answered."""
        if started:
            self._jobs.start(
                f'sending {started[0].uuid}',
                functools.partial(self._send, unsent=started),
            )

    def _loop(self) -> None:
        while not self._ending.is_set():
            started = time.monotonic()
            self.cycle()
            LOG.debug('Cycle took %.3f s', time.monotonic() - started)
            self._woken.wait(self._conf.conductor.reconcile_interval)
            self._woken.clear()

    def _catalogue_loop(self) -> None:
        while not self._ending.is_set():
            attempt('catalogue', self._follow_catalogue)
            self._ending.wait(self._conf.bitstream.sync_interval)

    def cycle(self) -> None:
        """One look at everything; what fails is tried at the next."""
        for step in (
            self._notice_silence,
            self._recall,
            self._check_operations,
            self._recover_claims,
            self._wipe,
            self._tell_placement,
            self._fill_pools,
        ):
            attempt(step.__name__, step)

    def _notice_silence(self, ctx: context.RequestContext) -> None:
        patience = self._conf.conductor.host_down_after
        # While no conductor ran, no agent could be heard.
        if time.monotonic() - self._began < patience:
            return
        down = hosts.mark_silent(ctx, patience)
        if down:
            LOG.warning('%s hosts went down', down)

    def _recall(self, ctx: context.RequestContext) -> None:
        for operation in operations.unneeded(ctx):
            self._jobs.start(
                f'recall of {operation.uuid}',
                functools.partial(
                    self._supervision.recall, operation=operation
                ),
            )

    def _check_operations(self, ctx: context.RequestContext) -> None:
        mine = operations.take_unfinished(
            ctx, self._owner, self._conf.conductor.lease_seconds
        )
        for hostname, theirs in _by_host(mine):
            self._checks.start(
                f'operations of {hostname}',
                functools.partial(self._check, unfinished=theirs),
            )

    def _check(
        self,
        ctx: context.RequestContext,
        unfinished: Sequence[model.Operation],
    ) -> None:
        ended, unsent = self._supervision.check(ctx, unfinished)
        for operation in ended:
            self._jobs.start(
                f'end of operation {operation.uuid}',
                functools.partial(self._ended, operation=operation),
            )
        if unsent:
            self._jobs.start(
                f'sending to {unsent[0].hostname}',
                functools.partial(self._send, unsent=unsent),
            )

    def _send(
        self, ctx: context.RequestContext, unsent: Sequence[model.Operation]
    ) -> None:
        for operation in self._programming.send(ctx, unsent):
            self._ended(ctx, operation)

    def _ended(
        self, ctx: context.RequestContext, operation: model.Operation
    ) -> None:
        self._claims.ended(ctx, operation)
        self.wake()

    def _recover_claims(self, ctx: context.RequestContext) -> None:
        for claim in self._claims.unfinished(ctx):
            self._jobs.start(
                f'claim {claim.uuid}',
                functools.partial(self._claims.recover, claim=claim),
            )

    def _wipe(self, ctx: context.RequestContext) -> None:
        for hostname, dirty in _by_host(deployables.wipes_pending(ctx)):
            self._jobs.start(
                f'wipes on {hostname}',
                functools.partial(
                    self._claims.wipe, regions=dirty, claim_uuid=None
                ),
            )

    def _tell_placement(self, ctx: context.RequestContext) -> None:
        for hostname in hosts.stale(ctx):
            self._jobs.start(
                f'Placement of {hostname}',
                functools.partial(
                    self._inventory.sync_host, hostname=hostname
                ),
            )

    def _fill_pools(self, ctx: context.RequestContext) -> None:
        # Two conductors would load what is missing twice.
        interval = self._conf.conductor.reconcile_interval + _TURN_SECONDS
        if self._warming.wanted and self._take_turn(ctx, _POOLS, interval):
            self._jobs.start(_POOLS, self._warm)

    def _warm(self, ctx: context.RequestContext) -> None:
        self._send(ctx, self._warming.cycle(ctx))

    def _end_turns(self, ctx: context.RequestContext) -> None:
        for name in (_CATALOGUE, _AUDIT, _INSTANCES, _POOLS):
            turns.end(ctx, name, self._owner)

    def _follow_catalogue(self, ctx: context.RequestContext) -> None:
        interval = self._conf.bitstream.sync_interval
        if not self._take_turn(ctx, _CATALOGUE, interval + _TURN_SECONDS):
            return
        if self._catalogue.cycle(ctx):
            hosts.mark_stale(ctx)
            self.wake()

    def _audit_loop(self) -> None:
        interval = self._conf.conductor.audit_interval
        while interval and not self._ending.wait(interval):
            attempt('audit', self._audit_all)

    def _audit_all(self, ctx: context.RequestContext) -> None:
        interval = self._conf.conductor.audit_interval
        if self._take_turn(ctx, _AUDIT, interval + _TURN_SECONDS):
            self._audit.run(ctx, self._ending)

    def _instances_loop(self) -> None:
        interval = self._conf.conductor.instance_interval
        while not self._ending.wait(interval):
            attempt('instances', self._look_at_instances)

    def _look_at_instances(self, ctx: context.RequestContext) -> None:
        # Another goes on soon enough where the one whose turn it is dies.
        seconds = 2 * self._conf.conductor.instance_interval
        if self._take_turn(ctx, _INSTANCES, seconds):
            self._claims.end_orphans(ctx)

    def _take_turn(
        self, ctx: context.RequestContext, name: str, seconds: float
    ) -> bool:
        return turns.take(ctx, name, self._owner, seconds)


def _by_host(items: Iterable[_T]) -> list[tuple[str, list[_T]]]:
    found: dict[str, list[_T]] = collections.defaultdict(list)
    for item in items:
        found[item.hostname].append(item)
    return sorted(found.items())
