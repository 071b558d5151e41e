"""What a call of a simulated device node does.

The packed structures of a driver are decoded here with numbers taken from
the kernel's documentation, not from the driver.
"""

import errno
import struct
from typing import Protocol

from cyborg_fpga.simulator import bus
from cyborg_fpga.simulator import cards
from cyborg_fpga.simulator import payload
from cyborg_fpga.simulator import tree

#: Of the kernel's DFL drivers.
_REQUESTS = {
    0xB600: 'version',
    0xB601: 'extension',
    0xB640: 'reset',
    0xB680: 'load',
    0x4004B681: 'release',
    0x4004B682: 'assign',
}
#: Of the driver that there was before.
_OLD_REQUESTS = {
    0xB500: 'version',
    0xB501: 'extension',
    0xB540: 'reset',
    0xB580: 'load',
    0xB581: 'release',
    0xB582: 'assign',
}
_LOAD_SIZE, _OLD_LOAD_SIZE = 24, 32
_PORT_SIZE, _OLD_PORT_SIZE = 4, 12


class Caller(Protocol):
    """Whoever sent a request, as the kernel knows it.

    :ivar empty: The request came without an argument.
    """

    @property
    def empty(self) -> bool: ...

    def argument(self, length: int) -> bytes:
        """Copy what the request's argument points to.

        :raises OSError: EFAULT, not so much is there.
        """

    def memory(self, address: int, length: int) -> bytes:
        """Copy *length* bytes at *address* of the caller's memory.

        :raises OSError: EFAULT, not all of it is there.
        """


def call(
    card: cards.Card, node: tree.Node, request: int, caller: Caller
) -> None:
    """Do it; blocks as long as the hardware takes.

    :raises OSError: What the kernel answers.
    """
    old = card.spec.old_names
    names = _OLD_REQUESTS if old else _REQUESTS
    match node.kind, names.get(request):
        case (('fme' | 'port'), ('version' | 'extension')):
            return
        case 'fme', 'load':
            card.program(*_image(caller, old=old))
        case 'port', 'reset' if caller.empty:
            card.reset(node.function)
        case 'fme', 'release':
            card.check_unused()
            card.bus.release(_port(caller, old=old))
        case 'fme', 'assign':
            card.check_unused()
            card.bus.assign(_port(caller, old=old))
        case _:
            raise bus.os_error(errno.EINVAL)


def _image(caller: Caller, *, old: bool) -> tuple[int, bytes]:
    """Take ``struct dfl_fpga_fme_port_pr`` apart and fetch the image.

    The older one has a status behind it. The kernel also accepts a larger
    argsz; no caller has reason to send one.
    """
    wanted = _OLD_LOAD_SIZE if old else _LOAD_SIZE
    arg = caller.argument(wanted)
    argsz = int.from_bytes(arg[0:4], 'little')
    flags = int.from_bytes(arg[4:8], 'little')
    port = int.from_bytes(arg[8:12], 'little')
    size, address = struct.unpack('<IQ', arg[12:24])
    if argsz != wanted or flags or not size:
        raise bus.os_error(errno.EINVAL)
    if size > payload.SIZE_LIMIT:
        raise bus.os_error(errno.ENOMEM)
    return port, caller.memory(address, size)


def _port(caller: Caller, *, old: bool) -> int:
    """The port's number, which the older structure has at its end."""
    wanted = _OLD_PORT_SIZE if old else _PORT_SIZE
    arg = caller.argument(wanted)
    if old and arg[:8] != wanted.to_bytes(4, 'little') + bytes(4):
        raise bus.os_error(errno.EINVAL)
    return int.from_bytes(arg[-4:], 'little', signed=True)
