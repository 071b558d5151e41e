"""Bitstreams on their way into Glance, and what is done to them there.

The bytes go from the caller's connection to Glance's as they come: a few
megabytes of a file are in memory, whatever its size.
"""

import contextlib
import functools
import hashlib
import time
from collections.abc import Iterator
from collections.abc import Mapping

from oslo_config import cfg
from oslo_log import log as logging
from oslo_utils import uuidutils

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga.api import octets
from cyborg_fpga.api import verdicts
from cyborg_fpga.bitstream import formats
from cyborg_fpga.bitstream import header
from cyborg_fpga.bitstream import passing
from cyborg_fpga.bitstream import properties
from cyborg_fpga.bitstream import signature
from cyborg_fpga.bitstream import source
from cyborg_fpga.clients import certificates
from cyborg_fpga.clients import glance
from cyborg_fpga.clients import glance_upload
from cyborg_fpga.db import uploads

LOG = logging.getLogger(__name__)

_PIECE = 1 << 20
# Much less than until an upload counts as abandoned.
_TELL_SECONDS = 30
#: What is no property of an image but one of its own members.
_OWN = ('name', 'visibility')


class Uploads:
    """Acts on Glance in the caller's name."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._glance = glance.Glance(conf)
        self._writer = glance_upload.Writer(conf)
        self._rules = signature.Rules.read(
            conf.bitstream.signature, conf.bitstream.allowed_certificates
        )
        self._certificates = certificates.Certificates(conf)

    def store(
        self,
        ctx: context.RequestContext,
        body: octets.Octets,
        given: Mapping[str, str],
    ) -> str:
        """Check a file while it is stored; the uuid of its image.

        It becomes a bitstream, by its tag, as the last step: nothing that
        is broken or not whole is ever offered, and none of it is left.

        :param given: Our words for its properties, ``name`` and
            ``visibility``, and whatever else is a property.
        :raises errors.BadBitstream: The file is broken, or not what *given*
            says.
        """
        size = body.open()
        beginning = body.read(passing.BEGINNING)
        check = passing.Passing(beginning, size)
        words = {k: v for k, v in given.items() if k not in _OWN}
        if not passing.says_more_behind(check.header):
            _compare(words, check.header)
        image_uuid = uuidutils.generate_uuid()
        with self._recorded(ctx, image_uuid):
            self._writer.create(
                ctx,
                image_uuid,
                name=given.get('name', check.header.name),
                visibility=given.get('visibility'),
                properties=words,
            )
            digest = hashlib.sha512(beginning)
            pieces = _through(body, beginning, size, check, digest)
            self._writer.put(
                ctx, image_uuid, _telling(ctx, image_uuid, pieces), size
            )
            check.end()
            uploads.go_on(ctx, image_uuid)
            self._finish(ctx, image_uuid, check.header, words, digest)
        return image_uuid

    def change(
        self,
        ctx: context.RequestContext,
        image_uuid: str,
        changes: Mapping[str, str | None],
    ) -> None:
        """Give an image other words; None takes one away.

        :raises errors.BadBitstream: Its file says otherwise.
        """
        image = self._glance.get(image_uuid, ctx)
        after = dict(image.properties)
        patch = []
        for name, value in changes.items():
            if name in _OWN:
                patch.append(_change('replace', name, value or ''))
                continue
            # Another name for it would go on to say the old.
            for key in properties.meaning(name, image.properties):
                if key != name or value is None:
                    patch.append({'op': 'remove', 'path': f'/{_escape(key)}'})
                    del after[key]
            if value is not None:
                patch.append(_change('add', name, value))
                after[name] = value
        found, unread = self._header(image)
        _compare(after, found, unread)
        if patch:
            self._writer.patch(ctx, image_uuid, patch)

    def delete(self, ctx: context.RequestContext, image_uuid: str) -> None:
        self._writer.delete(ctx, image_uuid)

    def verify(
        self, ctx: context.RequestContext, image_uuid: str
    ) -> verdicts.Verdict:
        """Read all of an image, and compare it with all that is said of it.

        Takes as long as Glance needs to give it.
        """
        image = self._glance.get(image_uuid, ctx)
        found: header.Header | None = None
        signed = verdicts.Check(
            signature.said(image.properties), self._rules, self._certificates
        )
        reasons = []
        try:
            if image.fault:
                raise source.bad(image.fault)
            found = self._read_all(image, signed)
            _compare(image.properties, found)
        except errors.BadBitstream as exc:
            reasons.append(str(exc.kwargs['reason']))
        if signed.reason:
            reasons.append(signed.reason)
        return verdicts.Verdict(
            image=image,
            format=None if found is None else found.format.value,
            reason='; '.join(reasons),
            signature=signed.state,
            certificate_uuid=signed.certificate_uuid,
            signer=signed.signer,
        )

    def _finish(
        self,
        ctx: context.RequestContext,
        image_uuid: str,
        found: header.Header,
        words: Mapping[str, str],
        digest: 'hashlib._Hash',
    ) -> None:
        """Make an image that has all its data a bitstream."""
        image = self._glance.get(image_uuid, ctx)
        _compare_hash(image, 'sha512', digest)
        found = passing.header_behind(
            found, functools.partial(self._glance.part, image_uuid)
        )
        _compare(words, found)
        missing = properties.Said(words).missing(found)
        patch: list[Mapping[str, object]] = [
            _change('add', name, value) for name, value in missing.items()
        ]
        patch.append({'op': 'replace', 'path': '/tags', 'value': [glance.TAG]})
        self._writer.patch(ctx, image_uuid, patch)

    def _header(self, image: glance.Image) -> tuple[header.Header | None, str]:
        if image.status != 'active' or not image.size:
            return None, 'is not there'
        file = source.Source(
            functools.partial(self._glance.part, image.id), image.size
        )
        try:
            return formats.read(file), ''
        except errors.BadBitstream as exc:
            return None, f'is no bitstream ({exc.kwargs["reason"]})'

    def _read_all(
        self, image: glance.Image, signed: verdicts.Check
    ) -> header.Header:
        signed.begin()
        digest = hashlib.new(
            image.os_hash_algo or 'sha512', usedforsecurity=False
        )
        size = image.size or 0
        with contextlib.closing(self._glance.download(image.id)) as pieces:
            beginning = b''
            for piece in pieces:
                beginning += piece
                if len(beginning) >= passing.BEGINNING:
                    break
            digest.update(beginning)
            signed.update(beginning)
            if len(beginning) > size:
                raise source.bad('it is longer than it was said to be')
            check = passing.Passing(beginning, size)
            for piece in pieces:
                digest.update(piece)
                signed.update(piece)
                check.feed(piece)
        check.end()
        signed.finish()
        _compare_hash(image, image.os_hash_algo or '', digest)
        return passing.header_behind(
            check.header, functools.partial(self._glance.part, image.id)
        )

    @contextlib.contextmanager
    def _recorded(
        self, ctx: context.RequestContext, image_uuid: str
    ) -> Iterator[None]:
        """Delete the image on failure: here, or where that fails, later."""
        uploads.begin(ctx, image_uuid)
        done = False
        try:
            yield
            done = True
        finally:
            if not done:
                self._undo(ctx, image_uuid)
        uploads.end(ctx, image_uuid)

    def _undo(self, ctx: context.RequestContext, image_uuid: str) -> None:
        try:
            self._writer.undo(ctx, image_uuid)
        except errors.FPGAError as exc:
            LOG.warning(
                'Image %s of a failed upload is deleted later: %s',
                image_uuid,
                exc.message,
            )
            return
        uploads.end(ctx, image_uuid)


def _telling(
    ctx: context.RequestContext, image_uuid: str, pieces: Iterator[bytes]
) -> Iterator[bytes]:
    """*pieces*, with a sign of life now and then."""
    told = time.monotonic()
    for piece in pieces:
        if time.monotonic() - told > _TELL_SECONDS:
            uploads.go_on(ctx, image_uuid)
            told = time.monotonic()
        yield piece


def _through(
    body: octets.Octets,
    beginning: bytes,
    size: int,
    check: passing.Passing,
    digest: 'hashlib._Hash',
) -> Iterator[bytes]:
    """The file's pieces for Glance, looked at as they pass."""
    yield beginning
    left = size - len(beginning)
    while left:
        piece = body.read(min(left, _PIECE))
        check.feed(piece)
        digest.update(piece)
        left -= len(piece)
        yield piece


def _compare(
    words: Mapping[str, str],
    found: header.Header | None,
    unread: str = '',
) -> None:
    fault = properties.Said(words).fault(found, unread)
    if fault:
        raise source.bad(fault)


def _compare_hash(
    image: glance.Image, algo: str, digest: 'hashlib._Hash'
) -> None:
    """What Glance holds is what passed here, where it hashes alike."""
    same = image.os_hash_value in (None, digest.hexdigest())
    if image.os_hash_algo == algo and not same:
        raise source.bad('its bytes are not those that Glance has hashed')


def _change(op: str, name: str, value: str) -> dict[str, object]:
    return {'op': op, 'path': f'/{_escape(name)}', 'value': value}


def _escape(name: str) -> str:
    """As part of a JSON pointer."""
    return name.replace('~', '~0').replace('/', '~1')
