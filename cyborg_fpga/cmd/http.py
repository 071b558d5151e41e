"""Serve a WSGI application over HTTP from threads of this process."""

import threading
from typing import Any

from cheroot import wsgi

#: Larger bodies are refused by the server itself, before the application
#: sees them: what an application leaves unread it keeps in memory.
_MAX_BODY = 8 * 1024 * 1024
_BACKLOG = 128


def serve(app: Any, host: str, port: int, threads: int) -> wsgi.Server:
    """Serve *app* until ``stop()`` of the result is called.

    Connections are accepted when this returns. ``stop()`` lets requests
    that run end, for up to five seconds.

    :param port: 0 takes a free one; ``bind_addr`` tells which.
    :raises OSError: The address is taken or not ours.
    """
    server = wsgi.Server(
        (host, port),
        app,
        numthreads=threads,
        server_name='cyborg-fpga',
        request_queue_size=_BACKLOG,
    )
    server.max_request_body_size = _MAX_BODY
    server.prepare()
    threading.Thread(target=server.serve, name='http', daemon=True).start()
    return server
