"""Follow Glance: our cached records of the images with the tag ``FPGA``.

Glance lists changes by time, but neither what was deleted nor, among the
tagged images, what lost its tag. So a cycle asks for all that changed since
the last, and compares one page of the tagged images with our records.
"""

import datetime
import functools
import time
from collections.abc import Iterable

from oslo_config import cfg
from oslo_log import log as logging

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import nouns
from cyborg_fpga.bitstream import formats
from cyborg_fpga.bitstream import header as file_header
from cyborg_fpga.bitstream import signature
from cyborg_fpga.bitstream import source
from cyborg_fpga.clients import glance
from cyborg_fpga.conductor import abandoned
from cyborg_fpga.conductor import images
from cyborg_fpga.db import bitstreams

LOG = logging.getLogger(__name__)

_CHANGES = 'glance_changes'
_SWEEP = 'glance_sweep'

_BATCH = 200
_BEGINNING = '1970-01-01T00:00:00Z'
_TIME = '%Y-%m-%dT%H:%M:%SZ'

# A change may become visible later than others that bear a later time: its
# transaction took longer, or the clock of its server is behind.
_OVERLAP_SECONDS = 60

# Headers remembered, by the hash of their files.
_HEADERS = 20000
# Images whose header could not be read are tried again, so many per cycle.
_AGAIN = 20

_Header = tuple[file_header.Header | None, str]


