"""Stand-ins for AWS's tools for local FPGA image slots.

Words, columns and codes are those of the sources, which are not copied here:
https://github.com/aws/aws-fpga, branch f2, below sdk/userspace:

* fpga_mgmt_tools/src/fpga_local_cmd.c: columns; an error's code is the exit
  code, ``Error: (code) name`` its words
* fpga_mgmt_tools/src/fpga_local_cmd_parse.c: options
* include/hal/fpga_common.h: names of states and errors, their numbers

``-H`` puts a line of headings above each line.
"""

import errno
import functools
import re
from collections.abc import Sequence
from typing import Any

from cyborg_fpga.simulator import aws
from cyborg_fpga.simulator import cards

_LOADED, _CLEARED, _BUSY, _LOAD_FAILED = 0, 1, 2, 7
_STATES = {0: 'loaded', 1: 'cleared', 2: 'busy', 7: 'load-failed'}
_OK, _IN_PROGRESS, _INVALID_ID, _FAILED, _MISSING = 0, 3, 5, 14, 20
_ERRORS = {
    0: 'ok',
    3: 'busy',
    5: 'invalid-afi-id',
    6: 'afi-load-timeout',
    12: 'cl-id-mismatch',
    14: 'unspecified-error',
    16: 'shell-version-not-supported',
    17: 'afi-power-violation',
    19: 'hardware-busy',
    20: 'pci-device-missing',
    24: 'software-problem',
    25: 'unresponsive',
}
#: What a card's errno is to these tools, where a fault gives no code.
_CODES = {errno.ENODEV: _MISSING, errno.EBUSY: 3, errno.ETIMEDOUT: 6}
_INVALID = 22
_ID = re.compile('agfi-[0-9a-f]{17}')
_HEADINGS = '-H'
_AFI_HEADINGS = (
    'Type  FpgaImageSlot  FpgaImageId             StatusName    StatusCode   '
    'ErrorName    ErrorCode   ShVersion\n'
)
_DEVICE_HEADINGS = 'Type    FpgaImageSlot  VendorId    DeviceId    DBDF\n'


class _Failed(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def _slots(host: Sequence[cards.Card], argv: list[str]) -> tuple[int, str]:
    headings = _HEADINGS in argv
    return 0, ''.join(
        _device(slot, card, headings)
        for slot, card in enumerate(_all(host))
        if card.tree.present()
    )


def _describe(host: Sequence[cards.Card], argv: list[str]) -> tuple[int, str]:
    plain = [word for word in argv if word != _HEADINGS]
    headings = plain != argv
    return _answer(lambda: _shown(*_slot(host, plain), headings))


def _load(host: Sequence[cards.Card], argv: list[str]) -> tuple[int, str]:
    def load() -> str:
        slot, card = _slot(host, argv)
        image = _option(argv, '-I')
        if not _ID.fullmatch(image):
            raise _Failed(_INVALID_ID)
        _do(card.program, 0, image.encode())
        return _shown(slot, card)

    return _answer(load)


def _clear(host: Sequence[cards.Card], argv: list[str]) -> tuple[int, str]:
    def clear() -> str:
        slot, card = _slot(host, argv)
        _do(functools.partial(card.unload, 0, memory=True))
        return _shown(slot, card)

    return _answer(clear)


TOOLS = {
    'fpga-describe-local-image-slots': _slots,
    'fpga-describe-local-image': _describe,
    'fpga-load-local-image': _load,
    'fpga-clear-local-image': _clear,
}


def _answer(act: Any) -> tuple[int, str]:
    try:
        return 0, act()
    except _Failed as exc:
        words = _ERRORS.get(exc.code, 'internal-error')
        return exc.code, f'Error: ({exc.code}) {words}\n'


def _do(act: Any, *arguments: Any) -> None:
    try:
        act(*arguments)
    except OSError as exc:
        code = getattr(exc, 'code', 0)
        number = exc.errno or 0
        raise _Failed(code or _CODES.get(number, _FAILED)) from exc


def _all(host: Sequence[cards.Card]) -> list[cards.Card]:
    return [card for card in host if card.spec.kind == 'aws']


def _slot(
    host: Sequence[cards.Card], argv: list[str]
) -> tuple[int, cards.Card]:
    text = _option(argv, '-S')
    found = _all(host)
    if not text.isdigit() or int(text) >= len(found):
        raise _Failed(_INVALID)
    card = found[int(text)]
    if not card.tree.present():
        raise _Failed(_MISSING)
    return int(text), card


def _option(argv: list[str], name: str) -> str:
    """The word after an option, all of which take one."""
    words = dict(zip(argv[1::2], argv[2::2], strict=False))
    if len(argv) % 2 == 0 or set(words) - {'-S', '-I'} or name not in words:
        raise _Failed(_INVALID)
    return words[name]


def _shown(slot: int, card: cards.Card, headings: bool = False) -> str:
    found = card.describe()
    (state,) = found['ports']
    function = found['faults'].get('misread', state)['function_id']
    image, status, error = 'none', _CLEARED, _OK
    if state['loading'] is not None:
        status, error = _BUSY, _IN_PROGRESS
    elif state['broken']:
        status, error = _LOAD_FAILED, _FAILED
    elif function.strip('0'):
        image, status = aws.image_id(function), _LOADED
    shell = int(card.spec.platform, 16)
    return (
        (_AFI_HEADINGS if headings else '')
        + f'{"AFI":<10}  {slot:2d}       {image:<22}'
        f'  {_STATES[status]:<8}         {status:2d}        '
        f'{_ERRORS[error]:<8}        {error:2d}       0x{shell:08x}\n'
        + _device(slot, card, headings)
    )


def _device(slot: int, card: cards.Card, headings: bool) -> str:
    (state,) = card.describe()['ports']
    loaded = state['function_id'].strip('0')
    device = 'f010' if loaded else card.spec.device
    return (
        (_DEVICE_HEADINGS if headings else '')
        + f'{"AFIDEVICE":<10}  {slot:2d}       0x{card.spec.vendor}      '
        f'0x{device}      {card.address}\n'
    )
