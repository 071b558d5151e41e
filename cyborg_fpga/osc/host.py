"""``openstack fpga host …``: the nodes that cards are in."""

import argparse
from typing import Any

from osc_lib.command import command

from cyborg_fpga.osc import client
from cyborg_fpga.osc import columns
from cyborg_fpga.osc import listing

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


class ListHost(listing.Lister):
    """List hosts with FPGA cards."""

    collection = 'hosts'
    short, long = _SHORT, _LONG
    order = 'hostname:asc'
    filters = (
        listing.one_of(
            'status',
            ('enabled', 'disabled'),
            "With this status, the operator's word.",
        ),
        listing.flag('up', '--up', 'true', 'Only those whose agent reports.'),
        listing.flag(
            'up', '--down', 'false', 'Only those whose agent is silent.'
        ),
    )


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
