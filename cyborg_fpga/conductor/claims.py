"""The road of a claim: booked, programmed, ready, released.

Every step commits before the next begins and can be repeated;
:meth:`Claims.advance` finishes from the records whatever a crash left.
"""

import threading
from collections.abc import Iterator
from collections.abc import Mapping
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
from cyborg_fpga.conductor import booking
from cyborg_fpga.conductor import catalogue
from cyborg_fpga.conductor import choice
from cyborg_fpga.conductor import inventory
from cyborg_fpga.conductor import programming
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
        owner: str,
    ) -> None:
        self._conf = conf
        self._placement = client
        self._booking = booking.Booking(conf, client, images, stock, owner)
        self._inventory = stock
        self._programming = programs
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
        started = []
        claiming = [model.ClaimState.CLAIMING]
        for region in deployables.of_claim(ctx, uuid) if pick.images else ():
            image = pick.images[region.id]
            if self._programming.loaded(region, image):
                continue
            started.append(
                self._programming.program(ctx, region, image, claim_uuid=uuid)
            )
        killpoints.reached('claim_operation_committed')
        state = (
            model.ClaimState.PROGRAMMING if started else model.ClaimState.READY
        )
        claims.set_state(ctx, uuid, claiming, state)
        killpoints.reached('claim_confirmed_before_answer')
        for operation in started:
            if self._programming.send(ctx, operation) is not None:
                self.advance(ctx, uuid)
        return state

    def release(
        self, ctx: context.RequestContext, uuid: str, *, force: bool
    ) -> None:
        """Give a claim back; the wipe goes on after this returns.

        Repeating it is harmless. *force* does not wait for the wipe: the
        deployables are wiped before they are offered again all the same.
        """
        with self._working_on(uuid):
            claim = claims.get(ctx, uuid)
            if claim.state is model.ClaimState.FAILED:
                claims.forget_failed(ctx, uuid)
                return
            started = claims.start_release(
                ctx,
                uuid,
                owner=self._owner,
                lease=self._conf.conductor.lease_seconds,
            )
            if not started:
                claims.clear_fault(ctx, uuid)
            killpoints.reached('release_marked')
            self._recall(ctx, uuid)
            if force:
                self._end_release(ctx, uuid)
            else:
                self._continue_release(ctx, uuid)

    def _recall(self, ctx: context.RequestContext, uuid: str) -> None:
        """Cancel a programming that has not begun; wait for others."""
        for operation in operations.of_claim(ctx, uuid):
            if (
                operation.state is model.OperationState.PENDING
                and operation.kind is model.OperationKind.PROGRAM
            ):
                self._programming.cancel(ctx, operation)

    def advance(self, ctx: context.RequestContext, uuid: str) -> None:
        """Do a claim's next step, if it can be done now; else nothing."""
        try:
            claim = claims.get(ctx, uuid)
        except errors.NotFound:
            return
        if claim.state is model.ClaimState.PROGRAMMING:
            self._continue_programming(ctx, claim)
        elif claim.state is model.ClaimState.RELEASING:
            self._continue_release(ctx, uuid)

    def recover(self, ctx: context.RequestContext) -> None:
        """Finish what other conductors, or a crash of ours, left behind."""
        with self._guard:
            busy = list(self._busy)
        for claim in claims.take_unfinished(
            ctx, self._owner, self._conf.conductor.lease_seconds, busy
        ):
            try:
                with self._working_on(claim.uuid):
                    if claim.state is model.ClaimState.CLAIMING:
                        claims.start_release(
                            ctx, claim.uuid, fault=booking.INTERRUPTED
                        )
                    self.advance(ctx, claim.uuid)
            except errors.FPGAError as exc:
                LOG.warning('Claim %s waits: %s', claim.uuid, exc.message)

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
        cause = failed[0].cause or model.Cause.INTERNAL
        fault = (
            cause.value,
            f'Programming {failed[0].deployable} failed '
            f'({cause}): {failed[0].detail}',
        )
        claims.start_release(ctx, claim.uuid, fault=fault)
        self._continue_release(ctx, claim.uuid)

    def _continue_release(
        self, ctx: context.RequestContext, uuid: str
    ) -> None:
        waiting = False
        unfinished = any(
            o.state in model.OPERATION_UNFINISHED
            for o in operations.of_claim(ctx, uuid)
        )
        for region in deployables.of_claim(ctx, uuid):
            if region.wipe_pending and not _beyond_reach(region):
                waiting = True
                if region.state is model.DeployableState.IDLE:
                    self.wipe(ctx, region, claim_uuid=uuid)
        if waiting or unfinished:
            return
        killpoints.reached('release_wiped')
        self._end_release(ctx, uuid)

    def wipe(
        self,
        ctx: context.RequestContext,
        region: nouns.Deployable,
        *,
        claim_uuid: str | None,
    ) -> None:
        """Start the wipe of a deployable that nobody uses any more."""
        try:
            operation = self._programming.wipe(
                ctx, region, claim_uuid=claim_uuid
            )
        except errors.InUse:
            return  # another conductor was faster, or another still uses it
        killpoints.reached('release_wipe_committed')
        if self._programming.send(ctx, operation) is not None:
            self.advance(ctx, claim_uuid or '')

    def _end_release(self, ctx: context.RequestContext, uuid: str) -> None:
        try:
            claim = claims.get(ctx, uuid)
        except errors.NotFound:
            return
        if claim.hostname is not None:
            # What is quarantined or still to be wiped is reserved before
            # the allocation goes.
            self._inventory.sync_host(ctx, claim.hostname)
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


def _beyond_reach(region: nouns.Deployable) -> bool:
    """It cannot be wiped now, and is reserved whatever becomes of it."""
    return region.health in (model.Health.QUARANTINED, model.Health.LOST)
