"""Stand-ins for the vendors' tools, by their names."""

import pathlib
import shlex
import sys
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

from cyborg_fpga.simulator import aws_tools
from cyborg_fpga.simulator import cards
from cyborg_fpga.simulator import xrt_tools

#: Takes the host's cards and the command line; gives the exit code and all
#: that it would print, of both kinds in order.
Tool = Callable[[Sequence[cards.Card], list[str]], tuple[int, str]]

TOOLS: Mapping[str, Tool] = {**xrt_tools.TOOLS, **aws_tools.TOOLS}


def install(directory: pathlib.Path) -> None:
    """Make all of them programs, in ``DIR/tools``, that others can run."""
    folder = directory / 'tools'
    folder.mkdir(exist_ok=True)
    # They find this very package, be it installed or not.
    found = shlex.quote(str(pathlib.Path(__file__).parents[2]))
    for name in TOOLS:
        # They start faster without what is installed, and need none of it.
        words = [sys.executable, '-P', '-S']
        words += ['-m', f'{__package__}.vendor_tool']
        words += [str(directory.absolute()), name]
        path = folder / name
        path.write_text(
            f'#!/bin/sh\nPYTHONPATH={found} exec {shlex.join(words)} "$@"\n'
        )
        path.chmod(0o755)
