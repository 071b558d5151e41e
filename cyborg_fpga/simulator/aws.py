"""A simulated FPGA of an AWS F2 instance.

It has a function for applications, whose ids change with what is loaded, and
one for management beside it, whose ids do not. An image is its id: every one
of the right form exists. A load ends with the function being removed from its
bus and found again, as AWS's tools have it done.
"""

import pathlib
import re
import shutil

from cyborg_fpga.simulator import payload
from cyborg_fpga.simulator import pci_tree
from cyborg_fpga.simulator import scenario

_MANAGEMENT = '9248'
_LOADED = '0xf010'
_ID = re.compile('agfi-([0-9a-f]{17})')


class AwsTree(pci_tree.PciTree):
    """No driver of the kernel has its functions."""

    _shown = ''

    def show_function(self, port: int, value: str | int) -> None:
        loaded = isinstance(value, str) and value.strip('0')
        path = self._pci(self._card.address)
        if isinstance(value, str) and value != self._shown:
            if self._shown:
                _find_again(path)
            self._shown = value
        ids = _LOADED if loaded else f'0x{self._card.device}'
        self._set(path / 'device', ids)

    def _functions(self) -> dict[str, str]:
        card = self._card
        return {card.address: card.device, card.next_address: _MANAGEMENT}

    def _write_virtual(self) -> None:
        return


def _find_again(path: pathlib.Path) -> None:
    """Replace a function's directory by another one like it."""
    former = path.with_name(f'.{path.name}')
    path.rename(former)
    shutil.copytree(former, path, symlinks=True)
    shutil.rmtree(former)


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
