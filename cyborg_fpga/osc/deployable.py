"""``openstack fpga deployable …``: regions that can be programmed."""

import argparse
import pathlib
from typing import Any

from cliff import columns as cliff_columns
from osc_lib import exceptions
from osc_lib.command import command

from cyborg_fpga.osc import bitstream
from cyborg_fpga.osc import client
from cyborg_fpga.osc import columns
from cyborg_fpga.osc import listing
from cyborg_fpga.osc import operation
from cyborg_fpga.osc import waiting

_SHORT = (
    'uuid',
    'hostname',
    'addresses',
    'resource_class',
    'state',
    'claimed',
    'function_id',
    'bitstream_id',
)
_LONG = (
    *_SHORT,
    'name',
    'device_uuid',
    'region_id',
    'health',
    'rp_name',
    'rp_uuid',
    'wipe_pending',
    'wipe_levels',
    'created_at',
    'updated_at',
)
# Cyborg's, about nesting that there is none of, and its spelling of the class.
_TWICE = ('links', 'parent_id', 'root_id', 'attributes_list', 'device_id')


class _Handles(cliff_columns.FormattableColumn[list[dict[str, Any]]]):
    """A line per handle for people; all that is known for programs."""

    def human_readable(self) -> str:
        return '\n'.join(map(_handle, self._value))

    def machine_readable(self) -> list[dict[str, Any]]:
        return self._value


def _handle(handle: dict[str, Any]) -> str:
    use = 'claimed' if handle['claimed'] else 'free'
    if handle.get('claim_uuid'):
        use = f'claim {handle["claim_uuid"]}'
    if not handle.get('present', True):
        use += ', not there'
    return f'{handle["kind"]} {handle["pci_address"]}: {use}'


class ListDeployable(listing.Lister):
    """List deployables, the regions of FPGAs that can be programmed."""

    collection = 'deployables'
    short, long = _SHORT, _LONG
    filters = (
        listing.HOST,
        listing.by('device_uuid', '<uuid>', 'Of this card.', '--device'),
        listing.by(
            'resource_class', '<class>', 'Of this class.', '--resource-class'
        ),
        listing.one_of(
            'state', ('idle', 'programming', 'unknown'), 'In this state.'
        ),
        listing.by(
            'bitstream_id', '<uuid>', 'With this bitstream loaded.', '--image'
        ),
    )

    def made(self, item: dict[str, Any]) -> dict[str, Any]:
        """Add what a person looks for in the handles."""
        handles = [one for one in item['handles'] if one.get('present', True)]
        taken = sum(bool(one['claimed']) for one in handles)
        return {
            **item,
            'addresses': [one['pci_address'] for one in handles],
            'claimed': f'{taken}/{len(handles)}',
        }


class ShowDeployable(command.ShowOne):
    """Show a deployable, with its attach handles."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('uuid', metavar='<uuid>', help='Its uuid.')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        api = client.of(self.app)
        found = api.get(f'/deployables/{parsed_args.uuid}')
        found['handles'] = _Handles(found['handles'])
        return columns.record(found, leave_out=_TWICE)


class ProgramDeployable(command.ShowOne):
    """Load a bitstream into a deployable that nobody has claimed."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('uuid', metavar='<uuid>', help='Its uuid.')
        bitstream.add_argument(parser)
        waiting.add_option(parser, 'the bitstream is loaded')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        api = client.of(self.app)
        image = bitstream.resolve(api, parsed_args.image)
        _, location = api.patch(
            f'/deployables/{parsed_args.uuid}/program',
            [
                {
                    'path': '/program',
                    'op': 'replace',
                    'value': [{'image_uuid': image}],
                }
            ],
        )
        uuid = location.rpartition('/')[2]
        if not uuid:
            raise exceptions.CommandError(
                'The service does not tell which operation it started.'
            )
        if parsed_args.wait:
            return operation.shown(waiting.operation(api, uuid))
        return operation.shown(api.get(f'/operations/{uuid}'))


class RunDeployable(command.Command):
    """Run the function in a simulated deployable that you have claimed."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('uuid', metavar='<uuid>', help='Its uuid.')
        parser.add_argument(
            '--in',
            dest='input',
            metavar='<file>',
            required=True,
            type=pathlib.Path,
            help='What the function is given.',
        )
        parser.add_argument(
            '--out',
            dest='output',
            metavar='<file>',
            required=True,
            type=pathlib.Path,
            help='Where its answer goes.',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        api = client.of(self.app)
        try:
            data = parsed_args.input.read_bytes()
            answer = api.post_octets(
                f'/deployables/{parsed_args.uuid}/run', data
            )
            parsed_args.output.write_bytes(answer)
        except OSError as exc:
            raise exceptions.CommandError(
                f'{exc.filename}: {exc.strerror}'
            ) from exc
