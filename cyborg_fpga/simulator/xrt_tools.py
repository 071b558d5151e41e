"""Stand-ins for XRT's tools: their words and exit codes.

Options, texts and codes are those of the sources, which are not copied here:
https://github.com/Xilinx/XRT, below src/runtime_src/core:

* ``xbutil`` (release 2022.2): tools/xbutil2/SubCmdProgram.cpp,
  SubCmdExamine.cpp, SubCmdReset.cpp; xbutil.cpp: 1 after any error, which has
  the tool's name before it unless the command was cancelled
* ``xrt-smi`` (2024.2, its newer name): the same files, with another end of
  ``program``; ishim.h in common/: what the driver's refusal is called
* ``xbmgmt`` (2022.2): tools/xbmgmt2/SubCmdProgram.cpp
* of all: tools/common/XBUtilities.cpp (devices), ReportPlatforms.cpp (report)

What the driver refuses, and in which order: xocl and xclmgmt, below
src/runtime_src/core/pcie/driver/linux.
"""

import json
import os
import pathlib
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from cyborg_fpga.simulator import cards
from cyborg_fpga.simulator import xrt

_MAGIC = b'xclbin2'


class _Cancelled(Exception):
    """The tool gives up with these words."""


class _Failed(Exception):
    """The tool's main program says these words, behind its name."""


def _xbutil(host: Sequence[cards.Card], argv: list[str]) -> tuple[int, str]:
    return _answer(argv[0], lambda: _user_command(host, argv[0], argv[1:]))


def _xbmgmt(host: Sequence[cards.Card], argv: list[str]) -> tuple[int, str]:
    return _answer(argv[0], lambda: _management_command(host, argv[1:]))


def _answer(name: str, act: Callable[[], str]) -> tuple[int, str]:
    try:
        return (0, act())
    except _Cancelled as exc:
        return (1, f'{exc}\n')
    except _Failed as exc:
        return (1, f'[{name}] ERROR: {exc}\n')


def _management_command(host: Sequence[cards.Card], words: list[str]) -> str:
    if words[:1] != ['program']:
        raise _Cancelled(f"ERROR: Unknown command: '{words[:1]}'")
    options = _options(words[1:], {'-d': '--device', '--user': '--user'})
    card = _device(host, options.get('--device', ''), user=False)
    image = _read(options.get('--user', ''))
    said = f'Downloading xclbin on device [{card.address}]...\n'
    try:
        _load(card, image)
    except OSError as exc:
        reason = os.strerror(exc.errno or 0)
        raise _Cancelled(f'{said}ERROR: {reason}') from exc
    return f'{said}INFO: Successfully downloaded xclbin \n\n'


TOOLS = {
    'xbutil': _xbutil,
    'xrt-smi': _xbutil,
    'xbmgmt': _xbmgmt,
}


def _user_command(
    host: Sequence[cards.Card], name: str, words: list[str]
) -> str:
    known = {'-d': '--device', '-u': '--user', '-r': '--report'}
    known |= {'-f': '--format', '-o': '--output'}
    options = _options(words[1:], known)
    if words[:1] == ['examine']:
        return _examine(host, options)
    if words[:1] == ['reset']:
        return _reset(host, options)
    if words[:1] != ['program']:
        raise _Cancelled(f"ERROR: Unknown command: '{words[:1]}'")
    bdf = options.get('--device', '')
    card = _device(host, bdf, user=True)
    if '--user' not in options:
        raise _Cancelled(
            '\nERROR: Missing program operation. No action taken.\n'
        )
    image = _read(options['--user'])
    if image[:7] != _MAGIC:
        said = image[:7].decode(errors='replace')
        raise _Failed(f"Bad binary version '{said}'")
    try:
        _load(card, image)
    except OSError as exc:
        reason = os.strerror(exc.errno or 0)
        words_of = f'Could not program device {bdf}'
        if name == 'xrt-smi':
            raise _Cancelled(
                f'ERROR: {words_of} : failed to load xclbin: {reason}'
            ) from exc
        raise _Failed(f'{words_of}: {reason}') from exc
    return f'INFO: {name} program succeeded on {bdf}\n'


