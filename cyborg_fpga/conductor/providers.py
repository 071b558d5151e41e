"""How a host's deployables look in Placement: pure functions.

Whatever Placement agrees to on the strength of this must be bindable. So a
handle that cannot be claimed now is reserved, and a provider carries a trait
that can change only while every free handle of it is that already or can be
programmed to be that.
"""

import collections
import dataclasses
import hashlib
import itertools
import re
import uuid
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

import os_resource_classes
import os_traits

from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.clients import placement

#: What the public bitstreams make possible: see types_by_region().
Types = dict[str, frozenset[str]]
#: Provider uuid and name.
Place = tuple[str, str]

# Fixed for ever: provider uuids follow from their names.
_NAMESPACE = uuid.UUID('5f2c8f0e-6d0c-5c57-9a55-0c1a2f3b7e41')
_MAX_NAME = 200
_MAX_TRAIT = 255
_TYPE = re.compile(r'[a-z0-9_]{1,32}')
_UNUSABLE = (model.Health.QUARANTINED, model.Health.LOST)
# Where this release of os-traits has it.
_OWNER = {'OWNER_CYBORG'} if hasattr(os_traits, 'OWNER_CYBORG') else set()

# What the keys of Types begin with.
_TYPES, _FUNCTIONS, _LOADED, _PUBLIC = 'type', 'function', 'loaded', 'public'


@dataclasses.dataclass(frozen=True, slots=True)
class _Home:
    """The provider that a deployable belongs to."""

    uuid: str
    name: str
    resource_class: str


def layout(
    host: nouns.Host,
    regions: Sequence[nouns.Deployable],
    public: Sequence[nouns.Bitstream],
    *,
    overrides: Mapping[str, str],
    allowed_types: Collection[str] = (),
    uncovered: Mapping[str, int] | None = None,
    exclusive: bool = False,
) -> tuple[list[placement.Provider], dict[str, Place], dict[str, str]]:
    """Group *regions*, all of *host*, into the providers below its root.

    The answer depends on nothing but the arguments, in any order.

    :param public: Usable bitstreams that everybody may use.
    :param overrides: ``[placement] resource_classes``.
    :param allowed_types: ``[bitstream] types``.
    :param uncovered: By deployable, how many of its held handles no
        allocation covers (an instance's that is being released).
    :param exclusive: What is left of a held deployable is kept for its
        holder, so nobody may schedule onto it.
    :returns: The providers; each deployable's provider; each deployable's
        resource class. A deployable without a handle has a place but no
        provider.
    """
    homes = _homes(host, regions, overrides)
    members = collections.defaultdict(list)
    for region in sorted(regions, key=lambda region: region.uuid):
        members[homes[region.uuid].uuid].append(region)
    types = types_by_region(public, allowed_types)
    providers = [
        _provider(
            homes[pool[0].uuid],
            host,
            pool,
            types,
            sum(
                (uncovered or {}).get(region.uuid, 0)
                + _kept(host, region, exclusive)
                for region in pool
            ),
        )
        for _, pool in sorted(members.items())
        if any(map(_total, pool))
    ]
    return (
        providers,
        {key: (home.uuid, home.name) for key, home in homes.items()},
        {key: home.resource_class for key, home in homes.items()},
    )


def name_prefix(hostname: str) -> str:
    """What the names of all our providers on a host begin with."""
    return f'{hostname}:fpga:'


def types_by_region(
    public: Iterable[nouns.Bitstream], allowed_types: Collection[str] = ()
) -> Types:
    """Index *public* for :func:`deployable_traits`.

    :returns: Type traits by where they can be programmed and by what has
        them loaded, functions by where they can be programmed, and the
        functions that are known to everybody.
    """
    found: dict[str, set[str]] = collections.defaultdict(set)
    for bitstream in public:
        traits = _type_traits(bitstream.type, allowed_types)
        function = bitstream.function_id or ''
        where = ' '.join(word or '' for word in bitstream.made_for)
        found[f'{_TYPES} {where}'] |= traits
        found[f'{_LOADED} {bitstream.uuid} {function} {where}'] |= traits
        if function:
            found[f'{_FUNCTIONS} {where}'].add(function)
            found[f'{_PUBLIC} {function}'] = set()
    return {key: frozenset(traits) for key, traits in found.items()}


