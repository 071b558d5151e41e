"""Warm pools are filled: idle deployables are given the wanted functions.

What is loaded for a pool is an ordinary operation that no claim has asked
for. Claims go first: they take what they want, from the pools last, and one
deployable that they could have is always left to them.
"""

import dataclasses
import time
from collections.abc import Collection

from oslo_config import cfg
from oslo_log import log as logging

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.conductor import catalogue
from cyborg_fpga.conductor import choice
from cyborg_fpga.conductor import programming
from cyborg_fpga.conductor import search
from cyborg_fpga.conductor import warm_pools
from cyborg_fpga.conductor import wipes
from cyborg_fpga.db import bitstreams
from cyborg_fpga.db import offers
from cyborg_fpga.db import operations

LOG = logging.getLogger(__name__)

# Of one pool. Each is one less for claims while it is being programmed.
_AT_ONCE = 4
# Deployables looked at first; where none of them will do, ever more.
_ENOUGH = 16

# After a failure, doubled with each that follows it.
_SHORTEST_PAUSE_SECONDS = 30.0
_LONGEST_PAUSE_SECONDS = 3600.0


@dataclasses.dataclass(slots=True)
class _Record:
    """What has become of a pool's operations.

    :ivar pause: How long nothing was done after the last failure.
    :ivar said: Why it is short, as the log has it.
    """

    pause: float = _SHORTEST_PAUSE_SECONDS / 2
    until: float = 0.0
    said: str = ''


class Warming:
    """To be used by one thread of one conductor at a time.

    What it knows of failures is its own: another begins anew.
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        images: catalogue.Catalogue,
        programs: programming.Programming,
    ) -> None:
        self._conf = conf.conductor
        # What cannot be read is refused now, and not with every claim.
        warm_pools.read(self._conf.warm_pools)
        self._catalogue = images
        self._programming = programs
        self._records: dict[str, _Record] = {}
        self._begun: dict[str, tuple[str, int]] = {}
        self._avoided: dict[int, float] = {}

    @property
    def wanted(self) -> bool:
        """There is a pool."""
        return bool(self._conf.warm_pools)

    def cycle(self, ctx: context.RequestContext) -> list[model.Operation]:
        """Commit what the pools lack, as far as it can be had now.

        :returns: Operations to be sent.
        """
        self._judge(ctx)
        stocks = warm_pools.look(ctx, self._conf.warm_pools)
        taken = {one for stock in stocks for one in stock.kept}
        uuids = {image.uuid for stock in stocks for image in stock.wishes}
        coming = offers.warming(ctx, uuids)
        started: list[model.Operation] = []
        for stock in stocks:
            images = {image.uuid for image in stock.wishes}
            under_way = len(stock.pool.among(coming, images))
            missing = stock.pool.count - len(stock.warm) - under_way
            reason = ''
            for _ in range(min(missing, _AT_ONCE - under_way)):
                try:
                    started.append(self._fill(ctx, stock, taken))
                except errors.FPGAError as exc:
                    reason = str(exc.kwargs.get('reason', exc.message))
                    break
            self._tell(stock, reason, missing)
        return started

    def _fill(
        self,
        ctx: context.RequestContext,
        stock: warm_pools.Stock,
        taken: set[int],
    ) -> model.Operation:
        """Commit the loading of one deployable more.

        :param taken: What pools have; gains what this takes.
        :raises errors.FPGAError: It cannot be done now.
        """
        record = self._record(stock)
        if not stock.wishes:
            raise errors.NoCapacity(
                reason='there is no usable bitstream of it that is public or '
                'of a trusted project'
            )
        if time.monotonic() < record.until:
            raise errors.NoCapacity(
                reason='loading it failed, and is tried again later'
            )
        region, image = self._choose(ctx, stock, taken)
        self._catalogue.refresh(ctx, image.uuid)
        image = bitstreams.get(ctx, image.uuid)
        if not (image.usable and image.public):
            raise errors.BitstreamUnusable(
                image=image.uuid, reason=image.reason or 'it is not public'
            )
        taken.add(region.id)
        operation = self._programming.program(
            ctx, region, image, claim_uuid=None
        )
        self._begun[operation.uuid] = (stock.pool.text, region.id)
        return operation

    def _choose(
        self,
        ctx: context.RequestContext,
        stock: warm_pools.Stock,
        taken: Collection[int],
    ) -> tuple[nouns.Deployable, nouns.Bitstream]:
        """:raises errors.NoCapacity: There is none to be had."""
        limit = _ENOUGH + len(stock.warm)
        near = search.near(ctx, stock.wishes)
        while True:
            regions = offers.claimable(
                ctx,
                hostname=stock.pool.hostname,
                resource_class=None,
                limit=limit,
                wishes=stock.wishes,
                near=near,
                spared=taken,
            )
            free = {r.id: r for r in regions if _is_free(r)}
            there = [r for r in free.values() if r.id not in taken]
            pick = self._best(stock, there)
            if pick or stock.pool.hostname or len(regions) < limit:
                break
            limit *= _ENOUGH
        if pick is None:
            raise errors.NoCapacity(reason='no deployable is free for it')
        if len(free) < 2:
            raise errors.NoCapacity(
                reason='the last deployable that is free is left to claims'
            )
        ((number, image),) = pick.images.items()
        return free[number], image

    def _best(
        self,
        stock: warm_pools.Stock,
        regions: list[nouns.Deployable],
    ) -> choice.Pick | None:
        return choice.best(
            [
                region
                for region in regions
                if region.id not in stock.warm
                and region.id not in self._avoided
            ],
            stock.wishes,
            traits=(),
            count=1,
            types={},
            rules=wipes.Rules.configured(self._conf),
        )

    def _judge(self, ctx: context.RequestContext) -> None:
        """Learn from the operations that have ended."""
        now = time.monotonic()
        for number, until in list(self._avoided.items()):
            if until < now:
                del self._avoided[number]
        for uuid, (text, number) in list(self._begun.items()):
            try:
                operation = operations.get(ctx, uuid)
            except errors.NotFound:
                del self._begun[uuid]
                continue
            if operation.state in model.OPERATION_UNFINISHED:
                continue
            del self._begun[uuid]
            record = self._records[text]
            if operation.state is model.OperationState.SUCCEEDED:
                record.pause = _SHORTEST_PAUSE_SECONDS / 2
                continue
            record.pause = min(2 * record.pause, _LONGEST_PAUSE_SECONDS)
            record.until = self._avoided[number] = now + record.pause

    def _record(self, stock: warm_pools.Stock) -> _Record:
        return self._records.setdefault(stock.pool.text, _Record())

    def _tell(
        self, stock: warm_pools.Stock, reason: str, missing: int
    ) -> None:
        """Say once why a pool is short, and that it is not any more."""
        record = self._record(stock)
        if reason and reason != record.said:
            LOG.warning(
                'Warm pool %s has %s of %s: %s',
                stock.pool.text,
                stock.pool.count - missing,
                stock.pool.count,
                reason,
            )
            record.said = reason
        elif record.said and len(stock.warm) >= stock.pool.count:
            LOG.info('Warm pool %s is full again', stock.pool.text)
            record.said = ''


def _is_free(region: nouns.Deployable) -> bool:
    return not any(handle.claim_uuid for handle in region.handles)
