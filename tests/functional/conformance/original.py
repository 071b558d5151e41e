"""Cyborg 17.0.0 in a process of its own, for comparison."""

import pathlib

import fixtures
import requests

from tests.fixtures import servers

_ROOT = pathlib.Path(__file__).parents[3]
_CHILD = pathlib.Path(__file__).with_name('original_child.py')
#: Made by tools/test.
_PYTHON = _ROOT / '.venv-cyborg/bin/python'


def python() -> str:
    """:raises unittest.SkipTest: There is none that has Cyborg."""
    return servers.find(str(_PYTHON))


class Original(fixtures.Fixture):
    """Its API, with the fake card of one host.

    :param more: Further arguments of its program.
    :ivar url: Where it answers.
    """

    def __init__(
        self, hostname: str, placement: str, nova: str, *more: str
    ) -> None:
        super().__init__()
        self._arguments = (hostname, placement, nova, *more)

    def _setUp(self) -> None:
        home = servers.Home('cyborg', None)
        port = servers.low_port()
        self.url = f'http://127.0.0.1:{port}'
        # -P: what it imports must not be found beside the program.
        command = [python(), '-P', str(_CHILD), str(home.path), str(port)]
        self.server = servers.Server(home, [*command, *self._arguments])
        self.addCleanup(self.server.stop)
        self.server.wait(self._answers, 120)

    def _answers(self) -> bool:
        try:
            return requests.get(self.url, timeout=5).status_code == 200
        except requests.ConnectionError:
            return False
