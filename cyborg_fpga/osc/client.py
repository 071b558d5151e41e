"""Talk to the accelerator API and turn its errors into sentences."""

import json
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any
from urllib import parse

from keystoneauth1 import adapter
from keystoneauth1 import exceptions as ks_exceptions
from osc_lib import exceptions

SERVICE_TYPE = 'accelerator'
#: The newest microversion that these commands know.
MICROVERSION = '2.3'

Json = dict[str, Any]


class NotFound(exceptions.CommandError):
    """What was asked for is not there (any more)."""


def from_config(config: Any) -> 'Client':
    """Build a client from an openstacksdk ``CloudRegion``.

    The endpoint comes from ``accelerator_endpoint_override`` of clouds.yaml,
    with or without ``/v2``, or from the catalogue.
    """
    return Client(
        adapter.Adapter(
            session=config.get_session(),
            service_type=config.get_service_type(SERVICE_TYPE),
            service_name=config.get_service_name(SERVICE_TYPE),
            interface=config.get_interface(SERVICE_TYPE),
            region_name=config.get_region_name(SERVICE_TYPE),
            endpoint_override=config.get_endpoint(SERVICE_TYPE),
            connect_retries=config.get_connect_retries(SERVICE_TYPE),
            global_request_id=config.config.get('global_request_id'),
        )
    )


def of(app: Any) -> 'Client':
    """The client of a running command; made at the first use."""
    made: Client = app.client_manager.fpga
    return made


class Client:
    """Plain JSON in and out; paths are those below ``/v2``.

    :raises NotFound: From every method: the server answered 404.
    :raises exceptions.CommandError: From every method: any other refusal,
        with the server's own sentence.
    """

    def __init__(self, session: adapter.Adapter) -> None:
        self._session = session

    def get(self, path: str, **query: Any) -> Json:
        return self._json(self._request('GET', path, params=_given(query)))

    def post(self, path: str, body: Json | list[Json] | None = None) -> Json:
        return self._json(self._request('POST', path, json=body or {}))

    def post_octets(self, path: str, body: bytes) -> bytes:
        """Send bytes as they are; answer the bytes that come back."""
        answer = self._request(
            'POST',
            path,
            data=body,
            headers={'Content-Type': 'application/octet-stream'},
        )
        found: bytes = answer.content
        return found

    def upload(self, path: str, body: Iterable[bytes], **query: Any) -> Json:
        """Send a file once, piece by piece.

        :param body: Its pieces; ``len()`` is how many bytes they have.
        """
        answer = self._request(
            'POST',
            path,
            params=_given(query),
            data=body,
            headers={'Content-Type': 'application/octet-stream'},
            connect_retries=0,
        )
        return self._json(answer)

    def delete(self, path: str, **query: Any) -> None:
        self._request('DELETE', path, params=_given(query))

    def patch(self, path: str, body: Json | list[Json]) -> tuple[Json, str]:
        """Answer the body and the ``Location`` header, '' without one."""
        answer = self._request('PATCH', path, json=body)
        return self._json(answer), answer.headers.get('Location', '')

    def pages(
        self, collection: str, limit: int | None = None, **query: Any
    ) -> Iterator[Json]:
        """Yield the items of a list: one page of *limit*, or all of them."""
        while True:
            body = self.get(f'/{collection}', limit=limit, **query)
            items = body.get(collection, [])
            yield from items
            following = _next_marker(body.get(f'{collection}_links'))
            if limit is not None or not items or following is None:
                return
            query['marker'] = following

    def _request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> Any:
        url = ''
        try:
            url = self._url(path)
            answer = self._session.request(
                url,
                method,
                raise_exc=False,
                headers={
                    'Accept': 'application/json',
                    'OpenStack-API-Version': f'{SERVICE_TYPE} {MICROVERSION}',
                    **(headers or {}),
                },
                **kwargs,
            )
        except ks_exceptions.ConnectFailure as exc:
            raise exceptions.CommandError(
                f'The accelerator service at {url} does not answer.'
            ) from exc
        except ks_exceptions.ClientException as exc:
            raise exceptions.CommandError(str(exc)) from exc
        if answer.status_code >= 400:
            kind = (
                NotFound
                if answer.status_code == 404
                else exceptions.CommandError
            )
            raise kind(sentence(answer))
        return answer

    def _url(self, path: str) -> str:
        endpoint = self._session.get_endpoint()
        if not endpoint:
            raise exceptions.CommandError(
                'The cloud has no accelerator service: neither its catalogue '
                'nor accelerator_endpoint_override in clouds.yaml names one.'
            )
        base = endpoint.rstrip('/')
        if not base.endswith('/v2'):
            base += '/v2'
        return f'{base}{parse.quote(path)}'

    @staticmethod
    def _json(answer: Any) -> Json:
        if not answer.content:
            return {}
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise exceptions.CommandError(
                f'{answer.url} does not answer like an accelerator service.'
            )
        return body


def _given(query: Json) -> Json:
    return {key: value for key, value in query.items() if value is not None}


def _next_marker(links: list[Json] | None) -> str | None:
    for link in links or []:
        if link.get('rel') == 'next':
            query = parse.parse_qs(parse.urlsplit(link['href']).query)
            return query.get('marker', [None])[0]
    return None


def sentence(answer: Any) -> str:
    """What a failed request's body says to a person, and the code."""
    try:
        body = answer.json()
    except ValueError:
        body = {}
    fault = _fault(body)
    text = next(
        (
            fault[key]
            for key in ('faultstring', 'description', 'message', 'title')
            if fault.get(key)
        ),
        answer.reason or 'The request failed.',
    )
    # ``code`` is our stable name of the error; elsewhere it is a number.
    code = fault.get('code')
    named = f', {code}' if isinstance(code, str) else ''
    return f'{text} (HTTP {answer.status_code}{named})'


def _fault(body: Any) -> Json:
    """Find the inner object; Cyborg's is JSON text in ``error_message``."""
    if not isinstance(body, dict):
        return {}
    inner = body.get('error_message', body.get('error', body))
    if isinstance(inner, str):
        try:
            parsed = json.loads(inner)
        except ValueError:
            return {'message': inner}
        inner = parsed
    return inner if isinstance(inner, dict) else {}
