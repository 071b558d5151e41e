"""The beginning of a claim: chosen, reserved, allocated, or nothing at all."""

import json
from collections.abc import Mapping
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import killpoints
from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.clients import placement
from cyborg_fpga.conductor import catalogue
from cyborg_fpga.conductor import choice
from cyborg_fpga.conductor import inventory
from cyborg_fpga.conductor import providers
from cyborg_fpga.db import bitstreams
from cyborg_fpga.db import claims
from cyborg_fpga.db import deployables
from cyborg_fpga.db import hosts
from cyborg_fpga.db import reservations

LOG = logging.getLogger(__name__)

# Deployables looked at for a claim of one: more than can be lost to others
# at the same time.
_ENOUGH = 16

#: Fault of a claim whose making was cut short.
INTERRUPTED = (
    model.Cause.INTERRUPTED.value,
    'The service was interrupted while it made the claim; nothing is held.',
)


class Booking:
    """Finds what a request wants and takes it, here and in Placement."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        client: placement.Placement,
        images: catalogue.Catalogue,
        stock: inventory.Inventory,
        owner: str,
    ) -> None:
        self._conf = conf
        self._placement = client
        self._catalogue = images
        self._inventory = stock
        self._owner = owner

    def book(
        self,
        ctx: context.RequestContext,
        uuid: str,
        request: Mapping[str, Any],
    ) -> choice.Pick:
        """Make claim *uuid*, ``claiming``, with handles and an allocation.

        :raises errors.FPGAError: Refused, and nothing is held.
        """
        wishes = self._wishes(ctx, request)
        return self._reserve(ctx, uuid, request, wishes)

    def _wishes(
        self, ctx: context.RequestContext, request: Mapping[str, Any]
    ) -> list[nouns.Bitstream]:
        """The bitstreams any of which will do; [] : none is wanted."""
        image_uuid, wanted = request.get('image_uuid'), request.get('type')
        if image_uuid is not None:
            found = self._catalogue.usable(ctx, image_uuid)
            if wanted not in (None, found.type):
                raise errors.InvalidInput(
                    reason=f'image {image_uuid} is of type {found.type}, '
                    f'not {wanted}'
                )
            return [found]
        if wanted is None:
            return []
        wishes = bitstreams.of_type(ctx, wanted, ctx.project_id)
        if not wishes:
            raise errors.NoCapacity(
                reason=f'there is no usable bitstream of type {wanted}'
            )
        return wishes

    def _reserve(
        self,
        ctx: context.RequestContext,
        uuid: str,
        request: Mapping[str, Any],
        wishes: list[nouns.Bitstream],
    ) -> choice.Pick:
        """Take handles and an allocation, from the best place that has them.

        Our own records decide; Placement's answer to the PUT is the check.
        """
        hostname = request.get('hostname')
        if hostname is not None:
            self._check_host(ctx, hostname)
        count, traits = request.get('count', 1), request.get('traits', [])
        regions = deployables.claimable(
            ctx,
            hostname=hostname,
            resource_class=request.get('resource_class'),
            wishes=wishes,
            # One is served by any of the first; several need a whole pool.
            limit=_ENOUGH if count == 1 and not traits else None,
        )
        if self._conf.conductor.exclusive_deployables:
            regions = [r for r in regions if _alone(r, ctx.project_id)]
        refusal: errors.FPGAError | None = None
        for pick in choice.picks(
            regions,
            wishes,
            traits=traits,
            count=count,
            types=providers.types_by_region(
                bitstreams.public(ctx) if traits else [],
                self._conf.bitstream.types,
            ),
        ):
            try:
                self._take(ctx, uuid, request, pick)
                return pick
            except errors.NoCapacity as exc:
                refusal = exc
        raise refusal or self._refusal(ctx, request, regions, wishes)

    def _refusal(
        self,
        ctx: context.RequestContext,
        request: Mapping[str, Any],
        regions: list[nouns.Deployable],
        wishes: list[nouns.Bitstream],
    ) -> errors.FPGAError:
        """Why there was nothing to choose."""
        hostname = request.get('hostname')
        if wishes and not regions:
            regions = deployables.claimable(
                ctx, hostname=hostname, resource_class=None, limit=_ENOUGH
            )
        return choice.refuse(
            regions,
            wishes,
            traits=request.get('traits', []),
            count=request.get('count', 1),
            where=f'host {hostname}' if hostname else 'every host',
        )

    def _check_host(self, ctx: context.RequestContext, hostname: str) -> None:
        try:
            host = hosts.get(ctx, hostname)
        except errors.NotFound as exc:
            raise errors.InvalidInput(
                reason=f'there is no FPGA host named {hostname}'
            ) from exc
        if host.status is model.HostStatus.DISABLED:
            raise errors.HostUnavailable(hostname=hostname, state='disabled')
        if not host.up:
            raise errors.HostUnavailable(hostname=hostname, state='down')

    def _take(
        self,
        ctx: context.RequestContext,
        uuid: str,
        request: Mapping[str, Any],
        pick: choice.Pick,
    ) -> None:
        exclusive = self._conf.conductor.exclusive_deployables
        reservations.reserve(
            ctx,
            self._row(ctx, uuid, request, pick),
            pick.handles,
            exclusive=exclusive,
        )
        killpoints.reached('claim_reserved')
        amount = {pick.resource_class: sum(pick.handles.values())}
        try:
            if exclusive:
                # What is left of a held deployable is reserved: Placement
                # must hear that these handles are held now.
                self._inventory.sync_host(ctx, pick.hostname)
            self._placement.claim(
                uuid,
                {pick.rp_uuid: amount},
                project_id=ctx.project_id or 'none',
                user_id=ctx.user_id or 'none',
            )
        except errors.FPGAError:
            # It may have been written all the same (a lost answer).
            self._undo(ctx, uuid)
            raise
        killpoints.reached('claim_allocated')

    def _row(
        self,
        ctx: context.RequestContext,
        uuid: str,
        request: Mapping[str, Any],
        pick: choice.Pick,
    ) -> dict[str, Any]:
        """The claim's columns."""
        images = {image.uuid for image in pick.images.values()}
        return {
            'uuid': uuid,
            'origin': model.Origin.API.value,
            'project_id': ctx.project_id,
            'user_id': ctx.user_id,
            'resource_class': pick.resource_class,
            'type': request.get('type'),
            'image_uuid': images.pop() if len(images) == 1 else None,
            'traits': json.dumps(list(request.get('traits', []))),
            'count': request.get('count', 1),
            'instance_uuid': request.get('instance_uuid'),
            'rp_uuid': pick.rp_uuid,
            'lease_owner': self._owner,
            'lease_expires': claims.lease(self._conf.conductor.lease_seconds),
        }

    def _undo(self, ctx: context.RequestContext, uuid: str) -> None:
        """Give back what a claim took that never got further."""
        try:
            self._placement.release(uuid)
        except errors.ServiceUnavailable as exc:
            LOG.warning('Claim %s is undone later: %s', uuid, exc.message)
            claims.start_release(ctx, uuid, fault=INTERRUPTED)
            return
        reservations.drop(ctx, uuid)


def _alone(region: nouns.Deployable, project_id: str | None) -> bool:
    """No other project holds a handle of it."""
    return all(
        handle.project_id == project_id
        for handle in region.handles
        if handle.claim_uuid
    )
