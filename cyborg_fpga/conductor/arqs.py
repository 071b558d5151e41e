"""The road of an accelerator request: bound, programmed, taken back.

A bind is all or nothing for all ARQs of an instance. Whatever its end, Nova
is told after it is committed (:mod:`events`). What an ARQ gives back it gives
back at once; the wipe comes after that, and Placement is told before Nova
lets go of its allocation.
"""

import dataclasses
import functools
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import killpoints
from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.clients import limits
from cyborg_fpga.conductor import adoption
from cyborg_fpga.conductor import booking
from cyborg_fpga.conductor import catalogue
from cyborg_fpga.conductor import choice
from cyborg_fpga.conductor import distrust
from cyborg_fpga.conductor import events
from cyborg_fpga.conductor import inventory
from cyborg_fpga.conductor import needs
from cyborg_fpga.conductor import placing
from cyborg_fpga.conductor import programming
from cyborg_fpga.conductor import providers
from cyborg_fpga.conductor import racing
from cyborg_fpga.conductor import supervision
from cyborg_fpga.conductor import warm_pools
from cyborg_fpga.conductor import wipes
from cyborg_fpga.db import arqs
from cyborg_fpga.db import bindings
from cyborg_fpga.db import claims
from cyborg_fpga.db import deployables
from cyborg_fpga.db import operations
from cyborg_fpga.db import unbindings

LOG = logging.getLogger(__name__)

_State = model.ClaimState


