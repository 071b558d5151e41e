"""``cyborg-fpga-simulator``: run, look at and disturb a simulated host."""

import argparse
import contextlib
import hashlib
import json
import os
import pathlib
import re
import resource
import signal
import sys
import threading
from typing import Any

from cyborg_fpga.bitstream import gbs
from cyborg_fpga.simulator import client
from cyborg_fpga.simulator import families
from cyborg_fpga.simulator import faults
from cyborg_fpga.simulator import functions
from cyborg_fpga.simulator import models
from cyborg_fpga.simulator import mount
from cyborg_fpga.simulator import samples
from cyborg_fpga.simulator import scenario
from cyborg_fpga.simulator import server
from cyborg_fpga.simulator import synthesis
from cyborg_fpga.simulator import vendor_tools
from cyborg_fpga.simulator import virtual

_PARENT_POLL_SECONDS = 1.0


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
    except (OSError, ValueError) as exc:
        text = exc.strerror if isinstance(exc, OSError) else exc
        print(f'cyborg-fpga-simulator: {text}', file=sys.stderr)
        return 1
    except mount.MountError as exc:
        print(f'cyborg-fpga-simulator: {exc}', file=sys.stderr)
        return 1
    except server.AlreadyServed as exc:
        print(
            f'cyborg-fpga-simulator: {exc} is served by another process',
            file=sys.stderr,
        )
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='cyborg-fpga-simulator', description=__doc__
    )
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    _add_run(commands)
    show = commands.add_parser('show', help='print the cards as JSON')
    show.add_argument('directory', type=pathlib.Path)
    show.set_defaults(run=_show)
    kinds = ', '.join(faults.KINDS)
    fault = commands.add_parser('fault', help=f'make a card fail: {kinds}')
    fault.add_argument('directory', type=pathlib.Path)
    fault.add_argument('address')
    fault.add_argument('kind')
    fault.add_argument('arguments', nargs='*', metavar='NAME=VALUE')
    fault.set_defaults(run=_fault)
    clear = commands.add_parser('clear', help='end faults of a card')
    clear.add_argument('directory', type=pathlib.Path)
    clear.add_argument('address')
    clear.add_argument('kind', nargs='?')
    clear.set_defaults(run=_clear)
    _add_tool(commands)
    _add_bitstream(commands)
    _add_build(commands)
    return parser


def _add_run(commands: Any) -> None:
    run = commands.add_parser('run', help='serve the cards until SIGTERM')
    run.add_argument('directory', type=pathlib.Path)
    run.add_argument(
        '--scenario',
        type=pathlib.Path,
        help='which cards to build, of one host or several, then each in a '
        'directory below; without it two PAC_A10 and a PAC_D5005 with four '
        'VFs',
    )
    run.add_argument(
        '--mount',
        type=pathlib.Path,
        metavar='POINT',
        help='also mount the hosts at this directory, for programs that read '
        'and write sysfs attributes and call device nodes themselves; needs '
        'FUSE',
    )
    run.add_argument(
        '--parent',
        type=int,
        metavar='PID',
        help='end, too, when this process, which started it, has ended',
    )
    run.set_defaults(run=_run)


def _add_tool(commands: Any) -> None:
    names = ', '.join(vendor_tools.TOOLS)
    tool = commands.add_parser(
        'tool',
        help=f"run the stand-in of a vendor's tool on the cards: {names}",
    )
    tool.add_argument('directory', type=pathlib.Path)
    tool.add_argument('argv', nargs=argparse.REMAINDER, metavar='COMMAND')
    tool.set_defaults(run=_tool)


def _add_bitstream(commands: Any) -> None:
    bitstream = commands.add_parser(
        'bitstream', help='make a file that the cards of a region can load'
    )
    bitstream.add_argument('file', type=pathlib.Path)
    for name, example in (
        ('region', samples.EXAMPLE_REGION),
        ('function', samples.EXAMPLE_FUNCTION),
    ):
        bitstream.add_argument(
            f'--{name}',
            type=_id,
            default=example,
            metavar='HEX',
            help=f'32 hex digits; default: {example}',
        )
    bitstream.add_argument(
        '--family',
        choices=sorted(families.FAMILIES),
        help='make it for cards of this family, in the format that they '
        'take, instead of for a region',
    )
    bitstream.add_argument(
        '--size', type=int, default=4_000_000, help='bytes of its body'
    )
    bitstream.add_argument(
        '--shipped',
        choices=sorted(functions.FUNCTIONS),
        help='make it of this function, which computes on virtual FPGAs, '
        'instead',
    )
    bitstream.set_defaults(run=_bitstream)


