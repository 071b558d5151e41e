"""``/v2/attributes``: facts about deployables, Cyborg's way."""

from typing import Any

from oslo_utils import uuidutils

from cyborg_fpga import errors
from cyborg_fpga import nouns
from cyborg_fpga import profiles
from cyborg_fpga.api import handler
from cyborg_fpga.api import paging
from cyborg_fpga.api.schemas import attributes as schema
from cyborg_fpga.db import attributes
from cyborg_fpga.policies import attributes as policies

# Traits that tell what is loaded or can be: nobody's word counts for that.
_OURS = ('CUSTOM_FPGA_FUNCTION_ID_', 'CUSTOM_ACCELERATOR_', 'CUSTOM_HW_')


class Attributes(handler.Controller):
    @handler.expose(query=schema.QUERY, answers={200: schema.ATTRIBUTES})
    def index(self, call: handler.Call) -> dict[str, Any]:
        call.authorize(policies.GET_ALL)
        region = call.query.get('deployable_id')
        return paging.page(
            call,
            'attributes',
            attributes.list_page,
            _shown,
            narrow={'deployable_id': int(region)} if region else None,
        )

    @handler.expose(answers={200: schema.ATTRIBUTE})
    def show(self, call: handler.Call, uuid: str) -> dict[str, Any]:
        call.authorize(policies.GET_ONE)
        ident = handler.required_uuid(uuid)
        return _shown(call, attributes.get(call.ctx, ident))

    @handler.expose(body=schema.CREATE, answers={201: schema.ATTRIBUTE})
    def create(self, call: handler.Call) -> dict[str, Any]:
        call.authorize(policies.CREATE)
        body = call.body.get('attribute', call.body)
        key, value = body['key'], body['value']
        _check(key, value)
        made = attributes.create(
            call.ctx,
            uuidutils.generate_uuid(),
            deployable=_ident(body['deployable_id']),
            key=key,
            value=value,
        )
        return _shown(call, made)

    @handler.expose(answers={204: None})
    def delete(self, call: handler.Call, uuid: str) -> None:
        call.authorize(policies.DELETE)
        attributes.delete(call.ctx, handler.known_uuid('attribute', uuid))


def _ident(given: int | str) -> int | str:
    """A row id or a uuid."""
    text = str(given)
    return int(text) if len(text) < 32 else str(handler.canonical(text))


def _check(key: str, value: str) -> None:
    if key == attributes.CLASS:
        raise errors.InvalidInput(
            reason='the resource class follows from the configuration, '
            '[placement] resource_classes'
        )
    if not key.startswith(attributes.TRAIT):
        return
    if not profiles.is_trait(value):
        raise errors.InvalidInput(
            reason=f'{value[:64]!r} is neither CUSTOM_… nor a standard trait'
        )
    if value.startswith(_OURS):
        raise errors.InvalidInput(
            reason=f'{value} tells what is loaded or can be, which follows '
            'from the card and the bitstreams'
        )


def _shown(call: handler.Call, attribute: nouns.Attribute) -> dict[str, Any]:
    return {
        'uuid': attribute.uuid,
        'deployable_id': attribute.deployable_id,
        'key': attribute.key,
        'value': attribute.value,
        'reported': attribute.reported,
        'created_at': attribute.created_at,
        'updated_at': attribute.updated_at,
        'links': call.self_link('attributes', attribute.uuid),
    }
