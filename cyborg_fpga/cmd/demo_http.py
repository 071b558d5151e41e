"""The demo's HTTP: what curl would do, for the three services it shows."""

import json
from collections.abc import Mapping
from typing import Any

import requests

_TIMEOUT_SECONDS = 60


class Refused(Exception):
    """The service said no.

    :ivar reason: Its sentence.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f'HTTP {status}: {reason}')
        self.status = status
        self.reason = reason


class Http:
    """One service as one user."""

    def __init__(self, url: str, token: str, version: str) -> None:
        self._url = url.rstrip('/')
        self._session = requests.Session()
        self._session.headers.update(
            {'X-Auth-Token': token, 'OpenStack-API-Version': version}
        )

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Send a request; *path* may be a whole URL.

        :raises Refused: Anything but 2xx.
        """
        url = path if path.startswith('http') else self._url + path
        answer = self._session.request(
            method, url, timeout=_TIMEOUT_SECONDS, **options
        )
        if not answer.ok:
            raise Refused(answer.status_code, _reason(answer))
        return answer

    def get(self, path: str) -> Any:
        return self.call('GET', path).json()

    def post(self, path: str, body: Any) -> Any:
        return self.call('POST', path, json=body).json()

    def delete(self, path: str) -> None:
        self.call('DELETE', path)

    def has(self, path: str) -> bool:
        try:
            self.get(path)
        except Refused as exc:
            if exc.status == requests.codes.not_found:
                return False
            raise
        return True

    # -- the accelerator service ---------------------------------------

    def program(self, deployable: str, image: str) -> str:
        """Program a deployable; the operation's URL."""
        answer = self.call(
            'PATCH',
            f'/deployables/{deployable}/program',
            json=[
                {
                    'path': '/program',
                    'op': 'replace',
                    'value': [{'image_uuid': image}],
                }
            ],
        )
        return str(answer.headers['Location'])

    # -- Glance --------------------------------------------------------

    def upload(
        self,
        name: str,
        data: bytes,
        properties: Mapping[str, str],
        visibility: str = 'public',
    ) -> str:
        """Create an image with the tag ``FPGA``; its uuid."""
        image = self.post(
            '/v2/images',
            {
                'name': name,
                'disk_format': 'raw',
                'container_format': 'bare',
                'visibility': visibility,
                'tags': ['FPGA'],
                **properties,
            },
        )
        self.call(
            'PUT',
            f'/v2/images/{image["id"]}/file',
            data=data,
            headers={'Content-Type': 'application/octet-stream'},
        )
        return str(image['id'])

    # -- Placement -----------------------------------------------------

    def inventories(self, hostname: str) -> list[dict[str, Any]]:
        """One entry per provider and class below the host's own."""
        found = []
        for provider in self._tree(hostname):
            uuid = provider['uuid']
            held = self.get(f'/resource_providers/{uuid}/inventories')
            for name, entry in held['inventories'].items():
                found.append(
                    {
                        'name': provider['name'],
                        'uuid': uuid,
                        'resource_class': name,
                        **entry,
                    }
                )
        return found

    def traits(self, hostname: str, resource_class: str) -> set[str]:
        """Traits of the first provider that has *resource_class*."""
        for entry in self.inventories(hostname):
            if entry['resource_class'] == resource_class:
                uuid = entry['uuid']
                found = self.get(f'/resource_providers/{uuid}/traits')
                return set(found['traits'])
        return set()

    def usages(self, hostname: str) -> dict[str, int]:
        """Allocated amounts by provider name."""
        return {
            provider['name']: sum(
                self.get(f'/resource_providers/{provider["uuid"]}/usages')[
                    'usages'
                ].values()
            )
            for provider in self._tree(hostname)
        }

    def allocated(self, consumer: str) -> dict[str, int]:
        """What a consumer holds of its only provider."""
        held = self.get(f'/allocations/{consumer}')['allocations']
        return dict(next(iter(held.values()))['resources']) if held else {}

    def _tree(self, hostname: str) -> list[dict[str, Any]]:
        root = self.get(f'/resource_providers?name={hostname}')
        uuid = root['resource_providers'][0]['uuid']
        tree = self.get(f'/resource_providers?in_tree={uuid}')
        return list(tree['resource_providers'])


def _reason(answer: requests.Response) -> str:
    """The sentence in an error body of any of the three services."""
    try:
        body = answer.json()
        if 'error_message' in body:
            return str(json.loads(body['error_message'])['faultstring'])
        return str(body['errors'][0]['detail'])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]
