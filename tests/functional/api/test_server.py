"""The API behind a real socket: our own server, and the WSGI module."""

import http.client
import os
import pathlib
import signal
import subprocess
import sys
import time

import fixtures
from oslotest import base

from tests.fixtures import database
from tests.fixtures import servers

_SECONDS = 30


class TestServer(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        db = self.useFixture(database.Database())
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.port = servers.free_port()
        # Where oslo.config looks by itself, below HOME.
        home = self.folder / '.cyborg_fpga'
        home.mkdir()
        self.config = home / 'cyborg_fpga.conf'
        self.config.write_text(
            '[DEFAULT]\ntransport_url = fake://\n'
            f'[database]\nconnection = {db.url}\n'
            '[api]\nauth_strategy = noauth\nmax_body_bytes = 4096\n'
            f'port = {self.port}\nthreads = 4\n'
        )

    def run_process(self, *command, **kwargs):
        process = subprocess.Popen(
            [sys.executable, *command],
            env={**os.environ, 'HOME': str(self.folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **kwargs,
        )

        def end():
            if process.poll() is None:
                process.kill()
            process.communicate()

        self.addCleanup(end)
        return process

    def serve(self):
        process = self.run_process(
            '-m', 'cyborg_fpga.cmd.api', '--config-file', str(self.config)
        )
        end = time.monotonic() + _SECONDS
        while not servers.listens(self.port):
            if process.poll() is not None or time.monotonic() > end:
                self.fail(process.communicate()[1])
            time.sleep(0.05)
        return process

    def ask(self, method, path, **kwargs):
        connection = http.client.HTTPConnection(
            '127.0.0.1', self.port, timeout=10
        )
        self.addCleanup(connection.close)
        kwargs['headers'] = {
            'X-Auth-Token': 'admin',
            'Content-Type': 'application/json',
            **kwargs.get('headers', {}),
        }
        connection.request(method, path, **kwargs)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    def test_serves_until_sigterm(self):
        process = self.serve()
        self.assertEqual(200, self.ask('GET', '/')[0])
        status, body = self.ask('GET', '/v2/claims')
        self.assertEqual((200, '{"claims": []}'), (status, body))
        self.assertEqual(200, self.ask('GET', '/v2/devices/')[0])
        process.send_signal(signal.SIGTERM)
        self.assertEqual(0, process.wait(15))

    def test_bodies_that_are_too_large_are_refused(self):
        self.serve()
        status, body = self.ask('POST', '/v2/claims', body=b' ' * 5000)
        self.assertEqual(413, status)
        self.assertIn('fpga.too_large', body)
        # In one piece of the network: the answer comes, and the connection
        # ends, as soon as it is known to be too much.
        status, body = self.ask(
            'POST', '/v2/claims',
            body=b'1388\r\n' + b' ' * 5000 + b'\r\n0\r\n\r\n',
            headers={'Transfer-Encoding': 'chunked'},
        )  # fmt: skip
        self.assertEqual(413, status)
        self.assertIn('fpga.too_large', body)
        status, body = self.ask(
            'POST', '/v2/claims', body=iter([b'{"co', b'unt": 0}']),
            encode_chunked=True, headers={'Transfer-Encoding': 'chunked'},
        )  # fmt: skip
        self.assertEqual(400, status)
        self.assertIn('minimum', body)
        status, body = self.ask(
            'POST', '/v2/bitstreams',
            headers={
                'Content-Type': 'application/octet-stream',
                'Content-Length': str(1 << 40),
            },
        )  # fmt: skip
        self.assertEqual(413, status)
        self.assertIn('fpga.too_large', body)

    def test_a_port_that_is_taken_ends_it_with_a_sentence(self):
        self.serve()
        second = self.run_process(
            '-m', 'cyborg_fpga.cmd.api', '--config-file', str(self.config)
        )
        _, words = second.communicate(timeout=30)
        self.assertEqual(1, second.returncode)
        self.assertIn(str(self.port), words)
        self.assertNotIn('Traceback', words)

    def test_a_wrong_value_ends_it_with_a_sentence(self):
        self.config.write_text('[api]\nport = many\n')
        process = self.run_process(
            '-m', 'cyborg_fpga.cmd.api', '--config-file', str(self.config)
        )
        _, words = process.communicate(timeout=30)
        self.assertEqual(2, process.returncode)
        self.assertIn('port', words)
        self.assertNotIn('Traceback', words)

    def test_the_wsgi_module_leaves_the_command_line_alone(self):
        script = (
            'import webob\n'
            'from cyborg_fpga import wsgi\n'
            'req = webob.Request.blank("/v2/claims",'
            ' headers={"X-Auth-Token": "admin"})\n'
            'print(req.get_response(wsgi.application).status_int)\n'
        )
        process = self.run_process('-c', script, '--nonsense', 'x')
        words, complaints = process.communicate(timeout=30)
        self.assertEqual('200', words.strip(), complaints)
