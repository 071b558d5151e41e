"""The part of the agent that runs with privileges, all of it.

What crosses over are kinds, numbers and names from short lists, never a
path: paths are made here, below roots that are set once; an image is a number
of a file that the agent has open. Whoever takes over
the unprivileged agent can so do to FPGA cards what it could anyway, and
nothing else to the host.
"""

import errno
import os
import pathlib
import re
import stat
from collections.abc import Sequence
from typing import NamedTuple

from oslo_privsep import capabilities
from oslo_privsep import priv_context

from cyborg_fpga import model
from cyborg_fpga.drivers import holders
from cyborg_fpga.drivers import sysfs

default = priv_context.PrivContext(
    'cyborg_fpga',
    cfg_section='cyborg_fpga_privileged',
    pypath=f'{__name__}.default',
    capabilities=[
        capabilities.CAP_DAC_OVERRIDE,
        capabilities.CAP_SYS_ADMIN,
        capabilities.CAP_SYS_RAWIO,
        # To see what other users' processes have open.
        capabilities.CAP_SYS_PTRACE,
    ],
)


class _Roots(NamedTuple):
    sysroot: str
    devroot: str
    process: int
    firmware: str
    tools: tuple[str, ...]


class _Request(NamedTuple):
    kind: str
    length: int
    image: bool


#: Request number -> the kind of node it is for, its argument's length and
#: whether it loads an image.
_REQUESTS = {
    0xB640: _Request('dfl-port', 0, False),
    0xB680: _Request('dfl-fme', 24, True),
    0x4004B681: _Request('dfl-fme', 4, False),
    0x4004B682: _Request('dfl-fme', 4, False),
    0xB540: _Request('intel-fpga-port', 0, False),
    0xB580: _Request('intel-fpga-fme', 32, True),
    0xB581: _Request('intel-fpga-fme', 12, False),
    0xB582: _Request('intel-fpga-fme', 12, False),
}
_PCI = '[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}[.][0-7]'
_EXAMINE = re.compile(f'examine -d {_PCI} -r platform -f JSON -o {{report}}')
_LOAD = re.compile(f'program -d {_PCI} -u {{image}}')
_RESET = re.compile(f'reset -d {_PCI}')
#: Tool -> all that it may be told.
_TOOLS = {
    'xbutil': (_EXAMINE, _LOAD, _RESET),
    'xrt-smi': (_EXAMINE, _LOAD, _RESET),
    'fpga-describe-local-image-slots': (re.compile(''),),
    'fpga-describe-local-image': (re.compile('-S [0-9]{1,2}'),),
    'fpga-load-local-image': (
        re.compile('-S [0-9]{1,2} -I agfi-[0-9a-f]{17}'),
    ),
    'fpga-clear-local-image': (re.compile('-S [0-9]{1,2}'),),
    'xbmgmt': (re.compile(f'program -d {_PCI} --user {{image}}'),),
}
#: Attributes of a PCI function that may be written.
_ATTRIBUTES = ('reset', 'sriov_numvfs')

#: Drivers of the kernel that functions may be bound to, or not.
_DRIVERS = ('dfl-pci', 'intel-fpga-pci')
_BINDINGS = ('bind', 'unbind')

_NODE = re.compile(
    '(?P<kind>(dfl|intel-fpga)-(fme|port))[.](?P<number>[0-9]{1,6})'
)
#: Nodes of which it may be asked who has them open.
_ASKED = re.compile(
    'vfio/(noiommu-)?[0-9]{1,6}|vfio/devices/vfio[0-9]{1,6}'
    '|(dfl|intel-fpga)-port[.][0-9]{1,6}'
)
_ATTRIBUTE = re.compile(
    'bus/pci/devices/(?P<address>[0-9a-f:.]+)/(?P<name>[a-z_]+)'
)
#: What overwrites the memory of a card: numbers of a region, an engine, a
#: feature of it and an interface.
_MEMORY = re.compile(
    'bus/pci/devices/([0-9a-f:.]+)/fpga_region/region([0-9]{1,6})'
    '/dfl-fme[.]([0-9]{1,6})/dfl_dev[.]([0-9]{1,6})/inf([0-9])_clear'
)
_BINDING = re.compile('bus/pci/drivers/(?P<driver>[a-z-]+)/(?P<name>[a-z]+)')
_IMAGE = re.compile('/proc/(?P<process>[0-9]+)/fd/(?P<number>[0-9]+)')
_FUNCTION = re.compile('[0-9a-f]{32}')

#: Of this process; set once by :func:`_set_roots`.
_roots: list[_Roots] = []


