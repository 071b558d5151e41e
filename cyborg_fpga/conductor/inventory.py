"""What a host reports becomes records, and records become Placement's tree.

The only place that writes providers, inventories and traits. It does so by
comparison, and not at all where nothing changed.
"""

import dataclasses
import hashlib
import json
import random
import threading
import time
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging
from oslo_utils import uuidutils

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import killpoints
from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.clients import placement
from cyborg_fpga.conductor import providers
from cyborg_fpga.conductor import wipes
from cyborg_fpga.db import attributes
from cyborg_fpga.db import bitstreams
from cyborg_fpga.db import deployables
from cyborg_fpga.db import hosts
from cyborg_fpga.db import reports

LOG = logging.getLogger(__name__)

# Records may change while Placement is told of them; then it is told again.
_ROUNDS = 5

# Longer than one that was killed has the turn, a conductor waits this long
# for another that tells Placement of the same host, looking this often.
_PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.05


class Inventory:
    """Records and Placement's tree of every host."""

    def __init__(
        self, conf: cfg.ConfigOpts, client: placement.Placement
    ) -> None:
        self._conf = conf
        self._placement = client
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()
        self._teller = uuidutils.generate_uuid()
        # By host, what was said of its cards that cannot be wiped.
        self._said: dict[str, str] = {}

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
        host, _, regions = deployables.on_host(ctx, report.hostname)
        self._arrange(ctx, host, regions, reported=True)
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
        One conductor at a time does this for a host: what one that is slow
        writes from older records would stay there if it died of it. So this
        may block for *lease_seconds* after another was killed amid it.

        :param force: Compare with Placement all the same.
        :param leaving: A claim whose allocation is about to go: what it has
            of deployables that cannot be offered is reserved already.
        :returns: Whether Placement had to be asked.
        :raises errors.ServiceUnavailable: Placement is away, or another has
            not ended; the host stays marked, the reconciler tries again.
        """
        asked = False
        with self._lock(hostname):
            try:
                for _ in range(_ROUNDS):
                    self._await_turn(ctx, hostname)
                    host, told, regions = deployables.on_host(ctx, hostname)
                    self._warn(host, regions)
                    wanted, kept = self._arrange(ctx, host, regions, leaving)
                    digest = _digest(wanted)
                    if force or told != digest:
                        force, asked = False, True
                        self._write(ctx, host, wanted, kept)
                    if hosts.finish_telling(
                        ctx, hostname, self._teller, digest
                    ):
                        return asked
            except errors.FPGAError:
                hosts.stop_telling(ctx, hostname, self._teller)
                raise
            # It is marked again and again; the reconciler goes on.
            return asked

    def _warn(
        self, host: nouns.Host, regions: Sequence[nouns.Deployable]
    ) -> None:
        """Say once what will be quarantined by the first claim of it."""
        rules = wipes.Rules.configured(self._conf.conductor)
        words = ', '.join(
            f'{region.name} ({level})'
            for region, level in rules.lacking(regions)
        )
        if words and words != self._said.get(host.hostname):
            LOG.warning(
                'Host %s: these can be claimed once at most, since their '
                'cards cannot be wiped at the level that is configured, and '
                'are quarantined then: %s. Configure [agent] blank_bitstreams '
                'there, or a level that they have in [conductor] wipe_public '
                'and wipe_at_least',
                host.hostname,
                words,
            )
        self._said[host.hostname] = words

    def _await_turn(self, ctx: context.RequestContext, hostname: str) -> None:
        """Begin to tell Placement of a host, as nobody else does."""
        lease = self._conf.conductor.lease_seconds
        end = time.monotonic() + lease + _PATIENCE_SECONDS
        while True:
            try:
                hosts.start_telling(ctx, hostname, self._teller, lease)
                return
            except errors.InUse as exc:
                if time.monotonic() > end:
                    raise errors.ServiceUnavailable(
                        service='Placement', reason=exc.message
                    ) from exc
            time.sleep(random.uniform(0, _LOOK_SECONDS))  # noqa: S311

    def _write(
        self,
        ctx: context.RequestContext,
        host: nouns.Host,
        wanted: list[placement.Provider],
        kept: set[str],
    ) -> None:
        hostname = host.hostname
        root = self._root(ctx, host)
        killpoints.reached('placement_untold')
        try:
            writes = self._placement.sync_tree(
                root,
                wanted,
                prefix=providers.name_prefix(hostname),
                ours=kept,
            )
        except errors.NotFound as exc:
            # The compute service made its provider anew.
            hosts.set_root(ctx, hostname, None)
            raise errors.ServiceUnavailable(
                service='Placement', reason=exc.message
            ) from exc
        killpoints.reached('placement_told')
        LOG.info('Placement: %s writes for host %s', writes, hostname)

    def _arrange(
        self,
        ctx: context.RequestContext,
        host: nouns.Host,
        regions: Sequence[nouns.Deployable],
        leaving: str | None = None,
        *,
        reported: bool = False,
    ) -> tuple[list[placement.Provider], set[str]]:
        """Work out a host's providers and store who belongs to which.

        :returns: The providers; uuids of all that were imported.
        """
        host = self._laid_out(ctx, host, regions)
        wanted, membership, classes = providers.layout(
            host,
            regions,
            bitstreams.public(
                ctx, region_ids={r.region_id for r in regions if r.region_id}
            ),
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
        if moved or reported:
            # Before the providers: what is cut short here is done again.
            attributes.report(
                ctx, {r.id: _facts(r, classes[r.uuid]) for r in regions}
            )
        if moved:
            deployables.set_providers(ctx, moved, classes)
        return wanted, {r.rp_uuid for r in regions if r.rp_fixed}

    def _laid_out(
        self,
        ctx: context.RequestContext,
        host: nouns.Host,
        regions: Sequence[nouns.Deployable],
    ) -> nouns.Host:
        """The host with the layout that is configured, if it can have it.

        Allocations name providers: while there are any, these stay, and so
        do imported ones.
        """
        wanted = model.Layout(self._conf.placement.layout)
        if host.layout is wanted or any(
            region.rp_fixed or any(h.claim_uuid for h in region.handles)
            for region in regions
        ):
            return host
        LOG.info('Host %s gets layout %s', host.hostname, wanted)
        hosts.set_layout(ctx, host.hostname, wanted)
        return dataclasses.replace(host, layout=wanted)

    def _root(self, ctx: context.RequestContext, host: nouns.Host) -> str:
        """The uuid of the host's own provider."""
        if host.rp_uuid is not None:
            return host.rp_uuid
        names = [name for name in (host.rp_name, host.hostname) if name]
        uuid = self._find_root(names)
        hosts.set_root(ctx, host.hostname, uuid)
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


