"""Which functions are to be had without programming, and what there is."""

import dataclasses
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Sequence

from cyborg_fpga import context
from cyborg_fpga import nouns
from cyborg_fpga.conductor import selection
from cyborg_fpga.db import bitstreams
from cyborg_fpga.db import offers


@dataclasses.dataclass(frozen=True, slots=True)
class Pool:
    """An entry of ``[conductor] warm_pools``.

    :ivar ident: An image's uuid or a function's.
    :ivar hostname: Only what is there counts; None: wherever it is.
    """

    text: str
    ident: str
    count: int
    hostname: str | None

    @classmethod
    def parse(cls, text: str) -> 'Pool':
        what, _, hostname = text.partition('@')
        ident, _, count = what.partition(':')
        return cls(text, ident.lower(), int(count), hostname or None)

    @property
    def function(self) -> str:
        """Its ident, if it is a function's, as those are recorded."""
        return self.ident.replace('-', '')

    def among(
        self, found: Iterable[offers.Warm], images: Collection[str]
    ) -> list[int]:
        """Those (row id) that hold one of its *images* where it is to be."""
        return [
            one.region_id
            for one in found
            if one.image_uuid in images
            and self.hostname in (None, one.hostname)
        ]


@dataclasses.dataclass(frozen=True, slots=True)
class Stock:
    """A pool as it is now.

    :ivar wishes: Its bitstreams; empty: there is none that all may use.
    :ivar warm: Deployables (row id) that claims would find loaded, the last
        used first.
    """

    pool: Pool
    wishes: tuple[nouns.Bitstream, ...]
    warm: tuple[int, ...]

    @property
    def kept(self) -> tuple[int, ...]:
        """Those of *warm* that the pool is made of, and not more."""
        return self.warm[: self.pool.count]


def read(entries: Collection[str]) -> list[Pool]:
    return [Pool.parse(text) for text in entries]


def look(ctx: context.RequestContext, entries: Collection[str]) -> list[Stock]:
    """All pools, in two statements; none where there are none.

    :param entries: ``[conductor] warm_pools``.
    """
    pools = read(entries)
    if not pools:
        return []
    names = {name for pool in pools for name in (pool.ident, pool.function)}
    # The most recent first, of those that are the same.
    known = bitstreams.public(ctx, names)[::-1]
    meant = {pool.text: _meant(pool, known) for pool in pools}
    uuids = {image.uuid for images in meant.values() for image in images}
    found = offers.warm(ctx, uuids)
    return [
        Stock(
            pool,
            meant[pool.text],
            tuple(pool.among(found, {i.uuid for i in meant[pool.text]})),
        )
        for pool in pools
    ]


def spared(
    ctx: context.RequestContext, entries: Collection[str]
) -> frozenset[int]:
    """Deployables (row id) that a claim of anything else takes last."""
    stocks = look(ctx, entries)
    return frozenset(one for stock in stocks for one in stock.kept)


def _meant(
    pool: Pool, known: Sequence[nouns.Bitstream]
) -> tuple[nouns.Bitstream, ...]:
    """What a claim of the same would have loaded."""
    found = [image for image in known if image.uuid == pool.ident] or [
        image for image in known if image.function_id == pool.function
    ]
    return tuple(selection.preferred(found, None))
