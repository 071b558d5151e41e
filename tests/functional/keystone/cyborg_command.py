"""``openstack accelerator`` of python-cyborgclient, and all that it talks to.

The service is whole, with a real Keystone in front and cards behind, and it
is where the catalogue says: below ``/accelerator``, as Cyborg is.
"""

import json
import pathlib
import subprocess
from collections.abc import Callable
from typing import Any
from typing import ClassVar
from typing import NamedTuple

from cheroot import wsgi
from keystoneauth1 import loading
from oslotest import base

from cyborg_fpga.api import app
from cyborg_fpga.api import auth
from cyborg_fpga.cmd import http
from tests.fixtures import inprocess
from tests.fixtures import keystone

_CHILD = pathlib.Path(__file__).with_name('openstack_child.py')


class Done(NamedTuple):
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


class CommandTest(base.BaseTestCase):
    """Tests of one class share a service, which is not mended between them.

    :cvar url: What the catalogue has.
    :cvar python: The interpreter whose ``openstack`` it is.
    """

    service: ClassVar[inprocess.InProcess]
    url: ClassVar[str]
    python: ClassVar[Callable[[], str]]
    shell: ClassVar['subprocess.Popen[str]']

    @classmethod
    def setUpClass(cls) -> None:
        python = cls.python()
        super().setUpClass()
        cls.service = inprocess.InProcess()
        cls.service.setUp()
        cls.addClassCleanup(cls.service.cleanUp)
        identity = keystone.Keystone()
        identity.setUp()
        cls.addClassCleanup(identity.cleanUp)
        application = _checking_tokens(cls.service, identity.authtoken())
        server = http.serve(
            wsgi.PathInfoDispatcher({'/accelerator': application}),
            '127.0.0.1',
            0,
            4,
        )
        cls.addClassCleanup(server.stop)
        cls.url = f'http://127.0.0.1:{server.bind_addr[1]}/accelerator/v2'
        glance = cls.service.cloud.endpoints['image']
        identity.register('accelerator', 'cyborg', cls.url)
        identity.register('image', 'glance', glance)
        cls.shell = subprocess.Popen(
            [python, '-P', str(_CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        cls.addClassCleanup(cls.shell.communicate)

    def setUp(self) -> None:
        super().setUp()
        self.keystone = self.useFixture(keystone.Keystone())

    def openstack(self, *words: str, persona: str = 'admin') -> Done:
        """How ``openstack`` *words* ends, as a persona."""
        login = {
            'auth-url': self.keystone.url,
            'username': persona,
            'password': persona,
            'project-name': keystone.PERSONAS[persona].project,
            'user-domain-id': 'default',
            'project-domain-id': 'default',
            'region-name': keystone.REGION,
            'identity-api-version': '3',
        }
        options = [f'--os-{name}={value}' for name, value in login.items()]
        assert self.shell.stdin is not None
        assert self.shell.stdout is not None
        command = [*options, *words]
        self.shell.stdin.write(f'{json.dumps(command)}\n')
        self.shell.stdin.flush()
        return Done(**json.loads(self.shell.stdout.readline()))

    def told(self, *words: str, persona: str = 'admin') -> Any:
        """What a command that must succeed shows."""
        words = ('accelerator', *words, '-f', 'json')
        done = self.openstack(*words, persona=persona)
        self.assertEqual((0, ''), (done.code, done.err), words)
        return json.loads(done.out)

    def succeed(self, *words: str, persona: str = 'admin') -> str:
        """What one that shows nothing says."""
        done = self.openstack('accelerator', *words, persona=persona)
        self.assertEqual((0, ''), (done.code, done.err), words)
        return done.out

    def fail(self, *words: str, persona: str = 'admin') -> str:
        """What one that must not succeed says."""
        done = self.openstack('accelerator', *words, persona=persona)
        self.assertEqual((1, ''), (done.code, done.out), words)
        return done.err


def _checking_tokens(
    service: inprocess.InProcess, options: dict[str, str]
) -> Any:
    """The API of *service* once more, as Keystone guards it."""
    conf = service.conf
    auth.register_opts(conf)
    plugin = loading.get_auth_plugin_conf_options('password')
    conf.register_opts(plugin, group=auth.GROUP)
    for name, value in options.items():
        conf.set_override(name, value, auth.GROUP)
    conf.set_override('auth_strategy', 'keystone', 'api')
    try:
        return app.make_app(conf, service.transport)
    finally:
        conf.set_override('auth_strategy', 'noauth', 'api')
