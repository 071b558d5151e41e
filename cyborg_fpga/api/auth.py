"""Who is calling: Keystone's word for it, or in tests the token's own."""

from collections.abc import Collection
from collections.abc import Iterable
from typing import Any

import webob
from keystonemiddleware import auth_token
from keystonemiddleware import opts
from oslo_config import cfg
from oslo_serialization import jsonutils

from cyborg_fpga.api import versions

#: Where keystonemiddleware has its options.
GROUP = 'keystone_authtoken'

_PUBLIC = ('', 'v2', 'v2.json')
_IDENTITY = ('HTTP_X_', 'HTTP_OPENSTACK_SYSTEM_SCOPE')
_DEFAULT_ROLES = {'admin': 'admin,member,reader'}


def register_opts(conf: cfg.ConfigOpts) -> None:
    """keystonemiddleware's options, with our defaults."""
    for group, options in opts.list_auth_token_opts():
        conf.register_opts(options, group=group)
    # Releases before 13 believe any good token to be a service's.
    conf.set_default('service_token_roles_required', True, GROUP)
    # Application credentials can be limited to URLs of a service type.
    conf.set_default('service_type', versions.SERVICE_TYPE, GROUP)


def protect(app: Any, conf: cfg.ConfigOpts) -> Any:
    """*app*, reached with a good token only, but for version discovery.

    :param conf: Has the options of :func:`register_opts`.
    """
    if conf.api.auth_strategy == 'noauth':
        trusted = conf[GROUP].service_token_roles
        return PublicPaths(app, NoAuth(app, trusted))
    checked = auth_token.AuthProtocol(app, {'oslo_config_config': conf})
    return PublicPaths(app, checked)


class PublicPaths:
    """Let anybody see the discovery documents."""

    def __init__(self, app: Any, protected: Any) -> None:
        self._app = app
        self._protected = protected

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        public = environ.get('PATH_INFO', '').strip('/') in _PUBLIC
        app = self._app if public else self._protected
        answer: Iterable[bytes] = app(environ, start)
        return answer


class NoAuth:
    """Believe the token ``user:project:role,role``.

    A token without project stands for a project of the user's name; one
    without the roles' part has ``member`` and ``reader``, and ``admin`` if
    that is the user. A service token looks the same. For tests and the
    all-in-one: whoever reaches the service is whoever he says.

    :param trusted: A service token without one of these roles is no good.
    """

    def __init__(self, app: Any, trusted: Collection[str]) -> None:
        self._app = app
        self._trusted = set(trusted)

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        token = environ.get('HTTP_X_AUTH_TOKEN', '')
        service = environ.get('HTTP_X_SERVICE_TOKEN')
        for name in [n for n in environ if n.startswith(_IDENTITY)]:
            del environ[name]
        identity = _identity(token)
        app = self._app if identity else _unauthorized
        environ.update(identity)
        if service is not None:
            roles = _identity(service).get('HTTP_X_ROLES', '')
            environ['HTTP_X_SERVICE_ROLES'] = roles
            if not self._trusted.intersection(roles.split(',')):
                app = _unauthorized
        answer: Iterable[bytes] = app(environ, start)
        return answer


def _identity(token: str) -> dict[str, str]:
    user, _, rest = token.partition(':')
    if not user:
        return {}
    project, colon, roles = rest.partition(':')
    if not colon:
        roles = _DEFAULT_ROLES.get(user, 'member,reader')
    return {
        'HTTP_X_AUTH_TOKEN': token,
        'HTTP_X_IDENTITY_STATUS': 'Confirmed',
        'HTTP_X_USER_ID': user,
        'HTTP_X_PROJECT_ID': project or user,
        'HTTP_X_ROLES': roles,
    }


def _unauthorized(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
    """The answer of keystonemiddleware."""
    error = {
        'code': 401,
        'title': 'Unauthorized',
        'message': 'The request you have made requires authentication.',
    }
    response = webob.Response(
        jsonutils.dump_as_bytes({'error': error}),
        status=401,
        content_type='application/json',
    )
    response.headers['WWW-Authenticate'] = 'Keystone uri="noauth"'
    return response(environ, start)
