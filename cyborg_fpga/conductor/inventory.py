"""What a host reports becomes records, and records become Placement's tree.

The only place that writes providers, inventories and traits. It does so by
comparison, and not at all where nothing changed.
"""

import dataclasses
import hashlib
import json
import threading
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.clients import placement
from cyborg_fpga.conductor import providers
from cyborg_fpga.db import bitstreams
from cyborg_fpga.db import deployables
from cyborg_fpga.db import hosts
from cyborg_fpga.db import reports

LOG = logging.getLogger(__name__)

# Two conductors may write one host at a time; the one with older records
# sees so afterwards and writes again.
_ROUNDS = 5


class Inventory:
    """Records and Placement's tree of every host."""

    def __init__(
        self, conf: cfg.ConfigOpts, client: placement.Placement
    ) -> None:
        self._conf = conf
        self._placement = client
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def report(
        self, ctx: context.RequestContext, report: model.HostReport
    ) -> dict[str, int] | None:
        """Store *report*: one statement where nothing changed.

        :returns: Fences to raise, by deployable name; None: nothing changed.
        :raises errors.StaleReport: A newer one is stored.
        """
        if hosts.heartbeat(ctx, report):
            return None
        layout = model.Layout(self._conf.placement.layout)
        fences = reports.store(ctx, report, layout)
        self._arrange(ctx, report.hostname)
        return fences

    def sync_host(
        self,
        ctx: context.RequestContext,
        hostname: str,
        *,
        force: bool = False,
        leaving: str | None = None,
    ) -> bool:
        """Make Placement's tree of a host what our records say.

        Asks Placement nothing when what it was last told is still right.

        :param force: Compare with Placement all the same.
        :param leaving: A claim whose allocation is about to go: what it has
            of deployables that cannot be offered is reserved already.
        :returns: Whether Placement had to be asked.
        :raises errors.ServiceUnavailable: Placement is away; the host stays
            marked, the reconciler tries again.
        """
        with self._lock(hostname):
            try:
                for done in range(_ROUNDS):
                    if not self._sync_once(
                        ctx, hostname, force=force, leaving=leaving
                    ):
                        return bool(done)
                    force = False
                return True
            except errors.FPGAError:
                hosts.mark_stale(ctx, hostname)
                raise

    def _sync_once(
        self,
        ctx: context.RequestContext,
        hostname: str,
        *,
        force: bool,
        leaving: str | None,
    ) -> bool:
        """False: Placement had been told the same before."""
        hosts.clear_stale(ctx, hostname)
        wanted = self._arrange(ctx, hostname, leaving)
        digest = _digest(wanted)
        told = hosts.placement_digest(ctx, hostname)
        if told == digest and not force:
            return False
        root = self._root(ctx, hostname)
        # From here on Placement may hold a part of it: whatever becomes of
        # this, the next time is compared again.
        hosts.set_placement_digest(ctx, hostname, None)
        try:
            writes = self._placement.sync_tree(
                root, wanted, prefix=providers.name_prefix(hostname)
            )
        except errors.NotFound as exc:
            # The compute service made its provider anew.
            hosts.set_root(ctx, hostname, None)
            raise errors.ServiceUnavailable(
                service='Placement', reason=exc.message
            ) from exc
        hosts.set_placement_digest(ctx, hostname, digest)
        LOG.info('Placement: %s writes for host %s', writes, hostname)
        return True

    def _arrange(
        self,
        ctx: context.RequestContext,
        hostname: str,
        leaving: str | None = None,
    ) -> list[placement.Provider]:
        """Work out a host's providers and store who belongs to which."""
        regions = deployables.of_host(ctx, hostname)
        host = self._laid_out(ctx, hosts.get(ctx, hostname), regions)
        wanted, membership, classes = providers.layout(
            host,
            regions,
            bitstreams.public(ctx),
            overrides=self._conf.placement.resource_classes,
            allowed_types=self._conf.bitstream.types,
            exclusive=self._conf.conductor.exclusive_deployables,
            uncovered=_uncovered(host, regions, leaving),
        )
        moved = {
            region.uuid: membership[region.uuid]
            for region in regions
            if membership[region.uuid] != (region.rp_uuid, region.rp_name)
            or classes[region.uuid] != region.resource_class
        }
        if moved:
            deployables.set_providers(ctx, moved, classes)
        return wanted

    def _laid_out(
        self,
        ctx: context.RequestContext,
        host: nouns.Host,
        regions: Sequence[nouns.Deployable],
    ) -> nouns.Host:
        """The host with the layout that is configured, if it can have it.

        Allocations name providers: while there are any, these stay.
        """
        wanted = model.Layout(self._conf.placement.layout)
        if host.layout is wanted or any(
            handle.claim_uuid
            for region in regions
            for handle in region.handles
        ):
            return host
        LOG.info('Host %s gets layout %s', host.hostname, wanted)
        hosts.set_layout(ctx, host.hostname, wanted)
        return dataclasses.replace(host, layout=wanted)

    def _root(self, ctx: context.RequestContext, hostname: str) -> str:
        """The uuid of the host's own provider."""
        host = hosts.get(ctx, hostname)
        if host.rp_uuid is not None:
            return host.rp_uuid
        names = [name for name in (host.rp_name, host.hostname) if name]
        uuid = self._find_root(names)
        hosts.set_root(ctx, hostname, uuid)
        return uuid

    def _find_root(self, names: list[str]) -> str:
        for name in names:
            found = self._placement.find_provider(name)
            if found is not None:
                return found
        if not self._conf.placement.create_root_provider:
            raise errors.ServiceUnavailable(
                service='Placement',
                reason=f'it has no provider named {" or ".join(names)}; start '
                'the compute service there, or set [placement] '
                'create_root_provider',
            )
        return self._placement.create_root(names[0])

    def _lock(self, hostname: str) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(hostname, threading.Lock())


def _digest(wanted: list[placement.Provider]) -> str:
    def plain(provider: placement.Provider) -> dict[str, Any]:
        return {
            'uuid': provider.uuid,
            'name': provider.name,
            'class': provider.resource_class,
            'total': provider.total,
            'reserved': provider.reserved,
            'traits': sorted(provider.traits),
        }

    ordered = sorted(map(plain, wanted), key=lambda p: str(p['uuid']))
    return hashlib.sha256(json.dumps(ordered).encode()).hexdigest()


def _uncovered(
    host: nouns.Host,
    regions: Sequence[nouns.Deployable],
    leaving: str | None,
) -> dict[str, int]:
    """What *leaving* holds of deployables that must not be offered yet."""
    return {
        region.uuid: sum(
            1 for h in region.handles if h.claim_uuid == leaving and h.present
        )
        for region in regions
        if leaving is not None and not providers.claimable(host, region)
    }


def free_handles(region: nouns.Deployable) -> list[nouns.AttachHandle]:
    """Handles of a deployable that nobody holds and that are there."""
    return [h for h in region.handles if h.claim_uuid is None and h.present]
