"""``openstack fpga flavor create``: a device profile and Nova's flavor of it.

Two services hold the two halves. The names by which each is undone are ours,
so that a half whose answer was lost is undone as well.
"""

import argparse
import contextlib
import re
import uuid
from collections.abc import Callable
from typing import Any

from osc_lib import exceptions
from osc_lib.cli import parseractions
from osc_lib.command import command

from cyborg_fpga.osc import bitstream
from cyborg_fpga.osc import client
from cyborg_fpga.osc import columns
from cyborg_fpga.osc import compute

_PROFILE, _RESOURCES = 'profile', 'resources'
_TYPE = re.compile('[a-z0-9_]{1,32}')
_FUNCTION = re.compile('[0-9a-f]{32}')
_NAME = re.compile('[A-Z0-9_]{1,255}')

#: Extra specs, or a group of a device profile.
Words = dict[str, str]
#: What was made, in words, and how it is deleted.
_Half = tuple[str, Callable[[], None]]


class CreateFlavor(command.ShowOne):
    """Make a flavor whose servers get FPGAs, and its device profile.

    With --style profile (the default, and recommended) Nova programs and
    attaches the cards before the server starts. With --style resources the
    flavor itself asks for them, and somebody must claim them with
    "openstack fpga claim create --instance".
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('name', metavar='<name>', help='Its name.')
        parser.add_argument(
            '--style',
            choices=(_PROFILE, _RESOURCES),
            default=_PROFILE,
            help='What asks for the cards: a device profile that the flavor '
            'names, or the flavor itself (default: profile).',
        )
        parser.add_argument(
            '--profile',
            metavar='<name>',
            help="The device profile's name; default: the flavor's.",
        )
        _add_cards(parser)
        _add_contents(parser)
        _add_machine(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        api = client.of(self.app)
        found = _found(api, parsed_args)
        if parsed_args.style == _RESOURCES:
            group, profile = {}, None
            specs = _specs(parsed_args, found)
        else:
            group = _group(parsed_args, found)
            profile = parsed_args.profile or parsed_args.name
            specs = {'accel:device_profile': profile}
        specs.update(parsed_args.property or {})
        nova = compute.client(self.app)
        made: list[_Half] = []
        try:
            if profile is not None:
                _make_profile(api, made, profile, group)
            flavor = _make_flavor(nova, made, parsed_args, specs)
        except (exceptions.CommandError, KeyboardInterrupt) as exc:
            left = _undo(made)
            if not left:
                raise
            raise exceptions.CommandError(
                '\n'.join([str(exc), *left])
            ) from exc
        shown = {
            'id': flavor.id,
            'name': flavor.name,
            'vcpus': flavor.vcpus,
            'ram': flavor.ram,
            'disk': flavor.disk,
            'properties': specs,
            'device_profile': profile,
            'groups': [group] if profile else [],
        }
        return columns.record(shown)


def _add_cards(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--count',
        type=_positive,
        default=1,
        metavar='<number>',
        help='So many, all of one resource provider (default: 1).',
    )
    parser.add_argument(
        '--vendor',
        type=str.lower,
        metavar='<vendor>',
        help="This vendor's cards, for example intel.",
    )
    parser.add_argument(
        '--resource-class',
        type=_name,
        metavar='<class>',
        help='Of this class; default: CUSTOM_FPGA_<VENDOR>_PF.',
    )
    parser.add_argument(
        '--trait',
        type=_name,
        metavar='<trait>',
        action='append',
        default=[],
        help='With this trait in Placement; may be given several times.',
    )


def _add_contents(parser: argparse.ArgumentParser) -> None:
    loads = parser.add_mutually_exclusive_group()
    loads.add_argument(
        '--type',
        type=_type,
        metavar='<type>',
        help='With this accelerator type, for example crypto.',
    )
    loads.add_argument(
        '--function',
        type=_function,
        metavar='<id>',
        help='With this function; with --style resources, where it is '
        'loaded already.',
    )
    loads.add_argument(
        '--bitstream',
        metavar='<image>',
        help="With this bitstream; its image's uuid or its name. Not with "
        '--style resources.',
    )


def _add_machine(parser: argparse.ArgumentParser) -> None:
    for name, default, what in (
        ('vcpus', 1, 'Virtual processors'),
        ('ram', 2048, 'Memory in MiB'),
        ('disk', 10, 'Disk in GiB'),
    ):
        parser.add_argument(
            f'--{name}',
            type=int,
            default=default,
            metavar='<number>',
            help=f'{what} (default: {default}).',
        )
    parser.add_argument(
        '--id', metavar='<id>', help="The flavor's id; default: a new uuid."
    )
    parser.add_argument(
        '--private', action='store_true', help='Not for every project.'
    )
    parser.add_argument(
        '--property',
        metavar='<key=value>',
        action=parseractions.KeyValueAction,
        help='A further extra spec; may be given several times.',
    )


def _found(api: client.Client, args: argparse.Namespace) -> client.Json:
    """What the catalogue says of the bitstream that is named.

    :raises exceptions.CommandError: The options do not go together.
    """
    if args.style == _RESOURCES and (args.bitstream or args.profile):
        name = 'bitstream' if args.bitstream else 'profile'
        raise exceptions.CommandError(
            f'--{name} goes with --style profile alone: of this flavor '
            'nothing is loaded before "openstack fpga claim create '
            '--instance" is told what.'
        )
    found: client.Json = {}
    if args.bitstream:
        image = bitstream.resolve(api, args.bitstream)
        found = api.get(f'/bitstreams/{image}')
    if not (args.resource_class or args.vendor or found.get('vendor')):
        raise exceptions.CommandError(
            'Say of which cards: --vendor or --resource-class.'
        )
    return found


def _vendor(args: argparse.Namespace, found: client.Json) -> str:
    return str(args.vendor or found.get('vendor') or '')


def _resources(args: argparse.Namespace, found: client.Json) -> Words:
    """The amount, and the traits of the cards whatever they hold."""
    vendor = _vendor(args, found)
    wanted = args.resource_class or _trait('CUSTOM_FPGA', vendor, 'PF')
    traits = [_trait('CUSTOM_HW', vendor)] if vendor else []
    return {
        f'resources:{wanted}': str(args.count),
        **{f'trait:{name}': 'required' for name in [*traits, *args.trait]},
    }


def _group(args: argparse.Namespace, found: client.Json) -> Words:
    """The one group of the device profile.

    Its traits keep Nova from hosts where it cannot be loaded.
    """
    group = _resources(args, found)
    if args.type:
        group[f'trait:{_trait("CUSTOM_ACCELERATOR", args.type)}'] = 'required'
        group['accel:type'] = args.type
    elif args.function:
        group['accel:function_id'] = args.function
    elif found:
        vendor, region = _vendor(args, found), found.get('region_id')
        if vendor and region:
            fits = _trait('CUSTOM_FPGA_REGION', vendor, region)
            group[f'trait:{fits}'] = 'required'
        group['accel:bitstream_id'] = found['uuid']
    return group


def _specs(args: argparse.Namespace, found: client.Json) -> Words:
    """The proof of concept's extra specs."""
    specs = _resources(args, found)
    if args.type:
        specs[f'trait:{_trait("CUSTOM_HW", args.type)}'] = 'required'
    elif args.function:
        vendor = _vendor(args, found)
        if not vendor:
            raise exceptions.CommandError(
                'The trait of a function has its vendor in it: say --vendor.'
            )
        holds = _trait('CUSTOM_FPGA_FUNCTION_ID', vendor, args.function)
        specs[f'trait:{holds}'] = 'required'
    return specs


