"""Which deployables the accelerator requests of an instance get: pure.

Nova has chosen the providers; where one has several deployables, the choice
among them is ours.
"""

import collections
import dataclasses
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Sequence

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.conductor import choice
from cyborg_fpga.conductor import inventory
from cyborg_fpga.conductor import programming
from cyborg_fpga.conductor import wipes
from cyborg_fpga.db import bindings


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What must be loaded for a group of a device profile, and wiped.

    :ivar what: In words; empty: anything will do.
    :ivar wishes: Bitstreams any of which will do, the best first.
    :ivar function_id: Where this is loaded already, nothing need be done.
    :ivar wipe_level: At least so, when it is given back.
    """

    what: str = ''
    wishes: tuple[nouns.Bitstream, ...] = ()
    function_id: str | None = None
    wipe_level: model.WipeLevel | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """One ARQ, where Nova put it and what it needs there."""

    arq_uuid: str
    rp_uuid: str
    need: Need


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Who goes where.

    :ivar images: What deployables (row id) must hold.
    :ivar cold: Those of them that must be programmed first.
    :ivar regions: What it was made of.
    :ivar distrusted: Those (row id) that hold what does not count for them.
    :ivar shared: Hosts where something is left of one of the deployables that
        nobody held.
    """

    places: dict[str, bindings.Place]
    images: dict[int, nouns.Bitstream]
    cold: frozenset[int]
    shared: frozenset[str]
    regions: Sequence[nouns.Deployable] = ()
    distrusted: frozenset[int] = frozenset()


def place(
    wants: Sequence[Want],
    regions: Sequence[nouns.Deployable],
    rules: wipes.Rules,
    spared: Collection[int] = (),
) -> Plan:
    """A place for every one of *wants*: where the fewest are programmed.

    :param regions: Of their providers, those that can be claimed, the least
        recently used first.
    :param rules: How it is wiped afterwards, whatever is asked for.
    :param spared: See ``choice.best``.
    :raises errors.NoCapacity: Somebody gets nothing.
    :raises errors.DoesNotFit: No bitstream is for these regions.
    """
    alike: dict[tuple[str, Need], list[Want]] = collections.defaultdict(list)
    for want in wants:
        alike[want.rp_uuid, want.need].append(want)
    places: dict[str, bindings.Place] = {}
    images: dict[int, nouns.Bitstream] = {}
    cold: set[int] = set()
    left = list(regions)
    for rp_uuid, need in sorted(
        alike, key=lambda key: _ease(key, regions, rules)
    ):
        group = alike[rp_uuid, need]
        pool = [region for region in left if region.rp_uuid == rp_uuid]
        pick = _pick(pool, need, len(group), rules, spared)
        if pick is None:
            there = [r for r in regions if r.rp_uuid == rp_uuid]
            raise _refusal(there, need, len(group), rules, where=rp_uuid)
        places.update(_places(group, pick))
        images.update(pick.images)
        cold |= pick.cold
        left = _without(left, pick)
    taken = {place.region_id for place in places.values()}
    return Plan(
        places=places,
        images=images,
        cold=frozenset(cold),
        shared=frozenset(
            region.hostname
            for region in left
            if region.id in taken - _held(regions)
            and inventory.free_handles(region)
        ),
    )


def acts(plan: Plan) -> list[programming.Act]:
    """What must be done to the cards of a plan before they are used.

    Those are programmed that do not hold what they must, and those wiped
    in which somebody who has gone left something of his own, or something
    that does not count for who gets them.
    """
    holders = {place.region_id: u for u, place in plan.places.items()}
    found = []
    for region in plan.regions:
        image = plan.images.get(region.id)
        left = region.bitstream_private and image is None
        alone = not any(handle.claim_uuid for handle in region.handles)
        if region.id in holders and (
            region.id in plan.cold | plan.distrusted or (left and alone)
        ):
            found.append(
                programming.Act(
                    deployable=region,
                    bitstream=image,
                    claim_uuid=holders[region.id],
                    # How it is wiped depends on what it holds.
                    fence=region.fence if image is None else None,
                )
            )
    return found


