"""Stand-ins for the vendors' tools, by their names."""

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
