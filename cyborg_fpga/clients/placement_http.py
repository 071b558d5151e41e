"""One request to Placement: version, counting, and what its answers mean."""

import dataclasses
import http
import threading
from collections.abc import Collection
from collections.abc import Mapping
from typing import Any

import requests
from oslo_config import cfg

from cyborg_fpga import errors
from cyborg_fpga.clients import session

#: Zed's: consumer types, re-parenting, ``in:`` queries.
MICROVERSION = '1.39'

# Placement's own, stable error codes.
CONCURRENT_UPDATE = 'placement.concurrent_update'
DUPLICATE_NAME = 'placement.duplicate_name'

_HEADERS = {'OpenStack-API-Version': f'placement {MICROVERSION}'}


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What Placement said.

    :ivar code: Its error code, empty unless it refused.
    :ivar detail: Its own words about a refusal, one line.
    """

    status: int
    body: Mapping[str, Any]
    code: str = ''
    detail: str = ''

    @property
    def ok(self) -> bool:
        return self.status < http.HTTPStatus.BAD_REQUEST


class Http:
    """Sends requests; may be used by any number of threads."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._service = session.Service(conf, 'placement', 'Placement')
        self._lock = threading.Lock()
        self._sent = 0

    @property
    def sent(self) -> int:
        """Requests sent so far."""
        return self._sent

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        allow: Collection[int] = (),
    ) -> Answer:
        """Send one request.

        :param allow: Refusals that the caller looks at; a 404 and any other
            refusal is raised.
        :raises errors.NotFound: 404.
        :raises errors.ServiceUnavailable: No answer, or one that says that
            we are not set up right.
        """
        with self._lock:
            self._sent += 1
        # Without a body requests would send none, and Placement wants one
        # for PUT only where it reads it.
        response = self._service.request(
            method,
            path,
            headers=_HEADERS,
            **({} if body is None else {'json': body}),
        )
        answer = _read(response)
        if answer.ok or answer.status in allow:
            return answer
        if answer.status == http.HTTPStatus.NOT_FOUND:
            raise errors.NotFound(kind='Placement record', ident=path)
        raise self._service.unavailable(
            f'it refused {method} {path.partition("?")[0]}: {answer.detail}'
        )

    def get(self, path: str, member: str | None = None) -> Mapping[str, Any]:
        """The body of an answer, which must have *member*.

        :raises errors.FPGAError: As :meth:`call`; without *member* it is no
            answer, whoever gave it in Placement's place.
        """
        body = self.call('GET', path).body
        if member is not None and member not in body:
            raise self._service.unavailable(
                f'its answer to GET {path} has no {member}'
            )
        return body


def _read(response: requests.Response) -> Answer:
    try:
        body = response.json() if response.content else {}
    except requests.exceptions.JSONDecodeError:
        body = {}
    faults = body.get('errors') or [{}]
    detail = faults[0].get('detail') or response.reason or ''
    lines = [line.strip() for line in detail.splitlines() if line.strip()]
    return Answer(
        status=response.status_code,
        body=body,
        code=faults[0].get('code', ''),
        detail=lines[-1] if lines else '',
    )
