"""A real HTTP server that gives the answers a test has laid out."""

import http.server
import json
import threading
from urllib import parse

import fixtures


class Server(fixtures.Fixture):
    """Answers each path with what :meth:`answers` was given, in order.

    The last answer of a path is given again and again. ``requests`` holds
    what came in: (method, path, query, body).
    """

    def __init__(self):
        self.requests = []
        self.headers = []
        self._answers = {}

    def _setUp(self):
        self._http = http.server.ThreadingHTTPServer(
            ('127.0.0.1', 0), _handler(self)
        )
        self._http.daemon_threads = True
        thread = threading.Thread(
            target=self._http.serve_forever, kwargs={'poll_interval': 0.01}
        )
        thread.start()
        self.addCleanup(self._http.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(self._http.shutdown)
        self.url = f'http://127.0.0.1:{self._http.server_port}'

    def answers(self, method, path, *bodies, status=200, headers=()):
        """Lay out answers; a body may be bytes, or (status, body)."""
        for body in bodies:
            given = body if isinstance(body, tuple) else (status, body)
            self._answers.setdefault((method, path), []).append(
                (*given, dict(headers))
            )

    def refuses(self, method, path, status, sentence, code='fpga.x'):
        """Lay out an error in Cyborg's form."""
        inner = {
            'faultcode': 'Client',
            'faultstring': sentence,
            'debuginfo': None,
            'code': code,
        }
        body = {'error_message': json.dumps(inner)}
        self.answers(method, path, body, status=status)

    def answer(self, method, target, body, headers):
        parts = parse.urlsplit(target)
        query = dict(parse.parse_qsl(parts.query))
        self.requests.append((method, parts.path, query, body))
        self.headers.append(headers)
        laid_out = self._answers.get((method, parts.path))
        if not laid_out:
            return 404, {'error_message': f'nothing at {parts.path}'}, {}
        return laid_out.pop(0) if len(laid_out) > 1 else laid_out[0]


def _body(raw, media):
    if media == 'application/octet-stream':
        return raw
    return json.loads(raw) if raw else None


def _handler(server):
    class Handler(http.server.BaseHTTPRequestHandler):
        def _serve(self):
            length = int(self.headers.get('Content-Length') or 0)
            raw = self.rfile.read(length)
            status, body, headers = server.answer(
                self.command,
                self.path,
                _body(raw, self.headers.get('Content-Type')),
                dict(self.headers),
            )
            if body is None:
                data = b''
            elif isinstance(body, bytes):
                data = body
            else:
                data = json.dumps(body).encode()
                headers = {'Content-Type': 'application/json', **headers}
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header('Content-Length', str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_DELETE = _serve

        def log_message(self, *args):
            pass

    return Handler
