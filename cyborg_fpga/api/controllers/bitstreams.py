"""``/v2/bitstreams`` and ``/v2/types``: what Glance has for FPGAs."""

import functools
from typing import Any

import oslo_messaging as messaging
from oslo_log import log as logging

from cyborg_fpga import errors
from cyborg_fpga import nouns
from cyborg_fpga.api import handler
from cyborg_fpga.api import paging
from cyborg_fpga.api import uploads
from cyborg_fpga.api.schemas import bitstreams as schema
from cyborg_fpga.api.schemas import parts
from cyborg_fpga.db import bitstreams
from cyborg_fpga.db import deployables
from cyborg_fpga.policies import bitstreams as policies

LOG = logging.getLogger(__name__)

_OPEN = ('public', 'community')


class Bitstreams(handler.Controller):
    @functools.cached_property
    def _uploads(self) -> uploads.Uploads:
        return uploads.Uploads(self.services.conf)

    @handler.expose(query=schema.QUERY, answers={200: schema.BITSTREAMS})
    def index(self, call: handler.Call) -> dict[str, Any]:
        """What the caller's project may use.

        Images that are shared with it are missing here, since Glance alone
        knows the members; they can be claimed all the same.
        """
        call.authorize(policies.GET_ALL)
        narrow: dict[str, Any] = {}
        shown = _shown
        if not call.may(policies.GET_ALL_PROJECTS):
            narrow['project_id'] = call.ctx.project_id
        if 'fits' in call.query:
            narrow['fits'] = _region(call)
            shown = functools.partial(_shown, region=narrow['fits'])
        return paging.page(
            call, 'bitstreams', bitstreams.list_page, shown, narrow=narrow
        )

    @handler.expose(answers={200: schema.BITSTREAM})
    def show(self, call: handler.Call, uuid: str) -> dict[str, Any]:
        call.authorize(policies.GET_ONE)
        return _shown(call, _visible(call, uuid))

    @handler.expose(
        upload=True,
        query=schema.CREATE_QUERY,
        answers={201: schema.BITSTREAM, 202: schema.STORED},
    )
    def create(self, call: handler.Call) -> Any:
        """Upload a file; what is said of it stands in the query."""
        call.authorize(policies.CREATE)
        if call.query.get('visibility') == 'public':
            call.authorize(policies.PUBLISH)
        uuid = self._uploads.store(call.ctx, call.body, call.query)
        LOG.info('Project %s uploads bitstream %s', call.ctx.project_id, uuid)
        return self._recorded(call, uuid, status=201)

    @handler.expose(
        body=schema.UPDATE,
        answers={200: schema.BITSTREAM, 202: schema.STORED},
    )
    def update(self, call: handler.Call, uuid: str) -> Any:
        """Change what is said of a bitstream; null takes a word away."""
        call.authorize(policies.UPDATE)
        image = _visible(call, uuid)
        call.authorize(policies.UPDATE, image.owner)
        if call.body.get('visibility') == 'public':
            call.authorize(policies.PUBLISH, image.owner)
        self._uploads.change(call.ctx, image.uuid, call.body)
        return self._recorded(call, image.uuid, status=200)

    @handler.expose(answers={204: None})
    def delete(self, call: handler.Call, uuid: str) -> None:
        """Delete the image; what is loaded stays loaded."""
        call.authorize(policies.DELETE)
        image = _visible(call, uuid)
        call.authorize(policies.DELETE, image.owner)
        try:
            self._uploads.delete(call.ctx, image.uuid)
        except errors.NotFound:
            # Glance tells nobody of what it has lost.
            self._refresh(call, image.uuid)
            raise
        self._refresh(call, image.uuid)

    @handler.expose(body=[(0, parts.NO_BODY)], answers={200: schema.VERDICT})
    def verify(self, call: handler.Call, uuid: str) -> dict[str, Any]:
        """Read and check all of a bitstream; answers when that is done."""
        call.authorize(policies.VERIFY)
        image = _visible(call, uuid)
        verdict = self._uploads.verify(call.ctx, image.uuid)
        signer = verdict.signer
        return {
            'uuid': image.uuid,
            'good': not verdict.reason,
            'reason': verdict.reason,
            'format': verdict.format,
            'size': verdict.image.size,
            'hash_algo': verdict.image.os_hash_algo,
            'hash_value': verdict.image.os_hash_value,
            'signature': verdict.signature.value,
            'certificate_uuid': verdict.certificate_uuid,
            'certificate_subject': signer and signer.subject,
            'certificate_expires_at': signer and signer.expires_at.isoformat(),
        }

    @handler.expose(query=schema.TYPES_QUERY, answers={200: schema.TYPES})
    def types(self, call: handler.Call) -> dict[str, Any]:
        """The types that the caller can claim, with how many bitstreams."""
        call.authorize(policies.GET_TYPES)
        everybody = call.may(policies.GET_ALL_PROJECTS)
        project = None if everybody else call.ctx.project_id
        limit = paging.size(call)
        found = bitstreams.types(
            call.ctx, project, limit=limit, marker=call.query.get('marker')
        )
        body: dict[str, Any] = {
            'types': [
                {'type': name, 'bitstreams': count} for name, count in found
            ]
        }
        if len(found) == limit:
            body.update(paging.following(call, 'types', found[-1][0]))
        return body

    def _recorded(
        self, call: handler.Call, uuid: str, *, status: int
    ) -> handler.Answer:
        """The record of an image that has just been changed."""
        if self._refresh(call, uuid):
            return handler.Answer(
                status=status,
                data=_shown(call, bitstreams.get(call.ctx, uuid)),
            )
        return handler.Answer(
            status=202,
            data={'uuid': uuid, 'links': call.self_link('bitstreams', uuid)},
        )

    def _refresh(self, call: handler.Call, uuid: str) -> bool:
        """Have the catalogue look at an image; False: it will by itself.

        What was done in Glance is done, and a claim looks there too.
        """
        try:
            self.services.conductor.refresh_bitstream(call.ctx, uuid)
        except (
            messaging.MessagingTimeout,
            messaging.MessageDeliveryFailure,
            errors.ServiceUnavailable,
        ) as exc:
            LOG.warning('Bitstream %s is recorded later: %s', uuid, exc)
            return False
        return True


