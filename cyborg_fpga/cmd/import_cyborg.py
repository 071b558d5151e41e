"""``cyborg-fpga-manage import-cyborg``: take over a cloud from Cyborg."""

import logging
import sys
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from oslo_config import cfg

from cyborg_fpga import context
from cyborg_fpga.db import schema
from cyborg_fpga.takeover import records
from cyborg_fpga.takeover import run
from cyborg_fpga.takeover import source

_STANDARD_INPUT = '-'
_WIDTH = 44


def add_command(subparsers: Any) -> None:
    command = subparsers.add_parser(
        'import-cyborg',
        help='Make the hosts, devices, device profiles and accelerator '
        "requests of Cyborg's database ours.",
    )
    command.add_argument(
        '--from',
        dest='source',
        metavar='URL',
        required=True,
        help="[database] connection of Cyborg's configuration; - reads it "
        'from standard input, so that nobody sees the password. Nothing is '
        'written there.',
    )
    command.add_argument(
        '--dry-run',
        action='store_true',
        help='Keep nothing; print what would be imported.',
    )
    command.add_argument(
        '--skip-other-types',
        action='store_true',
        help='Leave out accelerator requests that are bound to devices that '
        'are no FPGAs.',
    )
    command.set_defaults(func=_import)


def _import() -> int:
    asked = cfg.CONF.command
    url = asked.source
    if url == _STANDARD_INPUT:
        url = sys.stdin.readline().strip()
    try:
        _check_tables()
        with source.connected(url) as cyborg:
            summary = run.run(
                context.service(),
                cyborg,
                dry_run=asked.dry_run,
                skip_other_types=asked.skip_other_types,
            )
    except (source.Unusable, run.Refused) as exc:
        reasons = getattr(exc, 'reasons', [str(exc)])
        print('Nothing is imported:', file=sys.stderr)
        for reason in reasons:
            print(f'  {reason}', file=sys.stderr)
        return 1
    print(f"Cyborg's database: {source.shown(url)}")
    for line in _lines(summary, dry_run=asked.dry_run):
        print(line)
    return 0


def _check_tables() -> None:
    """:raises source.Unusable: The database is not of this release."""
    # It tells of every look at a revision, in the midst of what we print.
    logging.getLogger('alembic').setLevel(logging.WARNING)
    if schema.version() != schema.head():
        raise source.Unusable(
            'this service has no tables of its release: run '
            '"cyborg-fpga-manage db sync" first'
        )


def _lines(summary: records.Summary, *, dry_run: bool) -> Iterator[str]:
    if any(summary.there.values()):
        yield 'imported before, and left as it is:'
        yield from _counts(summary.there)
    else:
        yield 'would be imported:' if dry_run else 'imported:'
        yield from _counts(summary.added)
    if summary.states:
        yield 'accelerator requests by their state in Cyborg:'
        yield from _counts(summary.states)
    if summary.left_out:
        yield 'left out:'
        yield from _counts(summary.left_out)
    yield from (f'note: {note}' for note in summary.notes)
    if summary.hosts:
        yield 'hosts whose agents must report now:'
        yield from (f'  {name}' for name in sorted(summary.hosts))


def _counts(counts: Mapping[str, int]) -> Iterator[str]:
    for what, number in counts.items():
        yield f'  {what:<{_WIDTH}}{number:>10}'
