"""The way of tests and demos to a simulated host: guests' eyes, faults.

A driver never comes here; it has the accessor.
"""

import os
import pathlib
from typing import Any

from cyborg_fpga import errors
from cyborg_fpga.simulator import wire


class Simulator:
    """Talks to the process that serves *directory*.

    Errors are :class:`OSError`: ENODEV no such function or nobody serves,
    EINVAL a wrong argument (the text says which).
    """

    def __init__(self, directory: str | pathlib.Path) -> None:
        self._directory = pathlib.Path(directory)

    def write_memory(self, address: str, offset: int, data: bytes) -> None:
        """Write registers or memory, as a guest that has *address* would.

        While the port is in reset the data is lost without an error, as on
        a real bus.
        """
        header = {'op': 'memory-write', 'address': address, 'offset': offset}
        self._ask(header, data)

    def read_memory(self, address: str, offset: int, length: int) -> bytes:
        """Read registers or memory; all ones while the port is in reset."""
        _, data = self._ask(
            {
                'op': 'memory-read',
                'address': address,
                'offset': offset,
                'length': length,
            }
        )
        return data

    def run(self, address: str, data: bytes) -> bytes:
        """What the function behind *address* answers to *data*.

        :raises errors.CannotRun: It gives no answer.
        """
        header = {'op': 'run', 'address': address}
        try:
            found, answer = self._ask(header, data)
        except (EOFError, OSError) as exc:
            reason = str(getattr(exc, 'strerror', None) or exc)
            raise errors.CannotRun(address=address, reason=reason) from exc
        if 'refused' in found:
            raise errors.CannotRun(address=address, reason=found['refused'])
        return answer

    def cards(self) -> list[dict[str, Any]]:
        """Every card: address, family, region_id, functions, manager, ports
        (function_id, broken, loading, written, loads), faults.
        """
        found: list[dict[str, Any]] = self._ask({'op': 'cards'})[0]
        return found

    def fault(self, card: str, kind: str, **arguments: Any) -> None:
        """Make a card fail; kinds and arguments: :mod:`.faults`."""
        self._ask(
            {
                'op': 'fault',
                'address': card,
                'kind': kind,
                'arguments': arguments,
            }
        )

    def clear(self, card: str, kind: str | None = None) -> None:
        """End one fault of a card, or all of them."""
        self._ask({'op': 'clear', 'address': card, 'kind': kind})

    def tool(self, argv: list[str]) -> tuple[int, str]:
        """Run the stand-in of a vendor's tool: exit code and words.

        ENOENT: there is no such tool. Files are named as the process of the
        cards sees them.
        """
        found, _ = self._ask({'op': 'tool', 'argv': argv})
        return found['code'], found['output']

    def _ask(
        self, header: dict[str, Any], blob: bytes = b''
    ) -> tuple[Any, bytes]:
        with wire.connect(self._directory) as sock:
            wire.send(sock, header, blob)
            answer, data = wire.receive(sock)
        number = answer['errno']
        if number:
            text = answer.get('message') or os.strerror(number)
            raise OSError(number, text)
        return answer['result'], data
