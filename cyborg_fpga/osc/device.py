"""``openstack fpga device …``: the cards."""

import argparse
from typing import Any

from osc_lib.command import command

from cyborg_fpga.osc import client
from cyborg_fpga.osc import columns
from cyborg_fpga.osc import listing

_SHORT = (
    'uuid',
    'hostname',
    'pci_address',
    'vendor',
    'family',
    'status',
    'health',
)
_LONG = (
    *_SHORT,
    'health_reason',
    'model',
    'serial',
    'driver',
    'numa_node',
    'created_at',
    'updated_at',
)
# Cyborg's spelling of what has members of its own here.
_TWICE = ('links', 'std_board_info', 'vendor_board_info')


class ListDevice(listing.Lister):
    """List FPGA cards."""

    collection = 'devices'
    short, long = _SHORT, _LONG
    filters = (
        listing.HOST,
        listing.by('vendor', '<vendor>', 'Of this vendor.'),
        listing.by('family', '<family>', 'Of this family of cards.'),
        listing.one_of(
            'status',
            ('enabled', 'maintaining'),
            "With this status, the operator's word.",
        ),
        listing.one_of(
            'health',
            ('ok', 'suspect', 'quarantined', 'lost'),
            'With this health, what was seen of the card.',
        ),
    )


class ShowDevice(command.ShowOne):
    """Show an FPGA card."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('uuid', metavar='<uuid>', help="The card's uuid.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        api = client.of(self.app)
        return columns.record(
            api.get(f'/devices/{parsed_args.uuid}'), leave_out=_TWICE
        )


class SetDevice(command.Command):
    """Offer an FPGA card to claims, or take it out of service."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('uuid', metavar='<uuid>', help="The card's uuid.")
        word = parser.add_mutually_exclusive_group(required=True)
        word.add_argument(
            '--enable',
            action='store_true',
            help='Offer it again; this ends a quarantine too.',
        )
        word.add_argument(
            '--disable',
            action='store_true',
            help='Offer it no more; who has claimed it keeps it.',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        verb = 'enable' if parsed_args.enable else 'disable'
        api = client.of(self.app)
        api.post(f'/devices/{parsed_args.uuid}/{verb}')
