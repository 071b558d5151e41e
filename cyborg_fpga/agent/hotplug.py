"""Notices at once that cards may have come or gone.

The kernel tells it in uevents, on a socket that needs neither a daemon nor
privileges; and what is on the buses is looked at every second, which is all
there is on a simulated host.
"""

import errno
import select
import socket
import threading
import time
from collections.abc import Callable

from oslo_log import log as logging

from cyborg_fpga.drivers import sysfs

LOG = logging.getLogger(__name__)

#: Whose uevents are about cards.
SUBSYSTEMS = frozenset({'pci', 'dfl', 'fpga_manager', 'fpga_region'})
_PLACES = ('bus/pci/devices', 'class/fpga_manager', 'class/fpga_region')
_LOOK_SECONDS = 1.0
# Cards come in many uevents: the scan is made when they have been quiet for
# so long, or have gone on for so long.
_QUIET_SECONDS = 0.2
_STORM_SECONDS = 1.0
# Of linux/netlink.h; the socket module has no names for them.
_KOBJECT_UEVENT, _KERNEL_GROUP = 15, 1
_LIMIT = 65536


class Watch:
    """Calls *changed* from a thread of its own, at most once in 0.2 s.

    Opens nothing before :meth:`start`.

    :param changed: Must not block.
    :param subsystems: Whose uevents count.
    """

    def __init__(
        self,
        fs: sysfs.Sysfs,
        changed: Callable[[], None],
        *,
        subsystems: frozenset[str] = SUBSYSTEMS,
    ) -> None:
        self._fs = fs
        self._changed = changed
        self._wanted = {f'SUBSYSTEM={name}'.encode() for name in subsystems}
        self._thread: threading.Thread | None = None
        self._stop: socket.socket | None = None

    def start(self, uevents: socket.socket | None = None) -> None:
        """Watch from now on.

        :param uevents: Where they come from, instead of the kernel.
        """
        if uevents is None and self._fs.is_kernels:
            uevents = _kernel_uevents()
        self._stop, stopped = socket.socketpair()
        self._thread = threading.Thread(
            target=self._serve,
            args=(stopped, uevents, self._look()),
            name='hotplug',
            daemon=True,
        )
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        if self._stop is not None:
            self._stop.close()
        if self._thread is not None:
            self._thread.join(timeout)

    def _serve(
        self,
        stopped: socket.socket,
        uevents: socket.socket | None,
        seen: list[list[str]],
    ) -> None:
        sockets = [stopped] + ([uevents] if uevents else [])
        while True:
            ready, _, _ = select.select(sockets, [], [], _LOOK_SECONDS)
            if stopped in ready:
                break
            told = bool(uevents and ready and self._await_quiet(uevents))
            seen, before = self._look(), seen
            if told or seen != before:
                LOG.debug('Cards may have come or gone')
                self._changed()
        stopped.close()
        if uevents is not None:
            uevents.close()

    def _look(self) -> list[list[str]]:
        return [self._names(place) for place in _PLACES]

    def _names(self, place: str) -> list[str]:
        try:
            return self._fs.listdir(place)
        except OSError:
            return []

    def _await_quiet(self, uevents: socket.socket) -> bool:
        """Read what comes until there is no more; tell if it is of cards."""
        told = self._is_of_cards(uevents)
        end = time.monotonic() + _STORM_SECONDS
        while (
            select.select([uevents], [], [], _QUIET_SECONDS if told else 0)[0]
            and time.monotonic() < end
        ):
            told = self._is_of_cards(uevents) or told
        return told

    def _is_of_cards(self, uevents: socket.socket) -> bool:
        try:
            message = uevents.recv(_LIMIT)
        except OSError as exc:
            # Too many came at a time: nobody knows about what.
            return exc.errno == errno.ENOBUFS
        return not self._wanted.isdisjoint(message.split(b'\0'))


def _kernel_uevents() -> socket.socket | None:
    """A socket with the kernel's own uevents, not those that udev forwards."""
    try:
        found = socket.socket(
            socket.AF_NETLINK,
            socket.SOCK_DGRAM | socket.SOCK_CLOEXEC,
            _KOBJECT_UEVENT,
        )
    except OSError as exc:
        LOG.info('The kernel does not tell of cards: %s', exc)
        return None
    try:
        found.bind((0, _KERNEL_GROUP))
    except OSError as exc:
        LOG.info('The kernel does not tell of cards: %s', exc)
        found.close()
        return None
    return found
