"""Serve a WSGI application over HTTP from threads of this process."""

import threading
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from cheroot import wsgi

#: So much of a body without a length is read for the sake of what follows.
MAX_CHUNKED = 8 << 20
#: Of all the headers of a request.
MAX_HEADERS = 64 << 10
_BACKLOG = 128
_PIECE = 1 << 16
_REQUEST = 'cyborg_fpga.request'


def serve(app: Any, host: str, port: int, threads: int) -> wsgi.Server:
    """Serve *app* until ``stop()`` of the result is called.

    Connections are accepted when this returns. ``stop()`` lets requests
    that run end, for up to five seconds. How large a body may be is for
    *app* to say.

    :param port: 0 takes a free one; ``bind_addr`` tells which.
    :raises OSError: The address is taken or not ours.
    """
    server = wsgi.Server(
        (host, port),
        _emptied(app),
        numthreads=threads,
        server_name='cyborg-fpga',
        request_queue_size=_BACKLOG,
    )
    server.gateway = _Gateway
    server.max_request_header_size = MAX_HEADERS
    server.prepare()
    threading.Thread(target=server.serve, name='http', daemon=True).start()
    return server


class _Gateway(wsgi.Gateway_10):
    """Lets :func:`_emptied` say that a connection ends with a request."""

    def __init__(self, req: Any) -> None:
        super().__init__(req)
        self.env[_REQUEST] = req


def _emptied(app: Any) -> Callable[..., Iterable[bytes]]:
    """*app*, with what it leaves unread of a body read and dropped.

    The server would do it too, before it sends the answer, but all at once
    into memory; and a client that is still sending does not see an answer
    if its connection is closed. What is left of a body would be taken for
    the next request, which may be another user's where a proxy keeps the
    connection.
    """

    def call(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        request = environ.pop(_REQUEST)
        refused = []

        def noted(status: str, *args: Any) -> Any:
            refused.append(status.startswith('413'))
            return start(status, *args)

        try:
            answer: Iterable[bytes] = app(environ, noted)
            return answer
        finally:
            if any(refused) or not _read_rest(environ):
                request.close_connection = True

    return call


def _read_rest(environ: Mapping[str, Any]) -> bool:
    """Read a body to its end; False: nobody knows where that is."""
    length = environ.get('CONTENT_LENGTH') or '0'
    if environ['wsgi.input_terminated']:
        left = MAX_CHUNKED
    elif length.isascii() and length.isdecimal():
        left = int(length)
    else:
        return False
    body = environ['wsgi.input']
    try:
        while piece := body.read(_PIECE):
            left -= len(piece)
            if left < 0:
                return False
    except ValueError:
        # A chunk that is none.
        return False
    return True
