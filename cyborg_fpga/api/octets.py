"""A request's body as a stream: large, and read once, in pieces."""

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from cyborg_fpga import errors

TYPE = 'application/octet-stream'


#: Where a body may be a file; with or without the version.
_UPLOADS = ('bitstreams', 'v2/bitstreams')


class Lift:
    """Lets uploads past the limit of bodies that are read into memory.

    :param limited: Everything, behind that limit.
    :param whole: Everything, with no limit.
    :param limit: Of an upload.
    """

    def __init__(self, limited: Any, whole: Any, limit: int) -> None:
        self._limited = limited
        self._whole = whole
        self._limit = limit

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        length = environ.get('CONTENT_LENGTH') or ''
        path = environ.get('PATH_INFO', '').strip('/')
        app = self._limited
        if (
            environ['REQUEST_METHOD'] == 'POST'
            and path in _UPLOADS
            and length.isascii()
            and length.isdecimal()
        ):
            if int(length[:20]) > self._limit:
                raise errors.TooLarge(limit=self._limit)
            app = self._whole
        answer: Iterable[bytes] = app(environ, start)
        return answer


class Octets:
    """A body that nobody has looked at yet.

    Reading it comes after the caller's rights are known.
    """

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._environ = environ
        self._left = 0

    def open(self) -> int:
        """Begin to read; how many bytes there must be.

        :raises errors.UnsupportedMediaType: It is something else.
        :raises errors.LengthRequired: Without its length a body that is cut
            off looks like a whole one.
        """
        given = self._environ.get('CONTENT_TYPE', '').lower()
        if given.partition(';')[0].strip() != TYPE:
            raise errors.UnsupportedMediaType(
                f'A bitstream is uploaded as {TYPE}, not {given[:64]!r}.'
            )
        length = self._environ.get('CONTENT_LENGTH') or ''
        if not length:
            raise errors.LengthRequired()
        self._left = int(length)
        if not self._left:
            raise errors.InvalidInput(reason='the body is empty')
        return self._left

    def read(self, size: int) -> bytes:
        """As many bytes as are left, *size* at most.

        :raises errors.InvalidInput: The connection ended before the body.
        """
        wanted, pieces = min(size, self._left), []
        while wanted:
            try:
                piece = self._environ['wsgi.input'].read(wanted)
            except OSError:
                # A broken connection, however the server tells it.
                piece = b''
            if not piece:
                raise errors.InvalidInput(
                    reason=f'the body ends {self._left} bytes too early'
                )
            pieces.append(piece)
            wanted -= len(piece)
            self._left -= len(piece)
        return b''.join(pieces)
