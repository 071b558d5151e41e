"""What the commands ask of Nova."""

import contextlib
from collections.abc import Iterator
from typing import Any

from keystoneauth1 import exceptions as ks_exceptions
from openstack import exceptions as sdk_exceptions
from osc_lib import exceptions
from osc_lib import utils


def server(app: Any, text: str) -> str:
    """The uuid of a server that is named by it or by its name."""
    if utils.is_uuid_like(text):
        return text
    with sentences():
        return str(client(app).find_server(text, ignore_missing=False).id)


def client(app: Any) -> Any:
    """openstacksdk's compute proxy of a running command.

    :raises exceptions.CommandError: The cloud has no Nova.
    """
    with sentences():
        return app.client_manager.sdk_connection.compute


@contextlib.contextmanager
def sentences() -> Iterator[None]:
    """What openstacksdk raises, as one sentence."""
    try:
        yield
    except (
        sdk_exceptions.SDKException,
        ks_exceptions.ClientException,
    ) as exc:
        raise exceptions.CommandError(f'Nova: {exc}') from exc
