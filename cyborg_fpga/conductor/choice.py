"""Which deployables a claim gets: pure functions over records.

A claim is served from one provider, since Placement takes an allocation of
several units of one request from one provider too. Among the deployables of
a provider those come first that hold the wanted function already, then the
least recently used.
"""

import collections
import dataclasses
from collections.abc import Sequence

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.conductor import inventory
from cyborg_fpga.conductor import providers


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """Handles to take and what must be loaded behind each.

    :ivar handles: How many of each deployable, by row id.
    :ivar images: What each must hold; empty when anything will do.
    :ivar cold: Those of *images* that must be programmed first.
    :ivar foreign: Those that hold somebody's own function, and nobody has
        them; known once they are reserved.
    """

    hostname: str
    rp_uuid: str
    resource_class: str
    handles: dict[int, int]
    images: dict[int, nouns.Bitstream]
    cold: frozenset[int] = frozenset()
    foreign: frozenset[int] = frozenset()


def fits(
    region: nouns.Deployable | nouns.RegionKind, bitstream: nouns.Bitstream
) -> bool:
    """*bitstream* is made for this kind of region."""
    return (
        bitstream.region_id is not None
        and bitstream.region_id == region.region_id
        and bitstream.vendor in (None, region.vendor)
        # Of an imported card nobody knows it before its first report.
        and (not region.family or bitstream.family in (None, region.family))
    )


def wipeable(
    region: nouns.Deployable,
    bitstream: nouns.Bitstream,
    level: model.WipeLevel,
) -> bool:
    """Its card can do what must be done after *bitstream*.

    :param level: For bitstreams that are somebody's own.
    """
    return (
        bitstream.public
        or level is model.WipeLevel.NONE
        or level in region.wipe_levels
    )


def is_open(
    region: nouns.Deployable, project_id: str | None, *, exclusive: bool
) -> bool:
    """What is left of it is not kept for another project."""
    alone = exclusive or region.bitstream_private
    return not alone or all(
        handle.project_id == project_id
        for handle in region.handles
        if handle.claim_uuid
    )


def loaded(region: nouns.Deployable, bitstream: nouns.Bitstream) -> bool:
    """Its card says already that it holds *bitstream*."""
    return (
        region.state is model.DeployableState.IDLE
        and region.bitstream_id == bitstream.uuid
        and region.function_id is not None
        and bitstream.function_id in (None, region.function_id)
    )


def misfit(
    regions: Sequence[nouns.Deployable | nouns.RegionKind],
    bitstream: nouns.Bitstream,
) -> str:
    """Why *bitstream* fits none of *regions*, in a sentence."""
    if bitstream.region_id is None:
        return f'image {bitstream.uuid} does not say for which region it is'
    alike = [r for r in regions if r.region_id == bitstream.region_id]
    if bitstream.family and alike:
        cards = sorted({region.family for region in alike})
        return (
            f'image {bitstream.uuid} is for cards of family '
            f'{bitstream.family}, those there are of {", ".join(cards)}'
        )
    there = sorted({region.region_id or 'none' for region in regions})
    return (
        f'image {bitstream.uuid} is for region {bitstream.region_id}, '
        f'the regions there are {", ".join(there) or "none"}'
    )


def best(
    regions: Sequence[nouns.Deployable],
    wishes: Sequence[nouns.Bitstream],
    *,
    traits: Sequence[str],
    count: int,
    types: dict[str, frozenset[str]],
    level: model.WipeLevel,
) -> Pick | None:
    """The best way to serve a claim; None: there is none.

    That is where the fewest have to be programmed.

    :param regions: Claimable deployables, the preferred first.
    :param wishes: Bitstreams any of which will do, the best first; empty:
        nothing is programmed.
    :param types: What providers.types_by_region() says.
    :param level: How somebody's own bitstream is wiped.
    """
    pools: dict[str, list[nouns.Deployable]] = collections.defaultdict(list)
    for region in regions:
        if not traits or set(traits) <= providers.deployable_traits(
            region, types
        ):
            pools[region.rp_uuid].append(region)
    found = (
        _pick(rp_uuid, pool, wishes, count, level)
        for rp_uuid, pool in pools.items()
    )
    ranked = [item for item in found if item is not None]
    return min(ranked, key=lambda item: item[0])[1] if ranked else None


def refuse(
    kinds: Sequence[nouns.Deployable | nouns.RegionKind],
    wishes: Sequence[nouns.Bitstream],
    *,
    wanted: str,
    where: str,
    level: model.WipeLevel,
) -> errors.FPGAError:
    """The error that says why nothing was chosen."""
    if wishes and not any(fits(k, w) for k in kinds for w in wishes):
        return errors.DoesNotFit(reason=misfit(kinds, wishes[0]))
    own = bool(wishes) and not any(wish.public for wish in wishes)
    return errors.NoCapacity(
        reason=f'{wanted} wanted of one provider, and {where} has fewer free'
        + (f' on cards that can be wiped at level {level}' if own else '')
    )


def _pick(
    rp_uuid: str,
    pool: Sequence[nouns.Deployable],
    wishes: Sequence[nouns.Bitstream],
    count: int,
    level: model.WipeLevel,
) -> tuple[int, Pick] | None:
    """How many would have to be programmed, and the pick."""
    ranked = []
    for place, region in enumerate(pool):
        image = _image(region, wishes, level)
        if wishes and image is None:
            continue
        cold = image is not None and not loaded(region, image)
        ranked.append((cold, place, region, image))
    ranked.sort(key=lambda item: item[:2])
    handles: dict[int, int] = {}
    images: dict[int, nouns.Bitstream] = {}
    left, colds = count, set[int]()
    for cold, _, region, image in ranked:
        taken = min(left, len(inventory.free_handles(region)))
        if taken:
            handles[region.id] = taken
            left -= taken
            if cold:
                colds.add(region.id)
            if image is not None:
                images[region.id] = image
        if not left:
            return len(colds), Pick(
                hostname=pool[0].hostname,
                rp_uuid=rp_uuid,
                resource_class=pool[0].resource_class,
                handles=handles,
                images=images,
                cold=frozenset(colds),
            )
    return None


def _image(
    region: nouns.Deployable,
    wishes: Sequence[nouns.Bitstream],
    level: model.WipeLevel,
) -> nouns.Bitstream | None:
    """What to have in *region*: what it holds, else the first that fits."""
    fitting = [
        wish
        for wish in wishes
        if fits(region, wish) and wipeable(region, wish, level)
    ]
    for wish in fitting:
        if loaded(region, wish):
            return wish
    held = any(handle.claim_uuid for handle in region.handles)
    # Somebody has a part of it, so nobody may program it.
    return None if held or not fitting else fitting[0]
