"""``openstack fpga bitstream …`` and ``openstack fpga type list``."""

import argparse
from typing import Any

from osc_lib import exceptions
from osc_lib import utils
from osc_lib.command import command

from cyborg_fpga.osc import client
from cyborg_fpga.osc import columns
from cyborg_fpga.osc import listing

_SHORT = ('uuid', 'name', 'vendor', 'type', 'visibility', 'usable')
_LONG = (
    *_SHORT,
    'reason',
    'family',
    'region_id',
    'shell',
    'function_id',
    'version',
    'size',
    'project_id',
)


def add_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'image', metavar='<image>', help="The bitstream's uuid or its name."
    )


def resolve(api: client.Client, image: str) -> str:
    """The uuid of the bitstream *image*, which may be a name.

    A uuid is not looked up: the catalogue may not know it yet, while a
    claim looks an unknown image up itself.
    """
    if utils.is_uuid_like(image):
        return image
    found = [one['uuid'] for one in api.pages('bitstreams', name=image)]
    if len(found) == 1:
        return str(found[0])
    if found:
        raise exceptions.CommandError(
            f'{len(found)} bitstreams are called {image}; name one by uuid: '
            f'{", ".join(sorted(found))}.'
        )
    raise exceptions.CommandError(f'No bitstream is called {image}.')


class ListBitstream(listing.Lister):
    """List bitstreams: Glance images with the tag FPGA."""

    collection = 'bitstreams'
    short, long = _SHORT, _LONG
    filters = (
        listing.by('type', '<type>', 'Of this accelerator type.'),
        listing.by('vendor', '<vendor>', "For this vendor's cards."),
        listing.by('family', '<family>', 'Only for cards of this family.'),
        listing.by('name', '<name>', 'Of this name.'),
        listing.by('fits', '<uuid>', 'Made for this deployable.'),
        listing.one_of(
            'visibility',
            ('public', 'private', 'shared', 'community'),
            "Of this visibility. Other projects' community images are "
            'listed only so.',
        ),
        listing.flag('usable', '--usable', 'true', 'Only those of use.'),
        listing.flag(
            'usable',
            '--unusable',
            'false',
            'Only those with something wrong; --long says what.',
        ),
    )


class ShowBitstream(command.ShowOne):
    """Show what the catalogue knows of a bitstream."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_argument(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        api = client.of(self.app)
        uuid = resolve(api, parsed_args.image)
        return columns.record(api.get(f'/bitstreams/{uuid}'))


class ListType(command.Lister):
    """List accelerator types that there are bitstreams for."""

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        found = client.of(self.app).pages('types')
        return columns.table(found, ('type', 'bitstreams'))
