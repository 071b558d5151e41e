"""Run a command as the shell does, against a canned server."""

import contextlib
import io
import json
import types
import uuid

import fixtures
from keystoneauth1 import adapter
from keystoneauth1 import session
from keystoneauth1 import token_endpoint
from oslotest import base

from cyborg_fpga.osc import client
from cyborg_fpga.osc import waiting
from tests.unit.osc import server


class CommandTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.server = self.useFixture(server.Server())
        self.client = self.connect(self.server.url)
        # What is waited for here changes with every look.
        self.useFixture(
            fixtures.MonkeyPatch(f'{waiting.__name__}._FIRST_PAUSE', 0.001)
        )

    def connect(self, url):
        auth = token_endpoint.Token(url, 'token')
        return client.Client(
            adapter.Adapter(
                session.Session(auth=auth), service_type='accelerator'
            )
        )

    def run_command(self, cls, *argv):
        """Returns what is printed on standard output."""
        stdout, self.stderr = io.StringIO(), io.StringIO()
        app = types.SimpleNamespace(
            client_manager=types.SimpleNamespace(fpga=self.client),
            stdout=stdout,
        )
        command = cls(app, None)
        args = command.get_parser('openstack fpga').parse_args(list(argv))
        with contextlib.redirect_stderr(self.stderr):
            command.run(args)
        return stdout.getvalue()

    def run_json(self, cls, *argv):
        return json.loads(self.run_command(cls, *argv, '-f', 'json'))

    def refused_options(self, cls, *argv):
        """What argparse says of options that it refuses."""
        with contextlib.redirect_stderr(io.StringIO()) as said:
            self.assertRaises(SystemExit, self.run_command, cls, *argv)
        return said.getvalue()


def new_uuid():
    return str(uuid.uuid4())
