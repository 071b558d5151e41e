"""Glance as we use it: who may see an image, what changed, its bytes."""

import contextlib
import dataclasses
import http
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
from cyborg_fpga.clients import session

#: What makes an image a bitstream.
TAG = 'FPGA'

_PAGE = 200
_CHUNK = 1 << 20
# Without it not even an administrator is told of other projects' community
# images.
_EVERYBODYS = {'visibility': 'all', 'member_status': 'all'}

# What Glance itself says of an image; all the rest are properties.
_CORE = frozenset(
    {
        'checksum',
        'container_format',
        'created_at',
        'direct_url',
        'disk_format',
        'file',
        'id',
        'locations',
        'min_disk',
        'min_ram',
        'name',
        'os_hash_algo',
        'os_hash_value',
        'os_hidden',
        'owner',
        'protected',
        'schema',
        'self',
        'size',
        'status',
        'stores',
        'tags',
        'updated_at',
        'virtual_size',
        'visibility',
    }
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image's record; times are as Glance writes them, in UTC."""

    id: str
    name: str
    status: str
    visibility: str
    owner: str | None
    tags: frozenset[str]
    properties: Mapping[str, str]
    size: int | None
    checksum: str | None
    os_hash_algo: str | None
    os_hash_value: str | None
    created_at: str
    updated_at: str


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
        return _image(self._get(path, image_uuid, ctx))

    def newest_change(self) -> str | None:
        """When any image was changed last; None: there is none."""
        for item in self._list(limit='1', sort='updated_at:desc'):
            return item.updated_at
        return None

    def changed_since(self, updated_at: str) -> Iterator[Image]:
        """Images changed at or after a time, the oldest change first.

        All images, since one that has lost its tag must be noticed too;
        deleted ones are not among them.

        :param updated_at: As in ``Image.updated_at``.
        """
        return self._list(
            updated_at=f'gte:{updated_at}',
            limit=str(_PAGE),
            sort='updated_at:asc,id:asc',
        )

    def page(self, marker: str | None, limit: int) -> list[Image]:
        """Tagged images in the order of their ids, those behind *marker*.

        :returns: At most *limit*; fewer: there are no more.
        :raises errors.NotFound: There is no image *marker* any more.
        """
        query = {'tag': TAG, 'limit': str(limit), 'sort': 'id:asc'}
        if marker is not None:
            query['marker'] = marker
        path = f'/v2/images?{parse.urlencode({**_EVERYBODYS, **query})}'
        try:
            body = self._get(path, str(marker))
        except errors.InvalidInput as exc:
            raise errors.NotFound(kind='image', ident=marker) from exc
        return [_image(item) for item in body['images']]

    def download(self, image_uuid: str) -> Generator[bytes, None, None]:
        """Stream an image's bytes, as the service; never whole in memory.

        Nothing is checked against the image's hash. Close the iterator to
        stop early.

        :raises errors.NotFound: There is no such image, or no data in it.
        """
        with self._opened(image_uuid) as response:
            yield from response.iter_content(_CHUNK)

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
        # images.data() would keep the connection of a download that is
        # stopped early, and glanceclient spoils the header Range.
        client = self._client().http_client
        with self._translated(image_uuid):
            response = adapter.Adapter.request(
                client,
                f'/v2/images/{_checked(image_uuid)}/file',
                'GET',
                headers=dict(headers or {}),
                raise_exc=False,
                stream=True,
            )
            with contextlib.closing(response):
                if response.status_code == http.HTTPStatus.NO_CONTENT:
                    raise errors.NotFound(
                        kind='data of image', ident=image_uuid
                    )
                if not response.ok:
                    raise glance_exc.from_response(response, response.content)
                yield response

    def _list(self, **query: str) -> Iterator[Image]:
        path = f'/v2/images?{parse.urlencode({**_EVERYBODYS, **query})}'
        while True:
            body = self._get(path, 'list')
            for item in body['images']:
                yield _image(item)
            if 'next' not in body:
                return
            path = body['next']

    def _get(
        self,
        path: str,
        ident: str,
        ctx: context.RequestContext | None = None,
    ) -> dict[str, Any]:
        with self._translated(ident):
            # Not images.get() and images.list(): they ask for the schema
            # first, once for every client, and a caller's client is new.
            _, body = self._client(ctx).http_client.get(path)
        if not isinstance(body, dict):
            raise self._service.unavailable('its answer is not JSON')
        return body

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


def _image(item: Mapping[str, Any]) -> Image:
    return Image(
        id=item['id'],
        name=item.get('name') or '',
        status=item['status'],
        visibility=item['visibility'],
        owner=item.get('owner'),
        tags=frozenset(item.get('tags', ())),
        properties={
            key: str(value)
            for key, value in item.items()
            if key not in _CORE and value is not None
        },
        size=item.get('size'),
        checksum=item.get('checksum'),
        os_hash_algo=item.get('os_hash_algo'),
        os_hash_value=item.get('os_hash_value'),
        created_at=item['created_at'],
        updated_at=item['updated_at'],
    )
