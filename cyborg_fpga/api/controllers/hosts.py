"""``/v2/hosts``: the nodes with an agent."""

import datetime
import re
from collections.abc import Mapping
from typing import Any

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.api import handler
from cyborg_fpga.api import paging
from cyborg_fpga.api.schemas import hosts as schema
from cyborg_fpga.api.schemas import parts
from cyborg_fpga.db import hosts
from cyborg_fpga.policies import hosts as policies


class Hosts(handler.Controller):
    @handler.expose(query=schema.QUERY, answers={200: schema.HOSTS})
    def index(self, call: handler.Call) -> dict[str, Any]:
        call.authorize(policies.GET_ALL)
        return paging.page(call, 'hosts', hosts.list_page, _shown)

    @handler.expose(answers={200: schema.HOST})
    def show(self, call: handler.Call, name: str) -> dict[str, Any]:
        call.authorize(policies.GET_ONE)
        return _shown(call, _host(call, name))

    @handler.expose(body=schema.UPDATE, answers={200: schema.HOST})
    def update(self, call: handler.Call, name: str) -> dict[str, Any]:
        call.authorize(policies.UPDATE)
        reason = call.body.get('disabled_reason')
        return self._set(call, name, call.body['status'], reason)

    @handler.expose(body=[(0, parts.NO_BODY)], answers={200: schema.HOST})
    def enable(self, call: handler.Call, name: str) -> dict[str, Any]:
        call.authorize(policies.UPDATE)
        return self._set(call, name, model.HostStatus.ENABLED.value)

    @handler.expose(body=schema.DISABLE, answers={200: schema.HOST})
    def disable(self, call: handler.Call, name: str) -> dict[str, Any]:
        """Give out none of the host's cards; who has one keeps it."""
        call.authorize(policies.UPDATE)
        reason = call.body.get('disabled_reason')
        return self._set(call, name, model.HostStatus.DISABLED.value, reason)

    def _set(
        self,
        call: handler.Call,
        name: str,
        status: str,
        reason: str | None = None,
    ) -> dict[str, Any]:
        hostname = _host(call, name).hostname
        self.services.conductor.set_host(
            call.ctx,
            hostname,
            {'status': status, 'disabled_reason': reason},
        )
        return _shown(call, hosts.get(call.ctx, hostname))


def _host(call: handler.Call, name: str) -> nouns.Host:
    if not re.fullmatch(r'[!-~]{1,255}', name):
        raise errors.NotFound(kind='host', ident=repr(name[:64]))
    return hosts.get(call.ctx, name)


def _shown(call: handler.Call, host: nouns.Host) -> dict[str, Any]:
    return {
        'uuid': host.uuid,
        'hostname': host.hostname,
        'status': host.status.value,
        'disabled_reason': host.disabled_reason,
        'up': host.up,
        'last_seen': _time(host.last_seen),
        'layout': host.layout.value,
        'rp_name': host.rp_name,
        'rp_uuid': host.rp_uuid,
        'cache': _cache(host.cache),
        'created_at': host.created_at,
        'updated_at': host.updated_at,
        'links': call.self_link('hosts', host.hostname),
    }


def _cache(figures: Mapping[str, int]) -> dict[str, Any] | None:
    """What its agent says of its cache, whatever release that is of."""
    if not figures:
        return None
    return {
        **{name: figures.get(name, 0) for name in schema.CACHE_FIGURES},
        'last_prefetch_at': _time(figures.get('last_prefetch_at')),
    }


def _time(seconds: float | None) -> str | None:
    if not seconds:
        return None
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()