class Arqs:
    """Claims through Nova's door, and what becomes of them."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        images: catalogue.Catalogue,
        stock: inventory.Inventory,
        programs: programming.Programming,
        endings: supervision.Supervision,
        notices: events.Events,
        owner: str,
        end_orphans: adoption.EndOrphans,
    ) -> None:
        self._conf = conf.conductor
        self._distrust = distrust.Distrust(conf)
        self._limits = limits.Limits(conf)
        self._catalogue = images
        self._inventory = stock
        self._programming = programs
        self._supervision = endings
        self._events = notices
        self._owner = owner
        self._end_orphans = end_orphans

    def bind(
        self, ctx: context.RequestContext, request: Mapping[str, Any]
    ) -> list[model.Operation]:
        """Bind as :meth:`rpc.conductor.ConductorAPI.bind` says.

        :returns: Operations that are committed, to be sent now.
        :raises errors.FPGAError: Refused; the ARQs hold nothing and are
            what they were, or ``initial``.
        """
        found, said = arqs.to_bind(
            ctx,
            list(request['arqs']),
            request['instance_uuid'],
            request['visible_to'],
        )
        project_id = request['project_id'] or found[0].project_id
        allowance = self._limits.of(
            project_id or '', functools.partial(claims.count_held, ctx)
        )
        allowance.check(len(found))
        wanted = needs.Needs(ctx, self._catalogue, project_id)
        wanted.read(found, said)
        plan, started = racing.take(
            lambda: self._plan(ctx, request, found, wanted, project_id),
            lambda plan: self._hold(
                ctx, request, plan, settled=not allowance.limited
            ),
            lambda: self._end_orphans(ctx, set(request['arqs'].values())),
        )
        killpoints.reached('arq_bound')
        if allowance.limited:
            self._settle(ctx, plan, started, allowance)
        self._events.wake()
        # The rest of a deployable cannot become anything else now: who is
        # scheduled next must not be promised that.
        self._tell_placement(ctx, plan.shared)
        return started

    def _plan(
        self,
        ctx: context.RequestContext,
        request: Mapping[str, Any],
        found: Sequence[nouns.Arq],
        wanted: needs.Needs,
        project_id: str | None,
    ) -> placing.Plan:
        """Who gets what, with images that the caller may use."""
        there = self._claimable(ctx, request, project_id)
        regions = self._distrust.offered(ctx, there, project_id)
        spared = warm_pools.spared(ctx, self._conf.warm_pools)
        while True:
            plan = placing.place(
                [
                    placing.Want(
                        arq_uuid=arq.uuid,
                        rp_uuid=request['arqs'][arq.uuid],
                        need=wanted.of(arq),
                    )
                    for arq in found
                ],
                regions,
                wipes.Rules.configured(self._conf),
                spared,
            )
            if wanted.may_use(plan.images.values()):
                break
        given = {place.region_id for place in plan.places.values()}
        bad = self._distrust.emptied(
            ctx,
            [r for r in there if r.id in given - plan.images.keys()],
            project_id,
        )
        return dataclasses.replace(
            plan,
            regions=[bad.get(region.id, region) for region in there],
            distrusted=frozenset(bad),
        )

    def _claimable(
        self,
        ctx: context.RequestContext,
        request: Mapping[str, Any],
        project_id: str | None,
    ) -> list[nouns.Deployable]:
        """What could be had of the providers that Nova chose."""
        wanted = set(request['arqs'].values())
        there, regions = deployables.with_hosts(ctx, wanted)
        unknown = wanted - {region.rp_uuid for region in regions}
        if unknown:
            raise errors.InvalidInput(
                reason=f'resource provider {min(unknown)} is none of ours'
            )
        host = there.pop(regions[0].hostname)
        given = request['hostname'].lower()
        names = {host.hostname.lower(), host.rp_name.lower()}
        if given not in names or there:
            raise errors.InvalidInput(
                reason=f'the resource providers are not those of host {given}'
            )
        if not host.up or host.status is model.HostStatus.DISABLED:
            state = 'disabled' if host.up else 'down'
            raise errors.HostUnavailable(hostname=host.hostname, state=state)
        return [
            region
            for region in regions
            if providers.claimable(host, region)
            and choice.is_open(
                region,
                project_id,
                exclusive=self._conf.exclusive_deployables,
            )
        ]

    def _hold(
        self,
        ctx: context.RequestContext,
        request: Mapping[str, Any],
        plan: placing.Plan,
        *,
        settled: bool,
    ) -> list[model.Operation]:
        """Take the handles and commit what is done to their cards."""
        return self._programming.commit(
            ctx,
            placing.acts(plan),
            lambda ctx, acts, *, owner, lease: bindings.bind(
                ctx,
                plan.places,
                instance_uuid=request['instance_uuid'],
                project_id=request['visible_to'],
                new_project=request['project_id'],
                acts=acts,
                settled=settled,
                exclusive=self._conf.exclusive_deployables,
                owner=owner,
                lease=lease,
            ),
        )

    def _settle(
        self,
        ctx: context.RequestContext,
        plan: placing.Plan,
        started: Sequence[model.Operation],
        allowance: limits.Allowance,
    ) -> None:
        """Now that others see what it took: may it?"""
        busy = {operation.deployable_uuid for operation in started}
        ids = {r.id for r in plan.regions if r.uuid in busy}
        waiting = {u for u, p in plan.places.items() if p.region_id in ids}
        try:
            allowance.confirm(len(plan.places))
            bindings.settle(
                ctx,
                plan.places.keys() - waiting,
                waiting,
                owner=self._owner,
                lease=self._conf.lease_seconds,
            )
        except errors.FPGAError:
            self._undo(ctx, plan)
            raise

    def _undo(self, ctx: context.RequestContext, plan: placing.Plan) -> None:
        """Give back what a bind took that somebody is told was refused.

        What cannot be done now is done when the lease is over.
        """
        try:
            unbindings.unbind(
                ctx,
                list(plan.places),
                into=_State.INITIAL,
                states=[_State.CLAIMING],
                dirty=False,
            )
            for operation in operations.unneeded(ctx):
                self._supervision.recall(ctx, operation)
        except errors.FPGAError as exc:
            LOG.warning('A bind is undone later: %s', exc.message)

    def unbind(
        self,
        ctx: context.RequestContext,
        uuids: Sequence[str],
        visible_to: str | None,
    ) -> bool:
        """Take from ARQs what they hold; Nova is not told.

        :returns: Whether the reconciler has something to do with it now.
        :raises errors.NotFound: One is not there; nothing is done.
        """
        there = {arq.uuid for arq in arqs.some(ctx, uuids, visible_to)}
        gone = set(uuids) - there
        if gone:
            raise arqs.missing(min(gone))
        return self._after(ctx, unbindings.unbind(ctx, uuids, visible_to))

    def delete(
        self,
        ctx: context.RequestContext,
        uuids: Sequence[str],
        visible_to: str | None,
        *,
        bound: bool,
    ) -> bool:
        """Delete those of *uuids* that there are; see :meth:`unbind`.

        :param bound: Also those that an instance has.
        :raises errors.NotFound: One was not; the others are deleted.
        """
        done = unbindings.delete(ctx, uuids, visible_to, bound=bound)
        unsettled = self._after(ctx, done)
        gone = set(uuids) - set(done.uuids)
        if gone:
            raise arqs.missing(min(gone))
        return unsettled

    def delete_of_instance(
        self,
        ctx: context.RequestContext,
        instance_uuid: str,
        visible_to: str | None,
    ) -> bool:
        """Delete what an instance has; nothing is fine too."""
        return self._after(
            ctx, unbindings.delete_of_instance(ctx, instance_uuid, visible_to)
        )

    def advance(self, ctx: context.RequestContext, claim: nouns.Claim) -> None:
        """Do an ARQ's next step, if it can be done now; else nothing."""
        if claim.state is not _State.PROGRAMMING:
            return
        operation = operations.last_for(ctx, claim.uuid)
        if operation is None:
            self._fail(ctx, claim, booking.INTERRUPTED)
        elif operation.state is model.OperationState.SUCCEEDED:
            if bindings.confirm(ctx, claim.uuid):
                self._events.wake()
        elif operation.state not in model.OPERATION_UNFINISHED:
            self._fail(ctx, claim, operation.fault())

    def recover(self, ctx: context.RequestContext, claim: nouns.Claim) -> None:
        """Go on with what another conductor, or a crash of ours, left."""
        if claim.state is _State.CLAIMING:
            # Nobody was told that it began.
            self._fail(ctx, claim, booking.INTERRUPTED)
        else:
            self.advance(ctx, claim)

    def _fail(
        self,
        ctx: context.RequestContext,
        claim: nouns.Claim,
        fault: tuple[str, str],
    ) -> None:
        released = unbindings.fail(
            ctx,
            claim.uuid,
            fault,
            [claim.state],
            grace=self._conf.lease_seconds,
        )
        if released.uuids:
            LOG.info('ARQ %s failed: %s', claim.uuid, fault[1])
            # Nova lets go of its allocation when it hears of it: before that
            # Placement must know.
            self._after(ctx, released)
            arqs.hasten(ctx, claim.uuid)
            self._events.wake()

    def _after(
        self, ctx: context.RequestContext, released: unbindings.Released
    ) -> bool:
        """Tell Placement.

        Not at once where that knows all that counts: the reconciler does.

        :returns: Whether it has something to do with it now.
        """
        if not released.hostnames:
            return False
        killpoints.reached('arq_released')
        if released.rejoined and not self._conf.exclusive_deployables:
            return False
        self._tell_placement(ctx, released.hostnames)
        return True

    def _tell_placement(
        self, ctx: context.RequestContext, hostnames: Iterable[str]
    ) -> None:
        """Now if it can be; the reconciler finds what was not told."""
        for hostname in hostnames:
            try:
                self._inventory.sync_host(ctx, hostname)
            except errors.FPGAError as exc:
                LOG.warning(
                    'Placement is told of %s later: %s', hostname, exc.message
                )
