"""Bring the providers below a root up to date, by comparison."""

import dataclasses
import http
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from urllib import parse

from cyborg_fpga import errors
from cyborg_fpga.clients import placement_http

#: Traits that are ours to set and to remove; all others are left alone.
OUR_TRAIT_PREFIXES = ('CUSTOM_FPGA', 'CUSTOM_HW_', 'CUSTOM_ACCELERATOR_')
OUR_TRAITS = frozenset({'CUSTOM_PROGRAMMABLE', 'OWNER_CYBORG'})

_BAD_REQUEST = http.HTTPStatus.BAD_REQUEST
_CONFLICT = http.HTTPStatus.CONFLICT
_NOT_FOUND = http.HTTPStatus.NOT_FOUND

_TRAITS_PER_QUERY = 50


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """What a provider of ours should look like.

    :ivar total: At least 1; *reserved* at most this.
    """

    name: str
    uuid: str
    resource_class: str
    total: int
    max_unit: int
    traits: frozenset[str]
    reserved: int = 0

    @property
    def inventory(self) -> dict[str, Any]:
        return {
            'total': self.total,
            'reserved': self.reserved,
            'min_unit': 1,
            'max_unit': self.max_unit,
            'step_size': 1,
            'allocation_ratio': 1.0,
        }


class Changed(Exception):
    """Somebody changed what we were writing: begin again from a read.

    :ivar refusal: Placement's words where it found the request itself bad:
        a trait or class we remembered was deleted, or we are wrong.
    """

    def __init__(self, refusal: str = '') -> None:
        super().__init__(refusal)
        self.refusal = refusal


@dataclasses.dataclass(slots=True, kw_only=True)
class _Node:
    """A provider as it is; *generation* follows our writes."""

    uuid: str
    name: str
    generation: int
    parent: str | None
    inventories: dict[str, dict[str, Any]] = dataclasses.field(
        default_factory=dict
    )
    traits: frozenset[str] = frozenset()

    @property
    def offered(self) -> int:
        return _offered(self.inventories)


class Names:
    """Traits and resource classes that Placement is known to have.

    Remembered for the life of the process. Should somebody delete one, the
    next write that needs it is refused, and :meth:`forget` makes us look.
    """

    def __init__(self, client: placement_http.Http) -> None:
        self._http = client
        self._known: set[str] = set()
        self._absent: set[str] = set()

    def forget(self) -> None:
        self._known = set()
        self._absent = set()

    def ensure_class(self, name: str) -> int:
        """Make sure that the resource class exists; return writes needed."""
        if name in self._known:
            return 0
        created = False
        if name.startswith('CUSTOM_'):
            answer = self._http.call('PUT', f'/resource_classes/{name}')
            created = answer.status == http.HTTPStatus.CREATED
        self._known.add(name)
        return int(created)

    def ensure_traits(self, wanted: Iterable[str]) -> int:
        """Make sure that the traits exist; return writes needed.

        A standard trait that this Placement is too old for is remembered as
        absent; see :meth:`usable`.
        """
        missing = sorted(set(wanted) - self._known - self._absent)
        writes = 0
        for start in range(0, len(missing), _TRAITS_PER_QUERY):
            part = missing[start : start + _TRAITS_PER_QUERY]
            writes += self._create(set(part) - self._existing(part))
            self._known.update(set(part) - self._absent)
        return writes

    def usable(self, traits: frozenset[str]) -> frozenset[str]:
        return traits - self._absent

    def _existing(self, names: Sequence[str]) -> set[str]:
        query = parse.urlencode({'name': 'in:' + ','.join(names)})
        return set(self._http.get(f'/traits?{query}')['traits'])

    def _create(self, names: set[str]) -> int:
        custom = {name for name in names if name.startswith('CUSTOM_')}
        self._absent |= names - custom
        for name in sorted(custom):
            self._http.call('PUT', f'/traits/{name}')
        return len(custom)


