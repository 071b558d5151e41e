"""``openstack fpga bitstream create``, ``set``, ``delete`` and ``verify``."""

import argparse
import os
import pathlib
import sys
from collections.abc import Iterator
from typing import Any
from typing import IO

from osc_lib import exceptions
from osc_lib.command import command

from cyborg_fpga.osc import bitstream
from cyborg_fpga.osc import client
from cyborg_fpga.osc import columns

#: Option, member of the API, metavar, what it is.
_WORDS = (
    ('--type', 'type', '<type>', 'What it does, for example crypto.'),
    ('--vendor', 'vendor', '<vendor>', "For this vendor's cards."),
    ('--family', 'family', '<family>', 'Only for cards of this family.'),
    ('--region-id', 'region_id', '<uuid>', 'The region that it fits.'),
    ('--shell', 'shell', '<name>', 'The shell that it was made for.'),
    ('--function-id', 'function_id', '<uuid>', 'What a card then shows.'),
    ('--function-name', 'function_name', '<name>', "The function's name."),
    # --version is for the openstack command itself, wherever it stands.
    ('--function-version', 'version', '<version>', 'Its version.'),
    ('--driver', 'driver', '<driver>', 'The driver it was made for.'),
    (
        '--signature',
        'img_signature',
        '<base64>',
        "Glance's signature of the file.",
    ),
    (
        '--signature-hash-method',
        'img_signature_hash_method',
        '<method>',
        'For example SHA-256.',
    ),
    (
        '--signature-key-type',
        'img_signature_key_type',
        '<type>',
        'For example RSA-PSS.',
    ),
    (
        '--signature-certificate',
        'img_signature_certificate_uuid',
        '<uuid>',
        'The certificate, in the key manager.',
    ),
)
_VISIBILITIES = ('public', 'private', 'shared', 'community')
_PIECE = 1 << 20
_WIDTH = 40


class CreateBitstream(command.ShowOne):
    """Upload a bitstream; the service checks it on the way.

    What the file says itself may be left out.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'file', metavar='<file>', type=pathlib.Path, help='The file.'
        )
        parser.add_argument(
            '--name', metavar='<name>', help="Default: the file's name."
        )
        _add_words(parser)
        parser.add_argument(
            '--progress',
            action='store_true',
            help='Show how much of it is uploaded.',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        path = parsed_args.file
        said = {'name': _name(path), **_said(parsed_args)}
        try:
            with open(path, 'rb') as stream:
                size = os.fstat(stream.fileno()).st_size
                found = client.of(self.app).upload(
                    '/bitstreams',
                    _Body(stream, size, progress=parsed_args.progress),
                    **said,
                )
        except OSError as exc:
            raise exceptions.CommandError(f'{path}: {exc.strerror}') from exc
        return columns.record(found)


class SetBitstream(command.ShowOne):
    """Change what is said of a bitstream."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        bitstream.add_argument(parser)
        parser.add_argument('--name', metavar='<name>', help='A new name.')
        _add_words(parser)
        parser.add_argument(
            '--unset',
            dest='without',
            metavar='<property>',
            action='append',
            default=[],
            choices=[name for _, name, _, _ in _WORDS],
            help='Say nothing of this any more; may be given several times.',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        api = client.of(self.app)
        said: client.Json = dict.fromkeys(parsed_args.without)
        said.update(_said(parsed_args))
        if not said:
            raise exceptions.CommandError('Nothing to change was named.')
        uuid = bitstream.resolve(api, parsed_args.image)
        found, _ = api.patch(f'/bitstreams/{uuid}', said)
        return columns.record(found)


class DeleteBitstream(command.Command):
    """Delete bitstreams; where one is loaded it stays loaded."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'images',
            metavar='<image>',
            nargs='+',
            help="A bitstream's uuid or its name.",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        api = client.of(self.app)
        failed = []
        for image in parsed_args.images:
            try:
                api.delete(f'/bitstreams/{bitstream.resolve(api, image)}')
            except exceptions.CommandError as exc:
                failed.append(str(exc))
        if failed:
            raise exceptions.CommandError('\n'.join(failed))


class VerifyBitstream(command.ShowOne):
    """Have all of a bitstream read and checked; fails if it is not good.

    That is also so where its signature is wrong or cannot be checked.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        bitstream.add_argument(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        api = client.of(self.app)
        uuid = bitstream.resolve(api, parsed_args.image)
        found = api.post(f'/bitstreams/{uuid}/verify')
        if not found.get('good'):
            raise exceptions.CommandError(
                f'Bitstream {uuid} is not good: {found.get("reason")}.'
            )
        return columns.record(found)


def _add_words(parser: argparse.ArgumentParser) -> None:
    for option, name, metavar, text in _WORDS:
        parser.add_argument(option, dest=name, metavar=metavar, help=text)
    seen = parser.add_mutually_exclusive_group()
    for visibility in _VISIBILITIES:
        seen.add_argument(
            f'--{visibility}',
            dest='visibility',
            action='store_const',
            const=visibility,
            help=f'Make the image {visibility}.',
        )


def _said(parsed_args: argparse.Namespace) -> dict[str, str]:
    names = ('name', 'visibility', *(name for _, name, _, _ in _WORDS))
    found = {name: getattr(parsed_args, name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _name(path: pathlib.Path) -> str:
    """A file's name as text, whatever the bytes in it."""
    return os.fsencode(path.name).decode(errors='replace')


class _Body:
    """A file on its way, with a bar on a terminal's standard error."""

    def __init__(
        self, stream: IO[bytes], size: int, *, progress: bool
    ) -> None:
        self._stream = stream
        self._size = size
        self._progress = progress and sys.stderr.isatty()

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        sent = 0
        try:
            while piece := self._stream.read(_PIECE):
                yield piece
                sent += len(piece)
                self._show(sent)
        finally:
            # Also where the server hangs up: its line is for the reason.
            if self._progress and sent:
                sys.stderr.write('\n')

    def _show(self, sent: int) -> None:
        if not self._progress:
            return
        share = sent / max(self._size, 1)
        bar = '=' * int(share * _WIDTH)
        sys.stderr.write(f'\r[{bar:<{_WIDTH}}] {share:4.0%}')
        sys.stderr.flush()