def _facts(
    region: nouns.Deployable, resource_class: str
) -> list[attributes.Fact]:
    """What Cyborg calls a deployable's attributes."""
    traits = providers.fixed_traits(region) - set(region.added_traits)
    return [
        (attributes.CLASS, resource_class),
        *(
            (f'{attributes.TRAIT}{number}', name)
            for number, name in enumerate(sorted(traits))
        ),
    ]


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
    """Held handles that no allocation covers, by deployable.

    And those of deployables that must not be offered yet, whose claim ends
    before they are: at any moment, so all who tell Placement must say it.
    Those whose claim waits for their wipe still have its allocation, which
    goes before that only with *leaving*.
    """
    found = {}
    for region in regions:
        kept = not providers.claimable(host, region)
        done = kept and not to_be_wiped(region)
        found[region.uuid] = sum(
            not h.covered
            or (done and h.leaving and h.present)
            or (kept and h.claim_uuid == leaving and h.present)
            for h in region.handles
            if h.claim_uuid
        )
    return found


def to_be_wiped(region: nouns.Deployable) -> bool:
    """A claim of it waits for that.

    Not where it cannot be done now: that is reserved, whatever becomes of it.
    """
    beyond_reach = (model.Health.QUARANTINED, model.Health.LOST)
    return region.wipe_pending and region.health not in beyond_reach


def free_handles(region: nouns.Deployable) -> list[nouns.AttachHandle]:
    """Handles of a deployable that nobody holds and that are there."""
    return [h for h in region.handles if h.claim_uuid is None and h.present]
