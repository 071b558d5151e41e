"""``openstack fpga host …``: the nodes that cards are in."""

import argparse
from typing import Any

from osc_lib.command import command

from cyborg_fpga.osc import client
from cyborg_fpga.osc import columns
from cyborg_fpga.osc import paging

_SHORT = ('hostname', 'status', 'up', 'layout', 'last_seen')
_LONG = (
    'uuid',
    *_SHORT,
    'disabled_reason',
    'rp_name',
    'rp_uuid',
    'created_at',
    'updated_at',
)


class ListHost(command.Lister):
    """List hosts with FPGA cards."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--status',
            choices=('enabled', 'disabled'),
            help="With this status, the operator's word.",
        )
        state = parser.add_mutually_exclusive_group()
        state.add_argument(
            '--up',
            action='store_true',
            help='Only those whose agent reports.',
        )
        state.add_argument(
            '--down',
            action='store_true',
            help='Only those whose agent is silent.',
        )
        paging.add_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        up = None
        if parsed_args.up or parsed_args.down:
            up = 'true' if parsed_args.up else 'false'
        found = client.of(self.app).pages(
            'hosts',
            status=parsed_args.status,
            up=up,
            **paging.query(parsed_args),
        )
        return columns.table(found, _LONG if parsed_args.long else _SHORT)


class ShowHost(command.ShowOne):
    """Show a host with FPGA cards."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('host', metavar='<host>', help='Its name.')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        api = client.of(self.app)
        return columns.record(api.get(f'/hosts/{parsed_args.host}'))


class SetHost(command.Command):
    """Offer a host's FPGA cards to claims, or take them out of service."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('host', metavar='<host>', help='Its name.')
        word = parser.add_mutually_exclusive_group(required=True)
        word.add_argument(
            '--enable', action='store_true', help='Offer its cards again.'
        )
        word.add_argument(
            '--disable',
            action='store_true',
            help='Offer its cards no more; claims on it go on.',
        )
        parser.add_argument(
            '--reason',
            metavar='<text>',
            help='Why it is disabled, for other operators.',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        api = client.of(self.app)
        if parsed_args.enable:
            api.post(f'/hosts/{parsed_args.host}/enable')
        else:
            reason = parsed_args.reason
            body = {} if reason is None else {'disabled_reason': reason}
            api.post(f'/hosts/{parsed_args.host}/disable', body)
