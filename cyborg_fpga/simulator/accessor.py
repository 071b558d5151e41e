"""The accessors through which drivers see a simulated host.

``SimulatedSysfs(DIR)`` is all that differs from a real host: attributes are
plain files read by the very same code, and what a driver writes or calls
goes to the process of the cards instead of the kernel. On a mounted host
not even that differs.
"""

import errno
import os
import pathlib
import tempfile
from collections.abc import Sequence
from typing import Any

from cyborg_fpga.drivers import sysfs
from cyborg_fpga.simulator import client
from cyborg_fpga.simulator import memory
from cyborg_fpga.simulator import tree
from cyborg_fpga.simulator import vendor_tools
from cyborg_fpga.simulator import wire


class SimulatedSysfs(sysfs.Sysfs):
    """Errors are those of the kernel; ENODEV while no card is served."""

    def __init__(self, directory: str | pathlib.Path) -> None:
        self._directory = pathlib.Path(directory)
        super().__init__(
            str(self._directory / 'sys'),
            str(self._directory / 'dev'),
            firmware=str(self._directory / 'firmware'),
        )

    def boot_id(self) -> str:
        return 'simulate'

    def read_bytes(self, path: str, limit: int = 65536) -> bytes:
        data = super().read_bytes(path, limit)
        number = tree.injected_errno(data)
        if number:
            raise OSError(number, os.strerror(number))
        return data

    def _write(self, path: str, text: str) -> None:
        # Attributes that do not exist or cannot be written fail the same
        # way as in the real tree, before anybody is asked.
        if not self.exists(path):
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        self._ask({'op': 'write', 'path': path}, text.encode())

    def has_tool(self, tool: str) -> bool:
        return tool in vendor_tools.TOOLS

    def run(
        self,
        tool: str,
        arguments: Sequence[str],
        *,
        image: pathlib.Path | None = None,
        seconds: float,
    ) -> sysfs.Ended:
        with tempfile.TemporaryDirectory() as folder:
            report = pathlib.Path(folder) / 'report'
            places = {sysfs.IMAGE: str(image), sysfs.REPORT: str(report)}
            argv = [tool, *(places.get(word, word) for word in arguments)]
            ended = self._ask({'op': 'tool', 'argv': argv}, b'', seconds)
            text = report.read_text() if report.exists() else ''
        return sysfs.Ended(ended['code'], ended['output'], text)

    def run_function(self, address: str, data: bytes) -> bytes:
        return client.Simulator(self._directory).run(address, data)

    def _call(self, node: str, request: int, arg: bytes) -> bytes:
        self._ask({'op': 'ioctl', 'node': node, 'request': request}, arg)
        return arg

    def _ask(
        self, header: dict[str, Any], blob: bytes, seconds: float | None = None
    ) -> Any:
        with wire.connect(self._directory) as sock:
            sock.settimeout(seconds)
            try:
                wire.send(sock, header, blob)
                answer, _ = wire.receive(sock)
                while 'read' in answer:
                    wire.send(sock, *_copy_from_user(*answer['read']))
                    answer, _ = wire.receive(sock)
            except TimeoutError as exc:
                words = os.strerror(errno.ETIMEDOUT)
                raise OSError(errno.ETIMEDOUT, words) from exc
            except (EOFError, ConnectionError) as exc:
                raise OSError(errno.EIO, 'the cards went away') from exc
        if answer['errno']:
            raise OSError(answer['errno'], os.strerror(answer['errno']))
        return answer.get('result')


class MountedSysfs(sysfs.Sysfs):
    """The accessor of a real host, on one that is mounted.

    Only what a guest would do is asked of the cards: no kernel does it.

    :param directory: Of the host, where its firmware and tools are.
    :param point: Where it is mounted.
    """

    def __init__(self, directory: pathlib.Path, point: pathlib.Path) -> None:
        self._directory = directory
        super().__init__(
            str(point / 'sys'),
            str(point / 'dev'),
            firmware=str(directory / 'firmware'),
            tools=[str(directory / 'tools')],
        )

    def run_function(self, address: str, data: bytes) -> bytes:
        return client.Simulator(self._directory).run(address, data)


def _copy_from_user(address: int, length: int) -> tuple[dict[str, int], bytes]:
    """Answer a card from this process's own memory, as a kernel would."""
    try:
        return {'errno': 0}, memory.copy('self', address, length)
    except OSError as exc:
        return {'errno': exc.errno or errno.EFAULT}, b''
