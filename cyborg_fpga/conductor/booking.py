"""The beginning of a claim: chosen, reserved, allocated, or nothing at all."""

import dataclasses
import functools
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
from cyborg_fpga.clients import limits
from cyborg_fpga.clients import placement
from cyborg_fpga.conductor import adoption
from cyborg_fpga.conductor import catalogue
from cyborg_fpga.conductor import choice
from cyborg_fpga.conductor import inventory
from cyborg_fpga.conductor import search
from cyborg_fpga.conductor import selection
from cyborg_fpga.db import adoptions
from cyborg_fpga.db import bitstreams
from cyborg_fpga.db import claims
from cyborg_fpga.db import hosts
from cyborg_fpga.db import reservations

LOG = logging.getLogger(__name__)

#: Fault of a claim whose making was cut short.
INTERRUPTED = (
    model.Cause.INTERRUPTED.value,
    'The service was interrupted while it made the claim; nothing is held.',
)


#: Members of a request that name a bitstream by a column, the most exact
#: first.
_BY = ('function_id', 'function_name', 'type')


class Booking:
    """Finds what a request wants and takes it, here and in Placement."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        client: placement.Placement,
        images: catalogue.Catalogue,
        stock: inventory.Inventory,
        owner: str,
        end_orphans: adoption.EndOrphans,
    ) -> None:
        self._conf = conf
        self._placement = client
        self._catalogue = images
        self._inventory = stock
        self._owner = owner
        self._end_orphans = end_orphans
        self._limits = limits.Limits(conf)

    def book(
        self,
        ctx: context.RequestContext,
        uuid: str,
        request: Mapping[str, Any],
    ) -> choice.Pick:
        """Make claim *uuid*, ``claiming``, with handles and an allocation.

        With an ``instance_uuid`` the allocation is the instance's.

        :raises errors.FPGAError: Refused, and nothing is held.
        """
        wishes = self._wishes(ctx, request)
        allowance = self._limits.of(
            ctx.project_id or '', functools.partial(claims.count_held, ctx)
        )
        allowance.check(request.get('count') or 1)
        pick = self._reserve(ctx, uuid, request, wishes)
        try:
            allowance.confirm(sum(pick.handles.values()))
        except errors.FPGAError:
            self._undo(ctx, uuid)
            raise
        return pick

    def _wishes(
        self, ctx: context.RequestContext, request: Mapping[str, Any]
    ) -> list[nouns.Bitstream]:
        """The bitstreams any of which will do; [] : none is wanted."""
        image_uuid = request.get('image_uuid')
        wanted = {
            column: request[column]
            for column in _BY
            if request.get(column) is not None
        }
        if image_uuid is not None:
            found = self._catalogue.usable(ctx, image_uuid)
            for column, value in wanted.items():
                if getattr(found, column) != value:
                    raise errors.InvalidInput(
                        reason=f'image {image_uuid} is of '
                        f'{column.replace("_", " ")} '
                        f'{getattr(found, column)}, not {value}'
                    )
            return [found]
        if not wanted:
            return []
        column, value = next(iter(wanted.items()))
        wishes = [
            image
            for image in bitstreams.offered(ctx, ctx.project_id, column, value)
            if all(getattr(image, k) == v for k, v in wanted.items())
        ]
        if not wishes:
            raise search.no_bitstream(wanted)
        return selection.unambiguous(
            selection.preferred(wishes, ctx.project_id),
            ctx.project_id,
            column,
            value,
        )

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
        ways = self._ways(ctx, request, wishes)
        if request.get('image_uuid') is not None:
            ways.checked.update(wish.uuid for wish in wishes)
        while (pick := ways.next()) is not None:
            if not self._may_use(ctx, ways, pick):
                continue
            try:
                foreign = self._hold(ctx, uuid, request, pick)
            except errors.NoCapacity as exc:
                ways.lost(pick, exc)
                continue
            if isinstance(ways, search.Search):
                try:
                    self._allocate(ctx, uuid, pick)
                except errors.NoCapacity as exc:
                    ways.full(pick, exc)
                    continue
            return dataclasses.replace(pick, foreign=foreign)
        raise ways.refusal()

    def _ways(
        self,
        ctx: context.RequestContext,
        request: Mapping[str, Any],
        wishes: list[nouns.Bitstream],
    ) -> search.Search | adoption.Holdings:
        if request.get('instance_uuid') is None:
            return search.Search(ctx, self._conf, request, wishes)
        return adoption.Holdings(
            ctx,
            self._conf,
            self._placement,
            request,
            wishes,
            self._end_orphans,
        )

    def _may_use(
        self,
        ctx: context.RequestContext,
        ways: search.Search | adoption.Holdings,
        pick: choice.Pick,
    ) -> bool:
        """Ask Glance, as the caller, for what the catalogue only remembers."""
        for image in pick.images.values():
            if image.uuid in ways.checked:
                continue
            try:
                found = self._catalogue.usable(ctx, image.uuid)
            except (errors.NotFound, errors.BitstreamUnusable) as exc:
                LOG.info('Not for project %s: %s', ctx.project_id, exc.message)
                found = None
            if found is None or found.made_for != image.made_for:
                ways.drop(image)
                return False
            ways.checked.add(image.uuid)
            if found != image:
                # What is loaded is what it is now.
                ways.renew(found)
                return False
        return True

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

    def _hold(
        self,
        ctx: context.RequestContext,
        uuid: str,
        request: Mapping[str, Any],
        pick: choice.Pick,
    ) -> frozenset[int]:
        """Take the handles; see ``reservations.reserve``."""
        foreign = reservations.reserve(
            ctx,
            self._row(ctx, uuid, request, pick),
            pick.handles,
            exclusive=self._conf.conductor.exclusive_deployables,
            programmed=pick.cold,
        )
        killpoints.reached('claim_reserved')
        return foreign

    def _allocate(
        self, ctx: context.RequestContext, uuid: str, pick: choice.Pick
    ) -> None:
        """Allocate in Placement what is held, or hold it no more."""
        try:
            self._put(ctx, uuid, pick)
        except errors.NoCapacity:
            self._drop(ctx, uuid)
            raise
        except errors.FPGAError:
            # It may have been written all the same (a lost answer).
            self._undo(ctx, uuid)
            raise
        killpoints.reached('claim_allocated')

    def _put(
        self, ctx: context.RequestContext, uuid: str, pick: choice.Pick
    ) -> None:
        """Allocate, telling Placement first what it must know.

        Where it disagrees it may not have been told yet: of an operation
        that has ended, of a first report, or that what is kept for one
        project is that project's.
        """
        try:
            self._put_once(ctx, uuid, pick)
            return
        except errors.NoCapacity as exc:
            LOG.debug('Once more: %s', exc.message)
            # Another may be telling it, so that there is nothing to tell.
            self._inventory.sync_host(ctx, pick.hostname)
        except errors.NotFound:
            self._inventory.sync_host(ctx, pick.hostname, force=True)
        try:
            self._put_once(ctx, uuid, pick)
        except errors.NotFound as exc:
            raise errors.ServiceUnavailable(
                service='Placement', reason=exc.message
            ) from exc

    def _put_once(
        self, ctx: context.RequestContext, uuid: str, pick: choice.Pick
    ) -> None:
        amount = {pick.resource_class: sum(pick.handles.values())}
        self._placement.claim(
            uuid,
            {pick.rp_uuid: amount},
            project_id=ctx.project_id or 'none',
            user_id=ctx.user_id or 'none',
        )

    def _row(
        self,
        ctx: context.RequestContext,
        uuid: str,
        request: Mapping[str, Any],
        pick: choice.Pick,
    ) -> dict[str, Any]:
        """The claim's columns."""
        images = {image.uuid for image in pick.images.values()}
        instance = request.get('instance_uuid')
        return {
            'uuid': uuid,
            'origin': model.Origin.API.value,
            'project_id': ctx.project_id,
            'user_id': ctx.user_id,
            'resource_class': pick.resource_class,
            'type': request.get('type'),
            'wipe_level': request.get('wipe_level'),
            'image_uuid': images.pop() if len(images) == 1 else None,
            'traits': json.dumps(list(request.get('traits', []))),
            'count': sum(pick.handles.values()),
            'rp_uuid': pick.rp_uuid,
            'instance_uuid': instance,
            'allocation': adoptions.ADOPTED if instance else 'own',
            'lease_owner': self._owner,
            'lease_expires': claims.lease(self._conf.conductor.lease_seconds),
        }

    def _undo(self, ctx: context.RequestContext, uuid: str) -> None:
        """Give back what a claim took that never got further."""
        try:
            self._placement.release(uuid)
        except errors.ServiceUnavailable as exc:
            LOG.warning('Claim %s is undone later: %s', uuid, exc.message)
            claims.start_release(ctx, uuid, dirty=False)
            return
        self._drop(ctx, uuid)

    def _drop(self, ctx: context.RequestContext, uuid: str) -> None:
        try:
            reservations.drop(ctx, uuid)
        except errors.NotFound:
            LOG.info('Claim %s is being released already', uuid)
