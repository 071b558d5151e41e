"""Placement as we use it: providers, a host's tree, our allocations.

Knows nothing of deployables and claims; what a provider should look like is
decided in :mod:`cyborg_fpga.conductor.providers`.
"""

import dataclasses
import http
import random
import time
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from urllib import parse

from oslo_config import cfg

from cyborg_fpga import errors
from cyborg_fpga.clients import placement_http
from cyborg_fpga.clients import placement_tree

Provider = placement_tree.Provider

#: Consumer type of the allocations that claims of our own door hold.
CONSUMER_TYPE = 'FPGA_CLAIM'

# In the detail of a refusal, whose code does not say whose generation it is.
_CONSUMER = 'consumer generation'

_ATTEMPTS = 10
_BACKOFF_SECONDS = 0.05


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Allocations:
    """What one consumer holds; *resources* is empty when it holds nothing.

    :ivar resources: Provider uuid to resource class to amount.
    """

    resources: Mapping[str, Mapping[str, int]]
    project_id: str | None = None
    user_id: str | None = None
    consumer_type: str | None = None


class Placement:
    """May be used by any number of threads; connects when first asked.

    Every method raises errors.ServiceUnavailable when Placement gives no
    usable answer.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._http = placement_http.Http(conf)
        self._names = placement_tree.Names(self._http)

    @property
    def requests(self) -> int:
        """Requests sent so far, for tests and figures."""
        return self._http.sent

    def find_provider(self, name: str) -> str | None:
        """Uuid of the provider called *name*; None: there is none."""
        query = parse.urlencode({'name': name})
        found = self._http.get(f'/resource_providers?{query}')
        providers = found['resource_providers']
        return str(providers[0]['uuid']) if providers else None

    def create_root(self, name: str) -> str:
        """Make a provider without a parent, or find it; return its uuid.

        :raises errors.Conflict: Somebody makes and deletes it just now.
        """
        made = self._http.call(
            'POST',
            '/resource_providers',
            {'name': name},
            allow=(http.HTTPStatus.CONFLICT,),
        )
        uuid = made.body['uuid'] if made.ok else self.find_provider(name)
        if uuid is None:
            # It was there a moment ago, and is gone.
            raise errors.Conflict()
        return str(uuid)

    def sync_tree(
        self,
        root: str,
        desired: Sequence[Provider],
        *,
        prefix: str,
        ours: Collection[str] = (),
    ) -> int:
        """Make the providers below *root* what *desired* says.

        One read of the tree, then only the differences are written. Traits
        and providers that are not ours stay. Capacity is never offered
        before the traits that limit it are right, nor twice while it moves
        from one provider to another. Safe to repeat, from several processes.

        :param prefix: Of the names of the providers that are ours below
            this root: those not in *desired* are deleted, or offer nothing
            more while they have allocations.
        :param ours: Uuids of others of which that is true.
        :returns: Requests that wrote; 0 when everything was right.
        :raises errors.NotFound: There is no provider *root*.
        :raises errors.Duplicate: A provider outside this tree has the name
            of one of *desired*.
        :raises errors.Conflict: Others kept changing the same providers.
        """
        writes = 0
        refusals: set[str] = set()
        for attempt in range(_ATTEMPTS):
            sync = placement_tree.Sync(self._http, self._names, root)
            try:
                sync.run(desired, prefix, ours)
            except placement_tree.Changed as exc:
                writes += sync.writes
                if exc.refusal and exc.refusal in refusals:
                    raise errors.ServiceUnavailable(
                        service='Placement', reason=exc.refusal
                    ) from exc
                refusals.add(exc.refusal)
                _back_off(attempt)
            else:
                return writes + sync.writes
        raise errors.Conflict()

    def claim(
        self,
        consumer: str,
        allocations: Mapping[str, Mapping[str, int]],
        *,
        project_id: str,
        user_id: str,
    ) -> None:
        """Allocate *allocations* to the new *consumer*, all or nothing.

        Safe to repeat with the same allocations. Placement may let two
        consumers win the last unit: the database decides, not this.

        :param allocations: Provider uuid to resource class to amount.
        :raises errors.NoCapacity: There is not that much.
        :raises errors.NotFound: A provider or resource class is unknown.
        :raises errors.Duplicate: The consumer holds something else.
        :raises errors.Conflict: Others kept changing the same providers.
        """
        body: dict[str, Any] = {
            'allocations': {
                uuid: {'resources': dict(resources)}
                for uuid, resources in allocations.items()
            },
            'project_id': project_id,
            'user_id': user_id,
            'consumer_generation': None,
            'consumer_type': CONSUMER_TYPE,
        }
        for attempt in range(_ATTEMPTS):
            answer = self._put_allocations(consumer, body)
            if answer.ok:
                return
            if answer.code != placement_http.CONCURRENT_UPDATE:
                raise errors.NoCapacity(reason=answer.detail)
            held = self.allocations(consumer).resources
            if held == allocations:
                return
            if held:
                raise errors.Duplicate(kind='allocation', ident=consumer)
            if _CONSUMER in answer.detail:
                # A PUT that named an unknown provider leaves a consumer
                # behind that has nothing, and so shows no generation.
                body['consumer_generation'] = 0
            _back_off(attempt)
        raise errors.Conflict()

    def allocations(self, consumer: str) -> Allocations:
        """What *consumer* holds; with empty resources when nothing."""
        body = self._http.get(f'/allocations/{consumer}', 'allocations')
        return Allocations(
            resources={
                uuid: dict(held['resources'])
                for uuid, held in body['allocations'].items()
            },
            project_id=body.get('project_id'),
            user_id=body.get('user_id'),
            consumer_type=body.get('consumer_type'),
        )

    def release(self, consumer: str) -> None:
        """Let go of all that *consumer* holds; safe to repeat."""
        self._http.call(
            'DELETE',
            f'/allocations/{consumer}',
            allow=(http.HTTPStatus.NOT_FOUND,),
        )

    def providers_below(self, root: str, prefix: str) -> list[str]:
        """Uuids of the providers of a tree whose names begin with *prefix*."""
        query = parse.urlencode({'in_tree': root})
        found = self._http.get(f'/resource_providers?{query}')
        return [
            str(provider['uuid'])
            for provider in found['resource_providers']
            if provider['name'].startswith(prefix)
        ]

    def provider_allocations(self, uuid: str) -> dict[str, dict[str, int]]:
        """Allocated amounts by consumer and resource class.

        :raises errors.NotFound: There is no provider *uuid*.
        """
        path = f'/resource_providers/{uuid}/allocations'
        body = self._http.get(path, 'allocations')
        return {
            consumer: dict(held['resources'])
            for consumer, held in body['allocations'].items()
        }

    def _put_allocations(
        self, consumer: str, body: Mapping[str, Any]
    ) -> placement_http.Answer:
        answer = self._http.call(
            'PUT',
            f'/allocations/{consumer}',
            body,
            allow=(http.HTTPStatus.BAD_REQUEST, http.HTTPStatus.CONFLICT),
        )
        if answer.status == http.HTTPStatus.BAD_REQUEST:
            raise errors.NotFound(
                answer.detail, kind='resource provider', ident=consumer
            )
        return answer


def _back_off(attempt: int) -> None:
    # Jitter, or those who collided once would go on doing it together.
    time.sleep(random.uniform(0, _BACKOFF_SECONDS * (attempt + 1)))  # noqa: S311
