"""Where a request could be served, looked up again after each failure."""

import collections
import functools
import random
import time
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import nouns
from cyborg_fpga.conductor import choice
from cyborg_fpga.conductor import distrust
from cyborg_fpga.conductor import providers
from cyborg_fpga.conductor import warm_pools
from cyborg_fpga.conductor import wipes
from cyborg_fpga.db import bitstreams
from cyborg_fpga.db import cached
from cyborg_fpga.db import deployables
from cyborg_fpga.db import offers

# Deployables looked at for a claim of one: more than can be lost to others
# at the same time. Where none of them is for the claim, ever more.
_ENOUGH = 8

# Hosts that are asked for by name: enough to have something that is idle.
_HOSTS = 32

# Lost races for one deployable after which it is left alone.
_LOSSES = 8
_PAUSE_SECONDS = 0.1


class Search:
    """Goes through the ways to serve a request, the best first.

    Reads the records anew each time, since others take from them too.

    :ivar checked: Images that the caller is known to be allowed to use.
    """

    def __init__(
        self,
        ctx: context.RequestContext,
        conf: cfg.ConfigOpts,
        request: Mapping[str, Any],
        wishes: list[nouns.Bitstream],
    ) -> None:
        self.checked: set[str] = set()
        self._ctx = ctx
        self._distrust = distrust.Distrust(conf)
        self._exclusive = conf.conductor.exclusive_deployables
        self._hostname = request.get('hostname')
        self._class = request.get('resource_class')
        self._traits = request.get('traits', [])
        self._count = request.get('count', 1)
        self._request = request
        self._rules = wipes.asked(conf.conductor, request)
        self._wishes = wishes
        self._types = providers.types_by_region(
            bitstreams.public(ctx) if self._traits else [],
            conf.bitstream.types,
        )
        self._pools = conf.conductor.warm_pools
        self._limit = _ENOUGH
        self._full: set[str] = set()
        self._losses: collections.Counter[int] = collections.Counter()
        self._reason: errors.FPGAError | None = None

    def next(self) -> choice.Pick | None:
        """The best way that is left; None: there is none."""
        pick = self._warm()
        while pick is None:
            regions = self._regions()
            pick = self._best(regions, self._spared)
            if self._hostname or len(regions) < self._limit:
                break
            self._limit *= _ENOUGH
        return pick

    def _warm(self) -> choice.Pick | None:
        """A way to be had without programming, if that is easily seen."""
        if not self._wishes or self._hostname or self._count > 1:
            return None
        regions = offers.holding(
            self._ctx,
            self._wishes,
            resource_class=self._class,
            limit=_ENOUGH,
        )
        pick = self._best(regions)
        return None if pick is None or pick.cold else pick

    def _regions(self) -> list[nouns.Deployable]:
        """The first that might do, as many as are looked at by now."""
        return offers.claimable(
            self._ctx,
            hostname=self._hostname,
            resource_class=self._class,
            limit=self._limit,
            wishes=self._wishes,
            near=self._near,
            spared=self._spared,
            # Several come from one provider.
            whole=self._count > 1,
        )

    def _best(
        self,
        regions: list[nouns.Deployable],
        spared: Collection[int] = (),
    ) -> choice.Pick | None:
        left = [region for region in regions if self._is_left(region)]
        if not self._wishes:
            left = self._distrust.offered(
                self._ctx, left, self._ctx.project_id
            )
        if self._losses:
            # Those that lost the first together must not go on so.
            random.shuffle(left)
        return choice.best(
            left,
            self._wishes,
            traits=self._traits,
            count=self._count,
            types=self._types,
            rules=self._rules,
            spared=spared,
        )

    @functools.cached_property
    def _near(self) -> list[str]:
        return near(self._ctx, self._wishes)

    @functools.cached_property
    def _spared(self) -> frozenset[int]:
        return warm_pools.spared(self._ctx, self._pools)

    def lost(self, pick: choice.Pick, reason: errors.FPGAError) -> None:
        """Somebody else was faster."""
        self._losses.update(pick.handles.keys())
        self._reason = reason
        # Whoever was faster may be done with it in a moment.
        time.sleep(random.uniform(0, _PAUSE_SECONDS))  # noqa: S311

    def full(self, pick: choice.Pick, reason: errors.FPGAError) -> None:
        """Placement has not that much there."""
        self._full.add(pick.rp_uuid)
        self._reason = reason

    def drop(self, image: nouns.Bitstream) -> None:
        """The caller may not use *image*, or not any more.

        :raises errors.NoCapacity: It was the last.
        """
        self._wishes = [w for w in self._wishes if w.uuid != image.uuid]
        if not self._wishes:
            raise no_bitstream(self._request)

    def renew(self, image: nouns.Bitstream) -> None:
        """*image* is what is known of it now."""
        self._wishes = choice.renewed(self._wishes, image)

    def refusal(self) -> errors.FPGAError:
        """Why there is nothing left."""
        if self._reason is not None:
            return self._reason
        wanted = ' '.join(filter(None, (str(self._count), self._class)))
        if self._traits:
            wanted += f' with {", ".join(self._traits)}'
        return choice.refuse(
            deployables.kinds(self._ctx, hostname=self._hostname),
            self._wishes,
            wanted=wanted,
            where=f'host {self._hostname}' if self._hostname else 'every host',
            rules=self._rules,
        )

    def _is_left(self, region: nouns.Deployable) -> bool:
        if region.rp_uuid in self._full:
            return False
        # Offered, and refused again and again: something else is wrong.
        if self._losses[region.id] > _LOSSES:
            return False
        return choice.is_open(
            region, self._ctx.project_id, exclusive=self._exclusive
        )


def near(
    ctx: context.RequestContext, wishes: Sequence[nouns.Bitstream]
) -> list[str]:
    """Some of the hosts that have a file of *wishes*; a statement at most."""
    contents = {wish.content for wish in wishes if wish.content is not None}
    if not contents:
        return []
    held = cached.hostnames_holding(ctx, contents)
    found = sorted(frozenset[str]().union(*held.values()))
    return random.sample(found, min(len(found), _HOSTS))


def no_bitstream(wanted: Mapping[str, Any]) -> errors.NoCapacity:
    """The refusal where the catalogue has nothing for the caller.

    :param wanted: The request, or what it names bitstreams by.
    """
    words = [
        f'{name.replace("_", " ")} {wanted[name]}'
        for name in ('type', 'function_name', 'function_id')
        if wanted.get(name) is not None
    ]
    return errors.NoCapacity(
        reason=f'there is no usable bitstream of {" and ".join(words)}'
    )
