"""What writing an attribute of a simulated card does."""

import errno
import pathlib
from collections.abc import Iterable

from cyborg_fpga.simulator import bus
from cyborg_fpga.simulator import cards
from cyborg_fpga.simulator import tree

#: Finds what was removed, of all cards.
RESCAN = 'bus/pci/rescan'


def rescan(host: Iterable[cards.Card], text: str) -> None:
    """Write *text* to :data:`RESCAN`.

    :raises OSError: EINVAL.
    """
    if _number(text):
        for card in host:
            card.bus.rescan()


def find(
    host: Iterable[cards.Card], path: str, text: str
) -> tuple[cards.Card, tree.Knob]:
    """Whose attribute is at *path*, if *text* is written to it.

    :param path: Below the root of sysfs, without a link in it.
    :raises OSError: EACCES, it cannot be written; ENODEV, no function of
        the bus is named by *text*.
    """
    number = errno.EACCES
    for card in host:
        knob = card.tree.knobs.get(path)
        if knob is None or not card.tree.present():
            continue
        if knob.function or text.strip() in card.tree.functions():
            return card, knob
        number = errno.ENODEV
    raise bus.os_error(number)


def write(
    card: cards.Card, knob: tree.Knob, text: str, firmware: pathlib.Path
) -> None:
    """Do it; blocks as long as the hardware takes.

    :param firmware: Where the kernel looks for images.
    :raises OSError: What the kernel answers.
    """
    match knob.action:
        case 'firmware':
            _load(card, firmware, text.removesuffix('\n'))
        case 'flags':
            card.set_flags(_number(text))
        case 'reset':
            if text.strip() != '1':
                raise bus.os_error(errno.EINVAL)
            card.reset(knob.function)
        case 'clear':
            if text.strip() != '1':
                raise bus.os_error(errno.EINVAL)
            card.overwrite(knob.number)
        case _:
            _arrange(card.bus, knob, text)


def _arrange(card: bus.Bus, knob: tree.Knob, text: str) -> None:
    """Change which functions a card has, or who has them."""
    match knob.action:
        case 'numvfs':
            card.set_vfs(text)
        case 'override':
            card.override(knob.function, text)
        case 'probe':
            card.probe(text.strip())
        case 'bind':
            card.bind(knob.driver, text.strip())
        case 'unbind':
            card.unbind(knob.driver, text.strip())
        case 'remove' if _number(text):
            card.remove()


def _number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError as exc:
        raise bus.os_error(errno.EINVAL) from exc


def _load(card: cards.Card, firmware: pathlib.Path, name: str) -> None:
    """Fetch a file as the kernel would, and load it."""
    parts = pathlib.PurePosixPath(name).parts
    if not parts or name.startswith('/') or '..' in parts:
        raise bus.os_error(errno.EINVAL)
    try:
        image = (firmware / name).read_bytes()
    except OSError as exc:
        card.set_manager('firmware request error')
        raise bus.os_error(errno.ENOENT) from exc
    card.program(0, image)
