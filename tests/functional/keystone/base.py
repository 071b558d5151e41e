"""The API on a socket, in front of a real Keystone."""

import pathlib
import sys
from collections.abc import Mapping
from typing import Any
from typing import ClassVar

import fixtures
import requests
from oslotest import base

from cyborg_fpga.cmd import http
from tests.fixtures import api
from tests.fixtures import inifile
from tests.fixtures import keystone
from tests.fixtures import servers

#: Of the process; what a deployment behind a proxy and with a dashboard has.
_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    'DEFAULT': {'transport_url': 'fake://'},
    'api': {'threads': 4, 'max_body_bytes': 4096, 'conductor_timeout': 1},
    'oslo_middleware': {'enable_proxy_headers_parsing': True},
    'cors': {'allowed_origin': 'https://dashboard.example.com'},
}


class KeystoneTest(base.BaseTestCase):
    """*self.url* is the API's, without a slash at its end.

    :cvar seconds: See the fixture.
    """

    url: str
    seconds: ClassVar[int | None] = None

    def setUp(self) -> None:
        super().setUp()
        self.keystone = self.useFixture(keystone.Keystone(self.seconds))

    def ask(
        self,
        method: str,
        path: str,
        persona: str | None = None,
        *,
        service: str | None = None,
        **kwargs: Any,
    ) -> requests.Response:
        """The answer, whatever its status, to what a persona sends.

        :param service: The persona whose token comes as service token.
        """
        headers = {**kwargs.pop('headers', {})}
        if persona is not None:
            headers['X-Auth-Token'] = self.keystone.token(persona)
        if service is not None:
            headers['X-Service-Token'] = self.keystone.token(service)
        return requests.request(
            method, self.url + path, headers=headers, timeout=60, **kwargs
        )


class ServedTest(KeystoneTest):
    """The API of this process, with records and a stand-in conductor."""

    def setUp(self) -> None:
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        path = folder / 'keystone.conf'
        inifile.write(path, {'keystone_authtoken': self.authtoken()})
        self.api = self.useFixture(
            api.Api(auth_strategy='keystone', files=[path])
        )
        server = http.serve(self.api.app, '127.0.0.1', 0, 4)
        self.addCleanup(server.stop)
        self.url = f'http://127.0.0.1:{server.bind_addr[1]}'

    def authtoken(self) -> Mapping[str, str]:
        """What is configured of how tokens are checked."""
        return self.keystone.authtoken()


class ProcessTest(KeystoneTest):
    """``cyborg-fpga-api`` itself, without a conductor."""

    log: ClassVar[pathlib.Path]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        home = servers.Home('api', None)
        path = home.path / 'fpga.conf'
        port = servers.low_port()
        cls.url = f'http://127.0.0.1:{port}'
        identity = keystone.Keystone()
        identity.setUp()
        cls.addClassCleanup(identity.cleanUp)
        groups = {
            **_SETTINGS,
            'api': {**_SETTINGS['api'], 'port': port},
            'database': {'connection': f'sqlite:///{home.path}/fpga.db'},
            'keystone_authtoken': identity.authtoken(),
        }
        inifile.write(path, groups)
        module = [sys.executable, '-m', 'cyborg_fpga.cmd.manage']
        home.run(*module, '--config-file', str(path), 'db', 'sync')
        module[-1] = 'cyborg_fpga.cmd.api'
        server = servers.Server(home, [*module, '--config-file', str(path)])
        cls.addClassCleanup(server.stop)
        server.wait(lambda: servers.listens(port))
        cls.log = server.log
