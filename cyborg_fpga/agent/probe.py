"""What a host's agent would find, for a report of a bug.

Asks no other service, needs no privileges that reading does not need, and
changes nothing: :class:`ReadOnly` refuses what could.
"""

import dataclasses
import errno
import functools
import importlib.metadata
import os
import pathlib
import platform
import re
import threading
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NoReturn

from oslo_config import cfg

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.agent import selection
from cyborg_fpga.drivers import base
from cyborg_fpga.drivers import families
from cyborg_fpga.drivers import pci_function
from cyborg_fpga.drivers import registry
from cyborg_fpga.drivers import sysfs

_PATIENCE = 60.0
_TEXT_LIMIT = 1024
_BYTES_LIMIT = 64
_MODULES = re.compile(
    '.*(fpga|dfl|xocl|xclmgmt|xrt|vfio|iommu|uio|zocl|xdma).*'
)
_BOOT = re.compile(r'((intel_|amd_)?iommu|pci|pcie_\w+|vfio[\w-]*)[=.].*')
#: Vendors' tools, and how they tell their version; None: they do not.
_TOOLS: Mapping[str, tuple[str, ...] | None] = {
    'xbutil': ('--version',),
    'xrt-smi': ('--version',),
    'xbmgmt': ('--version',),
    'fpgainfo': ('--version',),
    'lspci': ('--version',),
    'fpga-describe-local-image-slots': None,
    'fpga-describe-local-image': None,
    'fpga-load-local-image': None,
    'fpga-clear-local-image': None,
}
_READING = ('fpga-describe-local-image-slots', 'fpga-describe-local-image')
_TOOL_SECONDS = 10.0
_CLASS = '0x1200'
#: Options that are told; none of them can hold a secret.
_OPTIONS = {
    'agent': (
        'enabled_drivers',
        'sysroot',
        'devroot',
        'firmware_path',
        'tools_path',
        'simulator',
        'report_interval',
        'blank_bitstreams',
    ),
    'devices': (
        'include',
        'exclude',
        'families',
        'nova_config',
        'temperature_limit',
        'power_limit',
        'correctable_errors_limit',
        'nonfatal_errors_limit',
        'fatal_errors_limit',
        'recover_after',
        'quarantine_after',
    ),
}


class ReadOnly(sysfs.Sysfs):
    """Notes what was read, and refuses to change anything.

    :ivar reads: Path -> the text, or the name of the errno.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reads: dict[str, str] = {}

    def read_bytes(self, path: str, limit: int = 65536) -> bytes:
        try:
            found = super().read_bytes(path, limit)
        except OSError as exc:
            self.reads[path] = errno.errorcode.get(exc.errno or 0, str(exc))
            raise
        self.reads[path] = _shown(found)
        return found

    def load_firmware(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise _refused()

    def run_function(self, address: str, data: bytes) -> NoReturn:
        raise _refused()

    def run(
        self,
        tool: str,
        arguments: Sequence[str],
        *,
        image: pathlib.Path | None = None,
        seconds: float,
    ) -> sysfs.Ended:
        asked = tuple(arguments) == _TOOLS.get(tool)
        if not asked and tool not in _READING:
            raise _refused()
        return super().run(tool, arguments, image=image, seconds=seconds)

    def _write(self, path: str, text: str) -> NoReturn:
        raise _refused()

    def _call(self, node: str, request: int, arg: bytes) -> NoReturn:
        raise _refused()


def probe(conf: cfg.ConfigOpts, fs: ReadOnly) -> dict[str, Any]:
    """Look at this host once; returns what JSON can hold."""
    found = {
        'version': importlib.metadata.version('cyborg-fpga'),
        'python': platform.python_version(),
        'kernel': f'{platform.system()} {platform.release()} '
        f'{platform.version()} {platform.machine()}',
        'boot_options': _boot_options(),
        'modules': _modules(),
        'host': conf.host,
        'options': {
            group: {name: conf[group][name] for name in names}
            for group, names in _OPTIONS.items()
        },
        'tools': _tools(fs),
        'drivers': _drivers(conf, fs),
    }
    # Of the drivers' reads alone, not of these.
    found['reads'] = dict(sorted(fs.reads.items()))
    found['functions'] = _functions(fs)
    return found


def _drivers(conf: cfg.ConfigOpts, fs: ReadOnly) -> dict[str, Any]:
    try:
        path = conf.devices.families
        table = families.Table.read(pathlib.Path(path) if path else None)
        picked = selection.Selection(
            conf.devices.include, conf.devices.exclude
        )
    except errors.InvalidInput as exc:
        return {'error': exc.message}
    found: dict[str, Any] = {}
    for name in conf.agent.enabled_drivers:
        try:
            driver = registry.load([name], fs, table)[name]
        except errors.InvalidInput as exc:
            found[name] = {'error': exc.message}
            continue
        found[name] = _in_time(functools.partial(_cards, driver, picked))
    return found


def _cards(driver: base.Driver, picked: selection.Selection) -> dict[str, Any]:
    cards = driver.discover()
    ours = {card.pci_address for card in picked.ours(cards)}
    return {
        'cards': [
            {
                **card.to_wire(),
                'ours': card.pci_address in ours,
                'readings': dataclasses.asdict(driver.readings(card)),
            }
            for card in cards
        ]
    }


def _in_time(look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What *look* gives; a driver that fails or hangs is worth reporting."""
    found: dict[str, Any] = {}

    def run() -> None:
        try:
            found.update(look())
        except Exception as exc:
            # The top of a thread: what went wrong is what is asked for.
            found['error'] = f'{type(exc).__name__}: {exc}'

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    if thread.is_alive():
        return {'error': f'it has not ended in {_PATIENCE:.0f} s'}
    return found


