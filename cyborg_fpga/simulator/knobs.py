"""What writing an attribute of a simulated card does."""

import errno
import os
import pathlib

from cyborg_fpga.simulator import cards
from cyborg_fpga.simulator import tree


def write(
    card: cards.Card, knob: tree.Knob, text: str, firmware: pathlib.Path
) -> None:
    """Do it; blocks as long as the hardware takes.

    :param firmware: Where the kernel looks for images.
    :raises OSError: What the kernel answers.
    """
    if knob.action == 'firmware':
        _load(card, firmware, text.removesuffix('\n'))
    elif knob.action == 'flags':
        try:
            card.set_flags(int(text, 0))
        except ValueError as exc:
            raise _os_error(errno.EINVAL) from exc
    elif text.strip() == '1':
        card.reset_function(knob.function)
    else:
        raise _os_error(errno.EINVAL)


def _load(card: cards.Card, firmware: pathlib.Path, name: str) -> None:
    """Fetch a file as the kernel would, and load it."""
    parts = pathlib.PurePosixPath(name).parts
    if not parts or name.startswith('/') or '..' in parts:
        raise _os_error(errno.EINVAL)
    try:
        image = (firmware / name).read_bytes()
    except OSError as exc:
        card.set_manager('firmware request error')
        raise _os_error(errno.ENOENT) from exc
    card.program(0, image)


def _os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
