"""``cyborg-fpga-manage``: what an operator does to the database."""

import sys
from collections.abc import Sequence

from oslo_config import cfg
from oslo_db import exception as db_exc

from cyborg_fpga.cmd import service
from cyborg_fpga.db import engine
from cyborg_fpga.db import schema


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
        conf.command.func()
    except db_exc.DBError as exc:
        print(f'cyborg-fpga-manage: database: {exc}', file=sys.stderr)
        return 1
    return 0


def _add_commands(subparsers: object) -> None:
    groups = subparsers.add_parser(  # type: ignore[attr-defined]
        'db', help='The database schema.'
    ).add_subparsers(dest='action', required=True)
    sync = groups.add_parser(
        'sync', help='Bring the tables to this release; repeat at will.'
    )
    sync.set_defaults(func=_sync)
    version = groups.add_parser('version', help='Print the revisions.')
    version.set_defaults(func=_version)


def _sync() -> None:
    schema.upgrade()
    print(f'database is at revision {schema.version()}')


def _version() -> None:
    print(f'database {schema.version() or "empty"}, release {schema.head()}')


if __name__ == '__main__':
    sys.exit(main())
