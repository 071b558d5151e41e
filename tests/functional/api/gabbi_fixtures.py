"""What gabbits ask for under ``fixtures``."""

import os
from typing import Any

from gabbi import fixture

from tests.fixtures import service

_running: list[service.Service] = []


class Service(fixture.GabbiFixture):
    """One whole service for each YAML file."""

    def start_fixture(self) -> None:
        self._service = service.Service()
        self._service.setUp()
        self._names = service.environment(self._service)
        _running.append(self._service)

    def stop_fixture(self) -> None:
        _running.remove(self._service)
        for name in self._names:
            os.environ.pop(name, None)
        self._service.cleanUp()


def application() -> Any:
    """Asked for when the tests are made, long before a service runs."""

    def current(environ: dict[str, Any], start: Any) -> Any:
        return _running[-1].app(environ, start)

    return current
