"""What nobody waits for: leases, silence, wipes, Placement, the catalogue."""

import concurrent.futures
import threading
import time
from collections.abc import Callable

from oslo_config import cfg
from oslo_log import log as logging

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.conductor import catalogue
from cyborg_fpga.conductor import claims
from cyborg_fpga.conductor import inventory
from cyborg_fpga.conductor import programming
from cyborg_fpga.db import bitstreams
from cyborg_fpga.db import deployables
from cyborg_fpga.db import hosts
from cyborg_fpga.db import operations

LOG = logging.getLogger(__name__)

# Agents asked at a time: one that does not answer holds one of these for
# the time-out of a call.
_CHECKERS = 8


class Reconciler:
    """One thread that looks at everything unfinished, again and again."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        holders: claims.Claims,
        images: catalogue.Catalogue,
        stock: inventory.Inventory,
        programs: programming.Programming,
        owner: str,
    ) -> None:
        self._conf = conf
        self._claims = holders
        self._catalogue = images
        self._inventory = stock
        self._programming = programs
        self._owner = owner
        self._woken = threading.Event()
        self._ending = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        for name, loop in (
            ('reconcile', self._loop),
            ('catalogue', self._catalogue_loop),
        ):
            thread = threading.Thread(target=loop, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        self._ending.set()
        self._woken.set()
        for thread in self._threads:
            thread.join(10)

    def wake(self) -> None:
        """Look now instead of at the end of the interval."""
        self._woken.set()

    def _loop(self) -> None:
        while not self._ending.is_set():
            started = time.monotonic()
            self.cycle()
            LOG.debug('Cycle took %.3f s', time.monotonic() - started)
            self._woken.wait(self._conf.conductor.reconcile_interval)
            self._woken.clear()

    def _catalogue_loop(self) -> None:
        while not self._ending.is_set():
            self._attempt(self._follow_catalogue)
            self._ending.wait(self._conf.bitstream.sync_interval)

    def cycle(self) -> None:
        """One look at everything; what fails is tried at the next."""
        for step in (
            self._notice_silence,
            self._check_operations,
            self._recover_claims,
            self._wipe,
            self._tell_placement,
        ):
            self._attempt(step)

    def _attempt(self, step: Callable[[context.RequestContext], None]) -> None:
        try:
            step(context.service())
        except errors.FPGAError as exc:
            LOG.warning('%s waits: %s', step.__name__, exc.message)
        except Exception:
            LOG.exception('%s failed', step.__name__)

    def _notice_silence(self, ctx: context.RequestContext) -> None:
        down = hosts.mark_silent(ctx, self._conf.conductor.host_down_after)
        if down:
            LOG.warning('%s hosts went down', down)

    def _check_operations(self, ctx: context.RequestContext) -> None:
        mine = operations.take_unfinished(
            ctx, self._owner, self._conf.conductor.lease_seconds
        )
        if not mine:
            return
        with concurrent.futures.ThreadPoolExecutor(_CHECKERS) as pool:
            list(pool.map(self._check, mine))

    def _check(self, operation: model.Operation) -> None:
        ctx = context.service()
        try:
            ended = self._programming.check(ctx, operation)
            if ended is not None and ended.claim_uuid is not None:
                self._claims.advance(ctx, ended.claim_uuid)
        except errors.FPGAError as exc:
            LOG.warning('Operation %s waits: %s', operation.uuid, exc.message)
        except Exception:
            LOG.exception('Operation %s could not be checked', operation.uuid)

    def _recover_claims(self, ctx: context.RequestContext) -> None:
        self._claims.recover(ctx)

    def _wipe(self, ctx: context.RequestContext) -> None:
        for region in deployables.wipes_pending(ctx):
            self._claims.wipe(ctx, region, claim_uuid=None)

    def _tell_placement(self, ctx: context.RequestContext) -> None:
        for hostname in hosts.stale(ctx):
            try:
                self._inventory.sync_host(ctx, hostname)
            except errors.FPGAError as exc:
                LOG.warning(
                    'Placement is not told of %s yet: %s',
                    hostname,
                    exc.message,
                )

    def _follow_catalogue(self, ctx: context.RequestContext) -> None:
        interval = self._conf.bitstream.sync_interval
        if not bitstreams.take_turn(
            ctx, 'catalogue', self._owner, interval + 30
        ):
            return
        if self._catalogue.cycle(ctx):
            hosts.mark_stale(ctx)
            self.wake()
