"""A simulated FPGA of an AWS F2 instance.

It has a function for applications, whose ids change with what is loaded, and
one for management beside it, whose ids do not. An image is its id: every one
of the right form exists.
"""

import re

from cyborg_fpga.simulator import payload
from cyborg_fpga.simulator import pci_tree
from cyborg_fpga.simulator import scenario

_MANAGEMENT = '9248'
_LOADED = '0xf010'
_ID = re.compile('agfi-([0-9a-f]{17})')


class AwsTree(pci_tree.PciTree):
    """No driver of the kernel has its functions."""

    def show_function(self, port: int, value: str | int) -> None:
        loaded = isinstance(value, str) and value.strip('0')
        path = self._pci(self._card.address) / 'device'
        self._set(path, _LOADED if loaded else f'0x{self._card.device}')

    def _functions(self) -> dict[str, str]:
        card = self._card
        return {card.address: card.device, card.next_address: _MANAGEMENT}

    def _write_virtual(self) -> None:
        return


def decode(image: bytes, card: scenario.Card) -> str:
    """Which function an image is.

    :raises payload.BadImage: There is no such image.
    """
    match = _ID.fullmatch(image.decode('ascii', 'replace'))
    if match is None:
        raise payload.BadImage('no such image')
    return f'{match[1]:0>32}'


def image_id(function: str) -> str:
    """The reverse of :func:`decode`."""
    return f'agfi-{function[-17:]}'
