"""Read a bitstream of whatever format, and refuse what is none.

    >>> said = formats.parse(path, only=header.Format.GBS)
    >>> reason = header.fits(said, header.Target(name=..., region_ids=...))

Each format is a module with ``matches(head)``, ``parse(source)`` and
``build(…)``; those whose files carry checksums have ``verify(source)`` too.
"""

import pathlib
from typing import Protocol

from cyborg_fpga.bitstream import afi
from cyborg_fpga.bitstream import ecp5
from cyborg_fpga.bitstream import gbs
from cyborg_fpga.bitstream import header
from cyborg_fpga.bitstream import ice40
from cyborg_fpga.bitstream import source
from cyborg_fpga.bitstream import xclbin
from cyborg_fpga.bitstream import xilinx_bit


class _Module(Protocol):
    def matches(self, head: bytes, /) -> bool: ...

    def parse(self, file: source.Source, /) -> header.Header: ...


class _Checker(Protocol):
    def verify(self, file: source.Source, /) -> None: ...


_MODULES: dict[header.Format, _Module] = {
    header.Format.GBS: gbs,
    header.Format.XCLBIN: xclbin,
    header.Format.BIT: xilinx_bit,
    header.Format.ICE40: ice40,
    header.Format.ECP5: ecp5,
    header.Format.AFI: afi,
}
_CHECKERS: dict[header.Format, _Checker] = {
    header.Format.GBS: gbs,
    header.Format.ICE40: ice40,
    header.Format.ECP5: ecp5,
}


def detect(head: bytes) -> header.Format | None:
    """Tell the format from a file's first :data:`source.HEAD` bytes.

    No more than that it looks like one: None is certain, the rest is not.
    """
    for name, module in _MODULES.items():
        if module.matches(head):
            return name
    return None


def read(
    file: source.Source, *, only: header.Format | None = None
) -> header.Header:
    """Read the header of a file, which is a few kilobytes of it.

    :param only: The format that the caller can use.
    :raises errors.BadBitstream: It is damaged, none at all, or another one.
    """
    found = detect(file.head)
    if found is None:
        raise source.bad('its format is not known')
    if only not in (None, found):
        raise source.bad(
            f'it is {header.TITLES[found]}, not {header.TITLES[only]}'
        )
    return _MODULES[found].parse(file)


def parse(
    file: pathlib.Path | bytes, *, only: header.Format | None = None
) -> header.Header:
    """:func:`read` of a local file, or of one in memory."""
    with source.opened(file) as opened:
        return read(opened, only=only)


def function(
    file: pathlib.Path, told: str | None, *, only: header.Format | None = None
) -> str:
    """The id of the function in a local file.

    :param told: What else is known of it, for files that do not say.
    :raises errors.BadBitstream: As :func:`read`, or nobody says.
    """
    found = parse(file, only=only).function_id or told
    if found is None:
        raise source.bad('neither it nor its record names its function')
    return found


def verify(file: pathlib.Path | bytes) -> None:
    """Check what only all of a file shows: its checksums, if it has some.

    Reads the whole file, once, in pieces.

    :raises errors.BadBitstream: It is damaged, or none at all.
    """
    with source.opened(file) as opened:
        found = read(opened).format
        if found in _CHECKERS:
            _CHECKERS[found].verify(opened)
