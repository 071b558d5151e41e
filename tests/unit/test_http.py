"""Our own HTTP server: what follows on a connection is the next request."""

import socket

from oslotest import base

from cyborg_fpga.cmd import http

_SECONDS = 60
_LARGE = 1 << 20


def app(environ, start):
    """Leaves its body alone, unless it is asked to read it."""
    if environ['PATH_INFO'] == '/read':
        environ['wsgi.input'].read()
    answer = environ['PATH_INFO'].encode()
    start('200 OK', [('Content-Length', str(len(answer)))])
    return [answer]


class TestHTTP(base.BaseTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = http.serve(app, '127.0.0.1', 0, 1)
        cls.addClassCleanup(cls.server.stop)

    def answers(self, *requests):
        """What comes for *requests*, sent at once, until it is closed."""
        with socket.create_connection(
            self.server.bind_addr, timeout=_SECONDS
        ) as connection:
            connection.sendall(b''.join(requests))
            found = b''
            while piece := connection.recv(1 << 16):
                found += piece
        return found.decode().split('HTTP/1.1 ')[1:]

    def request(self, path, *headers, body=b''):
        head = [f'POST {path} HTTP/1.1', 'Host: test', *headers, '', '']
        return '\r\n'.join(head).encode() + body

    def chunked(self, path, *sizes):
        parts = [b'%x\r\n%s\r\n' % (size, b'G' * size) for size in (*sizes, 0)]
        return self.request(
            path, 'Transfer-Encoding: chunked', body=b''.join(parts)
        )

    def last(self):
        return self.request('/last', 'Connection: close')

    def test_what_is_left_of_a_body_is_no_request(self):
        for first in (
            self.request('/first', 'Content-Length: 7', body=b'G' * 7),
            self.chunked('/first', 7),
            self.chunked('/first', _LARGE, 7),
            self.chunked('/read', 7, _LARGE),
        ):
            one, two = self.answers(first, self.last())
            self.assertTrue(one.startswith('200 '), one)
            self.assertTrue(two.endswith('/last'), two)

    def test_nothing_follows_what_has_no_end(self):
        many = [_LARGE] * (2 + http.MAX_CHUNKED // _LARGE)
        with socket.create_connection(
            self.server.bind_addr, timeout=_SECONDS
        ) as connection:
            body = self.chunked('/first', *many).removesuffix(b'0\r\n\r\n')
            try:
                connection.sendall(body)
                answer = connection.recv(1 << 16).decode()
            except ConnectionError:
                # It was closed while it sent.
                return
        self.assertTrue(answer.startswith('HTTP/1.1 200 '), answer)
        self.assertIn('Connection: close', answer)

    def test_nothing_follows_a_body_of_which_nobody_knows_the_length(self):
        for header in ('Content-Length: -5', 'Transfer-Encoding: chunked'):
            found = self.answers(
                self.request('/first', header, body=b'zz\r\n'), self.last()
            )
            self.assertEqual(1, len(found), found)
            self.assertTrue(found[0].startswith('200 '), found)
            self.assertIn('Connection: close', found[0])

    def test_the_application_says_what_is_too_large(self):
        large = self.request(
            '/first', f'Content-Length: {1 << 60}', 'Connection: close'
        )
        with socket.create_connection(
            self.server.bind_addr, timeout=_SECONDS
        ) as connection:
            connection.sendall(large)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(1 << 16)
        self.assertTrue(answer.startswith(b'HTTP/1.1 200 '), answer)

    def test_endless_headers_are_refused(self):
        found = self.answers(
            self.request('/first', 'X-Long: ' + 'x' * http.MAX_HEADERS)
        )
        self.assertTrue(found[0].startswith('413 '), found)
