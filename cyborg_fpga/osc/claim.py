"""``openstack fpga claim …``: what somebody holds."""

import argparse
from typing import Any

from osc_lib import exceptions
from osc_lib import utils
from osc_lib.command import command

from cyborg_fpga.osc import bitstream
from cyborg_fpga.osc import client
from cyborg_fpga.osc import columns
from cyborg_fpga.osc import compute
from cyborg_fpga.osc import listing
from cyborg_fpga.osc import operation
from cyborg_fpga.osc import waiting

_SHORT = ('uuid', 'origin', 'state', 'hostname', 'addresses', 'type')
_LONG = (
    *_SHORT,
    'resource_class',
    'image_uuid',
    'deployable_uuids',
    'fault',
    'project_id',
    'instance_uuid',
    'state_changed_at',
    'created_at',
    'updated_at',
)


class CreateClaim(command.ShowOne):
    """Claim FPGAs, and have them programmed if a type or image is named."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--host', metavar='<host>', help='On this host; default: any.'
        )
        _add_bitstream(parser)
        parser.add_argument(
            '--trait',
            metavar='<trait>',
            action='append',
            help='With this trait in Placement; may be given several times.',
        )
        parser.add_argument(
            '--resource-class',
            metavar='<class>',
            help='Of this class; default: any class of FPGAs.',
        )
        parser.add_argument(
            '--count',
            type=int,
            metavar='<number>',
            help='So many, all on one host (default: 1, or with --instance '
            'all that it holds).',
        )
        parser.add_argument(
            '--wipe-level',
            choices=('reset', 'clear', 'blank'),
            help='Wiped at least so when it is given back (default: as the '
            'operator says).',
        )
        parser.add_argument(
            '--instance',
            metavar='<server>',
            help='Of what this server holds in Placement already, by its '
            'uuid or name; of several providers, one for each claim.',
        )
        waiting.add_option(parser, 'the claim is ready')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        api = client.of(self.app)
        image = parsed_args.image and bitstream.resolve(api, parsed_args.image)
        function = parsed_args.function
        by = 'function_name'
        if function and utils.is_uuid_like(function):
            by = 'function_id'
        wanted = {
            'hostname': parsed_args.host,
            'type': parsed_args.type,
            by: function,
            'image_uuid': image,
            'traits': parsed_args.trait,
            'resource_class': parsed_args.resource_class,
            'count': parsed_args.count,
            'wipe_level': parsed_args.wipe_level,
            'instance_uuid': parsed_args.instance
            and compute.server(self.app, parsed_args.instance),
        }
        found = api.post(
            '/claims', {k: v for k, v in wanted.items() if v is not None}
        )
        if parsed_args.wait:
            found = waiting.claim(api, found['uuid'])
        return columns.record(found)


def _add_bitstream(parser: argparse.ArgumentParser) -> None:
    """What names a bitstream."""
    parser.add_argument(
        '--type',
        metavar='<type>',
        help='With this accelerator type, for example crypto.',
    )
    parser.add_argument(
        '--function',
        metavar='<function>',
        help='With this function, by its uuid or its name.',
    )
    parser.add_argument(
        '--image',
        metavar='<image>',
        help="With this bitstream; its image's uuid or its name.",
    )


class ListClaim(listing.Lister):
    """List claims: one's own, for administrators all."""

    collection = 'claims'
    short, long = _SHORT, _LONG
    order = 'created_at:desc'
    filters = (
        listing.HOST,
        listing.one_of(
            'state',
            (
                'initial',
                'unbound',
                'claiming',
                'programming',
                'ready',
                'failed',
                'releasing',
            ),
            'In this state.',
        ),
        listing.one_of('origin', ('api', 'nova'), 'Made through this door.'),
        listing.by('type', '<type>', 'With this accelerator type.'),
        listing.by(
            'instance_uuid', '<uuid>', 'For this server.', '--instance'
        ),
        listing.by(
            'project_id',
            '<id>',
            'Of this project (administrators only).',
            '--project',
        ),
    )


class ShowClaim(command.ShowOne):
    """Show a claim, with the PCI addresses that it holds."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('uuid', metavar='<uuid>', help='Its uuid.')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        api = client.of(self.app)
        return columns.record(api.get(f'/claims/{parsed_args.uuid}'))


class ProgramClaim(command.ShowOne):
    """Load another bitstream into the FPGA that one has claimed."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('uuid', metavar='<uuid>', help="The claim's uuid.")
        bitstream.add_argument(parser)
        parser.add_argument(
            '--deployable',
            metavar='<uuid>',
            help='Which of the deployables, where the claim has several.',
        )
        waiting.add_option(parser, 'the bitstream is loaded')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        api = client.of(self.app)
        body = {'image_uuid': bitstream.resolve(api, parsed_args.image)}
        if parsed_args.deployable:
            body['deployable_uuid'] = parsed_args.deployable
        found = api.post(f'/claims/{parsed_args.uuid}/program', body)
        if parsed_args.wait:
            found = waiting.operation(api, found['uuid'])
        return operation.shown(found)


class ReleaseClaim(command.Command):
    """Give claims back; what they hold is wiped before it is offered again."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'uuid', metavar='<uuid>', nargs='+', help='Uuids of the claims.'
        )
        parser.add_argument(
            '--force',
            action='store_true',
            help='Do not wait for the wipe (administrators only).',
        )
        waiting.add_option(parser, 'they are gone')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        failed = []
        for uuid in parsed_args.uuid:
            try:
                self._release(uuid, parsed_args)
            except exceptions.CommandError as exc:
                failed.append(str(exc))
        if len(failed) == 1:
            raise exceptions.CommandError(failed[0])
        if failed:
            raise exceptions.CommandError(
                f'{len(failed)} of {len(parsed_args.uuid)} claims were not '
                f'released:\n' + '\n'.join(failed)
            )

    def _release(self, uuid: str, parsed_args: argparse.Namespace) -> None:
        api = client.of(self.app)
        api.delete(
            f'/claims/{uuid}', force='true' if parsed_args.force else None
        )
        if parsed_args.wait:
            waiting.release(api, uuid)