def _refusal(
    there: Sequence[nouns.Deployable],
    need: Need,
    count: int,
    rules: wipes.Rules,
    *,
    where: str,
) -> errors.FPGAError:
    """Why *count* get nothing.

    :param there: What provider *where* had before anybody of this bind got
        something.
    """
    shared = any(len(region.handles) > 1 for region in there)
    if shared and _pick(there, need, count, rules) is not None:
        # Nova lets groups that want different things share a provider.
        return errors.NoCapacity(
            reason='another group of the device profile is served by '
            f'provider {where} too, where a deployable has one function for '
            f'all its parts, so that none is left {need.what}'.rstrip()
            + '; group_policy=isolate in the flavor has every group served '
            'by another provider'
        )
    return choice.refuse(
        [_kind(region) for region in there],
        # What fits is seen by what there is.
        need.wishes if there else (),
        wanted=f'{count} {need.what}'.strip(),
        where=f'provider {where}',
        rules=rules.asking(need.wipe_level),
    )


def _held(regions: Iterable[nouns.Deployable]) -> set[int]:
    return {
        region.id
        for region in regions
        if any(handle.claim_uuid for handle in region.handles)
    }


def _ease(
    key: tuple[str, Need],
    regions: Iterable[nouns.Deployable],
    rules: wipes.Rules,
) -> tuple[bool, int, int, str]:
    """Sorts first who is hardest to please.

    Where one says a type and one an image of it, that image does for both.
    """
    rp_uuid, need = key
    asking = rules.asking(need.wipe_level)
    fitting = sum(
        1
        for region in regions
        if region.rp_uuid == rp_uuid
        and asking.allow(region, None)
        and (
            not need.what
            or any(choice.fits(region, wish) for wish in need.wishes)
        )
    )
    easy = not need.what and need.wipe_level is None
    return easy, fitting, len(need.wishes), rp_uuid


def _pick(
    pool: Sequence[nouns.Deployable],
    need: Need,
    count: int,
    rules: wipes.Rules,
    spared: Collection[int] = (),
) -> choice.Pick | None:
    rules = rules.asking(need.wipe_level)
    warm = [
        region
        for region in pool
        if need.function_id is not None
        and region.function_id == need.function_id
        and not region.bitstream_private
    ]
    # What is kept warm is kept for this.
    found = _best(warm, (), count, rules, ()) if warm else None
    if found is not None or (need.what and not need.wishes):
        return found
    return _best(pool, need.wishes, count, rules, spared)


def _best(
    pool: Sequence[nouns.Deployable],
    wishes: Sequence[nouns.Bitstream],
    count: int,
    rules: wipes.Rules,
    spared: Collection[int],
) -> choice.Pick | None:
    return choice.best(
        pool,
        wishes,
        traits=(),
        count=count,
        types={},
        rules=rules,
        spared=spared,
    )


def _places(
    group: Sequence[Want], pick: choice.Pick
) -> dict[str, bindings.Place]:
    slots = [
        region_id
        for region_id, count in pick.handles.items()
        for _ in range(count)
    ]
    found = {}
    for want, region_id in zip(group, slots, strict=True):
        image = pick.images.get(region_id)
        found[want.arq_uuid] = bindings.Place(
            region_id=region_id,
            rp_uuid=pick.rp_uuid,
            resource_class=pick.resource_class,
            image_uuid=image.uuid if image else None,
            wipe_level=want.need.wipe_level and want.need.wipe_level.value,
        )
    return found


def _without(
    regions: Sequence[nouns.Deployable], pick: choice.Pick
) -> list[nouns.Deployable]:
    """*regions* as they are once *pick* is taken and programmed."""
    left = []
    for region in regions:
        count = pick.handles.get(region.id, 0)
        taken = inventory.free_handles(region)[:count]
        handles = tuple(
            dataclasses.replace(handle, claim_uuid='taken')
            if handle in taken
            else handle
            for handle in region.handles
        )
        region = dataclasses.replace(region, handles=handles)
        left.append(_holding(region, pick.images.get(region.id)))
    return left


def _holding(
    region: nouns.Deployable, image: nouns.Bitstream | None
) -> nouns.Deployable:
    if image is None:
        return region
    return dataclasses.replace(
        region,
        bitstream_id=image.uuid,
        bitstream_private=not image.public,
        function_id=image.function_id,
    )


def _kind(region: nouns.Deployable) -> nouns.RegionKind:
    return nouns.RegionKind(
        region_id=region.region_id,
        vendor=region.vendor,
        family=region.family,
        driver=region.driver,
    )
