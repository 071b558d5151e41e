"""Compare what Placement holds of our hosts with our records.

A request to Placement that timed out may be executed long after it was given
up, and a crash comes between any two steps. What is left of it is found here
and by nobody else.
"""

import collections
import dataclasses
import threading

from oslo_log import log as logging

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga.clients import nova
from cyborg_fpga.clients import placement
from cyborg_fpga.conductor import arqs
from cyborg_fpga.conductor import inventory
from cyborg_fpga.conductor import providers
from cyborg_fpga.db import audits
from cyborg_fpga.db import claims
from cyborg_fpga.db import deployables
from cyborg_fpga.db import hosts

LOG = logging.getLogger(__name__)

# What looks wrong must still do so after this time: in between, a claim that
# is made or released has both its row and its allocation, or neither.
_PAUSE_SECONDS = 5.0


@dataclasses.dataclass(frozen=True, slots=True)
class _Findings:
    """What is wrong on one host.

    :ivar strays: Allocations of claims that do not exist, by consumer.
    :ivar bare: Ready claims without one.
    :ivar wrong: Ready claims that hold something else than they should.
    :ivar empty: Instances that have bound requests, and hold nothing of
        their providers.
    """

    strays: frozenset[str]
    bare: frozenset[str]
    wrong: frozenset[str]
    empty: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.strays or self.bare or self.wrong or self.empty)


class Audit:
    """Looks at every host twice, and mends what both looks found.

    Nothing but allocations of our own consumer type is ever deleted, and
    accelerator requests of servers that neither Placement nor Nova knows.
    """

    def __init__(
        self,
        client: placement.Placement,
        computes: nova.Nova,
        stock: inventory.Inventory,
        requests: arqs.Arqs,
    ) -> None:
        self._placement = client
        self._nova = computes
        self._inventory = stock
        self._arqs = requests

    def run(
        self, ctx: context.RequestContext, ending: threading.Event
    ) -> None:
        """Audit every host; stop early when *ending* is set.

        What one host refuses keeps nobody from the next.
        """
        found = {}
        for hostname in audits.hosts(ctx):
            if ending.is_set():
                return
            try:
                self._inventory.sync_host(ctx, hostname, force=True)
                findings = self._look(ctx, hostname)
            except errors.FPGAError as exc:
                LOG.warning('Audit of %s: %s', hostname, exc.message)
                continue
            if findings:
                found[hostname] = findings
        if not found or ending.wait(_PAUSE_SECONDS):
            return
        for hostname, findings in found.items():
            try:
                self._mend(ctx, hostname, findings)
            except errors.FPGAError as exc:
                LOG.warning('Audit of %s: %s', hostname, exc.message)

    def _look(self, ctx: context.RequestContext, hostname: str) -> _Findings:
        held = self._allocations(ctx, hostname)
        # After the allocations: a claim's row is there before its allocation.
        entitled = audits.entitled(ctx, held)
        ready = audits.ready(ctx, hostname)
        bound = audits.bound(ctx, hostname)
        return _Findings(
            strays=frozenset(
                consumer
                for consumer in held.keys() - entitled
                if self._is_ours(consumer)
            ),
            bare=frozenset(ready.keys() - held.keys()),
            wrong=frozenset(
                uuid
                for uuid in ready.keys() & held.keys()
                if ready[uuid] != held[uuid]
            ),
            empty=frozenset(
                instance
                for instance, rp_uuids in bound.items()
                if rp_uuids.isdisjoint(held.get(instance, ()))
            ),
        )

    def _allocations(
        self, ctx: context.RequestContext, hostname: str
    ) -> dict[str, audits.Held]:
        """What is held of a host's providers, by consumer."""
        root = hosts.get(ctx, hostname).rp_uuid
        found: dict[str, audits.Held] = collections.defaultdict(dict)
        if root is None:
            return found
        prefix = providers.name_prefix(hostname)
        ours = self._placement.providers_below(root, prefix)
        for uuid in {*ours, *deployables.fixed_providers(ctx, hostname)}:
            try:
                amounts = self._placement.provider_allocations(uuid)
            except errors.NotFound:
                # It has gone, and so nothing of it is held.
                continue
            for consumer, amount in amounts.items():
                found[consumer][uuid] = amount
        return found

    def _is_ours(self, consumer: str) -> bool:
        kind = self._placement.allocations(consumer).consumer_type
        return kind == placement.CONSUMER_TYPE

    def _mend(
        self, ctx: context.RequestContext, hostname: str, before: _Findings
    ) -> None:
        now = self._look(ctx, hostname)
        for consumer in sorted(before.strays & now.strays):
            LOG.warning(
                'Allocation %s on %s is of no claim: deleted',
                consumer,
                hostname,
            )
            self._placement.release(consumer)
        for uuid in sorted(before.bare & now.bare):
            self._allocate_again(ctx, hostname, uuid)
        for uuid in sorted(before.wrong & now.wrong):
            LOG.error(
                'Claim %s on %s holds another amount in Placement than of '
                'our cards',
                uuid,
                hostname,
            )
        for instance in sorted(before.empty & now.empty):
            self._end(ctx, hostname, instance)

    def _end(
        self, ctx: context.RequestContext, hostname: str, instance: str
    ) -> None:
        """Delete the requests of an instance, if Nova has none of it.

        Nova deletes them before it lets go of the allocation; where it
        could not ask us to, it does not ask again.
        """
        if self._placement.allocations(instance).resources:
            # It moves, or somebody changed what it holds.
            return
        if self._nova.has_server(instance):
            LOG.error(
                'Server %s on %s has lost its allocation, and Placement may '
                'give its cards to others',
                instance,
                hostname,
            )
            return
        LOG.warning(
            'Server %s is gone and had accelerator requests on %s: deleted',
            instance,
            hostname,
        )
        self._arqs.delete_of_instance(ctx, instance, None)

    def _allocate_again(
        self, ctx: context.RequestContext, hostname: str, uuid: str
    ) -> None:
        """Give a claim its allocation back, if it is still to be had."""
        wanted = audits.ready(ctx, hostname).get(uuid)
        if wanted is None:
            return
        claim = claims.get(ctx, uuid)
        try:
            self._placement.claim(
                uuid,
                wanted,
                project_id=claim.project_id or 'none',
                user_id=claim.user_id or 'none',
            )
        except (errors.NoCapacity, errors.Duplicate) as exc:
            LOG.error(
                'Claim %s on %s has lost its allocation, and Placement may '
                'give its cards to others: %s',
                uuid,
                hostname,
                exc.message,
            )
            return
        LOG.warning(
            'Claim %s on %s had lost its allocation: made again',
            uuid,
            hostname,
        )
        if not claims.exists(ctx, uuid):
            # Released meanwhile, maybe before it had this.
            self._placement.release(uuid)
