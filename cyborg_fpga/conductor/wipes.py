"""How deep deployables are wiped: pure, of options, records and wishes."""

import dataclasses
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any
from typing import Self

from oslo_config import cfg

from cyborg_fpga import model
from cyborg_fpga import nouns

_Level = model.WipeLevel

#: The weakest first.
STRENGTHS = tuple(_Level)


def strongest(levels: Iterable[model.WipeLevel]) -> model.WipeLevel:
    return max(levels, key=STRENGTHS.index, default=_Level.NONE)


def asked(conf: cfg.ConfigOpts, request: Mapping[str, Any]) -> 'Rules':
    """The rules for the claim that a checked POST body asks for.

    :param conf: The options of ``[conductor]``.
    """
    level = request.get('wipe_level')
    rules = Rules.configured(conf)
    return rules if level is None else rules.asking(_Level(level))


@dataclasses.dataclass(frozen=True, slots=True)
class Rules:
    """What is configured, and what one request wants beyond that.

    The strongest of all wins.

    :ivar public: Of bitstreams that all may use; *private*: of others.
    :ivar hosts: At least this on a host; ``*``: on any other.
    :ivar asked: By a request, of all that it gets.
    """

    public: model.WipeLevel
    private: model.WipeLevel
    hosts: Mapping[str, model.WipeLevel] = dataclasses.field(
        default_factory=dict
    )
    asked: model.WipeLevel = _Level.NONE

    @classmethod
    def configured(cls, conf: cfg.ConfigOpts) -> Self:
        """:param conf: The options of ``[conductor]``."""
        return cls(
            public=_Level(conf.wipe_public),
            private=_Level(conf.wipe_private),
            hosts={k: _Level(v) for k, v in conf.wipe_at_least.items()},
        )

    def asking(self, level: model.WipeLevel | None) -> 'Rules':
        """The same for a request that wants this; None: nothing."""
        return dataclasses.replace(self, asked=level or _Level.NONE)

    def level(
        self, region: nouns.Deployable, *, private: bool
    ) -> model.WipeLevel:
        """How it is wiped after a bitstream that is *private* or not.

        Of what is asked for the next stronger that the card can do, if there
        is one.
        """
        wanted = strongest(
            (
                self.private if private else self.public,
                self.hosts.get(
                    region.hostname, self.hosts.get('*', _Level.NONE)
                ),
                region.wipe_at_least,
                self.asked,
            )
        )
        if wanted is _Level.RESET and wanted not in region.wipe_levels:
            return _Level.CLEAR
        return wanted

    def possible(self, region: nouns.Deployable, *, private: bool) -> bool:
        """Its card can do that."""
        level = self.level(region, private=private)
        return level is _Level.NONE or level in region.wipe_levels

    def lacking(
        self, regions: Iterable[nouns.Deployable]
    ) -> list[tuple[nouns.Deployable, model.WipeLevel]]:
        """Those that cannot be wiped after whatever is public, and how."""
        return [
            (region, self.level(region, private=False))
            for region in regions
            if not self.possible(region, private=False)
        ]

    def allow(
        self, region: nouns.Deployable, image: nouns.Bitstream | None
    ) -> bool:
        """It may be had with *image* (None: with what it holds).

        What cannot be done afterwards is refused before, where somebody
        counts on it: who asks for it, and whose own the bitstream is.
        """
        private = image is not None and not image.public
        if self.asked is _Level.NONE and not private:
            return True
        holds = image is None and region.bitstream_private
        return self.possible(region, private=private or holds)
