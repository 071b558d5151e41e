"""The paste filter that stands where keystonemiddleware would.

Nobody checks anything: the token says who is asking. Only for services that
listen on the loopback address of a test or demo.
"""

from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

_Environ = dict[str, Any]
_App = Callable[[_Environ, Any], Iterable[bytes]]

_IDENTITY_PREFIXES = (
    'HTTP_X_USER',
    'HTTP_X_PROJECT',
    'HTTP_X_TENANT',
    'HTTP_X_ROLE',
    'HTTP_X_IDENTITY',
)
_MEMBER = 'member,reader'
_ADMIN = 'admin,member,reader'


def identity(token: str) -> tuple[str, str, str]:
    """Read user, project and comma-separated roles from *token*.

    ``user:project:role,role``; what is left out: the project is the user,
    the roles are a member's, for the user ``admin`` an administrator's.
    """
    user, _, rest = token.partition(':')
    project, _, roles = rest.partition(':')
    default = _ADMIN if user == 'admin' else _MEMBER
    return user, project or user, roles or default


def filter_factory(
    global_conf: dict[str, str], **local_conf: str
) -> Callable[[_App], _App]:
    """Make the filter; paste calls this."""

    def wrap(app: _App) -> _App:
        def authenticate(environ: _Environ, start_response: Any) -> Any:
            _identify(environ)
            return app(environ, start_response)

        return authenticate

    return wrap


def _identify(environ: _Environ) -> None:
    for key in [key for key in environ if key.startswith(_IDENTITY_PREFIXES)]:
        del environ[key]
    token = environ.get('HTTP_X_AUTH_TOKEN')
    if not token:
        environ['HTTP_X_IDENTITY_STATUS'] = 'Invalid'
        return
    user, project, roles = identity(token)
    environ.update(
        HTTP_X_IDENTITY_STATUS='Confirmed',
        HTTP_X_USER_ID=user,
        HTTP_X_PROJECT_ID=project,
        HTTP_X_TENANT_ID=project,
        HTTP_X_ROLES=roles,
    )
