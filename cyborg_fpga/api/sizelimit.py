"""Refuse request bodies that are too large, before they are read."""

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from cyborg_fpga import errors


class SizeLimit:
    """oslo.middleware's limiter with our error document.

    :param others: Limits of URLs whose last part is such a word.
    """

    def __init__(
        self, app: Any, limit: int, others: Mapping[str, int]
    ) -> None:
        self._app = app
        self._limit = limit
        self._others = others

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        path = environ.get('PATH_INFO', '').rstrip('/')
        limit = self._others.get(path.rpartition('/')[2], self._limit)
        length = environ.get('CONTENT_LENGTH') or ''
        if not length:
            # A chunked body does not say beforehand how long it is.
            stream = environ['wsgi.input']
            environ['wsgi.input'] = _Reader(stream, limit)
            environ['webob.is_body_seekable'] = False
        elif not (length.isascii() and length.isdecimal()):
            raise errors.InvalidInput(reason='Content-Length is no number')
        elif int(length[:20]) > limit:
            raise errors.TooLarge(limit=limit)
        answer: Iterable[bytes] = self._app(environ, start)
        return answer


class _Reader:
    def __init__(self, stream: Any, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._left = limit

    def _counted(self, chunk: bytes) -> bytes:
        self._left -= len(chunk)
        if self._left < 0:
            raise errors.TooLarge(limit=self._limit)
        return chunk

    def read(self, size: int | None = -1) -> bytes:
        wanted = self._left + 1
        if size is not None and 0 <= size < wanted:
            wanted = size
        return self._counted(self._stream.read(wanted))

    def readline(self, size: int | None = -1) -> bytes:
        wanted = self._left + 1
        if size is not None and 0 <= size < wanted:
            wanted = size
        return self._counted(self._stream.readline(wanted))

    def __iter__(self) -> Iterable[bytes]:
        while line := self.readline():
            yield line
