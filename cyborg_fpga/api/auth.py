"""Who is calling: Keystone's word for it, or in tests the token's own."""

from collections.abc import Iterable
from typing import Any

import webob
from keystonemiddleware import auth_token
from oslo_config import cfg
from oslo_serialization import jsonutils

_PUBLIC = ('', 'v2')
_IDENTITY = ('HTTP_X_', 'HTTP_OPENSTACK_SYSTEM_SCOPE')
_DEFAULT_ROLES = {'admin': 'admin,member,reader'}


def protect(app: Any, conf: cfg.ConfigOpts) -> Any:
    """*app*, reached with a good token only, but for version discovery."""
    if conf.api.auth_strategy == 'noauth':
        return PublicPaths(app, NoAuth(app))
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
    that is the user. For tests and the all-in-one: whoever reaches the
    service is whoever he says.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        token = environ.get('HTTP_X_AUTH_TOKEN', '')
        for name in [n for n in environ if n.startswith(_IDENTITY)]:
            del environ[name]
        identity = _identity(token)
        app = self._app if identity else _unauthorized
        environ.update(identity)
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
