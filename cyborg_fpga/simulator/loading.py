"""How a load of a simulated card goes: how long it takes, where it ends."""

import errno
import os
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from cyborg_fpga.simulator import scenario

#: Faults that strike once in each load.
KINDS = ('slow', 'fail', 'drop')
_PERCENT = 50.0


class LoadError(OSError):
    """What the kernel answers to who wanted the image loaded.

    :ivar code: Of AWS's tools; 0: what goes with the errno.
    """

    code = 0


class LoadFailed(Exception):
    """A load ended early.

    :ivar number: errno for the caller; *code* is AWS's.
    :ivar state: The manager's afterwards, and its *status*.
    """

    def __init__(
        self, number: int, state: str, status: str = '', code: int = 0
    ) -> None:
        super().__init__(status)
        self.number = number
        self.state = state
        self.status = status
        self.code = code


class Plan(NamedTuple):
    """What is to become of a load.

    :ivar seconds: For the whole image.
    :ivar stop: Bytes after which it ends.
    :ivar failure: How it ends there; None: as the image deserves.
    :ivar drops: The card then falls off the bus.
    """

    seconds: float
    stop: int
    failure: LoadFailed | None
    drops: bool


def plan(
    card: scenario.Card,
    size: int,
    strikes: Mapping[str, Mapping[str, Any] | None],
) -> Plan:
    """Say how loading *size* bytes goes.

    :param strikes: By :data:`KINDS`, the arguments of what strikes now.
    """
    slow, fail, drop = (strikes.get(kind) for kind in KINDS)
    seconds = card.program_fixed + size / card.program_rate
    seconds += slow['seconds'] if slow else 0
    if drop:
        failure = LoadFailed(errno.ENODEV, 'write error')
    elif fail:
        number = int(getattr(errno, fail['errno']))
        # Only an engine that has found something says what.
        words = 'reconfig operation error' if number == errno.EIO else ''
        failure = LoadFailed(number, 'write error', words, fail['code'])
    else:
        return Plan(seconds, size, None, False)
    percent = float((drop or fail or {}).get('percent', _PERCENT))
    stop = int(size * min(max(percent, 0), 100) / 100)
    return Plan(seconds, stop, failure, bool(drop))


def refusal(number: int, code: int = 0) -> LoadError:
    """The error of a load that was refused, or has failed."""
    found = LoadError(number, os.strerror(number))
    found.code = code
    return found