def _reset(host: Sequence[cards.Card], options: Mapping[str, str]) -> str:
    """Without a terminal nobody is asked; a failure is only told."""
    bdf = options.get('--device', '')
    card = _device(host, bdf, user=True)
    said = f"Performing 'HOT Reset' on '{bdf}'\n"
    said += 'Are you sure you wish to proceed? [Y/n]: \n'
    try:
        card.check_unused()
        card.unload(0, memory=False)
    except OSError as exc:
        reason = os.strerror(exc.errno or 0)
        return f'{said}ERROR: {reason}\nReset failed on Device[{bdf}]\n'
    return f'{said}Successfully reset Device[{bdf}]\n'


def _examine(host: Sequence[cards.Card], options: Mapping[str, str]) -> str:
    if '--format' in options and '--output' not in options:
        raise _Cancelled(
            'ERROR: Please specify an output file to redirect the json to'
        )
    path = pathlib.Path(options.get('--output', ''))
    if path.name and path.exists():
        raise _Cancelled(
            f"ERROR: The output file '{path}' already exists.  Please either "
            "remove it or execute this command again with the '--force' "
            'option to overwrite it.'
        )
    if options.get('--report') != 'platform':
        raise _Cancelled('ERROR: No report generator found')
    bdf = options.get('--device', '')
    card = _device(host, bdf, user=True)
    platform = _platform(card)
    region = platform['static_region']
    words = 'Platform\n' + ''.join(
        f'  {label:<20} : {value} \n'
        for label, value in (
            ('XSA Name', region['vbnv']),
            ('FPGA Name', region['fpga_name']),
            ('JTAG ID Code', region['jtag_idcode']),
            ('Mig Calibrated', platform['status']['mig_calibrated']),
        )
    )
    if path.name:
        path.write_text(json.dumps(_report(bdf, platform), indent=4))
        kind = options.get('--format', 'json')
        words += f'\nSuccessfully wrote the {kind} file: {path}\n'
    return words


def _platform(card: cards.Card) -> dict[str, Any]:
    """In XRT's JSON every value is a string."""
    interface = (card.spec.region_id or '').upper()
    parts = [interface[a:b] for a, b in ((0, 8), (8, 12), (12, 16), (16, 20))]
    return {
        'static_region': {
            'vbnv': card.spec.platform,
            'interface_uuid': '-'.join([*parts, interface[20:]]),
            'jtag_idcode': f'0x{int(card.spec.idcode, 16):x}',
            'fpga_name': '',
        },
        'off_chip_board_info': {
            'ddr_size_bytes': '68719476736',
            'ddr_count': '4',
        },
        'status': {'mig_calibrated': 'true', 'p2p_status': 'disabled'},
    }


def _report(bdf: str, platform: dict[str, Any]) -> dict[str, Any]:
    return {
        'schema_version': {'schema': 'JSON', 'creation_date': ''},
        'devices': [
            {
                'interface_type': 'pcie',
                'device_id': bdf,
                'platforms': [platform],
            }
        ],
    }


def _options(words: list[str], known: Mapping[str, str]) -> dict[str, str]:
    """Options by their long names; each takes one word."""
    found: dict[str, str] = {}
    left = iter(words)
    for word in left:
        long = known.get(word, word)
        if long not in known.values():
            raise _Cancelled(f"ERROR: unrecognised option '{word}'")
        try:
            found[long] = next(left)
        except StopIteration:
            raise _Cancelled(
                f"ERROR: the required argument for option '{long}' is missing"
            ) from None
    return found


def _device(host: Sequence[cards.Card], bdf: str, *, user: bool) -> cards.Card:
    found = {
        card.spec.guest_addresses[0] if user else card.spec.address: card
        for card in host
        if card.spec.kind == 'xrt'
        and card.tree.present()
        and (user or card.spec.management)
    }
    shown = '\n Available devices:\n' + ''.join(
        f'  [{address}] : {card.spec.platform}\n'
        for address, card in found.items()
    )
    if not bdf:
        raise _Cancelled(
            f'ERROR: Please specify a device using --device option{shown}'
        )
    if not found:
        raise _Cancelled('ERROR: No devices found')
    if bdf.lower() not in found:
        raise _Cancelled(
            f"ERROR: Specified device BDF '{bdf}' not found{shown}"
        )
    return found[bdf.lower()]


def _read(path: str) -> bytes:
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as exc:
        raise _Failed(f'Could not open {path} for reading') from exc


def _load(card: cards.Card, image: bytes) -> None:
    """:raises OSError: As the driver answers."""
    xrt.check(image, card.spec)
    (port,) = card.describe()['ports']
    if port['function_id'] == xrt.uuid_of(image) and not port['broken']:
        # Loaded already: nothing is done.
        return
    card.check_unused()
    card.program(0, image)
