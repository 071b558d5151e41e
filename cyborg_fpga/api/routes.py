"""Every URL of the service. To add an endpoint, start here.

Pecan's object dispatch is replaced by one visible table: the URL you grep
for is the URL you find.
"""

import re
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import webob
from pecan import core

from cyborg_fpga import errors
from cyborg_fpga.api import handler
from cyborg_fpga.api import versions
from cyborg_fpga.api.controllers import arqs
from cyborg_fpga.api.controllers import attributes
from cyborg_fpga.api.controllers import bitstreams
from cyborg_fpga.api.controllers import claims
from cyborg_fpga.api.controllers import deployables
from cyborg_fpga.api.controllers import device_profiles
from cyborg_fpga.api.controllers import devices
from cyborg_fpga.api.controllers import discovery
from cyborg_fpga.api.controllers import hosts
from cyborg_fpga.api.controllers import operations

Routes = Mapping[str, Mapping[str, Callable[..., Any]]]


def table(services: handler.Services) -> Routes:
    root = discovery.Discovery(services)
    return {
        '/': {'GET': root.versions},
        '/v2': {'GET': root.v2},
        **_cyborg(services),
        **_ours(services),
    }


def _cyborg(services: handler.Services) -> Routes:
    """Where Cyborg's contract holds."""
    a = attributes.Attributes(services)
    r = arqs.Arqs(services)
    d = deployables.Deployables(services)
    p = device_profiles.DeviceProfiles(services)
    v = devices.Devices(services)
    return {
        '/v2/accelerator_requests': {
            'GET': r.index,
            'POST': r.create,
            'PATCH': r.update,
            'DELETE': r.delete_many,
        },
        '/v2/accelerator_requests/{uuid}': {
            'GET': r.show,
            'PATCH': r.update,
            'DELETE': r.delete,
        },
        '/v2/attributes': {'GET': a.index, 'POST': a.create},
        '/v2/attributes/{uuid}': {'GET': a.show, 'DELETE': a.delete},
        '/v2/deployables': {'GET': d.index},
        '/v2/deployables/{uuid}': {'GET': d.show},
        '/v2/deployables/{uuid}/program': {'PATCH': d.program},
        # openstacksdk appends the uuid a second time.
        '/v2/deployables/{uuid}/program/{again}': {'PATCH': d.program},
        '/v2/device_profiles': {
            'GET': p.index,
            'POST': p.create,
            'DELETE': p.delete_many,
        },
        '/v2/device_profiles/{ident}': {'GET': p.show, 'DELETE': p.delete},
        '/v2/devices': {'GET': v.index},
        '/v2/devices/{uuid}': {'GET': v.show},
        '/v2/devices/{uuid}/disable': {'POST': v.disable},
        '/v2/devices/{uuid}/enable': {'POST': v.enable},
    }


def _ours(services: handler.Services) -> Routes:
    b = bitstreams.Bitstreams(services)
    c = claims.Claims(services)
    d = deployables.Deployables(services)
    h = hosts.Hosts(services)
    o = operations.Operations(services)
    return {
        '/v2/bitstreams': {'GET': b.index, 'POST': b.create},
        '/v2/bitstreams/{uuid}': {
            'GET': b.show,
            'PATCH': b.update,
            'DELETE': b.delete,
        },
        '/v2/bitstreams/{uuid}/verify': {'POST': b.verify},
        '/v2/claims': {'GET': c.index, 'POST': c.create},
        '/v2/claims/{uuid}': {'GET': c.show, 'DELETE': c.delete},
        '/v2/claims/{uuid}/program': {'POST': c.program, 'PATCH': c.program},
        '/v2/deployables/{uuid}/run': {'POST': d.run},
        '/v2/hosts': {'GET': h.index},
        '/v2/hosts/{name}': {'GET': h.show, 'PATCH': h.update},
        '/v2/hosts/{name}/disable': {'POST': h.disable},
        '/v2/hosts/{name}/enable': {'POST': h.enable},
        '/v2/operations': {'GET': o.index},
        '/v2/operations/{uuid}': {'GET': o.show},
        '/v2/operations/{uuid}/cancel': {'POST': o.cancel},
        '/v2/types': {'GET': b.types},
    }


class Root(core.ExplicitPecan):
    """Pecan, with the table in the place of its dispatch.

    That would ask for every request what a method takes, which costs more
    than all else that Pecan does.
    """

    def __init__(self, routes: Routes) -> None:
        # Pecan's requests answer by themselves what is not UTF-8.
        super().__init__(None, request_cls=webob.Request)
        self._routes = [(_segments(url), m) for url, m in routes.items()]

    def find_controller(self, state: Any) -> tuple[Any, list[Any], Any]:
        request = state.request
        args = request.path_info.split('/')[1:]
        if any(args):
            versions.negotiate(request)
        method, values = self.find(args, request.method)
        return method, [request, *values], {}

    def invoke_controller(
        self, controller: Any, args: Any, kwargs: Any, state: Any
    ) -> None:
        state.response = controller(*args)

    def find(self, args: list[str], method: str) -> Any:
        """The controller's method for a URL's parts, and its arguments.

        :raises errors.NotFound: There is no such URL.
        :raises errors.MethodNotAllowed: It has no such method.
        """
        path = _canonical(args)
        for pattern, methods in self._routes:
            values = _match(pattern, path)
            if values is not None:
                return _method(methods, method), values
        raise errors.NotFound(kind='resource', ident='at this URL')


def _segments(url: str) -> list[str]:
    return [part for part in url.split('/') if part]


def _canonical(args: list[str]) -> list[str]:
    """The path with its version, without a slash at its end."""
    path = args[:-1] if args and not args[-1] else list(args)
    if path == ['v2.json']:
        return ['v2']
    if path and not re.fullmatch(r'v\d.*', path[0]):
        return ['v2', *path]
    return path


def _match(pattern: list[str], path: list[str]) -> list[str] | None:
    if len(pattern) != len(path):
        return None
    values = []
    for wanted, given in zip(pattern, path, strict=True):
        if wanted.startswith('{'):
            if not given:
                return None
            values.append(given)
        elif wanted != given:
            return None
    return values


def _method(methods: Mapping[str, Any], method: str) -> Any:
    # The server leaves the body out.
    wanted = 'GET' if method == 'HEAD' else method
    if wanted not in methods:
        raise errors.MethodNotAllowed(
            method=method[:16], allow=', '.join(sorted(methods))
        )
    return methods[wanted]
