"""The part of the agent that runs with privileges, all of it.

What crosses over are kinds, numbers and names from short lists, never a
path: paths are made here, below roots that are set once. Whoever takes over
the unprivileged agent can so do to FPGA cards what it could anyway, and
nothing else to the host.
"""

import errno
import os
import pathlib
import re
from collections.abc import Sequence
from typing import NamedTuple

from oslo_privsep import capabilities
from oslo_privsep import priv_context

from cyborg_fpga import model
from cyborg_fpga.drivers import sysfs

default = priv_context.PrivContext(
    'cyborg_fpga',
    cfg_section='cyborg_fpga_privileged',
    pypath=f'{__name__}.default',
    capabilities=[
        capabilities.CAP_DAC_OVERRIDE,
        capabilities.CAP_SYS_ADMIN,
        capabilities.CAP_SYS_RAWIO,
    ],
)


class _Roots(NamedTuple):
    sysroot: str
    devroot: str
    cache: str
    firmware: str


class _Request(NamedTuple):
    kind: str
    length: int
    image: bool


#: Request number -> the kind of node it is for, its argument's length and
#: whether it loads an image.
_REQUESTS = {
    0xB640: _Request('dfl-port', 0, False),
    0xB680: _Request('dfl-fme', 24, True),
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

_NODE = re.compile('(?P<kind>dfl-fme|dfl-port)[.](?P<number>[0-9]{1,6})')
_ATTRIBUTE = re.compile(
    'bus/pci/devices/(?P<address>[0-9a-f:.]+)/(?P<name>[a-z_]+)'
)
_IMAGE = re.compile('[0-9A-Za-z][0-9A-Za-z._-]{0,254}')
_FUNCTION = re.compile('[0-9a-f]{32}')

#: Of this process; set once by :func:`_set_roots`.
_roots: list[_Roots] = []


class PrivilegedSysfs(sysfs.Sysfs):
    """Reads itself and lets the privileged side write and call.

    :param cache: The only directory that images may lie in, blank ones
        included.
    """

    def __init__(
        self,
        sysroot: str,
        devroot: str,
        *,
        cache: str,
        firmware: str = '/lib/firmware',
    ) -> None:
        super().__init__(sysroot, devroot, firmware=firmware)
        self._cache = pathlib.Path(cache)
        _set_roots(sysroot, devroot, cache, firmware)

    def write(self, path: str, text: str) -> None:
        match = _ATTRIBUTE.fullmatch(path)
        if match is None:
            raise _refused(path)
        _write(match['address'], match['name'], text)

    def ioctl(
        self,
        node: str,
        request: int,
        arg: bytes,
        *,
        image: pathlib.Path | None = None,
        offset: int = 0,
    ) -> None:
        match = _NODE.fullmatch(node)
        if match is None:
            raise _refused(node)
        name = None if image is None else self._cached(image)
        _ioctl(match['kind'], int(match['number']), request, arg, name, offset)

    def load_firmware(
        self,
        manager: int,
        image: pathlib.Path,
        *,
        offset: int,
        function: str,
        partial: bool,
    ) -> None:
        _load_firmware(manager, self._cached(image), offset, function, partial)

    def run(
        self,
        tool: str,
        arguments: Sequence[str],
        *,
        image: pathlib.Path | None = None,
        seconds: float,
    ) -> sysfs.Ended:
        name = None if image is None else self._cached(image)
        return sysfs.Ended(*_run(tool, list(arguments), name, seconds))

    def _cached(self, image: pathlib.Path) -> str:
        if image.parent != self._cache:
            raise _refused(str(image))
        return image.name


@default.entrypoint
def _set_roots(sysroot: str, devroot: str, cache: str, firmware: str) -> None:
    wanted = _Roots(sysroot, devroot, cache, firmware)
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
def _ioctl(
    kind: str,
    number: int,
    request: int,
    arg: bytes,
    image: str | None,
    offset: int,
) -> None:
    expected = _REQUESTS.get(request)
    # Without an image the argument would name an address in this process.
    if expected != _Request(kind, len(arg), image is not None):
        raise _refused(f'{kind} request {request:#x}')
    path = None if image is None else _image(image)
    _fs().ioctl(f'{kind}.{int(number)}', request, arg, image=path,
                offset=offset)  # fmt: skip


@default.entrypoint
def _load_firmware(
    manager: int, image: str, offset: int, function: str, partial: bool
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
    tool: str, arguments: list[str], image: str | None, seconds: float
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


def _image(name: str) -> pathlib.Path:
    path = pathlib.Path(_roots[0].cache) / name
    if not _IMAGE.fullmatch(name) or path.is_symlink():
        raise _refused(name)
    return path


def _fs() -> sysfs.Sysfs:
    if not _roots:
        raise _refused('a call before the roots are set')
    roots = _roots[0]
    return sysfs.Sysfs(roots.sysroot, roots.devroot, firmware=roots.firmware)


def _refused(what: str) -> PermissionError:
    return PermissionError(
        errno.EACCES, f'{os.strerror(errno.EACCES)}: {what}'
    )
