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
from openstack import connection
from oslotest import base

from cyborg_fpga.osc import client
from cyborg_fpga.osc import waiting
from tests.unit.osc import server


class CommandTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.server = self.useFixture(server.Server())
        self.client = self.connect(self.server.url)
        self.sdk = None
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

    def with_compute(self):
        """Let the server be Nova too, below ``/compute``."""
        url = f'{self.server.url}/compute'
        version = {
            'id': 'v2.1',
            'status': 'CURRENT',
            'version': '2.96',
            'min_version': '2.1',
            'links': [{'rel': 'self', 'href': url}],
        }
        self.server.answers('GET', '/compute', {'version': version})
        self.sdk = connection.Connection(
            session=session.Session(auth=token_endpoint.Token(url, 'token')),
            compute_endpoint_override=url,
        )
        self.addCleanup(self.sdk.close)

    def run_command(self, cls, *argv):
        """Returns what is printed on standard output."""
        self.stderr = io.StringIO()
        with contextlib.redirect_stderr(self.stderr):
            return run(cls, argv, self.client, self.sdk)

    def run_json(self, cls, *argv):
        return json.loads(self.run_command(cls, *argv, '-f', 'json'))

    def refused_options(self, cls, *argv):
        """What argparse says of options that it refuses."""
        self.assertRaises(SystemExit, self.run_command, cls, *argv)
        return self.stderr.getvalue()


def run(cls, argv, api, sdk=None):
    """Run a command with these clients; what it prints."""
    stdout = io.StringIO()
    manager = types.SimpleNamespace(fpga=api, sdk_connection=sdk)
    app = types.SimpleNamespace(client_manager=manager, stdout=stdout)
    command = cls(app, None)
    parser = command.get_parser('openstack fpga')
    command.run(parser.parse_args(list(argv)))
    return stdout.getvalue()


def new_uuid():
    return str(uuid.uuid4())
