"""Who has a device node open, as the kernel does not tell a driver.

A guest has the node of its function's VFIO group open for as long as it
runs. What counts is which device an open file is, not where its name is: an
emulator may have a ``/dev`` of its own. Its last part says which files to look
at, since looking at one of a file server that is gone would take for ever.
"""

import errno
import os
import stat
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import NamedTuple

#: A group is opened once at a time, so that opening it tells of a process
#: that cannot be seen, in a host whose agent is in a container.
_GROUP = 'vfio/'
_Identity = tuple[str, int, int]


class Holder(NamedTuple):
    """:ivar process: 0 where it cannot be seen."""

    process: int
    command: str
    node: str

    def __str__(self) -> str:
        if not self.process:
            return f'{self.node} is held by a process that is not visible'
        return f'process {self.process} ({self.command}) has {self.node} open'


def find(devroot: str, nodes: Iterable[str]) -> list[Holder]:
    """The processes that have any of *nodes* open; looks at all there are.

    :param nodes: Names below *devroot*; those that are not there count not.
    """
    wanted = {}
    for node in nodes:
        try:
            found = os.stat(os.path.join(devroot, node))
        except OSError:
            continue
        wanted[_identity(found)] = node
    if not wanted:
        return []
    seen = list(_openings(wanted))
    unseen = set(wanted.values()) - {holder.node for holder in seen}
    return seen + [
        Holder(0, '', node)
        for node in sorted(unseen)
        if node.startswith(_GROUP) and _is_busy(os.path.join(devroot, node))
    ]


def vfio_nodes(group: str | None, devices: Iterable[str]) -> list[str]:
    """Nodes by which a guest can have a function.

    :param group: Number of its IOMMU group.
    :param devices: What is in its directory ``vfio-dev``.
    """
    nodes = [f'vfio/devices/{name}' for name in devices]
    if group is not None:
        nodes += [f'vfio/{group}', f'vfio/noiommu-{group}']
    return nodes


def _openings(wanted: Mapping[_Identity, str]) -> Iterator[Holder]:
    names = {os.path.basename(node) for node in wanted.values()}
    for process in filter(str.isdigit, os.listdir('/proc')):
        opened = set()
        try:
            for descriptor in os.listdir(f'/proc/{process}/fd'):
                opened.add(_of(f'/proc/{process}/fd/{descriptor}', names))
        except OSError:
            # It has ended, or belongs to another.
            continue
        for identity in opened & set(wanted):
            if identity is not None:
                node = wanted[identity]
                yield Holder(int(process), _command(process), node)


def _of(descriptor: str, names: Collection[str]) -> _Identity | None:
    try:
        if os.path.basename(os.readlink(descriptor)) in names:
            return _identity(os.stat(descriptor))
    except OSError:
        # It was closed.
        pass
    return None


def _identity(found: os.stat_result) -> _Identity:
    if stat.S_ISCHR(found.st_mode):
        return 'device', found.st_rdev, 0
    return 'file', found.st_dev, found.st_ino


def _command(process: str) -> str:
    try:
        with open(f'/proc/{process}/comm') as file:
            return file.read().strip()
    except OSError:
        return ''


def _is_busy(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
    except OSError as exc:
        return exc.errno == errno.EBUSY
    return False