def _region(call: handler.Call) -> nouns.Deployable:
    try:
        return deployables.get(call.ctx, call.query['fits'])
    except errors.NotFound as exc:
        raise errors.InvalidInput(reason=f'fits: {exc.message}') from exc


def _visible(call: handler.Call, uuid: str) -> nouns.Bitstream:
    """:raises errors.NotFound: Not there, or not for the caller's eyes."""
    ident = handler.known_uuid('bitstream', uuid)
    image = bitstreams.get(call.ctx, ident)
    mine = image.owner == call.ctx.project_id
    shared = image.public or image.visibility in _OPEN
    if not (mine or shared or call.may(policies.GET_ALL_PROJECTS)):
        raise errors.NotFound(kind='bitstream', ident=ident)
    return image


def _misfit(image: nouns.Bitstream, region: nouns.Deployable | None) -> str:
    """Why *image* cannot be had in *region*; '': nothing is in the way."""
    if region is None or image.handled_by in (None, region.driver):
        return ''
    return (
        f'it is for cards of driver {image.handled_by}, this one is of '
        f'{region.driver}'
    )


def _shown(
    call: handler.Call,
    image: nouns.Bitstream,
    region: nouns.Deployable | None = None,
) -> dict[str, Any]:
    misfit = _misfit(image, region)
    return {
        'uuid': image.uuid,
        'name': image.name,
        'status': image.status,
        'visibility': image.visibility,
        'project_id': image.owner,
        'vendor': image.vendor,
        'family': image.family,
        'type': image.type,
        'region_id': image.region_id,
        'shell': image.shell,
        'function_id': image.function_id,
        'function_name': image.function_name,
        'version': image.version,
        'driver': image.driver,
        'size': image.size,
        'hash_algo': image.hash_algo,
        'hash_value': image.hash_value,
        'usable': image.usable and not misfit,
        'reason': image.reason or misfit,
        'image_updated_at': image.image_updated_at,
        'links': call.self_link('bitstreams', image.uuid),
    }
