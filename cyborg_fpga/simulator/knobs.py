"""What writing an attribute of a simulated card does."""

import errno
import pathlib
from collections.abc import Iterable

from cyborg_fpga.simulator import bus
from cyborg_fpga.simulator import cards
from cyborg_fpga.simulator import tree


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
    named = text.strip()
    match knob.action:
        case 'firmware':
            _load(card, firmware, text.removesuffix('\n'))
        case 'flags':
            card.set_flags(_number(text))
        case 'numvfs':
            card.bus.set_vfs(text)
        case 'override':
            card.bus.override(knob.function, text)
        case 'probe':
            card.bus.probe(named)
        case 'bind':
            card.bus.bind(knob.driver, named)
        case 'unbind':
            card.bus.unbind(knob.driver, named)
        case _ if named == '1':
            card.reset_function(knob.function)
        case _:
            raise bus.os_error(errno.EINVAL)


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
