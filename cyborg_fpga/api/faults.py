"""Where every error becomes a response, and none gets past."""

from collections.abc import Iterable
from typing import Any

import oslo_messaging as messaging
import webob
from keystoneauth1 import exceptions as ksa_exc
from oslo_db import exception as db_exc
from oslo_log import log as logging
from oslo_serialization import jsonutils
from sqlalchemy import exc as sa_exc

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga.api import versions

LOG = logging.getLogger(__name__)

#: Errors that mean "somebody we need is away", and who that is.
_AWAY: tuple[tuple[type[Exception], str], ...] = (
    (messaging.MessagingTimeout, 'The conductor'),
    (messaging.MessageDeliveryFailure, 'The message bus'),
    (ksa_exc.ClientException, 'Keystone'),
    (db_exc.DBConnectionError, 'The database'),
    (db_exc.CantStartEngineError, 'The database'),
    (db_exc.DBNonExistentDatabase, 'The database'),
    (db_exc.DBDeadlock, 'The database'),
    (sa_exc.TimeoutError, 'The database'),
)


class Barrier:
    """The outermost piece of ours: whatever happens inside is answered.

    Its answers also carry the headers that tell our microversions.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        req = webob.Request(environ)
        # The thread's last caller must not stand in the log before this one
        # is known.
        context.RequestContext(
            request_id=environ.get('openstack.request_id'),
            global_request_id=environ.get('openstack.global_request_id'),
        )
        try:
            response = req.get_response(self._app)
        except Exception as exc:
            response = _response(_known(req, exc))
        json = (response.content_type or '').endswith('json')
        if response.status_int == 503 and not json:
            response = _response(_no_keystone())
        if environ.get('PATH_INFO', '').strip('/'):
            versions.stamp(req, response)
        return response(environ, start)


def _known(req: webob.Request, exc: Exception) -> errors.FPGAError:
    """*exc* as one of our errors; what is not meant for users is logged."""
    if isinstance(exc, errors.FPGAError):
        return exc
    if isinstance(exc, UnicodeDecodeError):
        return errors.InvalidInput(reason='the URL is not in UTF-8')
    who = next((who for cls, who in _AWAY if isinstance(exc, cls)), None)
    if who is not None:
        LOG.error('%s %s: %s is away: %s', req.method, req.path_info, who, exc)
        return errors.ServiceUnavailable(service=who, reason='no answer')
    ident = req.environ.get('openstack.request_id', 'unknown')
    LOG.error('%s %s failed (%s)', req.method, req.path_info, ident,
              exc_info=exc)  # fmt: skip
    return errors.FPGAError(
        f'The service failed unexpectedly; its log tells why under {ident}.'
    )


def _no_keystone() -> errors.FPGAError:
    # Of all that answers inside, only keystonemiddleware says it otherwise.
    return errors.ServiceUnavailable(
        service='Keystone', reason='tokens cannot be checked'
    )


def _response(exc: errors.FPGAError) -> webob.Response:
    """Cyborg's document: JSON with JSON text inside, plus our ``code``."""
    status = exc.http_status
    inner = {
        'faultcode': 'Client' if status < 500 else 'Server',
        'faultstring': exc.message,
        'debuginfo': None,
        'code': exc.code,
    }
    response = webob.Response(
        jsonutils.dump_as_bytes({'error_message': jsonutils.dumps(inner)}),
        status=status,
        content_type='application/json',
    )
    if isinstance(exc, errors.MethodNotAllowed):
        response.headers['Allow'] = exc.kwargs['allow']
    if status == 503:
        response.headers['Retry-After'] = '5'
    return response