def _add_build(commands: Any) -> None:
    build = commands.add_parser(
        'build',
        help='make a file for virtual FPGAs of the Verilog source of a '
        'function, with yosys, nextpnr and icepack; prints its function id',
    )
    build.add_argument('source', type=pathlib.Path)
    build.add_argument('file', type=pathlib.Path)
    build.add_argument(
        '--directory',
        type=pathlib.Path,
        action='append',
        default=[],
        help='of a simulated host that is to run it: gets the source; may be '
        'given for several',
    )
    build.add_argument(
        '--function',
        type=_id,
        metavar='HEX',
        help='32 hex digits; default: made of the source',
    )
    build.set_defaults(run=_build)


def _id(text: str) -> str:
    plain = text.lower().replace('-', '')
    if not re.fullmatch('[0-9a-f]{32}', plain):
        raise argparse.ArgumentTypeError(f'{text!r} is not 32 hex digits')
    return plain


def _run(arguments: argparse.Namespace) -> int:
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    point = mount.Mount(arguments.mount) if arguments.mount else None
    wanted = scenario.load(arguments.scenario) if arguments.scenario else []
    # Each host has two files open all the time, and distributions allow 1024.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # Mounting leaves the working directory.
    directory = arguments.directory.absolute()
    with contextlib.ExitStack() as stack:
        if point is not None:
            stack.callback(point.stop)
        hosts = {}
        for place in server.places(directory, wanted):
            host = server.Host(place.directory, place.wanted)
            host.start()
            stack.callback(host.stop)
            # The only one is the mount itself.
            own = '' if place.directory == directory else place.name
            hosts[own] = host
        if point is not None:
            for host in hosts.values():
                vendor_tools.install(host.directory)
            point.start(hosts)
        print('ready', flush=True)
        while not ended.wait(_PARENT_POLL_SECONDS):
            if arguments.parent not in (None, os.getppid()):
                break
            if point is not None and not point.alive():
                raise mount.MountError(f'{arguments.mount} was unmounted')
    return 0


def _show(arguments: argparse.Namespace) -> int:
    cards = client.Simulator(arguments.directory).cards()
    print(json.dumps(cards, indent=2))
    return 0


def _fault(arguments: argparse.Namespace) -> int:
    members = {}
    for text in arguments.arguments:
        name, found, value = text.partition('=')
        if not found:
            raise ValueError(f'{text!r} is not NAME=VALUE')
        members[name] = value
    client.Simulator(arguments.directory).fault(
        arguments.address, arguments.kind, **members
    )
    return 0


def _tool(arguments: argparse.Namespace) -> int:
    if not arguments.argv:
        raise ValueError('no tool is named')
    code, output = client.Simulator(arguments.directory).tool(arguments.argv)
    print(output, end='')
    return code


def _bitstream(arguments: argparse.Namespace) -> int:
    function, size = arguments.function, arguments.size
    if arguments.shipped:
        data = functions.load(arguments.shipped).gbs()
    elif arguments.family:
        data = samples.sample_for(arguments.family, function, size=size)
    else:
        data = samples.sample_gbs(arguments.region, function, size=size)
    arguments.file.write_bytes(data)
    return 0


def _build(arguments: argparse.Namespace) -> int:
    source = arguments.source.read_bytes()
    function = arguments.function or hashlib.sha256(source).hexdigest()[:32]
    made = synthesis.bitstream(arguments.source)
    image = samples.virtual_image(made, virtual.REGION, function)
    for directory in arguments.directory:
        models.keep(directory, image, source)
    name = arguments.source.stem
    arguments.file.write_bytes(
        gbs.build(virtual.REGION, function, image, name=name)
    )
    print(function)
    return 0


def _clear(arguments: argparse.Namespace) -> int:
    client.Simulator(arguments.directory).clear(
        arguments.address, arguments.kind
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())
