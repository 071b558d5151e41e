"""Authenticated HTTP to another OpenStack service, made from our options.

One :class:`Service` per service and process: it holds the connections and
the token, and may be used by any number of threads. Nothing is asked of the
network before the first request.
"""

import functools
import http
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from keystoneauth1 import adapter
from keystoneauth1 import exceptions
from keystoneauth1 import loading
from keystoneauth1 import plugin
from keystoneauth1 import session
from keystoneauth1 import token_endpoint
from keystoneauth1.loading import adapter as loading_adapter
from oslo_config import cfg
from requests import adapters

from cyborg_fpga import context
from cyborg_fpga import errors

# What the operator leaves unset. A request without a time limit can hold a
# worker for ever.
_TIMEOUT_SECONDS = 30
_CONNECT_RETRIES = 1
#: For a small answer that a user waits for. Asked for twice that is less than
#: the API waits for a conductor, so that he is told who does not answer.
QUICK_SECONDS = 12
_RETRY_DELAY_SECONDS = 0.1

# Kept open to one server. More threads than that still work, each beyond
# it on a connection that is closed after use.
_POOL_SIZE = 32


class Service:
    """The way to one service, as its option group says.

    :param group: Option group: ``auth_type`` and what goes with it,
        adapter and session options.
    :param title: How errors name the service.
    """

    def __init__(self, conf: cfg.ConfigOpts, group: str, title: str) -> None:
        self.title = title
        self._conf = conf
        self._group = group

    @functools.cached_property
    def auth(self) -> plugin.BaseAuthPlugin | None:
        return loading.load_auth_from_conf_options(self._conf, self._group)

    @functools.cached_property
    def session(self) -> session.Session:
        pool = requests.Session()
        for scheme in ('http://', 'https://'):
            pool.mount(scheme, adapters.HTTPAdapter(pool_maxsize=_POOL_SIZE))
        return loading.load_session_from_conf_options(
            self._conf,
            self._group,
            session=pool,
            timeout=self._timeout,
        )

    @property
    def _timeout(self) -> float:
        return float(self._conf[self._group].timeout or _TIMEOUT_SECONDS)

    @property
    def quick_timeout(self) -> float:
        """Seconds for a small answer that somebody waits for."""
        return min(self._timeout, QUICK_SECONDS)

    def adapter_options(
        self, ctx: context.RequestContext | None = None
    ) -> dict[str, Any]:
        """Keyword arguments for an ``Adapter`` or a client made of one.

        :param ctx: Whose token is sent; None or one without a token: ours.
        """
        configured: dict[str, Any] = {}
        loading_adapter.process_conf_options(
            self._conf[self._group], configured
        )
        options = {
            'connect_retries': _CONNECT_RETRIES,
            'connect_retry_delay': _RETRY_DELAY_SECONDS,
            'auth': self.auth,
        }
        options.update(
            {key: val for key, val in configured.items() if val is not None}
        )
        if ctx is not None and ctx.auth_token:
            # The caller's token may name another catalog: the address is
            # always the one that we would use ourselves.
            options['auth'] = token_endpoint.Token(
                self.endpoint, ctx.auth_token
            )
        return options

    @functools.cached_property
    def adapter(self) -> adapter.Adapter:
        return adapter.Adapter(self.session, **self.adapter_options())

    @functools.cached_property
    def endpoint(self) -> str:
        """The service's address; the first time it may ask Keystone.

        :raises errors.ServiceUnavailable: It has none that we can find.
        """
        with self.translated():
            url = self.adapter.get_endpoint()
        if url is None:
            raise self.unavailable('it has no endpoint')
        return str(url)

    def request(
        self, method: str, url: str, **kwargs: Any
    ) -> requests.Response:
        """Send one request; an answer below 500 is returned, whatever it is.

        :raises errors.ServiceUnavailable: No usable answer.
        """
        with self.translated():
            response = self.adapter.request(
                url, method, raise_exc=False, **kwargs
            )
        if response.status_code >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
            raise self.unavailable(f'it answered {response.status_code}')
        if response.status_code == http.HTTPStatus.UNAUTHORIZED:
            raise self.unavailable('it refused our credentials')
        return response

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn what keystoneauth and requests raise into our error."""
        try:
            yield
        except (
            exceptions.ClientException,
            requests.exceptions.RequestException,
        ) as exc:
            raise self.unavailable(_short(exc)) from exc

    def unavailable(self, reason: str) -> errors.ServiceUnavailable:
        return errors.ServiceUnavailable(service=self.title, reason=reason)


def _short(exc: Exception) -> str:
    """Say what went wrong without addresses, pools and object ids."""
    for kind, text in (
        (exceptions.ConnectTimeout, 'it does not answer in time'),
        (exceptions.ConnectFailure, 'it cannot be reached'),
        (exceptions.Unauthorized, 'Keystone refused our credentials'),
        (exceptions.EndpointNotFound, 'it has no endpoint in the catalog'),
        (exceptions.CatalogException, 'it has no endpoint in the catalog'),
        (exceptions.AuthPluginException, 'our credentials are incomplete'),
        (requests.exceptions.Timeout, 'it does not answer in time'),
        (requests.exceptions.ConnectionError, 'the connection broke'),
        (
            requests.exceptions.ChunkedEncodingError,
            'the connection broke',
        ),
    ):
        if isinstance(exc, kind):
            return text
    return str(exc).splitlines()[0][:200] if str(exc) else type(exc).__name__
