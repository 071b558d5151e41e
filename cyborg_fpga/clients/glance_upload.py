"""Glance as users write to it through us: always with the user's own token.

What Glance refuses is said in its own words: they are about the caller's
image, and the caller may act on them.
"""

import contextlib
import html
import http
import re
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import requests
from keystoneauth1 import adapter
from oslo_config import cfg
from oslo_log import log as logging

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga.clients import session

LOG = logging.getLogger(__name__)

_JSON_PATCH = 'application/openstack-images-v2.1-json-patch'
_OCTETS = 'application/octet-stream'
# A store may take its time once it has the last byte.
_LAST_BYTE_SECONDS = 600
_MAX_WORDS = 300
_FULL = 'storage media is full'

Json = dict[str, Any]


class Writer:
    """May be used by any number of threads; connects when first asked.

    Every method raises errors.ServiceUnavailable when Glance gives no
    usable answer, errors.Forbidden, errors.NotFound, errors.Conflict,
    errors.TooLarge or errors.InvalidInput when it refuses.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._service = session.Service(conf, 'glance', 'Glance')

    def create(
        self,
        ctx: context.RequestContext,
        image_uuid: str,
        *,
        name: str,
        visibility: str | None,
        properties: Mapping[str, str],
    ) -> None:
        """Make an image without data or tags."""
        body = {
            **properties,
            'id': image_uuid,
            'name': name,
            'disk_format': 'raw',
            'container_format': 'bare',
        }
        if visibility is not None:
            body['visibility'] = visibility
        self._send(
            ctx,
            'POST',
            '/v2/images',
            json=body,
            timeout=self._service.quick_timeout,
        )

    def put(
        self,
        ctx: context.RequestContext,
        image_uuid: str,
        pieces: Iterable[bytes],
        size: int,
    ) -> None:
        """Store an image's data; whatever *pieces* raises comes through.

        :param size: Of all the pieces.
        """
        self._send(
            ctx,
            'PUT',
            f'/v2/images/{image_uuid}/file',
            data=_Sized(pieces, size),
            headers={
                'Content-Type': _OCTETS,
                'x-openstack-image-size': str(size),
            },
            timeout=_LAST_BYTE_SECONDS,
            # The pieces come only once.
            connect_retries=0,
        )

    def patch(
        self,
        ctx: context.RequestContext,
        image_uuid: str,
        changes: Iterable[Mapping[str, object]],
    ) -> None:
        """Change an image by a JSON patch."""
        self._send(
            ctx,
            'PATCH',
            f'/v2/images/{image_uuid}',
            json=list(changes),
            headers={'Content-Type': _JSON_PATCH},
        )

    def delete(
        self, ctx: context.RequestContext | None, image_uuid: str
    ) -> None:
        """Delete an image, for *ctx* or as the service."""
        self._send(ctx, 'DELETE', f'/v2/images/{image_uuid}')

    def undo(self, ctx: context.RequestContext, image_uuid: str) -> None:
        """Delete what came to nothing, where it is there at all.

        The user's token may have expired meanwhile: then as the service.
        """
        path = f'/v2/images/{image_uuid}'
        # Who waits here has been told nothing yet.
        once: Json = {
            'timeout': self._service.quick_timeout,
            'connect_retries': 0,
        }
        with contextlib.suppress(errors.NotFound):
            try:
                self._send(ctx, 'DELETE', path, **once)
            except errors.NotFound:
                raise
            except errors.FPGAError as exc:
                LOG.debug('As the service: %s', exc.message)
                self._send(None, 'DELETE', path, **once)

    def _send(
        self,
        ctx: context.RequestContext | None,
        method: str,
        path: str,
        **kwargs: Any,
    ) -> requests.Response:
        options = self._service.adapter_options(ctx)
        options['endpoint_override'] = self._service.endpoint.rstrip(
            '/'
        ).removesuffix('/v2')
        with self._service.translated():
            answer = adapter.Adapter(self._service.session, **options).request(
                path, method, raise_exc=False, log=False, **kwargs
            )
        if answer.status_code >= http.HTTPStatus.BAD_REQUEST:
            raise self._refusal(answer, path)
        return answer

    def _refusal(
        self, answer: requests.Response, path: str
    ) -> errors.FPGAError:
        status, words = answer.status_code, _words(answer)
        said = f'Glance refused it: {words}'
        if status == http.HTTPStatus.UNAUTHORIZED:
            return self._service.unavailable('it refused the token')
        if status == http.HTTPStatus.INSUFFICIENT_STORAGE or (
            # By its status that is no different from a quota.
            status == http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            and _FULL in words
        ):
            return self._service.unavailable(f'its storage is full: {words}')
        if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
            return self._service.unavailable(f'it answered {status}: {words}')
        kinds: dict[int, type[errors.FPGAError]] = {
            http.HTTPStatus.FORBIDDEN: errors.Forbidden,
            http.HTTPStatus.CONFLICT: errors.Conflict,
            http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE: errors.TooLarge,
        }
        if status in (http.HTTPStatus.NOT_FOUND, http.HTTPStatus.GONE):
            ident = path.split('/')[3] if path.count('/') > 2 else 'there'
            return errors.NotFound(kind='image', ident=ident)
        return kinds.get(status, errors.InvalidInput)(said)


class _Sized:
    """Pieces whose length is known: sent as one body, not in chunks."""

    def __init__(self, pieces: Iterable[bytes], size: int) -> None:
        self._pieces = pieces
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)


def _words(answer: requests.Response) -> str:
    """The sentence in one of Glance's documents, which are HTML."""
    plain = re.sub(r'<title>.*?</title>|<h1>.*?</h1>', ' ', answer.text)
    plain = re.sub(r'<[^>]*>', ' ', plain)
    plain = ' '.join(html.unescape(plain).split())
    return plain[:_MAX_WORDS] or str(answer.status_code)
