"""The kinds of simulated cards: how each looks and what it can load.

To add one: a tree, a function that decodes its images, a line here, and a
family in :mod:`.families`.
"""

import pathlib
from collections.abc import Callable
from collections.abc import Sequence
from typing import NamedTuple

from cyborg_fpga.simulator import aws
from cyborg_fpga.simulator import dfl
from cyborg_fpga.simulator import old_dfl
from cyborg_fpga.simulator import payload
from cyborg_fpga.simulator import pci_tree
from cyborg_fpga.simulator import scenario
from cyborg_fpga.simulator import tree
from cyborg_fpga.simulator import virtual
from cyborg_fpga.simulator import xrt
from cyborg_fpga.simulator import zynq


class Kind(NamedTuple):
    """:ivar decode: Says which function an image is; raises
    :class:`payload.BadImage` where the hardware would refuse it.
    """

    tree: Callable[[pathlib.Path, scenario.Card, tree.Numbers], tree.CardTree]
    decode: Callable[[bytes, scenario.Card], str]


def _dfl_tree(
    directory: pathlib.Path, card: scenario.Card, numbers: tree.Numbers
) -> tree.CardTree:
    kind = old_dfl.OldTree if card.old_names else dfl.DflTree
    return kind(directory, card, numbers)


def _region_image(image: bytes, card: scenario.Card) -> str:
    if card.family == virtual.FAMILY:
        return virtual.decode(image, card)
    return payload.parse(image, card.region_id or '').function_id


def _nothing(image: bytes, card: scenario.Card) -> str:
    raise payload.BadImage('such a card loads no images')


KINDS = {
    'aws': Kind(aws.AwsTree, aws.decode),
    'dfl': Kind(_dfl_tree, _region_image),
    'pci': Kind(pci_tree.PlainTree, _nothing),
    'xrt': Kind(xrt.XrtTree, xrt.decode),
    'zynq': Kind(zynq.ZynqTree, zynq.decode),
}


def plan(
    directory: pathlib.Path, cards: Sequence[scenario.Card]
) -> list[tree.CardTree]:
    """Give every card its numbers; writes nothing."""
    numbers = tree.Numbers(
        {zynq.manager(card) for card in cards if card.kind == 'zynq'}
    )
    return [KINDS[card.kind].tree(directory, card, numbers) for card in cards]
