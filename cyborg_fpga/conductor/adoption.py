"""What an instance holds in Placement already: claimed, and ended with it.

Nova has allocated it, for a flavor that asks for resources and not for a
device profile, and attaches nothing. A claim of it makes no allocation of
its own. Nobody tells us of the end of the instance's: it is looked for.
"""

import collections
import dataclasses
import random
import time
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.clients import placement
from cyborg_fpga.conductor import choice
from cyborg_fpga.conductor import providers
from cyborg_fpga.conductor import search
from cyborg_fpga.conductor import warm_pools
from cyborg_fpga.conductor import wipes
from cyborg_fpga.db import adoptions
from cyborg_fpga.db import bitstreams
from cyborg_fpga.db import deployables
from cyborg_fpga.db import hosts

LOG = logging.getLogger(__name__)

# Placement has agreed, so what is not free now is about to be: a claim of our
# own door holds it until Placement refuses that, or one whose instance has
# gone does until it is wiped.
_PATIENCE_SECONDS = 4.0
_PAUSE_SECONDS = 0.1

#: Ends the claims of providers whose instances hold nothing there any more;
#: whether there were any.
EndOrphans = Callable[[context.RequestContext, Collection[str]], bool]


@dataclasses.dataclass(frozen=True, slots=True)
class _Share:
    """What an instance holds of one of our providers."""

    rp_uuid: str
    resource_class: str
    amount: int


class Holdings:
    """Goes through the ways to serve a claim of what an instance holds.

    Used as :class:`search.Search` is. One claim is of all that the instance
    holds of one provider.
    """

    def __init__(
        self,
        ctx: context.RequestContext,
        conf: cfg.ConfigOpts,
        client: placement.Placement,
        request: Mapping[str, Any],
        wishes: list[nouns.Bitstream],
        end_orphans: EndOrphans,
    ) -> None:
        """:raises errors.FPGAError: There is none, now or ever."""
        self.checked: set[str] = set()
        self._ctx = ctx
        self._conf = conf
        self._request = request
        self._wishes = wishes
        self._end_orphans = end_orphans
        self._traits = request.get('traits', [])
        self._rules = wipes.asked(conf.conductor, request)
        self._types = providers.types_by_region(
            bitstreams.public(ctx) if self._traits else [],
            conf.bitstream.types,
        )
        self._shares = self._unclaimed(self._held(client))
        self._refuse_hopeless()
        self._asked = self._looked = False
        self._end = time.monotonic() + _PATIENCE_SECONDS
        self._reason: errors.FPGAError | None = None

    def next(self) -> choice.Pick | None:
        """The best way now; None: there was none for some time."""
        while not self._asked or time.monotonic() < self._end:
            self._asked = True
            pick = self._best()
            if pick is not None:
                return pick
            if not self._looked:
                self._looked = True
                self._end_orphans(self._ctx, self._shares.keys())
            # Another may have claimed it just now.
            self._shares = self._unclaimed(list(self._shares.values()))
            self._pause()
        return None

    def lost(self, pick: choice.Pick, reason: errors.FPGAError) -> None:
        """Somebody else was faster."""
        self._reason = reason
        self._pause()

    def drop(self, image: nouns.Bitstream) -> None:
        """See ``search.Search.drop``."""
        self._wishes = [w for w in self._wishes if w.uuid != image.uuid]
        if not self._wishes:
            raise search.no_bitstream(self._request)

    def renew(self, image: nouns.Bitstream) -> None:
        """See ``search.Search.renew``."""
        self._wishes = choice.renewed(self._wishes, image)

    def refusal(self) -> errors.FPGAError:
        """Why there is nothing left."""
        if self._reason is not None:
            return self._reason
        share = min(self._shares.values(), key=lambda one: one.rp_uuid)
        wanted = f'{share.amount} {share.resource_class}'
        if self._traits:
            wanted += f' with {", ".join(self._traits)}'
        return choice.refuse(
            deployables.of_providers(self._ctx, self._shares),
            self._wishes,
            wanted=wanted,
            where=f'that of instance {self._request["instance_uuid"]}',
            rules=self._rules,
        )

    def _held(self, client: placement.Placement) -> list[_Share]:
        """What the instance holds that the request means.

        :raises errors.NoAllocation: Nothing, or it is another project's.
        """
        found = client.allocations(self._request['instance_uuid'])
        theirs = found.project_id == self._ctx.project_id
        # A claim is no instance, whatever its owner says.
        if not theirs or found.consumer_type == placement.CONSUMER_TYPE:
            raise self._nothing()
        asked = self._request.get('resource_class')
        where = self._request.get('hostname')
        shares = {}
        for region in deployables.of_providers(self._ctx, found.resources):
            amounts = found.resources[region.rp_uuid]
            share = _Share(
                region.rp_uuid,
                region.resource_class,
                amounts.get(region.resource_class, 0),
            )
            fits = asked in (None, share.resource_class)
            if share.amount and fits and where in (None, region.hostname):
                shares[share.rp_uuid] = share
        if not shares:
            raise self._nothing()
        return list(shares.values())

    def _nothing(self) -> errors.NoAllocation:
        where = self._request.get('hostname')
        return errors.NoAllocation(
            instance=self._request['instance_uuid'],
            what=self._request.get('resource_class') or 'FPGA',
            where=f' on host {where}' if where else '',
        )

    def _unclaimed(self, held: list[_Share]) -> dict[str, _Share]:
        """Those that no claim has, of the amount that is asked for."""
        instance = self._request['instance_uuid']
        taken = adoptions.of_instance(self._ctx, instance)
        free = [share for share in held if share.rp_uuid not in taken]
        if not free:
            claims = ', '.join(sorted(taken[s.rp_uuid] for s in held))
            raise errors.Duplicate(
                f'Claim {claims} has what instance {instance} holds.'
            )
        count = self._request.get('count')
        fitting = [s for s in free if count in (None, s.amount)]
        if not fitting:
            amounts = ' and '.join(str(share.amount) for share in free)
            raise errors.InvalidInput(
                reason=f'instance {instance} holds {amounts} of a provider, '
                f'not {count}; leave count out'
            )
        return {share.rp_uuid: share for share in fitting}

    def _refuse_hopeless(self) -> None:
        """What no patience would change."""
        regions = deployables.of_providers(self._ctx, self._shares)
        there = {
            name: hosts.get(self._ctx, name)
            for name in sorted({region.hostname for region in regions})
        }
        if not any(map(_is_usable, there.values())):
            name, host = min(there.items())
            state = 'disabled' if host.up else 'down'
            raise errors.HostUnavailable(hostname=name, state=state)
        if self._wishes and not any(
            choice.fits(r, wish) for r in regions for wish in self._wishes
        ):
            raise errors.DoesNotFit(
                reason=choice.misfit(regions, self._wishes[0])
            )

    def _best(self) -> choice.Pick | None:
        """The provider of which the fewest have to be programmed."""
        pools = collections.defaultdict(list)
        known: dict[str, nouns.Host] = {}
        for region in deployables.of_providers(self._ctx, self._shares):
            name = region.hostname
            if name not in known:
                known[name] = hosts.get(self._ctx, name)
            if providers.claimable(known[name], region) and choice.is_open(
                region,
                self._ctx.project_id,
                exclusive=self._conf.conductor.exclusive_deployables,
            ):
                pools[region.rp_uuid].append(region)
        spared = warm_pools.spared(self._ctx, self._conf.conductor.warm_pools)
        picks = [
            choice.best(
                pool,
                self._wishes,
                traits=self._traits,
                count=self._shares[rp_uuid].amount,
                types=self._types,
                rules=self._rules,
                spared=spared,
            )
            for rp_uuid, pool in sorted(pools.items())
        ]
        found = [pick for pick in picks if pick is not None]
        return min(found, key=lambda pick: len(pick.cold), default=None)

    def _pause(self) -> None:
        time.sleep(random.uniform(0, _PAUSE_SECONDS))  # noqa: S311


