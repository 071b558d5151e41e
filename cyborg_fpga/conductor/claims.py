"""The road of a claim: booked, programmed, ready, released.

Every step commits before the next begins and can be repeated;
:meth:`Claims.advance` finishes from the records whatever a crash left.
"""

import threading
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import killpoints
from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.clients import placement
from cyborg_fpga.conductor import adoption
from cyborg_fpga.conductor import arqs
from cyborg_fpga.conductor import booking
from cyborg_fpga.conductor import catalogue
from cyborg_fpga.conductor import choice
from cyborg_fpga.conductor import distrust
from cyborg_fpga.conductor import inventory
from cyborg_fpga.conductor import programming
from cyborg_fpga.conductor import supervision
from cyborg_fpga.db import claims
from cyborg_fpga.db import deployables
from cyborg_fpga.db import operations

LOG = logging.getLogger(__name__)


class Claims:
    """Claims through our own door, and what becomes of them."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        client: placement.Placement,
        images: catalogue.Catalogue,
        stock: inventory.Inventory,
        programs: programming.Programming,
        endings: supervision.Supervision,
        requests: arqs.Arqs,
        owner: str,
    ) -> None:
        self._conf = conf
        self._distrust = distrust.Distrust(conf)
        self._placement = client
        self._booking = booking.Booking(
            conf, client, images, stock, owner, self.end_orphans
        )
        self._inventory = stock
        self._programming = programs
        self._supervision = endings
        self._arqs = requests
        self._owner = owner
        self._busy: dict[str, int] = {}
        self._guard = threading.Lock()

    def claim(
        self,
        ctx: context.RequestContext,
        uuid: str,
        request: Mapping[str, Any],
    ) -> model.ClaimState:
        """Claim what the checked POST body asks for, or nothing.

        :raises errors.FPGAError: Refused, and nothing is held.
        """
        with self._working_on(uuid):
            pick = self._booking.book(ctx, uuid, request)
            return self._load(ctx, uuid, pick)

    def _load(
        self, ctx: context.RequestContext, uuid: str, pick: choice.Pick
    ) -> model.ClaimState:
        """Have the wanted bitstreams loaded; ``ready`` where they are."""
        try:
            started = self._start_loading(ctx, uuid, pick)
        except errors.FPGAError:
            self._abandon(ctx, uuid)
            raise
        killpoints.reached('claim_operation_committed')
        state = (
            model.ClaimState.PROGRAMMING if started else model.ClaimState.READY
        )
        claiming = [model.ClaimState.CLAIMING]
        if not claims.set_state(ctx, uuid, claiming, state):
            self._abandon(ctx, uuid)
            raise errors.WrongState(
                kind='Claim',
                ident=uuid,
                state='gone',
                reason='it was released while it was made',
            )
        killpoints.reached('claim_confirmed_before_answer')
        if self._programming.send(ctx, started):
            self.advance(ctx, uuid)
        return state

    def _start_loading(
        self, ctx: context.RequestContext, uuid: str, pick: choice.Pick
    ) -> list[model.Operation]:
        """Commit what has to be done to the cards of a claim."""
        started = []
        judged = not pick.images and self._distrust.possible
        asked = pick.images or pick.foreign or judged
        regions = deployables.of_claim(ctx, uuid) if asked else []
        bad = (
            self._distrust.emptied(ctx, regions, ctx.project_id)
            if judged
            else {}
        )
        for region in regions:
            image = pick.images.get(region.id)
            if image is not None and not choice.loaded(region, image):
                started.append(
                    self._programming.program(
                        ctx, region, image, claim_uuid=uuid
                    )
                )
            elif image is None and region.id in pick.foreign | bad.keys():
                emptied = bad.get(region.id, region)
                started.append(
                    self._programming.wipe(ctx, emptied, claim_uuid=uuid)
                )
        return started

    def _abandon(self, ctx: context.RequestContext, uuid: str) -> None:
        """Give back what a claim took that somebody is told was refused.

        Nothing is raised: what cannot be done now is done later.
        """
        try:
            claims.start_release(
                ctx,
                uuid,
                owner=self._owner,
                lease=self._conf.conductor.lease_seconds,
            )
            self._recall(ctx, uuid)
            self._continue_release(ctx, uuid)
            # Another conductor may have ended it before our PUT came through.
            if not claims.exists(ctx, uuid):
                self._placement.release(uuid)
        except errors.FPGAError as exc:
            LOG.warning('Claim %s is undone later: %s', uuid, exc.message)

    def release(
        self, ctx: context.RequestContext, uuid: str, *, force: bool
    ) -> None:
        """Give a claim back; the wipe goes on after this returns.

        Repeating it is harmless. *force* does not wait for the wipe: the
        deployables are wiped before they are offered again all the same.
        """
        with self._working_on(uuid):
            started = claims.start_release(
                ctx,
                uuid,
                owner=self._owner,
                lease=self._conf.conductor.lease_seconds,
            )
            if not started and not claims.clear_fault(ctx, uuid):
                # It has failed, maybe just now.
                claims.forget_failed(ctx, uuid)
                return
            killpoints.reached('release_marked')
            try:
                self._recall(ctx, uuid)
                if force:
                    self._end_release(ctx, uuid, force=True)
                else:
                    self._continue_release(ctx, uuid)
            except errors.FPGAError as exc:
                # It is recorded, and that is all that was asked.
                LOG.warning(
                    'Claim %s is released later: %s', uuid, exc.message
                )

    def end_orphans(
        self,
        ctx: context.RequestContext,
        rp_uuids: Collection[str] | None = None,
    ) -> bool:
        """Release what was claimed of instances that hold it no more.

        :param rp_uuids: Look at these providers alone.
        :returns: Whether there was any.
        """
        found = adoption.orphans(ctx, self._placement, rp_uuids)
        for uuid in found:
            self.release(ctx, uuid, force=False)
        return bool(found)

    def _recall(self, ctx: context.RequestContext, uuid: str) -> None:
        """Cancel a programming that has not begun; wait for others."""
        for operation in operations.of_claim(ctx, uuid):
            if (
                operation.state is model.OperationState.PENDING
                and operation.kind is model.OperationKind.PROGRAM
            ):
                self._supervision.recall(ctx, operation)

    def advance(self, ctx: context.RequestContext, uuid: str) -> None:
        """Do a claim's next step, if it can be done now; else nothing."""
        try:
            claim = claims.get(ctx, uuid)
        except errors.NotFound:
            return
        if claim.origin is model.Origin.NOVA:
            self._arqs.advance(ctx, claim)
        elif claim.state is model.ClaimState.PROGRAMMING:
            self._continue_programming(ctx, claim)
        elif claim.state is model.ClaimState.RELEASING:
            self._continue_release(ctx, uuid)

    def ended(
        self, ctx: context.RequestContext, operation: model.Operation
    ) -> None:
        """Do what the end of *operation* makes possible. Raises nothing.

        Whatever cannot be done now is found by the reconciler.
        """
        region = deployables.get(ctx, operation.deployable_uuid)
        waiting = {handle.claim_uuid for handle in region.handles}
        for uuid in sorted(filter(None, waiting | {operation.claim_uuid})):
            try:
                self.advance(ctx, uuid)
            except errors.FPGAError as exc:
                LOG.warning('Claim %s goes on later: %s', uuid, exc.message)
        self._supervision.report_soon(ctx, operation.hostname)

    def unfinished(self, ctx: context.RequestContext) -> list[nouns.Claim]:
        """Claims to :meth:`recover`: ours now, and nobody works on them."""
        with self._guard:
            busy = list(self._busy)
        return claims.take_unfinished(
            ctx, self._owner, self._conf.conductor.lease_seconds, busy
        )

    def recover(self, ctx: context.RequestContext, claim: nouns.Claim) -> None:
        """Go on with what another conductor, or a crash of ours, left."""
        with self._guard:
            if claim.uuid in self._busy:
                return
        if claim.origin is model.Origin.NOVA:
            self._arqs.recover(ctx, claim)
            return
        with self._working_on(claim.uuid):
            if claim.state is model.ClaimState.CLAIMING:
                # Who made it may have finished since it was looked at.
                claims.start_release(
                    ctx,
                    claim.uuid,
                    fault=booking.INTERRUPTED,
                    states=[model.ClaimState.CLAIMING],
                )
                self._recall(ctx, claim.uuid)
            self.advance(ctx, claim.uuid)

    def _continue_programming(
        self, ctx: context.RequestContext, claim: nouns.Claim
    ) -> None:
        mine = operations.of_claim(ctx, claim.uuid)
        if any(o.state in model.OPERATION_UNFINISHED for o in mine):
            return
        failed = [
            o for o in mine if o.state is not model.OperationState.SUCCEEDED
        ]
        if not failed:
            claims.set_state(
                ctx,
                claim.uuid,
                [model.ClaimState.PROGRAMMING],
                model.ClaimState.READY,
            )
            return
        claims.start_release(ctx, claim.uuid, fault=failed[0].fault())
        self._continue_release(ctx, claim.uuid)

    def _continue_release(
        self, ctx: context.RequestContext, uuid: str
    ) -> None:
        waiting = any(
            o.state in model.OPERATION_UNFINISHED
            for o in operations.of_claim(ctx, uuid)
        )
        dirty = [
            region
            for region in deployables.of_claim(ctx, uuid)
            if inventory.to_be_wiped(region)
        ]
        self.wipe(ctx, dirty, claim_uuid=uuid)
        if waiting or dirty:
            return
        killpoints.reached('release_wiped')
        self._end_release(ctx, uuid)

    def wipe(
        self,
        ctx: context.RequestContext,
        regions: Sequence[nouns.Deployable],
        *,
        claim_uuid: str | None,
    ) -> None:
        """Start the wipes of one host's deployables that nobody uses."""
        started = []
        for region in regions:
            if region.state is not model.DeployableState.IDLE:
                continue
            try:
                started.append(
                    self._programming.wipe(ctx, region, claim_uuid=claim_uuid)
                )
            except errors.InUse:
                # Another conductor was faster, or another still uses it.
                continue
        if started:
            killpoints.reached('release_wipe_committed')
            # What ends at once is seen to by the reconciler: here it could
            # be wiped again and again.
            self._programming.send(ctx, started)

    def _end_release(
        self, ctx: context.RequestContext, uuid: str, *, force: bool = False
    ) -> None:
        try:
            claim = claims.get(ctx, uuid)
        except errors.NotFound:
            return
        if claim.hostname is not None:
            # What is quarantined or still to be wiped is reserved before
            # the allocation goes.
            try:
                self._inventory.sync_host(ctx, claim.hostname, leaving=uuid)
            except errors.FPGAError as exc:
                if not force:
                    raise
                LOG.warning(
                    'Placement is not told of %s: %s',
                    claim.hostname,
                    exc.message,
                )
        if claim.allocation == 'own':
            self._placement.release(uuid)
        killpoints.reached('release_allocation_deleted')
        claims.finish_release(ctx, uuid)
        killpoints.reached('release_freed')

    @contextmanager
    def _working_on(self, uuid: str) -> Iterator[None]:
        """Keep :meth:`recover` of this process off a claim."""
        with self._guard:
            self._busy[uuid] = self._busy.get(uuid, 0) + 1
        try:
            yield
        finally:
            with self._guard:
                self._busy[uuid] -= 1
                if not self._busy[uuid]:
                    del self._busy[uuid]
