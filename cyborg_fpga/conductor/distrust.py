"""What cards hold that does not count for who gets them.

Who asks for no function gets whatever a card holds. That was loaded for
somebody else, by the rules for him, and may reach all memory of the guest that
the card is given to. So it goes first, where its signature does not count.
"""

import dataclasses
from collections.abc import Iterable
from collections.abc import Sequence

from oslo_config import cfg

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.bitstream import signature
from cyborg_fpga.db import bitstreams

#: That take the function away; the first that the card can do.
_LEVELS = (model.WipeLevel.CLEAR, model.WipeLevel.BLANK)


class Distrust:
    """Judges by the options ``[bitstream]`` of this conductor.

    :ivar possible: There may be something that does not count for somebody.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        options = conf.bitstream
        self._rules = signature.Rules.read(
            options.signature, options.allowed_certificates
        )
        self.possible = self._rules.selective

    def offered(
        self,
        ctx: context.RequestContext,
        regions: Sequence[nouns.Deployable],
        project_id: str | None,
    ) -> list[nouns.Deployable]:
        """*regions* as they are for a project.

        Without functions that do not count for it, and without those where
        such a function stays since somebody has a part of it.
        """
        faults = self._faults(ctx, regions, project_id)
        return [
            dataclasses.replace(region, function_id=None)
            if region.id in faults
            else region
            for region in regions
            if region.id not in faults
            or not any(handle.claim_uuid for handle in region.handles)
        ]

    def emptied(
        self,
        ctx: context.RequestContext,
        regions: Sequence[nouns.Deployable],
        project_id: str | None,
    ) -> dict[int, nouns.Deployable]:
        """Those of *regions* that must be wiped, as they must be, by row id.

        :param project_id: Whose they are, or will be as they are.
        :raises errors.BitstreamUnusable: One cannot be wiped so.
        """
        faults = self._faults(ctx, regions, project_id)
        return {
            region.id: _emptied(region, faults[region.id])
            for region in regions
            if region.id in faults
        }

    def _faults(
        self,
        ctx: context.RequestContext,
        regions: Iterable[nouns.Deployable],
        project_id: str | None,
    ) -> dict[int, str]:
        """Why what deployables hold does not count, by row id.

        A function of which nobody knows who loaded it is the operator's.
        """
        loaded = [r for r in regions if self.possible and r.bitstream_id]
        if not loaded:
            return {}
        images = {str(region.bitstream_id) for region in loaded}
        known = {
            image.uuid: image.signature or {}
            for image in bitstreams.some(ctx, images)
        }
        found = {}
        for region in loaded:
            image = str(region.bitstream_id)
            reason = 'it is not in the catalogue any more'
            if image in known:
                reason = self._rules.refusal(known[image], project_id)
            if reason:
                found[region.id] = reason
        return found


def _emptied(region: nouns.Deployable, reason: str) -> nouns.Deployable:
    level = next((one for one in _LEVELS if one in region.wipe_levels), None)
    if level is None:
        raise errors.BitstreamUnusable(
            image=region.bitstream_id,
            reason=f'deployable {region.uuid} holds it and cannot be cleared, '
            f'and {reason}',
        )
    return dataclasses.replace(region, wipe_at_least=level)
