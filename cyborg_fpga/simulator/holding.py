"""What the functions of one simulated card hold for those who have them.

Each is a window with three parts, told apart by what empties them:

* the first quarter: registers of the logic, which a reset empties
* the second quarter: its block memory, which a reset leaves as it is, and
  only a configuration, of whatever function, sets
* the rest: memory of the card, which neither a reset nor a configuration
  touches: who wants it empty has it overwritten. Where there is none, this
  is block memory too.
"""

import enum
import pathlib
from collections.abc import Iterable


class Part(enum.Enum):
    REGISTERS = (0, 1)
    BLOCKS = (1, 2)
    MEMORY = (2, 4)


#: How many interfaces the card's memory has, each an equal share of it.
INTERFACES = 2


class Holding:
    """Files in *directory*, one per function; not thread-safe.

    :param size: Of a window.
    :param memory: Whether the card has memory of its own.
    """

    def __init__(
        self, directory: pathlib.Path, size: int, *, memory: bool
    ) -> None:
        self._directory = directory
        self._size = size
        self._memory = memory

    def write(self, function: str, offset: int, data: bytes) -> None:
        with open(self._file(function), 'r+b') as file:
            file.seek(offset)
            file.write(data)

    def read(self, function: str, offset: int, length: int) -> bytes:
        with open(self._file(function), 'rb') as file:
            file.seek(offset)
            return file.read(length)

    def make(self, functions: Iterable[str]) -> None:
        """Have windows of all *functions*; new ones are empty."""
        for function in functions:
            path = self._file(function)
            if not path.exists():
                with open(path, 'wb') as file:
                    file.truncate(self._size)

    def empty(self, function: str, *parts: Part) -> None:
        """Fill *parts* of a window with zeros; none named: all of it."""
        wanted = set(parts or Part)
        if Part.BLOCKS in wanted and not self._memory:
            wanted.add(Part.MEMORY)
        for part in wanted:
            first, end = (self._size * n // 4 for n in part.value)
            self.write(function, first, bytes(end - first))

    def overwrite(self, function: str, interface: int) -> None:
        """Fill one interface's share of the card's memory with zeros."""
        first, end = (self._size * n // 4 for n in Part.MEMORY.value)
        share = (end - first) // INTERFACES
        start = first + interface * share
        stop = end if interface == INTERFACES - 1 else start + share
        self.write(function, start, bytes(stop - start))

    def _file(self, function: str) -> pathlib.Path:
        return self._directory / f'{function}.memory'