def _make_profile(
    api: client.Client, made: list[_Half], name: str, group: Words
) -> None:
    ident = str(uuid.uuid4())

    def delete() -> None:
        with contextlib.suppress(client.NotFound):
            api.delete(f'/device_profiles/{ident}')

    made.append((f'device profile {name}', delete))
    api.post(
        '/device_profiles',
        [{'uuid': ident, 'name': name, 'groups': [group]}],
    )


def _make_flavor(
    nova: Any, made: list[_Half], args: argparse.Namespace, specs: Words
) -> Any:
    ident = args.id or str(uuid.uuid4())

    def delete() -> None:
        with compute.sentences():
            nova.delete_flavor(ident, ignore_missing=True)

    half = (f'flavor {ident}', delete)
    if not args.id:
        # Whatever is called so is ours, even if no answer comes.
        made.append(half)
    with compute.sentences():
        flavor = nova.create_flavor(
            id=ident,
            name=args.name,
            vcpus=args.vcpus,
            ram=args.ram,
            disk=args.disk,
            is_public=not args.private,
        )
    if args.id:
        made.append(half)
    with compute.sentences():
        nova.create_flavor_extra_specs(flavor, specs)
    return flavor


def _undo(made: list[_Half]) -> list[str]:
    """Delete what was made, the last first; what is left, in words."""
    left = []
    for what, delete in reversed(made):
        try:
            delete()
        except exceptions.CommandError as exc:
            left.append(f'{what} is left, delete it: {exc}')
    return left


def _trait(*words: str) -> str:
    """A name as the service gives it to Placement."""
    return re.sub('[^A-Z0-9_]', '_', '_'.join(words).upper())


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError('must be 1 or more')
    return number


def _type(text: str) -> str:
    if not _TYPE.fullmatch(text):
        raise argparse.ArgumentTypeError(
            'must be 1 to 32 lower-case letters, digits and underscores'
        )
    return text


def _function(text: str) -> str:
    plain = text.lower().replace('-', '')
    if not _FUNCTION.fullmatch(plain):
        raise argparse.ArgumentTypeError('must be 32 hexadecimal digits')
    return plain


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(
            'must be upper-case letters, digits and underscores'
        )
    return text
