"""The part of a simulated host's sysfs tree that a card of any kind has.

Attributes end in a newline, links are relative, and an attribute that cannot
be read now holds a marker that only the accessor knows.
"""

import abc
import dataclasses
import errno
import functools
import itertools
import os
import pathlib
import shutil
from collections.abc import Collection
from collections.abc import Mapping

from cyborg_fpga.simulator import scenario
from cyborg_fpga.simulator import sensors

_ERRNO = b'\0errno '


def injected_errno(data: bytes) -> int:
    """The errno that reading *data*'s attribute ends with; 0 for none."""
    if not data.startswith(_ERRNO):
        return 0
    return int(data[len(_ERRNO) :])


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
    """A device node: which port of which function, or the engine."""

    kind: str
    function: str
    port: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Knob:
    """What writing an attribute does, and to which function.

    :ivar function: '' where what is written names it.
    :ivar driver: Whose attribute it is, where it is a driver's.
    :ivar number: Of what, where a card has several.
    """

    action: str
    function: str
    driver: str = ''
    number: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """Which functions a card has now, and who has what.

    :ivar vf_ports: The port behind each VF.
    :ivar linked: Whether the PF's links name its VFs.
    :ivar ports: With the PF; *bare* are those without a driver.
    :ivar drivers: By function, where it is not the card's; '' is none.
    """

    vf_ports: tuple[int, ...] = ()
    linked: bool = True
    ports: frozenset[int] = frozenset()
    bare: frozenset[int] = frozenset()
    drivers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    overrides: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Numbers:
    """Counters that all cards of a host share, as in the kernel.

    :param managers: Numbers of FPGA managers that are given already.
    """

    def __init__(self, managers: Collection[int] = ()) -> None:
        self.region = itertools.count()
        self.fme = itertools.count()
        self.port = itertools.count()
        self.bridge = itertools.count()
        self.group = itertools.count()
        self.hwmon = itertools.count()
        self.manager = (n for n in itertools.count() if n not in managers)


class CardTree(abc.ABC):
    """One card's part of the tree; thread-safe only for readers of files.

    :ivar nodes: The card's device nodes by name.
    :ivar knobs: Attributes that can be written, by their real path below
        the root.
    """

    #: The kernel's driver of its functions.
    driver = ''

    def __init__(
        self,
        directory: pathlib.Path,
        card: scenario.Card,
        numbers: Numbers,
    ) -> None:
        self._card = card
        self._root = directory / 'sys'
        self._dev = directory / 'dev'
        self._scratch = directory / 'state'
        self.nodes: dict[str, Node] = {}
        self.knobs: dict[str, Knob] = {}
        self._hidden = False

    def build(self) -> None:
        """Write everything; what is there already is only brought up to date.

        The links by which a card is found come last.
        """
        # Nobody can find the card yet, so nobody reads.
        self._hidden = not self.present()
        self._write()
        self._hidden = False
        self._dev.mkdir(exist_ok=True)
        for name in self.nodes:
            (self._dev / name).parent.mkdir(exist_ok=True)
            (self._dev / name).touch()
        for link, target in self._doors:
            self._link(link, target)

    def present(self) -> bool:
        """Whether the card is on the bus."""
        return self._doors[-1][0].is_symlink()

    def remove(self) -> None:
        """Take the card off the bus."""
        for link, _ in reversed(self._doors):
            link.unlink(missing_ok=True)
        for name in self.nodes:
            (self._dev / name).unlink(missing_ok=True)
        for home in self._homes():
            self._erase(home)

    def arrange(self, layout: Layout) -> None:
        """Show *layout* from now on."""
        return

    def functions(self) -> list[str]:
        """Addresses of all that the card has on the bus now."""
        return []

    def vfio_node(self, function: str) -> pathlib.Path | None:
        """What a guest that has *function* has open; None: nothing yet."""
        return None

    # What a kind of card does not have, it does not show.

    def show_function(self, port: int, value: str | int) -> None:
        """Let *port* show a function id, or an errno to those who read it."""
        return

    def show_manager(self, state: str, status: str) -> None:
        return

    def show_flags(self, value: int) -> None:
        return

    def show_users(self, count: int) -> None:
        return

    def show_errors(self, value: int) -> None:
        return

    def show_port_errors(self, value: int) -> None:
        return

    def show_wellbeing(self, found: sensors.Wellbeing) -> None:
        return

    @functools.cached_property
    def _doors(self) -> list[tuple[pathlib.Path, pathlib.Path]]:
        # Asked for before every attribute is written.
        return self._entrances()

    @abc.abstractmethod
    def _write(self) -> None:
        """Write what is below :meth:`_homes`."""

    @abc.abstractmethod
    def _homes(self) -> list[pathlib.Path]:
        """Directories that are the card's alone."""

    @abc.abstractmethod
    def _entrances(self) -> list[tuple[pathlib.Path, pathlib.Path]]:
        """Links, with their targets, by which the card is found."""

    def _knob(
        self, path: pathlib.Path, knob: Knob, text: str | None = None
    ) -> None:
        """Make an attribute that can be written.

        :param text: None: it cannot be read.
        """
        self._set(path, marker(errno.EACCES) if text is None else text)
        self.knobs[str(path.relative_to(self._root))] = knob

    def _erase(self, path: pathlib.Path) -> None:
        """Remove a directory of ours and what leads into it."""
        below = set(path.relative_to(self._root).parts)
        for link in self._root.glob('class/*/*'):
            if below <= set(os.readlink(link).split('/')):
                link.unlink()
        shutil.rmtree(path, ignore_errors=True)

    def _class(self, name: str, path: pathlib.Path) -> None:
        self._link(self._root / 'class' / name / path.name, path)

    def _set(self, path: pathlib.Path, text: str) -> None:
        self._replace(path, f'{text}\n'.encode())

    def _replace(self, path: pathlib.Path, data: bytes) -> None:
        """Change an attribute so that no reader sees half of it."""
        if self._hidden and _created(str(path), data):
            return
        try:
            if path.read_bytes() == data:
                return
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._scratch / f'{self._card.address}.attribute'
        temporary.write_bytes(data)
        temporary.replace(path)

    def _link(self, link: pathlib.Path, target: pathlib.Path) -> None:
        name = str(link)
        if os.path.lexists(name):
            return
        folder = os.path.dirname(name)
        where = _relative(str(target), folder)
        try:
            os.symlink(where, name)
        except FileNotFoundError:
            os.makedirs(folder, exist_ok=True)
            os.symlink(where, name)


def _created(name: str, data: bytes) -> bool:
    """Write a file that is not there yet; False: it is.

    A host has thousands of attributes, so this asks the system for no more
    than it must.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        try:
            file = os.open(name, flags, 0o644)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(name), exist_ok=True)
            file = os.open(name, flags, 0o644)
    except FileExistsError:
        return False
    try:
        os.write(file, data)
    finally:
        os.close(file)
    return True


def _relative(target: str, start: str) -> str:
    """As ``os.path.relpath``, for two paths of one tree."""
    there, here = target.split('/'), start.split('/')
    same = 0
    while same < min(len(there), len(here)) and there[same] == here[same]:
        same += 1
    return '/'.join(['..'] * (len(here) - same) + there[same:])


def marker(number: int) -> str:
    """What an attribute holds whose reading ends with errno *number*."""
    return f'{_ERRNO.decode()}{number}'