def _functions(fs: ReadOnly) -> list[dict[str, Any]]:
    """PCI functions that may be of FPGA cards, whoever has them."""
    vendors = {
        key.split('/')[0]
        for family in families.shipped().families
        for key in family.ids
    }
    found = []
    for address in pci_function.addresses(fs):
        function = pci_function.Function(fs, address)
        shown = {
            name: function.text(name)
            for name in (
                'vendor',
                'device',
                'subsystem_device',
                'class',
                'numa_node',
                'sriov_totalvfs',
                'sriov_numvfs',
            )
        }
        of_vendor = (shown['vendor'] or '').removeprefix('0x') in vendors
        accelerator = (shown['class'] or '').startswith(_CLASS)
        if accelerator or (of_vendor and _looks_programmable(shown['class'])):
            found.append(
                {'address': str(address), **shown, **_links(fs, address)}
            )
    return found


def _links(fs: ReadOnly, address: model.PciAddress) -> dict[str, str]:
    found = {}
    for name in ('driver', 'physfn', 'iommu_group'):
        try:
            link = fs.readlink(f'{pci_function.DEVICES}/{address}/{name}')
        except OSError:
            continue
        found[name] = link.rpartition('/')[2]
    return found


def _looks_programmable(pci_class: str | None) -> bool:
    # Bridges, USB and the like of the same vendors are legion.
    return pci_class is not None and pci_class[:4] in ('0x05', '0x0b', '0xff')


def _tools(fs: ReadOnly) -> dict[str, str]:
    """First line of what each installed tool says of its version."""
    found = {}
    for tool, arguments in _TOOLS.items():
        if not fs.has_tool(tool):
            continue
        found[tool] = 'installed'
        if arguments is not None:
            try:
                said = fs.run(tool, arguments, seconds=_TOOL_SECONDS).output
            except OSError as exc:
                said = exc.strerror or str(exc)
            found[tool] = said.strip()[:_TEXT_LIMIT]
    return found


def _modules() -> list[str]:
    """Kernel modules that have to do with FPGAs."""
    try:
        lines = pathlib.Path('/proc/modules').read_text().splitlines()
    except OSError:
        return []
    names = (line.partition(' ')[0] for line in lines)
    return sorted(name for name in names if _MODULES.fullmatch(name))


def _boot_options() -> list[str]:
    """What the kernel was told of IOMMU and PCI, and nothing else."""
    try:
        words = pathlib.Path('/proc/cmdline').read_text().split()
    except OSError:
        return []
    return [word for word in words if _BOOT.fullmatch(word)]


def _shown(data: bytes) -> str:
    try:
        text = data.decode('ascii')
    except UnicodeDecodeError:
        return data[:_BYTES_LIMIT].hex()
    if '\0' in text:
        return data[:_BYTES_LIMIT].hex()
    return text.strip()[:_TEXT_LIMIT]


def _refused() -> OSError:
    return OSError(errno.EROFS, os.strerror(errno.EROFS))
