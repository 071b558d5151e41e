"""``cyborg-fpga-manage``: what an operator does to the database."""

import argparse
import sys
from collections.abc import Sequence

from oslo_config import cfg
from oslo_db import exception as db_exc

from cyborg_fpga import context
from cyborg_fpga.cmd import import_cyborg
from cyborg_fpga.cmd import service
from cyborg_fpga.db import engine
from cyborg_fpga.db import purge
from cyborg_fpga.db import schema

# Nothing is older than a database's first day.
_MAX_DAYS = 20000


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    :returns: 0; 1 when the command failed, 2 for a wrong configuration.
    """
    conf = cfg.CONF
    try:
        conf.register_cli_opt(
            cfg.SubCommandOpt(
                'command', title='Commands', handler=_add_commands
            )
        )
        service.configure(conf, 'cyborg-fpga-manage', argv)
        engine.configure(conf)
    except (cfg.Error, ValueError) as exc:
        return service.complain('cyborg-fpga-manage', exc)
    try:
        return int(conf.command.func() or 0)
    except db_exc.DBError as exc:
        print(f'cyborg-fpga-manage: database: {exc}', file=sys.stderr)
        return 1


def _add_commands(subparsers: object) -> None:
    groups = subparsers.add_parser(  # type: ignore[attr-defined]
        'db', help='The database.'
    ).add_subparsers(dest='action', required=True)
    sync = groups.add_parser(
        'sync', help='Bring the tables to this release; repeat at will.'
    )
    sync.set_defaults(func=_sync)
    version = groups.add_parser('version', help='Print the revisions.')
    version.set_defaults(func=_version)
    old = groups.add_parser(
        'purge',
        help='Delete records of failed claims, ended operations and lost '
        'cards that nobody uses any more.',
    )
    old.add_argument(
        '--age-in-days',
        metavar='N',
        type=_days,
        required=True,
        help='Only what ended at least N days ago.',
    )
    old.add_argument(
        '--dry-run',
        action='store_true',
        help='Delete nothing; print what would be.',
    )
    old.set_defaults(func=_purge)
    import_cyborg.add_command(subparsers)


def _days(text: str) -> int:
    days = int(text) if text.isdecimal() else 0
    if not 1 <= days <= _MAX_DAYS:
        raise argparse.ArgumentTypeError(
            f'{text!r} is not a number of days from 1 to {_MAX_DAYS}'
        )
    return days


def _sync() -> None:
    schema.upgrade()
    print(f'database is at revision {schema.version()}')


def _version() -> None:
    print(f'database {schema.version() or "empty"}, release {schema.head()}')


def _purge() -> None:
    asked = cfg.CONF.command
    ctx = context.service()
    if asked.dry_run:
        counts = purge.count(ctx, asked.age_in_days)
        print('would be deleted:')
    else:
        counts = purge.purge(ctx, asked.age_in_days)
        print('deleted:')
    for table, number in sorted(counts.items()):
        print(f'  {table:<16}{number:>10}')


if __name__ == '__main__':
    sys.exit(main())
