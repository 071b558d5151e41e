"""A vendor's tool, as a program: ``vendor_tool DIR TOOL ARGUMENT...``.

It only passes on what it is told to the process of the cards, and so starts
as fast as a tool that is no Python program.
"""

import os
import sys

from cyborg_fpga.simulator import client


def main(argv: list[str]) -> int:
    _, directory, *command = argv
    try:
        code, output = client.Simulator(directory).tool(command)
    except OSError as exc:
        words = os.strerror(exc.errno or 0)
        sys.stderr.write(f'{command[0]}: {words}\n')
        return 1
    sys.stdout.write(output)
    return code


if __name__ == '__main__':
    sys.exit(main(sys.argv))
