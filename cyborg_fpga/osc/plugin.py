"""What python-openstackclient looks for in a plugin.

The name is ours alone: ``accelerator`` belongs to Cyborg's own commands,
which may be installed beside these.
"""

import argparse
from typing import Any

from cyborg_fpga.osc import client

API_NAME = 'fpga'
API_VERSION_OPTION = 'os_fpga_api_version'
API_VERSIONS = ('2',)
DEFAULT_API_VERSION = '2'


def make_client(instance: Any) -> client.Client:
    """Build the client for a command (``app.client_manager.fpga``)."""
    return client.from_config(instance.sdk_connection.config)


def build_option_parser(
    parser: argparse.ArgumentParser,
) -> argparse.ArgumentParser:
    """Add no option: there is one version of the commands.

    But ``--in`` is left to the command that has it. To argparse it would be
    short for the global ``--insecure``, which is looked for first.
    """
    # argparse has no public way to exempt one word from abbreviation.
    abbreviated = parser._get_option_tuples

    def meant(word: str) -> list[Any]:
        own = word.partition('=')[0] == '--in'
        return [] if own else list(abbreviated(word))

    parser._get_option_tuples = meant  # type: ignore[assignment,method-assign]
    return parser
