"""Finds drivers by name among the installed entry points."""

from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

import stevedore.named

from cyborg_fpga import errors
from cyborg_fpga.drivers import base
from cyborg_fpga.drivers import families
from cyborg_fpga.drivers import sysfs

NAMESPACE = 'cyborg_fpga.drivers'


def load(
    names: Sequence[str],
    fs: sysfs.Sysfs,
    table: families.Table | None = None,
) -> dict[str, base.Driver]:
    """Make one instance per name in *names*, in that order.

    :param table: Families of cards; None: those that come with us.
    :raises errors.InvalidInput: One is not installed or cannot be loaded:
        the agent must not start and report a host without cards.
    """
    loaded: dict[str, base.Driver] = {}
    manager = stevedore.named.NamedExtensionManager(
        NAMESPACE,
        names=list(names),
        invoke_on_load=True,
        invoke_args=(fs, table),
        name_order=True,
        on_load_failure_callback=_unloadable,
        on_missing_entrypoints_callback=_missing,
    )
    for extension in manager:
        driver = extension.obj
        if not isinstance(driver, base.Driver):
            raise errors.InvalidInput(
                reason=f'{extension.name} is not a driver'
            )
        loaded[extension.name] = driver
    return loaded


def _missing(names: Iterable[str]) -> None:
    raise errors.InvalidInput(
        reason='no such driver is installed: ' + ', '.join(sorted(names))
    )


def _unloadable(_manager: Any, entry: Any, failure: BaseException) -> None:
    raise errors.InvalidInput(
        reason=f'driver {entry.name} cannot be loaded: {failure}'
    ) from failure
