"""What one driver sees, asked for in a thread of its own.

A scan that hangs must not keep the agent from saying that it lives, nor the
cards of other drivers from being reported.
"""

import threading
from collections.abc import Callable
from collections.abc import Sequence

from oslo_log import log as logging

from cyborg_fpga import model
from cyborg_fpga.agent import health
from cyborg_fpga.drivers import base

LOG = logging.getLogger(__name__)

_Cards = Sequence[model.DeviceReport]
Judge = Callable[[base.Driver, _Cards, _Cards], list[model.DeviceReport]]

_HANGS = 'its driver hangs when it looks for cards'
_FAILS = "its driver cannot look for cards: see the agent's log"


class Scan:
    """Scans of one driver, one at a time; for one caller.

    :param judge: Gives what was found its health, beside what the last scan
        gave; None leaves it as the driver has it.
    """

    def __init__(
        self, name: str, driver: base.Driver, judge: Judge | None = None
    ) -> None:
        self._name = name
        self._driver = driver
        self._judge = judge
        self._thread: threading.Thread | None = None
        self._found: list[model.DeviceReport] | None = None
        self._last: list[model.DeviceReport] = []
        self._hangs = False

    def start(self) -> None:
        """Look at the cards, unless an earlier look has not ended yet."""
        hung, self._hangs = self._hangs, self._is_alive()
        if self._hangs:
            return
        if hung:
            LOG.warning('Driver %s does not hang any more', self._name)
        self._found = None
        self._thread = threading.Thread(
            target=self._look, name=f'scan-{self._name}', daemon=True
        )
        self._thread.start()

    def cards(self, seconds: float) -> list[model.DeviceReport]:
        """What the scan found; waits for it, but not for one that hangs.

        Where it found nothing out, the cards are as they were, and suspect:
        they must not look as if they were gone, but what is loaded on them
        is not known now.
        """
        # What an earlier look finds is of the time before this start.
        if self._thread is not None and not self._hangs:
            self._thread.join(seconds)
            self._hangs = self._is_alive()
            if self._hangs:
                LOG.error(
                    'Driver %s hangs in its scan; its cards are reported as '
                    'they were, and suspect',
                    self._name,
                )
        if self._hangs or self._found is None:
            reason = _HANGS if self._hangs else _FAILS
            return [health.unread(device, reason) for device in self._last]
        self._last = self._found
        return self._last

    def _is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _look(self) -> None:
        try:
            found = self._driver.discover()
            if self._judge is not None:
                found = self._judge(self._driver, found, self._last)
            self._found = found
        except Exception:
            # The top of a thread: the next scan may go better.
            LOG.exception('Driver %s cannot scan', self._name)
