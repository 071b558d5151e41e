"""Which deployables a claim gets: pure functions over records.

A claim is served from one provider, since Placement takes an allocation of
several units of one request from one provider too. Among the deployables of
a provider those come first that hold the wanted function already, then the
least recently used.
"""

import collections
import dataclasses
from collections.abc import Iterator
from collections.abc import Sequence

from cyborg_fpga import errors
from cyborg_fpga import nouns
from cyborg_fpga.conductor import inventory
from cyborg_fpga.conductor import providers


@dataclasses.dataclass(frozen=True, slots=True)
class Pick:
    """Handles to take and what must be loaded behind each.

    :ivar handles: How many of each deployable, by row id.
    :ivar images: What each must hold; empty when anything will do.
    """

    hostname: str
    rp_uuid: str
    resource_class: str
    handles: dict[int, int]
    images: dict[int, nouns.Bitstream]


def fits(region: nouns.Deployable, bitstream: nouns.Bitstream) -> bool:
    """*bitstream* is made for this kind of region."""
    return (
        bitstream.region_id is not None
        and bitstream.region_id == region.region_id
        and bitstream.vendor in (None, region.vendor)
    )


def misfit(
    regions: Sequence[nouns.Deployable], bitstream: nouns.Bitstream
) -> str:
    """Why *bitstream* fits none of *regions*, in a sentence."""
    if bitstream.region_id is None:
        return f'image {bitstream.uuid} does not say for which region it is'
    there = sorted({region.region_id or 'none' for region in regions})
    return (
        f'image {bitstream.uuid} is for region {bitstream.region_id}, '
        f'the regions there are {", ".join(there) or "none"}'
    )


def picks(
    regions: Sequence[nouns.Deployable],
    wishes: Sequence[nouns.Bitstream],
    *,
    traits: Sequence[str],
    count: int,
    types: dict[str, frozenset[str]],
) -> Iterator[Pick]:
    """Every way to serve a claim, the best first.

    :param regions: Claimable deployables, least recently used first.
    :param wishes: Bitstreams any of which will do, the best first; empty:
        nothing is programmed.
    :param types: Per region id, the changing traits it can be programmed to.
    """
    pools: dict[str, list[nouns.Deployable]] = collections.defaultdict(list)
    for region in regions:
        if set(traits) <= providers.deployable_traits(region, types):
            pools[region.rp_uuid].append(region)
    found = []
    for rp_uuid, pool in pools.items():
        pick = _pick(rp_uuid, pool, wishes, count)
        if pick is not None:
            cold = sum(
                1
                for r in pool
                if r.id in pick.images
                and r.bitstream_id != pick.images[r.id].uuid
            )
            found.append((cold, pick))
    found.sort(key=lambda item: item[0])
    yield from (pick for _, pick in found)


def refuse(
    regions: Sequence[nouns.Deployable],
    wishes: Sequence[nouns.Bitstream],
    *,
    traits: Sequence[str],
    count: int,
    where: str,
) -> errors.FPGAError:
    """The error that says why there was no pick."""
    if wishes and not any(fits(r, w) for r in regions for w in wishes):
        return errors.DoesNotFit(reason=misfit(regions, wishes[0]))
    wanted = f' with {", ".join(traits)}' if traits else ''
    return errors.NoCapacity(
        reason=f'{count} wanted of one provider{wanted}, and {where} has '
        'fewer free'
    )


def _pick(
    rp_uuid: str,
    pool: Sequence[nouns.Deployable],
    wishes: Sequence[nouns.Bitstream],
    count: int,
) -> Pick | None:
    ranked = []
    for place, region in enumerate(pool):
        image = _image(region, wishes)
        if wishes and image is None:
            continue
        warm = image is None or region.bitstream_id == image.uuid
        ranked.append((not warm, place, region, image))
    ranked.sort(key=lambda item: item[:2])
    handles: dict[int, int] = {}
    images: dict[int, nouns.Bitstream] = {}
    left = count
    for _, _, region, image in ranked:
        taken = min(left, len(inventory.free_handles(region)))
        if taken:
            handles[region.id] = taken
            left -= taken
            if image is not None:
                images[region.id] = image
        if not left:
            return Pick(
                pool[0].hostname,
                rp_uuid,
                pool[0].resource_class,
                handles,
                images,
            )
    return None


def _image(
    region: nouns.Deployable, wishes: Sequence[nouns.Bitstream]
) -> nouns.Bitstream | None:
    """What to have in *region*: what it holds, else the first that fits."""
    fitting = [wish for wish in wishes if fits(region, wish)]
    for wish in fitting:
        if region.bitstream_id == wish.uuid and region.function_id:
            return wish
    held = any(handle.claim_uuid for handle in region.handles)
    # Somebody has a part of it, so nobody may program it.
    return None if held or not fitting else fitting[0]