def orphans(
    ctx: context.RequestContext,
    client: placement.Placement,
    rp_uuids: Collection[str] | None = None,
) -> list[str]:
    """Claims of instances that hold less there now than was claimed.

    One request to Placement per provider, and one per claim that has ended.
    Those that it has no answer for are left alone. What is found is recorded,
    and found again until it is being released.

    :param rp_uuids: Look at these providers alone.
    """
    providers_of = collections.defaultdict(list)
    for claim in adoptions.held(ctx, rp_uuids):
        providers_of[claim.rp_uuid].append(claim)
    found = []
    for rp_uuid, claims in providers_of.items():
        try:
            found += _orphans_of(ctx, client, rp_uuid, claims)
        except errors.FPGAError as exc:
            LOG.warning(
                'Instances on provider %s are looked for later: %s',
                rp_uuid,
                exc.message,
            )
    return found


def _orphans_of(
    ctx: context.RequestContext,
    client: placement.Placement,
    rp_uuid: str,
    claims: list[adoptions.Adopted],
) -> list[str]:
    found = [c.uuid for c in claims if c.gone and not c.releasing]
    left = [claim for claim in claims if not claim.gone]
    held = _allocations(client, rp_uuid) if left else {}
    for claim in left:
        if _covers(held.get(claim.instance_uuid, {}), claim):
            continue
        # A second source, before somebody loses what he uses.
        resources = client.allocations(claim.instance_uuid).resources
        if _covers(resources.get(rp_uuid, {}), claim):
            continue
        adoptions.lose(ctx, claim.uuid)
        LOG.info(
            'Claim %s ends: instance %s does not hold %s of provider %s',
            claim.uuid,
            claim.instance_uuid,
            claim.amount,
            rp_uuid,
        )
        found.append(claim.uuid)
    return found


def _allocations(
    client: placement.Placement, rp_uuid: str
) -> dict[str, dict[str, int]]:
    try:
        return client.provider_allocations(rp_uuid)
    except errors.NotFound:
        # It has gone, or who says so is not Placement: ask for each.
        return {}


def _covers(amounts: Mapping[str, int], claim: adoptions.Adopted) -> bool:
    return amounts.get(claim.resource_class, 0) >= claim.amount


def _is_usable(host: nouns.Host) -> bool:
    return host.up and host.status is model.HostStatus.ENABLED
