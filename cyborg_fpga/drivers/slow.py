"""Writes that the kernel may keep waiting for as long as a guest runs.

``sriov_numvfs`` waits until the last guest has let go of its VF, and nothing
interrupts it. Such a write gets a thread of its own, which is left behind.
"""

import errno
import threading
from collections.abc import Callable

_lock = threading.Lock()
_running: dict[str, threading.Thread] = {}


def call(path: str, act: Callable[[], None], seconds: float) -> None:
    """Do *act*, whatever it writes to *path*; wait at most *seconds*.

    :raises OSError: What *act* raised; ETIMEDOUT, it has not ended yet;
        EBUSY, an earlier one for *path* has not.
    """
    failures: list[OSError] = []

    def run() -> None:
        try:
            act()
        except OSError as exc:
            failures.append(exc)

    thread = threading.Thread(target=run, name='slow-write', daemon=True)
    with _lock:
        earlier = _running.get(path)
        if earlier is not None and earlier.is_alive():
            raise OSError(
                errno.EBUSY, f'an earlier write to {path} has not ended'
            )
        _running[path] = thread
        thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise OSError(
            errno.ETIMEDOUT,
            f'a write to {path} has not ended in {seconds:.0f} s',
        )
    if failures:
        raise failures[0]
