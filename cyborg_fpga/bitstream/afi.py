"""The id of an Amazon FPGA image (AFI), which AWS keeps itself.

What is stored as a bitstream is a text that names it and the version of the
shell it was built for, both as AWS's tools write them, each on a line::

    agfi-0123456789abcdef0
    shell 0x10212415
"""

import re

from cyborg_fpga.bitstream import header
from cyborg_fpga.bitstream import source

_MAGIC = b'agfi-'
_TEXT = re.compile(rb'agfi-([0-9a-f]{17})\nshell 0x([0-9a-f]{8})\n')
_LIMIT = 64


def matches(head: bytes) -> bool:
    """Tell from a file's head whether it is one."""
    return head.startswith(_MAGIC)


def parse(file: source.Source) -> header.Header:
    """Read the two lines.

    :raises errors.BadBitstream: They are not as they must be.
    """
    match = _TEXT.fullmatch(file.upto(0, _LIMIT))
    if match is None or file.size > _LIMIT:
        raise source.bad('it is not an agfi-… and a shell 0x…, on two lines')
    afi, shell = (part.decode() for part in match.groups())
    return header.Header(
        format=header.Format.AFI,
        size=file.size,
        payload_offset=0,
        payload_size=file.size,
        region_id=shell_region(int(shell, 16)),
        function_id=f'{afi:0>32}',
        name=f'agfi-{afi}',
    )


def build(afi: str, shell: int) -> bytes:
    """Make a whole file; *afi* is ``agfi-…``."""
    return f'{afi}\nshell {shell:#010x}\n'.encode()


def shell_region(version: int) -> str:
    """The region id of slots with that version of the shell."""
    return f'1d0f{version:028x}'