def deployable_traits(
    region: nouns.Deployable, types: Types
) -> frozenset[str]:
    """Traits of a deployable alone: what it is, has and can be made to be.

    Of a function only what is loaded counts; a type counts where a claim can
    have it programmed as well.
    """
    return (
        fixed_traits(region)
        | _now(region, types)
        | _programmable_types(region, types)
    )


def fixed_traits(region: nouns.Deployable) -> frozenset[str]:
    """Traits that last as long as the card has its shell, and given ones."""
    if not region.family:  # imported, and no agent has seen the card
        return frozenset(region.added_traits)
    vendor = region.vendor
    traits = {
        'CUSTOM_FPGA',
        trait('CUSTOM_HW', vendor),
        trait('CUSTOM_FPGA', vendor),
        trait('CUSTOM_FPGA', vendor, region.family),
    }
    if region.region_id:
        shell = trait('CUSTOM_FPGA_REGION', vendor, region.region_id)
        traits |= {'CUSTOM_PROGRAMMABLE', shell}
    if region.numa_node is not None:
        traits.add(trait('CUSTOM_FPGA_NUMA_NODE', str(region.numa_node)))
    traits |= {*_OWNER, *region.added_traits, *region.driver_traits}
    return frozenset(traits)


def trait(*words: str) -> str:
    """Join *words* to a name that Placement accepts."""
    return re.sub('[^A-Z0-9_]', '_', '_'.join(words).upper())[:_MAX_TRAIT]


def function_trait(vendor: str, function_id: str) -> str:
    return trait('CUSTOM_FPGA_FUNCTION_ID', vendor, function_id)


def resource_class(
    region: nouns.Deployable, overrides: Mapping[str, str]
) -> str:
    """What the deployable's handles are counted as.

    :param overrides: By ``vendor/product`` PCI id, else by driver.
    """
    wanted = overrides.get(
        f'{region.vendor_id}/{region.product_id}'
    ) or overrides.get(region.driver)
    if wanted is None:
        kind = region.handles[0].kind if region.handles else 'PF'
        return trait('CUSTOM_FPGA', region.vendor, kind)
    if wanted in os_resource_classes.STANDARDS:
        return wanted
    plain = trait(wanted)
    return plain if plain.startswith('CUSTOM_') else f'CUSTOM_{plain}'


def _homes(
    host: nouns.Host,
    regions: Sequence[nouns.Deployable],
    overrides: Mapping[str, str],
) -> dict[str, _Home]:
    alike = collections.defaultdict(list)
    for region in regions:
        alike[_computed(host, region, overrides)].append(region)
    # Allocations name a provider and a class: while there are any, both stay,
    # and so does whoever shares them.
    kept = {
        region.rp_uuid: _stored(region)
        for region in sorted(regions, key=lambda r: r.uuid, reverse=True)
        if _stays(region)
    }
    homes = {}
    for computed, group in alike.items():
        here = {region.rp_uuid for region in group if _stays(region)}
        default = kept[min(here)] if here else computed
        for region in group:
            stays = region.rp_uuid in here
            home = kept[region.rp_uuid] if stays else default
            # Where a kept and a new home are one provider, the kept is it.
            homes[region.uuid] = kept.get(home.uuid, home)
    return homes


def _stays(region: nouns.Deployable) -> bool:
    """Its provider and class are what they were."""
    return bool(region.rp_uuid) and (region.rp_fixed or _held(region))


def _stored(region: nouns.Deployable) -> _Home:
    return _Home(region.rp_uuid, region.rp_name, region.resource_class)


def _computed(
    host: nouns.Host,
    region: nouns.Deployable,
    overrides: Mapping[str, str],
) -> _Home:
    found = resource_class(region, overrides)
    if host.layout is model.Layout.POOL and _total(region) <= 1:
        # With the class, what fixed traits are made of, NUMA nodes aside.
        rest = [found, region.vendor, region.family, region.region_id or '-']
        rest += [*region.added_traits, *region.driver_traits]
    else:
        rest = [region.name]
    name = name_prefix(host.hostname) + ':'.join(rest)
    if len(name) > _MAX_NAME:
        digest = hashlib.sha256(name.encode()).hexdigest()[:32]
        name = f'{name[: _MAX_NAME - 33]}:{digest}'
    return _Home(str(uuid.uuid5(_NAMESPACE, name)), name, found)


