"""Images that an upload has begun and that nobody will ever finish.

Whoever dies amid an upload leaves one in Glance: without data, or with data
that nobody has checked to its end.
"""

from oslo_config import cfg
from oslo_log import log as logging

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga.clients import glance
from cyborg_fpga.clients import glance_upload
from cyborg_fpga.db import uploads

LOG = logging.getLogger(__name__)


class Abandoned:
    """Deletes them in Glance, as the service."""

    def __init__(self, conf: cfg.ConfigOpts, client: glance.Glance) -> None:
        self._conf = conf
        self._glance = client
        self._writer = glance_upload.Writer(conf)

    def clear(self, ctx: context.RequestContext) -> None:
        """Delete what there is; what cannot be deleted now is tried again.

        Asks Glance for nothing where there is none.
        """
        patience = self._conf.bitstream.abandoned_after
        for image_uuid, project_id in uploads.abandoned(ctx, patience):
            try:
                self._clear(image_uuid, project_id)
            except errors.FPGAError as exc:
                LOG.warning(
                    'Image %s of an upload that broke off: %s',
                    image_uuid,
                    exc.message,
                )
                continue
            uploads.end(ctx, image_uuid)

    def _clear(self, image_uuid: str, project_id: str | None) -> None:
        try:
            image = self._glance.get(image_uuid)
            # With our tag it was finished; with another one, somebody has
            # made it his own.
            if not image.tags and image.owner == project_id:
                self._writer.delete(None, image_uuid)
                LOG.info('Deleted image %s: its upload broke off', image_uuid)
        except errors.NotFound:
            LOG.debug('Image %s has gone', image_uuid)