class PrivilegedSysfs(sysfs.Sysfs):
    """Reads itself and lets the privileged side write and call.

    Images that are loaded are files without a name that this process has
    open, named as ``/proc/<process>/fd/<number>``.
    """

    def __init__(
        self,
        sysroot: str,
        devroot: str,
        *,
        firmware: str = '/lib/firmware',
        tools: Sequence[str] = (),
    ) -> None:
        super().__init__(sysroot, devroot, firmware=firmware, tools=tools)
        _set_roots(sysroot, devroot, os.getpid(), firmware, list(tools))

    def write(self, path: str, text: str) -> None:
        match = _ATTRIBUTE.fullmatch(path)
        binding = _BINDING.fullmatch(path)
        memory = _MEMORY.fullmatch(path)
        if match is not None:
            _write(match['address'], match['name'], text)
        elif binding is not None:
            _bind(binding['driver'], binding['name'], text)
        elif memory is not None and text == '1':
            address, *numbers = memory.groups()
            _clear_memory(address, *map(int, numbers))
        else:
            raise _refused(path)

    def opened_by(self, nodes: Sequence[str]) -> list[holders.Holder]:
        return [holders.Holder(*found) for found in _opened_by(list(nodes))]

    def ioctl(
        self,
        node: str,
        request: int,
        arg: bytes,
        *,
        image: pathlib.Path | None = None,
        offset: int = 0,
    ) -> bytes:
        match = _NODE.fullmatch(node)
        if match is None:
            raise _refused(node)
        opened = None if image is None else _opened(image)
        number = int(match['number'])
        answer: bytes = _ioctl(
            match['kind'], number, request, arg, opened, offset
        )
        return answer

    def load_firmware(
        self,
        manager: int,
        image: pathlib.Path,
        *,
        offset: int,
        function: str,
        partial: bool,
    ) -> None:
        _load_firmware(manager, _opened(image), offset, function, partial)

    def run(
        self,
        tool: str,
        arguments: Sequence[str],
        *,
        image: pathlib.Path | None = None,
        seconds: float,
    ) -> sysfs.Ended:
        opened = None if image is None else _opened(image)
        return sysfs.Ended(*_run(tool, list(arguments), opened, seconds))


@default.entrypoint
def _set_roots(
    sysroot: str, devroot: str, process: int, firmware: str, tools: list[str]
) -> None:
    wanted = _Roots(sysroot, devroot, process, firmware, tuple(tools))
    if not _roots:
        _roots.append(wanted)
    elif _roots[0] != wanted:
        raise _refused('roots that are set already')


@default.entrypoint
def _write(address: str, name: str, text: str) -> None:
    if name not in _ATTRIBUTES:
        raise _refused(name)
    function = model.PciAddress.parse(address)
    _fs().write(f'bus/pci/devices/{function}/{name}', text)


@default.entrypoint
def _clear_memory(
    address: str, region: int, fme: int, feature: int, interface: int
) -> None:
    function = model.PciAddress.parse(address)
    _fs().write(
        f'bus/pci/devices/{function}/fpga_region/region{region:d}/'
        f'dfl-fme.{fme:d}/dfl_dev.{feature:d}/inf{interface:d}_clear',
        '1',
    )


@default.entrypoint
def _bind(driver: str, name: str, text: str) -> None:
    if driver not in _DRIVERS or name not in _BINDINGS:
        raise _refused(f'{driver}/{name}')
    if not re.fullmatch(_PCI, text):
        raise _refused(text)
    _fs().write(f'bus/pci/drivers/{driver}/{name}', text)


@default.entrypoint
def _opened_by(nodes: list[str]) -> list[tuple[int, str, str]]:
    for node in nodes:
        if not _ASKED.fullmatch(node):
            raise _refused(node)
    found = _fs().opened_by(nodes)
    return [(one.process, one.command, one.node) for one in found]


@default.entrypoint
def _ioctl(
    kind: str,
    number: int,
    request: int,
    arg: bytes,
    image: int | None,
    offset: int,
) -> bytes:
    expected = _REQUESTS.get(request)
    # Without an image the argument would name an address in this process.
    if expected != _Request(kind, len(arg), image is not None):
        raise _refused(f'{kind} request {request:#x}')
    path = None if image is None else _image(image)
    node = f'{kind}.{int(number)}'
    return _fs().ioctl(node, request, arg, image=path, offset=offset)


@default.entrypoint
def _load_firmware(
    manager: int, image: int, offset: int, function: str, partial: bool
) -> None:
    if not _FUNCTION.fullmatch(function):
        raise _refused(function)
    _fs().load_firmware(
        int(manager),
        _image(image),
        offset=int(offset),
        function=function,
        partial=bool(partial),
    )


@default.entrypoint
def _run(
    tool: str, arguments: list[str], image: int | None, seconds: float
) -> tuple[int, str, str]:
    forms = _TOOLS.get(tool, ())
    line = ' '.join(arguments)
    # Whatever else the tool can do, flashing the card among it, is not here.
    if not any(form.fullmatch(line) for form in forms):
        raise _refused(f'{tool} {line}')
    if (image is None) == (sysfs.IMAGE in arguments):
        raise _refused(f'{tool} without its image')
    path = None if image is None else _image(image)
    ended = _fs().run(tool, arguments, image=path, seconds=float(seconds))
    return ended.code, ended.output, ended.report


def _opened(image: pathlib.Path) -> int:
    """The number under which this process has *image* open."""
    match = _IMAGE.fullmatch(str(image))
    if match is None or int(match['process']) != os.getpid():
        raise _refused(str(image))
    return int(match['number'])


def _image(number: int) -> pathlib.Path:
    """What the agent has open under a number, if it has no other name."""
    if not _roots:
        raise _refused('a call before the roots are set')
    path = pathlib.Path(f'/proc/{_roots[0].process}/fd/{int(number)}')
    found = path.stat()
    if found.st_nlink or not stat.S_ISREG(found.st_mode):
        raise _refused(str(path))
    return path


def _fs() -> sysfs.Sysfs:
    if not _roots:
        raise _refused('a call before the roots are set')
    roots = _roots[0]
    return sysfs.Sysfs(
        roots.sysroot,
        roots.devroot,
        firmware=roots.firmware,
        tools=roots.tools,
    )


def _refused(what: str) -> PermissionError:
    return PermissionError(
        errno.EACCES, f'{os.strerror(errno.EACCES)}: {what}'
    )
