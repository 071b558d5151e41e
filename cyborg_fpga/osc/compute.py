"""What the commands ask of Nova."""

import contextlib
from collections.abc import Iterator
from typing import Any

from keystoneauth1 import exceptions as ks_exceptions
from openstack import exceptions as sdk_exceptions
from openstack import proxy
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
        found = app.client_manager.sdk_connection.compute
    # Where nothing says which version it is, openstacksdk gives a bare one.
    if type(found) is proxy.Proxy:
        raise exceptions.CommandError(
            'Nova: what the cloud names as its compute service is none.'
        )
    return found


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