class Sync:
    """One attempt; make a new one after :class:`Changed`.

    :ivar writes: Requests so far that changed something.
    """

    def __init__(
        self, client: placement_http.Http, names: Names, root: str
    ) -> None:
        self.writes = 0
        self._http = client
        self._names = names
        self._root = root
        self._nodes: dict[str, _Node] = {}

    def run(
        self, desired: Sequence[Provider], prefix: str, ours: Collection[str]
    ) -> None:
        self._read(desired)
        self._ensure_names(desired)
        keep = {provider.uuid for provider in desired} | {self._root}
        for node in list(self._nodes.values()):
            known = node.name.startswith(prefix) or node.uuid in ours
            if known and node.uuid not in keep:
                self._drop(node)
        # What shrinks comes first: a deployable that moves must not be
        # offered by two providers.
        for provider in sorted(desired, key=self._growth):
            self._bring_up_to_date(provider)

    def _read(self, desired: Sequence[Provider]) -> None:
        query = parse.urlencode({'in_tree': self._root})
        found = self._http.get(f'/resource_providers?{query}')
        for item in found['resource_providers']:
            self._nodes[item['uuid']] = _Node(
                uuid=item['uuid'],
                name=item['name'],
                generation=item['generation'],
                parent=item['parent_provider_uuid'],
            )
        if self._root not in self._nodes:
            raise errors.NotFound(kind='resource provider', ident=self._root)
        for provider in desired:
            if provider.uuid in self._nodes:
                self._read_details(self._nodes[provider.uuid])

    def _read_details(self, node: _Node) -> None:
        path = f'/resource_providers/{node.uuid}'
        body = self._get(f'{path}/inventories')
        node.inventories = body['inventories']
        # The older of the two: a change between the reads is then noticed
        # by the first write.
        node.generation = body['resource_provider_generation']
        node.traits = frozenset(self._get(f'{path}/traits')['traits'])

    def _ensure_names(self, desired: Sequence[Provider]) -> None:
        for name in sorted({item.resource_class for item in desired}):
            self.writes += self._names.ensure_class(name)
        every = frozenset[str]().union(*(item.traits for item in desired))
        self.writes += self._names.ensure_traits(every)

    def _growth(self, provider: Provider) -> int:
        node = self._nodes.get(provider.uuid)
        before = node.offered if node else 0
        return provider.total - provider.reserved - before

    def _bring_up_to_date(self, provider: Provider) -> None:
        node = self._nodes.get(provider.uuid) or self._create(provider)
        if node.name != provider.name:
            self._put(
                f'/resource_providers/{node.uuid}',
                {'name': provider.name, 'parent_provider_uuid': node.parent},
            )
        traits = self._names.usable(provider.traits) | {
            trait for trait in node.traits if not _is_ours(trait)
        }
        inventories = {provider.resource_class: provider.inventory}
        if not _same(inventories, node.inventories):
            if _offered(inventories) > node.offered:
                # Nobody may be offered more by a promise that is to go.
                self._set_traits(node, node.traits & traits)
            self._set_inventories(node, provider, inventories)
        self._set_traits(node, traits)

    def _create(self, provider: Provider) -> _Node:
        path = '/resource_providers'
        body = {
            'name': provider.name,
            'uuid': provider.uuid,
            'parent_provider_uuid': self._root,
        }
        made = self._http.call('POST', path, body, allow=(_CONFLICT,))
        if not made.ok:
            self._adopt(provider)
        self.writes += 1
        return _Node(
            uuid=provider.uuid,
            name=provider.name,
            generation=made.body['generation'],
            parent=self._root,
        )

    def _adopt(self, provider: Provider) -> None:
        """Take our provider back from wherever it is in Placement.

        It is elsewhere when the compute node's provider was made anew, or
        when another conductor has just created it.
        """
        path = f'/resource_providers/{provider.uuid}'
        found = self._http.call('GET', path, allow=(_NOT_FOUND,))
        if not found.ok:
            raise errors.Duplicate(
                kind='resource provider', ident=provider.name
            )
        if found.body['root_provider_uuid'] != self._root:
            self._put(
                path,
                {'name': provider.name, 'parent_provider_uuid': self._root},
            )
        raise Changed

    def _drop(self, node: _Node) -> None:
        path = f'/resource_providers/{node.uuid}'
        gone = self._http.call('DELETE', path, allow=(_CONFLICT, _NOT_FOUND))
        if gone.status != _CONFLICT:
            self.writes += gone.ok
            return
        self._read_details(node)
        self._set_inventories_to(node, _closed(node.inventories))

    def _set_inventories(
        self,
        node: _Node,
        provider: Provider,
        inventories: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """Replace the inventories, keeping classes still allocated closed."""
        left = set(node.inventories) - set(inventories)
        if left:
            usages = self._get(f'/resource_providers/{node.uuid}/usages')
            used = {
                name: amount
                for name, amount in usages['usages'].items()
                if name in left and amount
            }
            # What is out under the old class is not there under the new.
            kept = dict(provider.inventory)
            kept['reserved'] = min(
                provider.total, provider.reserved + sum(used.values())
            )
            old = {name: node.inventories[name] for name in used}
            inventories = {provider.resource_class: kept, **_closed(old)}
        self._set_inventories_to(node, inventories)

    def _set_inventories_to(
        self, node: _Node, inventories: Mapping[str, Mapping[str, Any]]
    ) -> None:
        if not inventories or _same(inventories, node.inventories):
            return
        body = self._put(
            f'/resource_providers/{node.uuid}/inventories',
            {
                'resource_provider_generation': node.generation,
                'inventories': inventories,
            },
        )
        node.generation = body['resource_provider_generation']

    def _set_traits(self, node: _Node, traits: frozenset[str]) -> None:
        if traits == node.traits:
            return
        body = self._put(
            f'/resource_providers/{node.uuid}/traits',
            {
                'resource_provider_generation': node.generation,
                'traits': sorted(traits),
            },
        )
        node.generation = body['resource_provider_generation']
        node.traits = traits

    def _get(self, path: str) -> Mapping[str, Any]:
        """Read a provider's sub-resource; a 404 means that it has gone."""
        answer = self._http.call('GET', path, allow=(_NOT_FOUND,))
        if not answer.ok:
            raise Changed
        return answer.body

    def _put(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = self._http.call(
            'PUT', path, body, allow=(_BAD_REQUEST, _NOT_FOUND, _CONFLICT)
        )
        if answer.code == placement_http.DUPLICATE_NAME:
            raise errors.Duplicate(
                kind='resource provider', ident=body['name']
            )
        if answer.status == _BAD_REQUEST:
            self._names.forget()
            raise Changed(answer.detail)
        if not answer.ok:
            raise Changed
        self.writes += 1
        return answer.body


def _is_ours(trait: str) -> bool:
    return trait in OUR_TRAITS or trait.startswith(OUR_TRAIT_PREFIXES)


def _offered(inventories: Mapping[str, Mapping[str, Any]]) -> int:
    return sum(
        int(item['total']) - int(item['reserved'])
        for item in inventories.values()
    )


def _same(
    one: Mapping[str, Mapping[str, Any]],
    other: Mapping[str, Mapping[str, Any]],
) -> bool:
    return one.keys() == other.keys() and all(
        item.items() <= other[name].items() for name, item in one.items()
    )


def _closed(
    inventories: Mapping[str, Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    return {
        name: {**item, 'reserved': item['total']}
        for name, item in inventories.items()
    }
