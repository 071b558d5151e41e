"""Which deployables a claim gets: pure functions over records.

A claim is served from one provider, since Placement takes an allocation of
several units of one request from one provider too. Those deployables come
first that hold the wanted function already. Of others, what is kept warm is
taken last, and what holds nothing that could serve another claim first.
"""

import collections
import dataclasses
from collections.abc import Collection
from collections.abc import Sequence

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.conductor import inventory
from cyborg_fpga.conductor import providers
from cyborg_fpga.conductor import wipes


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


# Smaller is better, see _cost().
_Cost = tuple[int, ...]


def fits(
    region: nouns.Deployable | nouns.RegionKind, bitstream: nouns.Bitstream
) -> bool:
    """*bitstream* is made for this kind of region."""
    return (
        bitstream.region_id is not None
        and bitstream.region_id == region.region_id
        and bitstream.vendor in (None, region.vendor)
        # Of an imported card nobody knows the rest before its first report.
        and (
            not region.family
            or (
                bitstream.family in (None, region.family)
                and bitstream.handled_by in (None, region.driver)
            )
        )
    )


def renewed(
    wishes: Sequence[nouns.Bitstream], image: nouns.Bitstream
) -> list[nouns.Bitstream]:
    """*wishes*, with *image* for what was known of it before."""
    return [image if wish.uuid == image.uuid else wish for wish in wishes]


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
    drivers = sorted({region.driver for region in alike})
    if bitstream.handled_by and alike and bitstream.handled_by not in drivers:
        return (
            f'image {bitstream.uuid} is for cards of driver '
            f'{bitstream.handled_by}, those there are of {", ".join(drivers)}'
        )
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
    rules: wipes.Rules,
    spared: Collection[int] = (),
) -> Pick | None:
    """The best way to serve a claim; None: there is none.

    That is where the fewest have to be programmed, and the least is lost
    with what they held.

    :param regions: Claimable deployables; of equals the first is taken.
    :param wishes: Bitstreams any of which will do, the best first; empty:
        nothing is programmed.
    :param types: What providers.types_by_region() says.
    :param rules: How it is wiped afterwards.
    :param spared: Deployables (row id) to be taken last for anything else
        than what they hold.
    """
    pools: dict[str, list[_Way]] = collections.defaultdict(list)
    for place, region in enumerate(regions):
        if traits and not set(traits) <= providers.deployable_traits(
            region, types
        ):
            continue
        image = _image(region, wishes, rules)
        if image is not None or (not wishes and rules.allow(region, None)):
            cost = _cost(region, image, spared)
            pools[region.rp_uuid].append(_Way(cost, place, region, image))
    picks = [pick for pool in pools.values() if (pick := _pick(pool, count))]
    return min(picks, key=lambda pick: pick[0])[1] if picks else None


def refuse(
    kinds: Sequence[nouns.Deployable | nouns.RegionKind],
    wishes: Sequence[nouns.Bitstream],
    *,
    wanted: str,
    where: str,
    rules: wipes.Rules,
) -> errors.FPGAError:
    """The error that says why nothing was chosen."""
    if wishes and not any(fits(k, w) for k in kinds for w in wishes):
        return errors.DoesNotFit(reason=misfit(kinds, wishes[0]))
    own = bool(wishes) and not any(wish.public for wish in wishes)
    level = wipes.strongest(
        [rules.asked, rules.private if own else rules.public]
    )
    only = own or rules.asked is not model.WipeLevel.NONE
    return errors.NoCapacity(
        reason=f'{wanted} wanted of one provider, and {where} has fewer free'
        + (f' on cards that can be wiped at level {level}' if only else '')
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Way:
    """To have a part of one deployable, holding *image*."""

    cost: _Cost
    place: int
    region: nouns.Deployable
    image: nouns.Bitstream | None


def _cost(
    region: nouns.Deployable,
    image: nouns.Bitstream | None,
    spared: Collection[int],
) -> _Cost:
    """Of having *image* there (None: what it holds): the dearest first."""
    warm = image is not None and loaded(region, image)
    return (
        image is not None and not warm,
        not warm and region.id in spared,
        # It might have served another claim as it is.
        not warm and region.bitstream_id is not None,
    )


def _pick(
    pool: Sequence[_Way], count: int
) -> tuple[tuple[_Cost, int], Pick] | None:
    """The cheapest handles of one provider, and what they cost together."""
    taken: list[_Way] = []
    handles: dict[int, int] = {}
    left = count
    for way in sorted(pool, key=lambda way: (way.cost, way.place)):
        here = min(left, len(inventory.free_handles(way.region)))
        if here:
            taken.append(way)
            handles[way.region.id] = here
            left -= here
        if not left:
            break
    if left:
        return None
    cost = tuple(map(sum, zip(*(way.cost for way in taken), strict=True)))
    region = taken[0].region
    return (cost, taken[0].place), Pick(
        hostname=region.hostname,
        rp_uuid=region.rp_uuid,
        resource_class=region.resource_class,
        handles=handles,
        images={w.region.id: w.image for w in taken if w.image is not None},
        cold=frozenset(w.region.id for w in taken if w.cost[0]),
    )


def _image(
    region: nouns.Deployable,
    wishes: Sequence[nouns.Bitstream],
    rules: wipes.Rules,
) -> nouns.Bitstream | None:
    """What to have in *region*: what it holds, else the first that fits."""
    fitting = [
        wish
        for wish in wishes
        if fits(region, wish) and rules.allow(region, wish)
    ]
    for wish in fitting:
        if loaded(region, wish):
            return wish
    held = any(handle.claim_uuid for handle in region.handles)
    # Somebody has a part of it, so nobody may program it.
    return None if held or not fitting else fitting[0]
