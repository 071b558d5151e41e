"""How the two sides of a simulated host talk: frames over a UNIX socket.

A frame is a JSON header and bytes that belong to it. One connection carries
one request; while it is served the card may ask back for memory of the
caller, as a kernel copies from user space.
"""

import contextlib
import errno
import json
import os
import pathlib
import socket
import struct
from collections.abc import Iterator
from typing import Any

from cyborg_fpga.simulator import payload

_SIZES = struct.Struct('>IQ')
_HEADER_LIMIT = 1 << 20
_SOCKET = 'control'


@contextlib.contextmanager
def _short(directory: pathlib.Path) -> Iterator[str]:
    """A name of the socket that fits into AF_UNIX's 107 characters."""
    fd = os.open(directory, os.O_DIRECTORY | os.O_PATH)
    try:
        yield f'/proc/self/fd/{fd}/{_SOCKET}'
    finally:
        os.close(fd)


def connect(directory: pathlib.Path) -> socket.socket:
    """Connect to the cards.

    :raises OSError: ENODEV, their process does not run.
    """
    sock = socket.socket(socket.AF_UNIX)
    try:
        with _short(directory) as name:
            sock.connect(name)
    except OSError as exc:
        sock.close()
        raise OSError(
            errno.ENODEV, f'no simulated cards are served in {directory}'
        ) from exc
    return sock


def listen(directory: pathlib.Path) -> socket.socket:
    """Listen for :func:`connect`; the caller holds the directory's lock."""
    (directory / _SOCKET).unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX)
    with _short(directory) as name:
        sock.bind(name)
    sock.listen(64)
    return sock


def send(
    sock: socket.socket, header: dict[str, Any], blob: bytes = b''
) -> None:
    text = json.dumps(header).encode()
    sock.sendall(_SIZES.pack(len(text), len(blob)) + text)
    if blob:
        # Sending nothing to a peer that has answered and left is an error.
        sock.sendall(blob)


def receive(sock: socket.socket) -> tuple[dict[str, Any], bytes]:
    """Read one frame.

    :raises EOFError: The other side went away.
    :raises ValueError: It is not a frame.
    """
    length, blob_length = _SIZES.unpack(_exactly(sock, _SIZES.size))
    if length > _HEADER_LIMIT or blob_length > payload.SIZE_LIMIT:
        raise ValueError('a frame is too large')
    header = json.loads(_exactly(sock, length))
    if not isinstance(header, dict):
        raise ValueError('a header is not an object')
    return header, _exactly(sock, blob_length)


def _exactly(sock: socket.socket, length: int) -> bytes:
    data = bytearray(length)
    view = memoryview(data)
    while view:
        count = sock.recv_into(view)
        if not count:
            raise EOFError('the other side went away')
        view = view[count:]
    return bytes(data)
