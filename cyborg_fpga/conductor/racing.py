"""Taking what others take at the same moment."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from cyborg_fpga import errors

# Nova allocated before it asks, so what is not free now is about to be: a
# claim through our own door holds it until Placement refuses that.
_PATIENCE_SECONDS = 2.0
# Who loses a race for one of several tries for another as long as this. There
# is no end of losing but this: each time somebody else has got what he wanted.
_RACING_SECONDS = 20.0
# What somebody held who is not entitled to it any more is wiped first.
_WIPE_SECONDS = 10.0
_PAUSE_SECONDS = 0.1

_Plan = TypeVar('_Plan')
_Held = TypeVar('_Held')


def take(
    plan: Callable[[], _Plan],
    hold: Callable[[_Plan], _Held],
    regain: Callable[[], bool] = lambda: False,
) -> tuple[_Plan, _Held]:
    """A plan, and what *hold* answers to it; both as often as they must.

    :param plan: Chooses among what is free, and takes nothing.
    :param hold: Takes all of it or nothing.
    :param regain: Called once if nothing is free: has what nobody is
        entitled to given back; whether there was any.
    :raises errors.NoCapacity: Nothing was free for seconds.
    """
    now = time.monotonic()
    end, last = now + _PATIENCE_SECONDS, now + _RACING_SECONDS
    regained = False
    while True:
        try:
            planned = plan()
        except errors.NoCapacity:
            if time.monotonic() > end:
                raise
            if not regained:
                regained = True
                if regain():
                    end = time.monotonic() + _WIPE_SECONDS
        else:
            try:
                return planned, hold(planned)
            except errors.NoCapacity:
                now = time.monotonic()
                if now > last:
                    raise
                end = now + _PATIENCE_SECONDS
        time.sleep(random.uniform(0, _PAUSE_SECONDS))  # noqa: S311