def _provider(
    home: _Home,
    host: nouns.Host,
    pool: Sequence[nouns.Deployable],
    types: Types,
    reserved: int,
) -> placement.Provider:
    total = sum(map(_total, pool))
    return placement.Provider(
        name=home.name,
        uuid=home.uuid,
        resource_class=home.resource_class,
        total=total,
        reserved=min(reserved, total),
        max_unit=total,
        traits=_traits(host, pool, types),
    )


def _traits(
    host: nouns.Host, pool: Sequence[nouns.Deployable], types: Types
) -> frozenset[str]:
    fixed = frozenset.intersection(*map(fixed_traits, pool))
    usable = [region for region in pool if claimable(host, region)]
    # Those a claim can get now decide; where there are none, those it may get
    # next: traits must not come and go with every claim.
    free = [region for region in usable if _free(region)]
    deciding = free or usable or pool
    possible = frozenset.intersection(
        *(
            _now(region, types)
            | _programmable_types(region, types)
            | _programmable_functions(region, types)
            for region in deciding
        )
    )
    shown = frozenset[str]().union(
        *(
            _now(region, types) | _programmable_types(region, types)
            for region in pool
        )
    )
    return fixed | (possible & shown)


def _now(region: nouns.Deployable, types: Types) -> frozenset[str]:
    """Changing traits of what is loaded and known to be."""
    known = (
        region.state is model.DeployableState.IDLE
        and region.health not in _UNUSABLE
    )
    function = region.function_id
    if not known or not function:
        return frozenset()
    traits = _look_up(
        types,
        region,
        f'{_LOADED} {region.bitstream_id} {function}',
        f'{_LOADED} {region.bitstream_id} ',
    )
    # What a tenant loaded for itself is nobody else's business.
    private = _held(region) or region.bitstream_private
    if f'{_PUBLIC} {function}' in types or not private:
        traits |= {function_trait(region.vendor, function)}
    return traits


def _programmable_types(
    region: nouns.Deployable, types: Types
) -> frozenset[str]:
    if _is_shared(region):
        return frozenset()
    return _look_up(types, region, _TYPES)


def _programmable_functions(
    region: nouns.Deployable, types: Types
) -> frozenset[str]:
    if _is_shared(region):
        return frozenset()
    return frozenset(
        function_trait(region.vendor, function)
        for function in _look_up(types, region, _FUNCTIONS)
    )


def _look_up(
    types: Types, region: nouns.Deployable, *keys: str
) -> frozenset[str]:
    """What *types* has under *keys* for bitstreams that fit *region*.

    A bitstream without a region id fits nothing; one that names a vendor, a
    family or a driver fits that one's alone.
    """
    found: set[str] = set()
    words = [('', w) for w in (region.vendor, region.family, region.driver)]
    for named in itertools.product(*words) if region.region_id else ():
        where = ' '.join((region.region_id or '', *named))
        found.update(*(types.get(f'{key} {where}', ()) for key in keys))
    return frozenset(found)


def _type_traits(
    accelerator_type: str | None, allowed: Collection[str]
) -> set[str]:
    if (
        accelerator_type is None
        or not _TYPE.fullmatch(accelerator_type)
        or (allowed and accelerator_type not in allowed)
    ):
        return set()
    prefixes = ('CUSTOM_ACCELERATOR', 'CUSTOM_HW')
    return {trait(prefix, accelerator_type) for prefix in prefixes}


def _kept(host: nouns.Host, region: nouns.Deployable, exclusive: bool) -> int:
    """How many of its free handles nobody may be scheduled onto."""
    alone = (exclusive or region.bitstream_private) and _held(region)
    return 0 if claimable(host, region) and not alone else _free(region)


def claimable(host: nouns.Host, region: nouns.Deployable) -> bool:
    """Its free handles can be claimed now."""
    return (
        host.up
        and host.status is model.HostStatus.ENABLED
        and region.device_status is model.DeviceStatus.ENABLED
        and region.health is model.Health.OK
        and region.state is model.DeployableState.IDLE
        and not region.wipe_pending
    )


def _total(region: nouns.Deployable) -> int:
    return sum(1 for h in region.handles if h.present or h.claim_uuid)


def _free(region: nouns.Deployable) -> int:
    return sum(1 for h in region.handles if h.present and not h.claim_uuid)


def _held(region: nouns.Deployable) -> bool:
    return any(handle.claim_uuid for handle in region.handles)


def _is_shared(region: nouns.Deployable) -> bool:
    """Somebody holds a part of it: nobody else may program it."""
    return _held(region) and _total(region) > 1