class Catalogue:
    """One thread runs :meth:`cycle`; any may ask the other methods."""

    def __init__(self, conf: cfg.ConfigOpts, client: glance.Glance) -> None:
        self._conf = conf
        self._glance = client
        self._rules = signature.Rules.read(
            conf.bitstream.signature, conf.bitstream.allowed_certificates
        )
        self._abandoned = abandoned.Abandoned(conf, client)
        self._headers: dict[str, _Header] = {}
        self._unread: set[str] = set()
        self._since: str | None = None
        self._moved = 0.0

    def cycle(self, ctx: context.RequestContext) -> bool:
        """Bring the records up to date; True: some changed.

        Two small requests when nothing did, whatever there is. What Glance
        does not tell (deleted, tag removed, hidden) is noticed within
        ``images / sweep_page`` cycles.

        :raises errors.ServiceUnavailable: Glance is away; what was read is
            stored, the next cycle goes on there.
        """
        self._abandoned.clear(ctx)
        changed = self._try_again(ctx)
        changed += self._follow(ctx)
        changed += self._sweep(ctx)
        if changed:
            LOG.info('The catalogue has %s changes', changed)
        return bool(changed)

    def lookup(
        self, ctx: context.RequestContext, image_uuid: str
    ) -> nouns.Bitstream:
        """Ask Glance for an image now, with the caller's token; record it.

        :raises errors.NotFound: There is none, or the caller may not see it.
        :raises errors.BitstreamUnusable: It is not tagged as a bitstream.
        :raises errors.ServiceUnavailable: Glance is away.
        """
        row = self._ask(ctx, image_uuid)
        bitstreams.upsert(ctx, [row])
        return row

    def refresh(self, ctx: context.RequestContext, image_uuid: str) -> bool:
        """Record an image as it is in Glance now; True: that is news.

        :raises errors.ServiceUnavailable: Glance is away.
        """
        try:
            found = [self._glance.get(image_uuid)]
        except errors.NotFound:
            return bool(self._forget(ctx, [image_uuid]))
        return bool(self._record(ctx, found))

    def usable(
        self, ctx: context.RequestContext, image_uuid: str
    ) -> nouns.Bitstream:
        """:meth:`lookup` of an image that is to be loaded now.

        :raises errors.BitstreamUnusable: With the reason.
        """
        found, refused = self.usable_among(ctx, [image_uuid])
        if refused:
            raise refused[image_uuid]
        return found[image_uuid]

    def usable_among(
        self, ctx: context.RequestContext, image_uuids: Iterable[str]
    ) -> tuple[dict[str, nouns.Bitstream], dict[str, errors.FPGAError]]:
        """:meth:`usable` of several, recorded all at once.

        :returns: Those that may be loaded, and why the others may not.
        :raises errors.ServiceUnavailable: Glance is away.
        """
        found: dict[str, nouns.Bitstream] = {}
        refused: dict[str, errors.FPGAError] = {}
        for uuid in image_uuids:
            try:
                found[uuid] = self._ask(ctx, uuid)
            except (errors.NotFound, errors.BitstreamUnusable) as exc:
                refused[uuid] = exc
        if found:
            bitstreams.upsert(ctx, list(found.values()))
        for uuid, row in list(found.items()):
            reason = row.reason or self._rules.refusal(
                row.signature or {}, ctx.project_id
            )
            if reason:
                del found[uuid]
                refused[uuid] = errors.BitstreamUnusable(
                    image=uuid, reason=reason
                )
        return found, refused

    def _ask(
        self, ctx: context.RequestContext, image_uuid: str
    ) -> nouns.Bitstream:
        image = self._glance.get(image_uuid, ctx)
        if glance.TAG not in image.tags:
            self._forget(ctx, [image_uuid])
            raise errors.BitstreamUnusable(
                image=image_uuid, reason=f'it has no tag {glance.TAG}'
            )
        return self._read(image)

    def _follow(self, ctx: context.RequestContext) -> int:
        """Read what changed since the last time."""
        since = bitstreams.cursor(ctx, _CHANGES)
        if since is None:
            return self._load(ctx)
        if since != self._since:
            self._since, self._moved = since, time.monotonic()
        changed, newest = 0, since
        batch: list[glance.Image] = []
        for image in self._glance.changed_since(self._from(since)):
            newest = max(newest, image.updated_at)
            batch.append(image)
            if len(batch) == _BATCH:
                changed += self._record(ctx, batch)
                batch = []
        changed += self._record(ctx, batch)
        if newest != since:
            bitstreams.set_cursor(ctx, _CHANGES, newest)
        return changed

    def _from(self, since: str) -> str:
        """The time from which to ask.

        A while before the newest change that we know, until it has been the
        newest for as long: then just after it, so that a bulk of changes is
        not read again and again.
        """
        quiet = time.monotonic() - self._moved > _OVERLAP_SECONDS
        moment = datetime.datetime.strptime(since, _TIME)
        moment += datetime.timedelta(seconds=1 if quiet else -_OVERLAP_SECONDS)
        return moment.strftime(_TIME)

    def _load(self, ctx: context.RequestContext) -> int:
        """Read all tagged images: there is no earlier time to ask from."""
        newest = self._glance.newest_change() or _BEGINNING
        changed, marker = 0, None
        while page := self._glance.page(marker, _BATCH):
            changed += self._record(ctx, page)
            marker = page[-1].id
        bitstreams.set_cursor(ctx, _CHANGES, newest)
        return changed

    def _sweep(self, ctx: context.RequestContext) -> int:
        """Compare a page of Glance's tagged images with our records."""
        limit = self._conf.bitstream.sweep_page
        marker = bitstreams.cursor(ctx, _SWEEP)
        # Before Glance's page: an image that is recorded in between must
        # not look as if Glance had lost it.
        ours = bitstreams.sweep_page(ctx, marker, limit)
        try:
            page = self._glance.page(marker, limit)
        except errors.NotFound:
            # The marker was purged. Begin again with the next cycle.
            bitstreams.set_cursor(ctx, _SWEEP, None)
            return 0
        # The part of the order that both answers cover.
        answers = (ours, [image.id for image in page])
        end = min((a[-1] for a in answers if len(a) == limit), default=None)
        there = {image.id for image in page}
        gone = [
            uuid
            for uuid in ours
            if uuid not in there and (end is None or uuid <= end)
        ]
        seen = [i for i in page if end is None or i.id <= end]
        changed = self._record(ctx, seen) + self._forget(ctx, gone)
        following = None if end is None else (seen[-1].id if seen else marker)
        if following != marker:
            bitstreams.set_cursor(ctx, _SWEEP, following)
        return changed

    def _try_again(self, ctx: context.RequestContext) -> int:
        """Images whose file could not be read, though Glance answered."""
        found = []
        for image_uuid in sorted(self._unread)[:_AGAIN]:
            self._unread.discard(image_uuid)
            try:
                found.append(self._glance.get(image_uuid))
            except errors.NotFound:
                LOG.debug('Image %s has gone', image_uuid)
        return self._record(ctx, found)

    def _record(
        self, ctx: context.RequestContext, found: Iterable[glance.Image]
    ) -> int:
        """Store what is a bitstream, forget what is none."""
        rows, others = [], []
        for image in found:
            if glance.TAG in image.tags:
                rows.append(self._read_if_possible(image))
            else:
                others.append(image.id)
        changed = bitstreams.upsert(ctx, rows) if rows else 0
        # They may have been given it since Glance was asked.
        known = bitstreams.recorded(ctx, others) if others else []
        lost = [uuid for uuid in known if self._is_untagged(uuid)]
        return changed + self._forget(ctx, lost)

    def _is_untagged(self, image_uuid: str) -> bool:
        try:
            return glance.TAG not in self._glance.get(image_uuid).tags
        except errors.NotFound:
            return True

    def _forget(self, ctx: context.RequestContext, uuids: list[str]) -> int:
        return bitstreams.forget(ctx, uuids) if uuids else 0

    def _read_if_possible(self, image: glance.Image) -> nouns.Bitstream:
        """One file that Glance cannot give must not stop the catalogue."""
        try:
            return self._read(image)
        except errors.ServiceUnavailable as exc:
            LOG.warning('Header of image %s: %s', image.id, exc.message)
            self._unread.add(image.id)
            return self._as_read(image, (None, 'cannot be read now'))

    def _read(self, image: glance.Image) -> nouns.Bitstream:
        if images.needs_header(image):
            return self._as_read(image, self._header(image))
        return self._as_read(image, (None, ''))

    def _as_read(
        self, image: glance.Image, header: _Header
    ) -> nouns.Bitstream:
        return images.read_image(
            image,
            self._conf.bitstream.trusted_projects,
            header=header[0],
            fault=header[1],
            rules=self._rules,
        )

    def _header(self, image: glance.Image) -> _Header:
        """What the image's file says of itself, or why it does not."""
        # Of one hash, one content: Glance never changes an image's data.
        key = f'{image.os_hash_algo}:{image.os_hash_value}'
        known = self._headers.get(key)
        if known is None:
            known = self._fetch_header(image)
            if len(self._headers) >= _HEADERS:
                self._headers.clear()
            self._headers[key] = known
        return known

    def _fetch_header(self, image: glance.Image) -> _Header:
        try:
            file = source.Source(
                functools.partial(self._glance.part, image.id), image.size or 0
            )
            return formats.read(file), ''
        except errors.BadBitstream as exc:
            return None, f'is no bitstream ({exc.kwargs["reason"]})'
        except errors.NotFound:
            return None, 'is not there'
