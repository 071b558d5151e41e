"""Our service and Cyborg beside each other, for comparison.

Both as one process behind the same web server, on a database of their own on
the same MariaDB, with the same RabbitMQ, Placement and Nova's door, and with
the fake card that both know: sixteen units of one region.
"""

import contextlib
import http.client
import json
import pathlib
import sys
import threading
import time
import urllib.parse
import uuid

from cyborg_fpga.clients import placement
from tests.fixtures import cloud
from tests.fixtures import compute
from tests.fixtures import database
from tests.fixtures import rabbit
from tests.fixtures import servers
from tests.functional.conformance import original

PROJECT = 'b' * 32
_USER = f'alice:{PROJECT}:member,reader'
ADMIN = f'admin:{"a" * 32}:admin,member,reader'
_SERVICE = f'nova:{"d" * 32}:service'

# What works by itself, whoever asks for what.
_BACKGROUND = ('audit', 'catalogue', 'check', 'events', 'job', 'reconcile')
_AROUND = ('BEGIN', 'COMMIT', 'ROLLBACK', 'SET ', 'SELECT 1')
_SECONDS = 60
# Shorter than the web server keeps a connection that nobody uses.
_KEPT_SECONDS = 5

_CONFIG = """\
[DEFAULT]
host = {host}
transport_url = {transport}
[database]
connection = {connection}
[api]
host_ip = 127.0.0.1
port = {port}
auth_strategy = noauth
[agent]
enabled_drivers = fake
state_path = {folder}/agent
cache_path = {folder}/cache
report_interval = 600
[conductor]
host_down_after = 1800
[placement]
create_root_provider = true
auth_type = admin_token
token = admin
endpoint = {placement}
[glance]
auth_type = admin_token
token = admin
endpoint = {image}
[nova]
auth_type = admin_token
token = admin
endpoint = {nova}
"""


class Refused(Exception):
    """Another answer than was expected."""


class Side:
    """One of the two, as its clients see it.

    :ivar prefix: Of its figures' names.
    :ivar connection: Its database.
    """

    def __init__(self, prefix, url, hostname, connection, statements):
        self.prefix = prefix
        self.hostname = hostname
        self.connection = connection
        self._address = urllib.parse.urlsplit(url).netloc
        self._statements = pathlib.Path(statements)
        self._local = threading.local()

    def ask(self, method, path, body=None, *, token=_USER, trusted=False):
        """Status and data of an answer; one connection per thread.

        :param trusted: As Nova in a user's name.
        """
        headers = {
            'X-Auth-Token': token,
            'OpenStack-API-Version': 'accelerator 2.3',
        }
        if trusted:
            headers['X-Service-Token'] = _SERVICE
        text = None
        if body is not None:
            headers['Content-Type'] = 'application/json'
            text = json.dumps(body)
        connection = self._connected()
        connection.request(method, f'/v2{path}', text, headers)
        answer = connection.getresponse()
        data = answer.read()
        self._local.used = time.monotonic()
        return answer.status, data

    def get(self, path, *, token=ADMIN):
        return json.loads(self.must(200, 'GET', path, token=token))

    def must(self, status, method, path, body=None, **how):
        """:raises Refused: The answer has not this *status*."""
        found, data = self.ask(method, path, body, **how)
        if found != status:
            raise Refused(f'{method} {path}: {found} {data[:500]!r}')
        return data

    @contextlib.contextmanager
    def statements(self):
        """What requests execute inside, with no others at the same time."""
        seen = []
        start = self._statements.stat().st_size
        yield seen
        with self._statements.open() as log:
            log.seek(start)
            for line in log:
                thread, _, words = line.rstrip().partition('\t')
                if not thread.startswith(_BACKGROUND) and (
                    not words.startswith(_AROUND)
                ):
                    seen.append(words)

    def _connected(self):
        idle = time.monotonic() - getattr(self._local, 'used', 0)
        if idle > _KEPT_SECONDS:
            self._local.connection = http.client.HTTPConnection(
                self._address, timeout=_SECONDS
            )
        return self._local.connection


@contextlib.contextmanager
def started():
    """Both, ours first.

    :raises unittest.SkipTest: Something that they need is not installed.
    """
    original.python()
    broker = rabbit.broker()
    with contextlib.ExitStack() as stack:
        rooms = placement.Placement(stack.enter_context(cloud.Cloud()).conf)
        nova = stack.enter_context(compute.Compute())
        yield (
            _ours(stack, broker, nova.url),
            _peer(stack, broker, nova.url, rooms),
        )


def _ours(stack, broker, nova):
    home = servers.Home('ours', None)
    hostname, port = _hostname('ours'), servers.low_port()
    endpoints = cloud.shared().endpoints
    connection = database.create('mariadb')
    config = home.path / 'bench.conf'
    config.write_text(
        _CONFIG.format(
            host=hostname,
            # A virtual host of its own would need the broker's tools: the
            # two have different topics.
            transport=broker,
            connection=connection,
            port=port,
            folder=home.path,
            placement=endpoints['placement'],
            image=endpoints['image'],
            nova=nova,
        )
    )
    statements = home.path / 'statements'
    command = [sys.executable, '-m', 'benchmarks.ours_child', str(statements)]
    process = servers.Server(
        home,
        [*command, f'--config-file={config}'],
        env={'PYTHONPATH': str(pathlib.Path(__file__).parents[1])},
    )
    stack.callback(process.stop)
    url = f'http://127.0.0.1:{port}'
    side = Side('', url, hostname, connection, statements)
    process.wait(lambda: _has_card(side))
    return side


def _peer(stack, broker, nova, rooms):
    hostname = _hostname('peer')
    rooms.create_root(hostname)
    connection = database.create('mariadb')
    statements = servers.Home('statements', None).path / 'statements'
    cyborg = stack.enter_context(
        original.Original(
            hostname,
            cloud.shared().endpoints['placement'],
            nova,
            f'--connection={connection}',
            f'--transport={broker}',
            f'--statements={statements}',
        )
    )
    return Side('peer.', cyborg.url, hostname, connection, statements)


def _hostname(name):
    return f'{name}{uuid.uuid4().hex[:8]}.example.com'


def _has_card(side):
    with contextlib.suppress(OSError, http.client.HTTPException, Refused):
        found = side.get('/deployables')['deployables']
        return bool(found and found[0]['rp_uuid'])
    side._local = threading.local()
    return False
