"""Glance as we use it: who may see an image, what changed, its bytes."""

import contextlib
import http
import json
import threading
import uuid
from collections.abc import Generator
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any
from urllib import parse

import glanceclient
from glanceclient import exc as glance_exc
from keystoneauth1 import adapter
from oslo_config import cfg
from requests import models

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga.clients import glance_image
from cyborg_fpga.clients import session

#: What makes an image a bitstream.
TAG = 'FPGA'
#: An image's record.
Image = glance_image.Image

_PAGE = 200
_CHUNK = 1 << 20
# Anybody may write megabytes of properties to an image, and have many images:
# so much of an answer is read, the rest with fewer images at a time.
_MAX_ANSWER = 32 << 20
_FEWER = 8
# Without it not even an administrator is told of other projects' community
# images.
_EVERYBODYS = {'visibility': 'all', 'member_status': 'all'}

_LIST = '/v2/images?'
_NO_SUCH_PART = http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
_NONSENSE = 'its answer makes no sense'
_TOO_LARGE = 'the record of an image is too large to be read'


class _TooMuch(Exception):
    """An answer of Glance is larger than it may be."""


class Glance:
    """May be used by any number of threads; connects when first asked.

    Every method raises errors.ServiceUnavailable when Glance gives no
    usable answer.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._service = session.Service(conf, 'glance', 'Glance')
        self._lock = threading.Lock()
        self._sent = 0

    @property
    def requests(self) -> int:
        """Requests sent so far, for tests and figures."""
        return self._sent

    def get(
        self, image_uuid: str, ctx: context.RequestContext | None = None
    ) -> Image:
        """Ask for one image, as the service or with the token of *ctx*.

        :raises errors.NotFound: There is none, or not for whoever asks.
        """
        path = f'/v2/images/{_checked(image_uuid)}'
        try:
            quick = self._service.quick_timeout
            return self._image(self._get(path, image_uuid, ctx, seconds=quick))
        except _TooMuch as exc:
            raise self._service.unavailable(_TOO_LARGE) from exc

    def newest_change(self) -> str | None:
        """When any image was changed last; None: there is none."""
        for page in self._pages(1, sort='updated_at:desc'):
            return page[0].updated_at if page else None
        return None

    def changed_since(self, updated_at: str) -> Iterator[Image]:
        """Images changed at or after a time, the oldest change first.

        All images, since one that has lost its tag must be noticed too;
        deleted ones are not among them.

        :param updated_at: As in ``Image.updated_at``.
        """
        for page in self._pages(
            _PAGE, updated_at=f'gte:{updated_at}', sort='updated_at:asc,id:asc'
        ):
            yield from page

    def page(self, marker: str | None, limit: int) -> list[Image]:
        """Tagged images in the order of their ids, those behind *marker*.

        :returns: At most *limit*; fewer: there are no more.
        :raises errors.NotFound: There is no image *marker* any more.
        """
        after = {} if marker is None else {'marker': marker}
        found: list[Image] = []
        try:
            # Glance gives fewer than it is asked for where those are more
            # than it is configured to give.
            for page in self._pages(limit, tag=TAG, sort='id:asc', **after):
                found += page
                if len(found) >= limit:
                    break
        except errors.InvalidInput as exc:
            raise errors.NotFound(kind='image', ident=marker) from exc
        return found[:limit]

    def download(
        self, image_uuid: str, start: int = 0
    ) -> Generator[bytes, None, None]:
        """Stream an image's bytes, as the service; never whole in memory.

        Nothing is checked against the image's hash. Close the iterator to
        stop early.

        :param start: The first byte to come. Where Glance's store cannot
            give a part, what is before it is read and dropped.
        :raises errors.NotFound: There is no such image, or no data in it.
        """
        wanted = {'Range': f'bytes={start}-'} if start else None
        try:
            with self._opened(image_uuid, wanted) as response:
                whole = response.status_code != http.HTTPStatus.PARTIAL_CONTENT
                yield from _behind(response, start if whole else 0)
        except errors.InvalidInput:
            if not start:
                raise
            with self._opened(image_uuid) as response:
                yield from _behind(response, start)

    def part(self, image_uuid: str, offset: int, length: int) -> bytes:
        """Read bytes of an image from an offset on, as the service.

        Where Glance's store cannot give a part, what comes before is read
        and dropped.

        :returns: Fewer than *length* at the end of the image.
        :raises errors.NotFound: There is no such image, or no data in it.
        """
        wanted = {'Range': f'bytes={offset}-{offset + length - 1}'}
        try:
            with self._opened(image_uuid, wanted) as response:
                whole = response.status_code != http.HTTPStatus.PARTIAL_CONTENT
                return _cut(response, offset if whole else 0, length)
        except errors.InvalidInput:
            with self._opened(image_uuid) as response:
                return _cut(response, offset, length)

    @contextlib.contextmanager
    def _opened(
        self, image_uuid: str, headers: Mapping[str, str] | None = None
    ) -> Iterator[models.Response]:
        path = f'/v2/images/{_checked(image_uuid)}/file'
        with self._asked(path, image_uuid, headers=headers) as response:
            if response.status_code == http.HTTPStatus.NO_CONTENT:
                raise errors.NotFound(kind='data of image', ident=image_uuid)
            yield response

    def _pages(self, limit: int, **query: str) -> Iterator[list[Image]]:
        """A list as it comes, *limit* images at a time or fewer."""
        path: str | None = _listing({**_EVERYBODYS, **query}, limit)
        while path is not None:
            try:
                body = self._get(path, query.get('marker', 'list'))
            except _TooMuch as exc:
                if limit == 1:
                    raise self._service.unavailable(_TOO_LARGE) from exc
                limit = max(limit // _FEWER, 1)
                path = _listing(_query(path), limit)
                continue
            items, path = body.get('images'), _next(body, path)
            if not isinstance(items, list):
                raise self._service.unavailable(_NONSENSE)
            yield [self._image(item) for item in items]

    def _get(
        self,
        path: str,
        ident: str,
        ctx: context.RequestContext | None = None,
        *,
        seconds: float | None = None,
    ) -> dict[str, Any]:
        with self._asked(path, ident, ctx, seconds=seconds) as response:
            text = _bounded(response)
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise self._service.unavailable('its answer is not JSON')
        return body

    def _image(self, item: Any) -> Image:
        try:
            return glance_image.read(item)
        except (AttributeError, KeyError, TypeError, ValueError) as exc:
            raise self._service.unavailable(_NONSENSE) from exc

    @contextlib.contextmanager
    def _asked(
        self,
        path: str,
        ident: str,
        ctx: context.RequestContext | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> Iterator[models.Response]:
        """The answer to a GET, of which nothing is read yet.

        :param seconds: To wait for each piece; None: as configured.
        """
        # Not by methods of glanceclient: they read whatever comes, spoil the
        # header Range, keep the connection of a download that is stopped
        # early, and ask for the schema first, once for every client, while a
        # caller's client is new.
        client = self._client(ctx).http_client
        with self._translated(ident):
            response = adapter.Adapter.request(
                client,
                path,
                'GET',
                headers=dict(headers or {}),
                raise_exc=False,
                stream=True,
                # It would read all of it, too.
                log=False,
                **({} if seconds is None else {'timeout': seconds}),
            )
            with contextlib.closing(response):
                if response.status_code == _NO_SUCH_PART:
                    raise errors.InvalidInput(reason='it is shorter')
                if not response.ok:
                    words = next(response.iter_content(_CHUNK), b'')
                    raise glance_exc.from_response(response, words)
                yield response

    def _client(self, ctx: context.RequestContext | None = None) -> Any:
        with self._lock:
            self._sent += 1
        options = self._service.adapter_options(ctx)
        endpoint = self._service.endpoint.rstrip('/')
        options['endpoint_override'] = endpoint.removesuffix('/v2')
        return glanceclient.Client(
            '2', session=self._service.session, **options
        )

    @contextlib.contextmanager
    def _translated(self, ident: str) -> Iterator[None]:
        """Turn what glanceclient raises into our errors."""
        try:
            with self._service.translated():
                yield
        except glance_exc.HTTPBadRequest as exc:
            raise errors.InvalidInput(reason='Glance refused it') from exc
        except glance_exc.HTTPException as exc:
            if exc.code in (
                http.HTTPStatus.NOT_FOUND,
                http.HTTPStatus.GONE,
                http.HTTPStatus.FORBIDDEN,
            ):
                raise errors.NotFound(kind='image', ident=ident) from exc
            reason = f'it answered {exc.code}'
            if exc.code == http.HTTPStatus.UNAUTHORIZED:
                reason = 'it refused the token'
            raise self._service.unavailable(reason) from exc
        except glance_exc.InvalidEndpoint as exc:
            raise self._service.unavailable(
                'it does not answer in time'
            ) from exc
        except glance_exc.BaseException as exc:
            raise self._service.unavailable('it cannot be reached') from exc


def _behind(response: models.Response, offset: int) -> Iterator[bytes]:
    """Bytes of an answer from a position on."""
    for piece in response.iter_content(_CHUNK):
        if offset < len(piece):
            yield piece[offset:] if offset else piece
        offset = max(0, offset - len(piece))


def _cut(response: models.Response, offset: int, length: int) -> bytes:
    """Bytes of an answer by their position; reads no further."""
    found, at = b'', 0
    for piece in response.iter_content(_CHUNK):
        found += piece[max(offset - at, 0) :]
        at += len(piece)
        if len(found) >= length:
            break
    return found[:length]


def _checked(image_uuid: str) -> str:
    """What may stand in a URL."""
    try:
        return str(uuid.UUID(image_uuid))
    except ValueError as exc:
        raise errors.NotFound(kind='image', ident=image_uuid) from exc


def _bounded(response: models.Response) -> bytes:
    """An answer's body. :raises _TooMuch:"""
    pieces, size = [], 0
    for piece in response.iter_content(_CHUNK):
        size += len(piece)
        if size > _MAX_ANSWER:
            raise _TooMuch
        pieces.append(piece)
    return b''.join(pieces)


def _listing(query: Mapping[str, str], limit: int) -> str:
    return f'{_LIST}{parse.urlencode({**query, "limit": str(limit)})}'


def _query(path: str) -> dict[str, str]:
    return dict(parse.parse_qsl(parse.urlsplit(path).query))


def _next(body: Mapping[str, Any], path: str) -> str | None:
    """Where the list goes on; None: it does not."""
    following = body.get('next')
    # To another place our token must not go.
    if not isinstance(following, str) or not following.startswith(_LIST):
        return None
    return None if following == path else following
