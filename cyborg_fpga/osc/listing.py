"""What all list commands have in common."""

import argparse
import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any
from typing import ClassVar

from osc_lib.command import command

from cyborg_fpga.osc import client
from cyborg_fpga.osc import columns


@dataclasses.dataclass(frozen=True, slots=True)
class Filter:
    """An option that narrows a list.

    :ivar name: Of the query parameter. Options of one name stand together
        and exclude each other.
    :ivar how: What argparse is told of it.
    """

    name: str
    option: str
    how: dict[str, Any]


def by(name: str, metavar: str, text: str, option: str = '') -> Filter:
    """A filter with any value; its option is called like itself."""
    how = {'metavar': metavar, 'help': text}
    return Filter(name, option or f'--{name}', how)


def one_of(name: str, choices: Sequence[str], text: str) -> Filter:
    return Filter(name, f'--{name}', {'choices': choices, 'help': text})


def flag(name: str, option: str, value: str, text: str) -> Filter:
    """An option that stands for a value."""
    how = {'action': 'store_const', 'const': value, 'help': text}
    return Filter(name, option, how)


HOST = by('hostname', '<host>', 'On this host.', '--host')


class Lister(command.Lister):
    """A list command.

    :cvar collection: Last part of its URL, and its name in the answer.
    :cvar short: Members that are shown; *long* are those with ``--long``.
    :cvar order: The server's, where none is asked for.
    """

    collection: ClassVar[str]
    short: ClassVar[Sequence[str]]
    long: ClassVar[Sequence[str]]
    filters: ClassVar[Sequence[Filter]]
    order: ClassVar[str] = 'created_at:asc'

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        for _, same in itertools.groupby(self.filters, lambda one: one.name):
            group = parser.add_mutually_exclusive_group()
            for one in same:
                group.add_argument(one.option, dest=one.name, **one.how)
        _add_options(parser, self.order)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        query = {one.name: getattr(parsed_args, one.name)
                 for one in self.filters}  # fmt: skip
        found = client.of(self.app).pages(
            self.collection, **query, **_controls(parsed_args)
        )
        names = self.long if parsed_args.long else self.short
        return columns.table(map(self.made, found), names)

    def made(self, item: dict[str, Any]) -> dict[str, Any]:
        """*item* with the members that a command makes of others."""
        return item


def _add_options(parser: argparse.ArgumentParser, order: str) -> None:
    parser.add_argument(
        '--long', action='store_true', help='Show more columns.'
    )
    parser.add_argument(
        '--limit',
        type=_positive,
        metavar='<number>',
        help='Show at most so many; without it, all.',
    )
    parser.add_argument(
        '--marker',
        metavar='<uuid>',
        help='Show what follows this item; the last one of a page.',
    )
    parser.add_argument(
        '--sort',
        metavar='<key>[:asc|:desc]',
        help=f'Sort by this member of the items (default: {order}).',
    )


def _controls(args: argparse.Namespace) -> dict[str, Any]:
    key, _, direction = (args.sort or '').partition(':')
    return {
        'limit': args.limit,
        'marker': args.marker,
        'sort_key': key or None,
        'sort_dir': direction or None,
    }


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError('must be 1 or more')
    return number
