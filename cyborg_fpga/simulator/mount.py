"""Mounts simulated hosts, so that any program can use their files.

What is below ``MOUNT/sys`` and ``MOUNT/dev``, or ``MOUNT/<host>/sys`` and so
on where there are several hosts, is read, written and called as the
kernel's would be, by other processes with no code of ours.
"""

import os
import pathlib
import shutil
import subprocess
import threading
from collections.abc import Mapping
from typing import Any

from cyborg_fpga.simulator import server
from cyborg_fpga.simulator import view

try:
    import mfusepy

    _missing = ''
except ImportError:
    _missing = 'the Python package mfusepy is not installed'
except (AttributeError, OSError):
    _missing = 'the library libfuse3 is not installed (Debian: fuse3)'

_DEVICE = '/dev/fuse'
_UNMOUNT = 'fusermount3'
#: Waits for the end of the process that holds its input, however that ends,
#: and unmounts at once, whoever still has files open.
_WATCH = ('sh', '-c', f'read -r _; exec {_UNMOUNT} -u -z -q "$1"', 'sh')
_END_SECONDS = 10.0
#: A load or a reset blocks the thread that serves it.
_THREADS = 1024
#: Release of the library that knows the option; before, it had no limit.
_LIMITED = (3, 12)


class MountError(Exception):
    """It cannot be mounted; the text says why."""


def missing() -> str:
    """What this machine lacks to mount anything; empty for nothing."""
    if _missing:
        return _missing
    if not os.path.exists(_DEVICE):
        return f'there is no {_DEVICE}: the kernel has no FUSE'
    if shutil.which(_UNMOUNT) is None:
        return f'{_UNMOUNT} is not installed (Debian: fuse3)'
    if os.geteuid() != 0:
        return 'only root can fetch an image from the memory of a driver'
    return ''


class Mount:
    """A directory where started hosts are shown.

    Starting it leaves the working directory, as the library does.

    :param point: Is made where it does not exist; otherwise empty.
    """

    def __init__(self, point: pathlib.Path) -> None:
        self._point = point.absolute()
        self._thread: threading.Thread | None = None
        self._watch: subprocess.Popen[bytes] | None = None
        _clear(point)

    def start(self, hosts: Mapping[str, server.Host]) -> None:
        """Return once the files of *hosts* can be used.

        :param hosts: By the names of their directories; the only one of the
            name ``''`` is the mount itself.
        :raises MountError: They never will.
        """
        lacking = missing()
        if lacking:
            raise MountError(f'{self._point} cannot be mounted: {lacking}')
        self._point.mkdir(parents=True, exist_ok=True)
        if self._point.is_mount() or any(self._point.iterdir()):
            raise MountError(f'{self._point} is not an empty directory')
        shown = view.View(hosts, _caller)
        self._thread = threading.Thread(
            target=self._serve, args=(shown,), daemon=True
        )
        # First, so that nothing can be left behind.
        self._watch = subprocess.Popen(  # noqa: S603 (our own watcher)
            [*_WATCH, str(self._point)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        self._thread.start()
        while not shown.ready.wait(0.05):
            if not self._thread.is_alive():
                raise MountError(f'{self._point} cannot be mounted')

    def alive(self) -> bool:
        """Whether it is still mounted."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """Unmount; who still has files open gets errors from then on.

        The hosts must have been stopped: they end what is going on.
        """
        if self._watch is not None:
            self._watch.communicate()
        if self._thread is not None:
            self._thread.join(_END_SECONDS)

    def _serve(self, shown: view.View) -> None:
        options: dict[str, Any] = {
            'fsname': 'cyborg-fpga-simulator',
            # Files change and vanish without anybody having touched them, so
            # whatever is done with one asks again; only that a name leads
            # to it need not be asked for each part of a path.
            'attr_timeout': 0,
            'entry_timeout': 60,
            'direct_io': True,
            # The part of an agent that reads is not root.
            'allow_other': True,
        }
        version = mfusepy.fuse_version_major, mfusepy.fuse_version_minor
        if version >= _LIMITED:
            options |= {'max_threads': _THREADS, 'max_idle_threads': 10}
        try:
            mfusepy.FUSE(shown, str(self._point), foreground=True, **options)
        except RuntimeError:
            # It has said why itself.
            return


def _caller() -> view.Identity:
    user, _, process = mfusepy.fuse_get_context()
    return view.Identity(user, process)


def _clear(point: pathlib.Path) -> None:
    """Take away what a killed process has left mounted."""
    try:
        point.stat()
    except FileNotFoundError:
        return
    except OSError:
        # ENOTCONN: nobody serves what is mounted there.
        subprocess.run(  # noqa: S603 (a constant and our path)
            [_UNMOUNT, '-u', '-z', '-q', str(point)], check=False
        )
