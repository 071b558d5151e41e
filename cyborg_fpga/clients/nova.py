"""Nova as we use it: what its servers wait for, and whether they are there."""

import dataclasses
import http
from collections.abc import Sequence

import requests
from oslo_config import cfg
from oslo_log import log as logging

from cyborg_fpga.clients import session

LOG = logging.getLogger(__name__)

#: The first that knows the event. It also shows servers of cells that are
#: down, without which they would be taken for gone.
MICROVERSION = '2.82'

_EVENT = 'accelerator-request-bound'
_HEADERS = {'OpenStack-API-Version': f'compute {MICROVERSION}'}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """How the bind of one accelerator request of a server ended."""

    server_uuid: str
    arq_uuid: str
    ok: bool


class Nova:
    """May be used by any number of threads; connects when first asked."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._service = session.Service(conf, 'nova', 'Nova')

    def tell_bound(self, events: Sequence[Bound]) -> None:
        """Tell Nova how binds ended; safe to repeat.

        What Nova knows no server for, or none that has a host yet, counts
        as told: it asks for itself before it waits.

        :raises errors.ServiceUnavailable: It did not take them.
        """
        response = self._service.request(
            'POST',
            '/os-server-external-events',
            headers=_HEADERS,
            json={'events': [_event(event) for event in events]},
        )
        if response.status_code == http.HTTPStatus.NOT_FOUND:
            LOG.info('Nova knows none of %s servers', len(events))
        elif not response.ok:
            raise self._service.unavailable(_refusal(response))
        else:
            _note(response)

    def has_server(self, uuid: str) -> bool:
        """Whether a server is there, in whatever state.

        :raises errors.ServiceUnavailable: It cannot be told; also where
            Nova shows us the servers of our own project alone.
        """
        # To others than administrators every server of others is unknown.
        shown = self._get('/servers?all_tenants=true&limit=1')
        if not shown.ok:
            raise self._service.unavailable(_refusal(shown))
        found = self._get(f'/servers/{uuid}')
        if found.ok:
            return True
        if found.status_code == http.HTTPStatus.NOT_FOUND:
            return False
        raise self._service.unavailable(_refusal(found))

    def _get(self, path: str) -> requests.Response:
        return self._service.request('GET', path, headers=_HEADERS)


def _event(event: Bound) -> dict[str, str]:
    return {
        'name': _EVENT,
        'server_uuid': event.server_uuid,
        'tag': event.arq_uuid,
        'status': 'completed' if event.ok else 'failed',
    }


def _refusal(response: requests.Response) -> str:
    said = ' '.join(response.text.split())[:200]
    return f'it answered {response.status_code}: {said}'


def _note(response: requests.Response) -> None:
    """Log what became of events that Nova could not deliver."""
    try:
        events = response.json()['events']
    except (requests.exceptions.JSONDecodeError, KeyError, TypeError):
        return
    for event in events:
        code = event.get('code', http.HTTPStatus.OK)
        if code != http.HTTPStatus.OK:
            LOG.info(
                'Nova: %s for accelerator request %s of server %s',
                code,
                event.get('tag'),
                event.get('server_uuid'),
            )
