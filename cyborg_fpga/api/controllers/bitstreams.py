"""``/v2/bitstreams`` and ``/v2/types``: what Glance has for FPGAs."""

from typing import Any

from cyborg_fpga import errors
from cyborg_fpga import nouns
from cyborg_fpga.api import handler
from cyborg_fpga.api import paging
from cyborg_fpga.api.schemas import bitstreams as schema
from cyborg_fpga.db import bitstreams
from cyborg_fpga.policies import bitstreams as policies

_OPEN = ('public', 'community')


class Bitstreams(handler.Controller):
    @handler.expose(query=schema.QUERY, answers={200: schema.BITSTREAMS})
    def index(self, call: handler.Call) -> dict[str, Any]:
        """What the caller's project may use.

        Images that are shared with it are missing here, since Glance alone
        knows the members; they can be claimed all the same.
        """
        call.authorize(policies.GET_ALL)
        everybody = call.may(policies.GET_ALL_PROJECTS)
        return paging.page(
            call,
            'bitstreams',
            bitstreams.list_page,
            _shown,
            narrow=None if everybody else {'project_id': call.ctx.project_id},
        )

    @handler.expose(answers={200: schema.BITSTREAM})
    def show(self, call: handler.Call, uuid: str) -> dict[str, Any]:
        call.authorize(policies.GET_ONE)
        ident = handler.known_uuid('bitstream', uuid)
        bitstream = bitstreams.get(call.ctx, ident)
        mine = bitstream.owner == call.ctx.project_id
        shared = bitstream.public or bitstream.visibility in _OPEN
        if not (mine or shared or call.may(policies.GET_ALL_PROJECTS)):
            raise errors.NotFound(kind='bitstream', ident=ident)
        return _shown(call, bitstream)

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


def _shown(call: handler.Call, image: nouns.Bitstream) -> dict[str, Any]:
    return {
        'uuid': image.uuid,
        'name': image.name,
        'status': image.status,
        'visibility': image.visibility,
        'project_id': image.owner,
        'vendor': image.vendor,
        'type': image.type,
        'region_id': image.region_id,
        'function_id': image.function_id,
        'function_name': image.function_name,
        'version': image.version,
        'driver': image.driver,
        'size': image.size,
        'hash_algo': image.hash_algo,
        'hash_value': image.hash_value,
        'usable': image.usable,
        'reason': image.reason,
        'image_updated_at': image.image_updated_at,
        'links': call.self_link('bitstreams', image.uuid),
    }
