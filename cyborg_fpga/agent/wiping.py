"""How deep a wipe goes that was asked for as a reset."""

from collections.abc import Callable
from collections.abc import Sequence

from cyborg_fpga import model


def reset_level(
    operation: model.Operation,
    offered: Sequence[model.WipeLevel],
    shows_other: Callable[[], bool],
) -> model.WipeLevel:
    """A reset, or something stronger where the function may not stay.

    It may where it is the one that was recorded, and where it can be loaded
    again, which is how most cards are reset.

    :param offered: What the card can do, weakest first; empty: not known.
    :param shows_other: Whether the card shows another function now, or none
        that can be read.
    """
    again = operation.expected_function is None or operation.image_uuid
    known = not offered or model.WipeLevel.RESET in offered
    if known and again and not shows_other():
        return model.WipeLevel.RESET
    return clear_level(offered)


def clear_level(offered: Sequence[model.WipeLevel]) -> model.WipeLevel:
    """What is stronger than a reset, if there is such a level."""
    if model.WipeLevel.CLEAR in offered or not offered:
        return model.WipeLevel.CLEAR
    return offered[-1]
