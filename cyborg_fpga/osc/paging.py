"""Options that every list command has."""

import argparse
from typing import Any


def add_options(parser: argparse.ArgumentParser) -> None:
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
        help='Sort by this member of the items (default: created_at:desc).',
    )


def query(args: argparse.Namespace) -> dict[str, Any]:
    """The query parameters behind the options."""
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
