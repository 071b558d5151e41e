"""``openstack fpga operation …``: acts on cards, as they are recorded."""

import argparse
from typing import Any

from osc_lib.command import command

from cyborg_fpga.osc import client
from cyborg_fpga.osc import columns
from cyborg_fpga.osc import listing

_SHORT = (
    'uuid',
    'kind',
    'hostname',
    'deployable_uuid',
    'state',
    'progress',
    'cause',
)
_LONG = (
    *_SHORT,
    'step',
    'detail',
    'claim_uuid',
    'image_uuid',
    'wipe_level',
    'state_changed_at',
    'created_at',
    'updated_at',
)


def shown(found: dict[str, Any]) -> Any:
    return columns.record(found)


class ListOperation(listing.Lister):
    """List programmings and wipes, the newest first."""

    collection = 'operations'
    short, long = _SHORT, _LONG
    order = 'created_at:desc'
    filters = (
        listing.HOST,
        listing.by(
            'deployable_uuid', '<uuid>', 'On this deployable.', '--deployable'
        ),
        listing.by(
            'claim_uuid', '<uuid>', 'On behalf of this claim.', '--claim'
        ),
        listing.one_of('kind', ('program', 'wipe'), 'Of this kind.'),
        listing.one_of(
            'state',
            ('pending', 'running', 'succeeded', 'failed', 'cancelled'),
            'In this state.',
        ),
    )


class ShowOperation(command.ShowOne):
    """Show an operation: how far it is, or why it failed."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('uuid', metavar='<uuid>', help='Its uuid.')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        api = client.of(self.app)
        return shown(api.get(f'/operations/{parsed_args.uuid}'))


class CancelOperation(command.Command):
    """End an operation that has not ended.

    One that has touched its card leaves the deployable unknown until the
    card has been read back.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('uuid', metavar='<uuid>', help='Its uuid.')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        api = client.of(self.app)
        api.post(f'/operations/{parsed_args.uuid}/cancel')
