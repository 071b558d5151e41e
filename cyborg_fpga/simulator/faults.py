"""What can go wrong with a simulated card, on demand.

To add a kind: one entry here, and one question ``faults.take('kind')`` at
the place in :mod:`.cards` where it strikes.
"""

import errno
import math
import re
from collections.abc import Mapping
from typing import Any

#: Kind -> its arguments and their defaults. Every kind also takes ``times``:
#: after so many strikes it is over; 0 lasts until it is cleared.
KINDS: Mapping[str, Mapping[str, Any]] = {
    # A load takes so much longer.
    'slow': {'seconds': 5.0},
    # A load neither ends nor fails until the fault is cleared.
    'hang': {},
    # A load ends with an error after so much of the image; its code is that
    # of AWS's tools, if not the one that goes with the errno.
    'fail': {'percent': 50.0, 'errno': 'EIO', 'code': 0},
    # A load is refused before the card is touched.
    'refuse': {'errno': 'EBUSY', 'code': 0},
    # The card falls off the bus after so much of the image, and stays away
    # until 'vanish' is cleared.
    'drop': {'percent': 50.0},
    # A load succeeds, but of another function, which works from then on.
    'lie': {'function_id': 'deadbeef' * 4},
    # Whatever is loaded, the card says that it is this.
    'misread': {'function_id': 'feedface' * 4},
    # Neither the port nor the card's memory can be reset.
    'wipe': {},
    # A reset succeeds and leaves everything as it was.
    'dirty': {},
    # The card falls off the bus.
    'vanish': {},
    # Reading the loaded function fails.
    'unreadable': {'errno': 'EBUSY'},
    # So many programs on the host have the card open.
    'held': {'contexts': 1},
    # A guest has one of the card's functions, the first or this one.
    'guest': {'function': ''},
    # The engine's error register shows so much.
    'errors': {'value': 1},
    # Its ports' error registers show so much.
    'porterrors': {'value': 1},
    # Its sensors show so much.
    'hot': {'celsius': 120.0},
    'thirsty': {'watts': 300.0},
    # The kernel has counted so many PCI Express errors more.
    'aer': {'correctable': 1000, 'nonfatal': 0, 'fatal': 0},
}
#: Of faults that not every card can show: the kinds of cards that can.
_ONLY: Mapping[str, tuple[str, ...]] = {
    'errors': ('dfl', 'xrt'),
    'porterrors': ('dfl',),
    'hot': ('dfl', 'xrt'),
    'thirsty': ('dfl', 'xrt'),
    'aer': ('aws', 'dfl', 'pci', 'xrt'),
}


class Faults:
    """The faults of one card of the kind *card*; not thread-safe."""

    def __init__(self, active: dict[str, dict[str, Any]], card: str) -> None:
        self.active = active
        self._card = card

    def set(self, kind: str, arguments: Mapping[str, Any]) -> None:
        """Let the card fail from now on.

        :raises ValueError: There is no such kind or argument, or nothing of
            such a card would show it.
        """
        if kind not in KINDS:
            raise ValueError(f'fault {kind!r} is none of {", ".join(KINDS)}')
        if self._card not in _ONLY.get(kind, (self._card,)):
            raise ValueError(f'nothing of such a card can show {kind!r}')
        if not isinstance(arguments, Mapping):
            raise ValueError(f'{kind}: {arguments!r} is no mapping')
        defaults = {'times': 0, **KINDS[kind]}
        unknown = set(arguments) - set(defaults)
        if unknown:
            raise ValueError(
                f'{kind} has no argument {min(map(str, unknown))!r}'
            )
        self.active[kind] = {
            name: _typed(name, default, arguments.get(name, default))
            for name, default in defaults.items()
        }

    def clear(self, kind: str | None) -> None:
        """End one fault, or all of them for None."""
        if kind is None:
            self.active.clear()
        self.active.pop(kind or '', None)

    def has(self, kind: str) -> dict[str, Any] | None:
        """Whether a lasting state is on; its arguments."""
        return self.active.get(kind)

    def take(self, kind: str) -> dict[str, Any] | None:
        """Whether *kind* strikes now; counts the strike."""
        found = self.active.get(kind)
        if found and found['times']:
            found['times'] -= 1
            if not found['times']:
                del self.active[kind]
        return found


def _typed(name: str, default: Any, value: Any) -> Any:
    try:
        converted = type(default)(value)
        if isinstance(converted, float) and not math.isfinite(converted):
            raise ValueError(converted)
    except (OverflowError, TypeError, ValueError) as exc:
        raise ValueError(f'{name}: {value!r} is not valid') from exc
    if name == 'errno' and not isinstance(
        getattr(errno, str(converted), None), int
    ):
        raise ValueError(f'errno: {value!r} is not an errno')
    if name == 'function_id' and not re.fullmatch('[0-9a-f]{32}', converted):
        raise ValueError(f'function_id: {value!r} is not 32 hex digits')
    if name == 'times' and converted < 0:
        raise ValueError('times: must not be negative')
    return converted
