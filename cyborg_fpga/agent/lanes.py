"""One thread per card, which does one thing after the other.

All regions of a card share one management engine, and the kernel does not
keep two users of it apart: whatever touches a card is done here.
"""

import queue
import threading
import time
from collections.abc import Callable
from typing import Generic
from typing import TypeVar

from cyborg_fpga import model

_Item = TypeVar('_Item')


class Lanes(Generic[_Item]):
    """For callers that agree among themselves: :meth:`put` is not safe.

    :param serve: Called with each item in its card's thread; raises nothing.
    """

    def __init__(self, serve: Callable[[_Item], None]) -> None:
        self._serve = serve
        self._queues: dict[
            model.PciAddress, queue.SimpleQueue[_Item | None]
        ] = {}
        self._threads: list[threading.Thread] = []

    def put(self, device: model.PciAddress, item: _Item) -> None:
        """Have *item* served after all that was put for *device* before."""
        if device not in self._queues:
            waiting: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
            thread = threading.Thread(
                target=self._run,
                args=(waiting,),
                name=f'card-{device}',
                daemon=True,
            )
            self._queues[device] = waiting
            self._threads.append(thread)
            thread.start()
        self._queues[device].put(item)

    def close(self) -> None:
        """End each thread once what it has is served."""
        for waiting in self._queues.values():
            waiting.put(None)

    def join(self, timeout: float) -> None:
        """Wait for that, *timeout* seconds in all."""
        give_up = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, give_up - time.monotonic()))

    def _run(self, waiting: queue.SimpleQueue[_Item | None]) -> None:
        while (item := waiting.get()) is not None:
            self._serve(item)
