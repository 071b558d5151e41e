"""Serve a WSGI application over HTTP from threads of this process."""

import threading
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

from cheroot import wsgi

#: Larger bodies are refused by the server itself, before the application
#: sees them.
_MAX_BODY = 8 * 1024 * 1024
_BACKLOG = 128
_PIECE = 1 << 16


def serve(
    app: Any,
    host: str,
    port: int,
    threads: int,
    *,
    max_body: int = _MAX_BODY,
) -> wsgi.Server:
    """Serve *app* until ``stop()`` of the result is called.

    Connections are accepted when this returns. ``stop()`` lets requests
    that run end, for up to five seconds.

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
    server.max_request_body_size = max(max_body, _MAX_BODY)
    server.prepare()
    threading.Thread(target=server.serve, name='http', daemon=True).start()
    return server


def _emptied(app: Any) -> Callable[..., Iterable[bytes]]:
    """*app*, with what it leaves unread of a body read and dropped.

    The server would do it too, before it sends the answer, but all at once
    into memory; and a client that is still sending does not see an answer
    if its connection is closed.
    """

    def call(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        body = environ['wsgi.input']
        refused = []

        def noted(status: str, *args: Any) -> Any:
            # After that one the server closes the connection.
            refused.append(status.startswith('413'))
            return start(status, *args)

        try:
            answer: Iterable[bytes] = app(environ, noted)
            return answer
        finally:
            if environ.get('CONTENT_LENGTH') and not any(refused):
                while body.read(_PIECE):
                    pass

    return call
