"""What the commands ask of Nova."""

from typing import Any

from openstack import exceptions as sdk_exceptions
from osc_lib import exceptions
from osc_lib import utils


def server(app: Any, text: str) -> str:
    """The uuid of a server that is named by it or by its name."""
    if utils.is_uuid_like(text):
        return text
    try:
        found = client(app).find_server(text, ignore_missing=False)
    except sdk_exceptions.SDKException as exc:
        raise exceptions.CommandError(str(exc)) from exc
    return str(found.id)


def client(app: Any) -> Any:
    """openstacksdk's compute proxy of a running command."""
    return app.client_manager.sdk_connection.compute
