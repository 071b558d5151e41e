"""What a call of a simulated device node does.

The packed structures of a driver are decoded here with numbers taken from
the kernel's documentation, not from the driver.
"""

import errno
import os
import struct
from typing import Protocol

from cyborg_fpga.simulator import cards
from cyborg_fpga.simulator import payload
from cyborg_fpga.simulator import tree

_API_VERSION = 0xB600
_CHECK_EXTENSION = 0xB601
_RESET_PORT = 0xB640
_RECONFIGURE = 0xB680
_RECONFIGURE_SIZE = 24


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
    if request in (_API_VERSION, _CHECK_EXTENSION):
        return
    if node.kind == 'fme' and request == _RECONFIGURE:
        card.program(*_reconfiguration(caller))
    elif node.kind == 'port' and request == _RESET_PORT and caller.empty:
        card.reset(node.function, node.port)
    else:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


def _reconfiguration(caller: Caller) -> tuple[int, bytes]:
    """Take ``struct dfl_fpga_fme_port_pr`` apart and fetch the image.

    The kernel also accepts a larger argsz; no caller has reason to send one.
    """
    arg = caller.argument(_RECONFIGURE_SIZE)
    argsz = int.from_bytes(arg[0:4], 'little')
    flags = int.from_bytes(arg[4:8], 'little')
    port = int.from_bytes(arg[8:12], 'little')
    size, address = struct.unpack('<IQ', arg[12:24])
    if argsz != _RECONFIGURE_SIZE or flags or not size:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    if size > payload.SIZE_LIMIT:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
    return port, caller.memory(address, size)
