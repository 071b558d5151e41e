"""Stand-ins for XRT's tools: their words and exit codes.

Options, texts and codes are those of the sources, which are not copied here:

* ``xbutil``, ``xrt-smi``: Xilinx/XRT, src/runtime_src/core/tools/xbutil2/
  SubCmdProgram.cpp, SubCmdExamine.cpp, xbutil.cpp (1 after any error);
  tools/common/XBUtilities.cpp (devices), ReportPlatforms.cpp (report)
* ``xbmgmt``: Xilinx/XRT, tools/xbmgmt2/SubCmdProgram.cpp
"""

import json
import os
import pathlib
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from cyborg_fpga.simulator import cards
from cyborg_fpga.simulator import xrt

_MAGIC = b'xclbin2'


class _Cancelled(Exception):
    """The tool gives up with these words."""


def _xbutil(host: Sequence[cards.Card], argv: list[str]) -> tuple[int, str]:
    name = argv[0]
    try:
        return (0, _user_command(host, name, argv[1:]))
    except _Cancelled as exc:
        return (1, f'{exc}\n')
    except OSError as exc:
        words = f'{exc.filename}: {os.strerror(exc.errno or 0)}'
        return (1, f'[{name}] ERROR: Could not program device {words}\n')


def _xbmgmt(host: Sequence[cards.Card], argv: list[str]) -> tuple[int, str]:
    try:
        if argv[1:2] != ['program']:
            raise _Cancelled(f"ERROR: Unknown command: '{argv[1:2]}'")
        options = _options(argv[2:], {'-d': '--device', '--user': '--user'})
        card = _device(host, options.get('--device', ''), user=False)
        image = _read(options.get('--user', ''))
    except _Cancelled as exc:
        return (1, f'{exc}\n')
    words = f'Downloading xclbin on device [{card.address}]...\n'
    try:
        _load(card, image)
    except OSError as exc:
        words += f'ERROR: {os.strerror(exc.errno or 0)}\n'
        return (1, words)
    return (0, words + 'INFO: Successfully downloaded xclbin \n\n')


TOOLS = {
    'xbutil': _xbutil,
    'xrt-smi': _xbutil,
    'xbmgmt': _xbmgmt,
}


def _user_command(
    host: Sequence[cards.Card], name: str, words: list[str]
) -> str:
    """:raises OSError: The driver refused; ``filename`` is the device."""
    known = {'-d': '--device', '-u': '--user', '-r': '--report'}
    known |= {'-f': '--format', '-o': '--output'}
    options = _options(words[1:], known)
    if words[:1] == ['examine']:
        return _examine(host, options)
    if words[:1] != ['program']:
        raise _Cancelled(f"ERROR: Unknown command: '{words[:1]}'")
    bdf = options.get('--device', '')
    card = _device(host, bdf, user=True)
    if '--user' not in options:
        raise _Cancelled(
            '\nERROR: Missing program operation. No action taken.'
        )
    image = _read(options['--user'])
    if image[:7] != _MAGIC:
        said = image[:7].decode(errors='replace')
        raise _Cancelled(f"[{name}] ERROR: Bad binary version '{said}'")
    try:
        _load(card, image)
    except OSError as exc:
        raise OSError(exc.errno, exc.strerror, bdf) from exc
    return f'INFO: {name} program succeeded on {bdf}\n'


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
    for card in host:
        spec = card.spec
        if spec.kind != 'xrt' or not card.tree.present():
            continue
        mine = spec.guest_addresses[0] if user else spec.address
        if mine == bdf.lower() and (user or spec.management):
            return card
    raise _Cancelled(f"ERROR: Specified device BDF '{bdf}' not found")


def _read(path: str) -> bytes:
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as exc:
        raise _Cancelled(f'ERROR: Could not open {path} for reading') from exc


def _load(card: cards.Card, image: bytes) -> None:
    """:raises OSError: As the driver answers."""
    card.check_unused()
    xrt.check(image, card.spec)
    card.program(0, image)
