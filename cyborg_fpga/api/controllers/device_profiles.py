"""``/v2/device_profiles``: what instances may ask for by a name."""

import re
from typing import Any

from oslo_utils import uuidutils

from cyborg_fpga import errors
from cyborg_fpga import nouns
from cyborg_fpga import profiles
from cyborg_fpga.api import handler
from cyborg_fpga.api import paging
from cyborg_fpga.api.schemas import device_profiles as schema
from cyborg_fpga.db import device_profiles
from cyborg_fpga.policies import device_profiles as policies

_NAMES_SINCE = 2
_NAME = re.compile(r'[a-zA-Z0-9_-]{1,255}')


class DeviceProfiles(handler.Controller):
    @handler.expose(query=schema.QUERY, answers={200: schema.PROFILES})
    def index(self, call: handler.Call) -> dict[str, Any]:
        call.authorize(policies.GET_ALL)
        given = _names(call.query.get('name', ''))
        names = [name for name in given if _NAME.fullmatch(name)]
        return paging.page(
            call,
            'device_profiles',
            device_profiles.list_page,
            _shown,
            narrow={'name': names} if 'name' in call.query else None,
        )

    @handler.expose(answers={200: schema.SHOWN})
    def show(self, call: handler.Call, ident: str) -> dict[str, Any]:
        call.authorize(policies.GET_ONE)
        if call.minor < _NAMES_SINCE and handler.canonical(ident) is None:
            raise errors.NotAcceptable(
                reason='A device profile is found by its name from version '
                f'2.{_NAMES_SINCE} on: the minimal required API version '
                f'should be 2.{_NAMES_SINCE}'
            )
        return {'device_profile': _shown(call, _find(call, ident))}

    @handler.expose(body=schema.CREATE, answers={201: schema.PROFILE})
    def create(self, call: handler.Call) -> dict[str, Any]:
        call.authorize(policies.CREATE)
        if len(call.body) != 1:
            raise errors.InvalidInput(
                'Only one device profile allowed per POST request for now.'
            )
        [body] = call.body
        uuid = handler.canonical(body.get('uuid') or '')
        made = device_profiles.create(
            call.ctx,
            uuid or uuidutils.generate_uuid(),
            name=_checked_name(body.get('name')),
            groups=profiles.normalised(body.get('groups')),
            description=body.get('description'),
        )
        return _shown(call, made)

    @handler.expose(query=schema.DELETE_QUERY, answers={204: None})
    def delete_many(self, call: handler.Call) -> None:
        """Delete those that ``value`` names, in order, up to the first that
        cannot be deleted.
        """
        call.authorize(policies.DELETE)
        if not call.query.get('value'):
            raise errors.InvalidInput('Missing argument: "value"')
        self._delete(call, call.query['value'])

    @handler.expose(answers={204: None})
    def delete(self, call: handler.Call, ident: str) -> None:
        """Like :meth:`delete_many`: the path may name several too."""
        call.authorize(policies.DELETE)
        self._delete(call, ident)

    def _delete(self, call: handler.Call, text: str) -> None:
        for ident in _names(text):
            device_profiles.delete(call.ctx, _find(call, ident).uuid)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(',')]


def _find(call: handler.Call, ident: str) -> nouns.DeviceProfile:
    uuid = handler.canonical(ident)
    if uuid is not None:
        try:
            return device_profiles.get(call.ctx, uuid)
        except errors.NotFound:
            # A name may look like one.
            if not device_profiles.list_page(
                call.ctx, filters={'name': [ident]}, limit=1
            ):
                raise
    # Not every database takes anything for a text.
    if not _NAME.fullmatch(ident):
        raise errors.NotFound(
            f'Device Profile not found with name={ident[:64]!r}'
        )
    return device_profiles.by_name(call.ctx, ident)


def _checked_name(name: str | None) -> str:
    if not name:
        raise errors.InvalidInput('DeviceProfile name needed.')
    if not _NAME.fullmatch(name):
        raise errors.InvalidInput(
            reason='the name of a device profile is 1 to 255 of a-z, A-Z, '
            f'0-9, _ and -, not {name[:64]!r}'
        )
    return name


def _shown(call: handler.Call, profile: nouns.DeviceProfile) -> dict[str, Any]:
    return {
        'uuid': profile.uuid,
        'name': profile.name,
        'description': profile.description,
        'groups': [dict(group) for group in profile.groups],
        'created_at': profile.created_at,
        'updated_at': profile.updated_at,
        'links': call.self_link('device_profiles', profile.uuid),
    }
