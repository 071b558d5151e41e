"""Real Placement and Glance without Keystone, in one child process.

For the all-in-one, tests and benchmarks. This module is the parent's side;
``python -m cyborg_fpga.simulator.cloud DATADIR`` is the child. They are
apart because Glance takes the process's global oslo.config object, and
because importing both costs 100 MiB.
"""

import json
import os
import pathlib
import select
import subprocess
import sys
from typing import BinaryIO
from typing import Self

#: User, project and roles of an administrator to both services.
ADMIN_TOKEN = 'admin'  # noqa: S105

_READY_SECONDS = 60.0
_STOP_SECONDS = 10.0


class Cloud:
    """The child process that serves Placement and Glance.

    Everything is kept under *datadir*, so a restart finds what was there.
    The child ends when it is stopped, when this process ends however it
    does, and on SIGTERM.

    :ivar endpoints: URLs by service type, ``placement`` and ``image``;
        empty while it does not run.
    """

    def __init__(
        self,
        datadir: str | os.PathLike[str],
        *,
        placement_port: int = 0,
        glance_port: int = 0,
    ) -> None:
        self.datadir = pathlib.Path(datadir)
        self.endpoints: dict[str, str] = {}
        self._log = self.datadir / 'cloud.log'
        self._ports = (placement_port, glance_port)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> dict[str, str]:
        """Start it and wait until both services answer; 3 to 5 seconds.

        A wished port that is taken is replaced by a free one.

        :raises RuntimeError: It ended or did not answer; the message has
            the end of its log.
        """
        self.datadir.mkdir(parents=True, exist_ok=True)
        with open(self._log, 'wb') as log:
            self._process = self._spawn(log)
        line = self._first_line(self._process)
        if not line:
            self.stop()
            raise RuntimeError(f'Placement and Glance: {self._last_words()}')
        self.endpoints = json.loads(line)
        return self.endpoints

    def stop(self) -> None:
        """End it and wait for that; safe to repeat."""
        process, self._process = self._process, None
        self.endpoints = {}
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def options(self) -> dict[str, dict[str, str]]:
        """Configuration that points our clients at it, by group."""
        groups = {'placement': 'placement', 'glance': 'image'}
        return {
            group: {
                'auth_type': 'admin_token',
                'endpoint': self.endpoints[service],
                'token': ADMIN_TOKEN,
            }
            for group, service in groups.items()
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def _spawn(self, log: BinaryIO) -> subprocess.Popen[bytes]:
        placement_port, glance_port = self._ports
        return subprocess.Popen(  # noqa: S603
            [
                sys.executable,
                '-m',
                __name__,
                str(self.datadir),
                f'--placement-port={placement_port}',
                f'--glance-port={glance_port}',
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            # Ctrl-C is for the parent, which may still need the services.
            start_new_session=True,
            # Few threads: more arenas only keep memory from the system.
            env={**os.environ, 'MALLOC_ARENA_MAX': '2'},
        )

    def _first_line(self, process: subprocess.Popen[bytes]) -> bytes:
        assert process.stdout is not None  # noqa: S101
        ready, _, _ = select.select([process.stdout], [], [], _READY_SECONDS)
        return process.stdout.readline() if ready else b''

    def _last_words(self) -> str:
        text = self._log.read_text(errors='replace')
        return text[-2000:] or 'it said nothing'
