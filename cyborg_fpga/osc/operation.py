"""``openstack fpga operation …``: acts on cards, as they are recorded."""

import argparse
from typing import Any

from osc_lib.command import command

from cyborg_fpga.osc import client
from cyborg_fpga.osc import columns
from cyborg_fpga.osc import paging

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
    'created_at',
    'updated_at',
)


def shown(found: dict[str, Any]) -> Any:
    return columns.record(found)


class ListOperation(command.Lister):
    """List programmings and wipes, the newest first."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('--host', metavar='<host>', help='On this host.')
        parser.add_argument(
            '--deployable', metavar='<uuid>', help='On this deployable.'
        )
        parser.add_argument(
            '--claim', metavar='<uuid>', help='On behalf of this claim.'
        )
        parser.add_argument(
            '--kind', choices=('program', 'wipe'), help='Of this kind.'
        )
        parser.add_argument(
            '--state',
            choices=(
                'pending',
                'running',
                'succeeded',
                'failed',
                'cancelled',
            ),
            help='In this state.',
        )
        paging.add_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        found = client.of(self.app).pages(
            'operations',
            hostname=parsed_args.host,
            deployable_uuid=parsed_args.deployable,
            claim_uuid=parsed_args.claim,
            kind=parsed_args.kind,
            state=parsed_args.state,
            **paging.query(parsed_args),
        )
        return columns.table(found, _LONG if parsed_args.long else _SHORT)


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
