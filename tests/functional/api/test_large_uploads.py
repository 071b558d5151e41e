"""An upload larger than what the API's process may have of memory."""

import contextlib
import http.client
import pathlib
import subprocess
import sys
import time
import uuid

import fixtures
import psutil
import sqlalchemy as sa
from glanceclient import exc as glance_exc
from oslotest import base

from cyborg_fpga import context
from cyborg_fpga.bitstream import gbs
from cyborg_fpga.clients import glance
from cyborg_fpga.conductor import abandoned
from cyborg_fpga.db import engine
from tests.fixtures import cloud
from tests.fixtures import database
from tests.fixtures import servers

_SECONDS = 120
_MEGABYTE = 1 << 20
#: What it may take more of memory than it has after a first, small upload.
_ROOM = 96 * _MEGABYTE
_LARGE = 256 * _MEGABYTE


class TestLarge(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(cloud.Cloud())
        db = self.useFixture(database.Database())
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.port = servers.free_port()
        config = folder / 'fpga.conf'
        config.write_text(
            '[DEFAULT]\ntransport_url = fake://\n'
            f'[database]\nconnection = {db.url}\n'
            '[api]\nauth_strategy = noauth\nconductor_timeout = 1\n'
            f'port = {self.port}\nthreads = 2\n'
            '[glance]\nauth_type = admin_token\ntoken = admin\n'
            f'endpoint = {self.cloud.endpoints["image"]}\n'
        )
        self.log = folder / 'log'
        with open(self.log, 'wb') as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    '-m',
                    'cyborg_fpga.cmd.api',
                    '--config-file',
                    str(config),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.until(lambda: self.started(process))
        self.process = psutil.Process(process.pid)

    def started(self, process):
        if process.poll() is not None:
            self.fail(self.log.read_text())
        return servers.listens(self.port)

    def send(self, beginning, size):
        """The answer to an upload of *size* bytes: status and text."""
        connection = http.client.HTTPConnection(
            '127.0.0.1', self.port, timeout=_SECONDS
        )
        self.addCleanup(connection.close)
        name = f'large-{uuid.uuid4().hex}'

        def pieces():
            yield beginning
            left = size - len(beginning)
            while left:
                piece = bytes(min(left, _MEGABYTE))
                left -= len(piece)
                yield piece

        connection.request(
            'POST',
            f'/v2/bitstreams?type=large&name={name}',
            body=pieces(),
            headers={
                'X-Auth-Token': 'alice',
                'Content-Type': 'application/octet-stream',
                'Content-Length': str(size),
            },
        )
        answer = connection.getresponse()
        found = list(
            self.cloud.glance().images.list(
                filters={'name': name, 'visibility': 'all'}
            )
        )
        for image in found:
            self.addCleanup(self.cloud.delete, image.id)
        text = f'{answer.read().decode()} {self.log.read_text()[-2000:]}'
        return answer.status, text, [image.size for image in found]

    def test_it_passes_through_little_memory(self):
        header = gbs.build('1' * 32, '2' * 32, b'x')
        status, text, stored = self.send(header, 5 * _MEGABYTE)
        # Stored: there is no conductor that would record it.
        self.assertEqual((202, [5 * _MEGABYTE]), (status, stored), text)
        room = self.process.memory_info().vms + _ROOM
        self.process.rlimit(psutil.RLIMIT_AS, (room, room))
        status, text, stored = self.send(header, _LARGE)
        self.assertEqual((202, [_LARGE]), (status, stored), text)
        # What is refused by its first bytes is not kept either.
        status, text, stored = self.send(b'no bitstream', _LARGE)
        self.assertEqual((400, []), (status, stored), text)
        self.assertIn('its format is not known', text)

    def test_what_it_leaves_when_it_is_killed_is_deleted(self):
        name = f'killed-{uuid.uuid4().hex}'
        connection = http.client.HTTPConnection(
            '127.0.0.1', self.port, timeout=_SECONDS
        )
        self.addCleanup(connection.close)
        connection.putrequest('POST', f'/v2/bitstreams?name={name}')
        for header in (
            ('X-Auth-Token', 'alice'),
            ('Content-Type', 'application/octet-stream'),
            ('Content-Length', str(_LARGE)),
        ):
            connection.putheader(*header)
        connection.endheaders()
        connection.send(gbs.build('1' * 32, '2' * 32, bytes(8 * _MEGABYTE)))
        (image,) = self.until(lambda: self.named(name))
        self.addCleanup(self.forget, image.id)
        self.process.kill()
        self.process.wait()
        ctx = context.service()
        conf = self.cloud.conf
        left = abandoned.Abandoned(conf, glance.Glance(conf))
        left.clear(ctx)
        self.assertEqual([image.id], [one.id for one in self.named(name)])
        with engine.get_engine().begin() as database:
            database.execute(sa.text('UPDATE uploads SET seen = 0'))
        # Glance itself may not have noticed yet that nobody sends any more.
        self.until(lambda: left.clear(ctx) or not self.named(name))

    def named(self, name):
        """Images of this name, as an administrator sees them."""
        filters = {'name': name, 'visibility': 'all'}
        return list(self.cloud.glance().images.list(filters=filters))

    def forget(self, image):
        with contextlib.suppress(glance_exc.HTTPNotFound):
            self.cloud.delete(image)

    def until(self, holds):
        end = time.monotonic() + _SECONDS
        while not (found := holds()):
            if time.monotonic() > end:
                self.fail(self.log.read_text())
            time.sleep(0.05)
        return found
