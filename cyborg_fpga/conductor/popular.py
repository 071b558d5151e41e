"""Tells agents which bitstreams they may want before anybody asks."""

import threading
import time
from typing import Any

import oslo_messaging as messaging

from cyborg_fpga import context
from cyborg_fpga import nouns
from cyborg_fpga.conductor import choice
from cyborg_fpga.db import bitstreams
from cyborg_fpga.db import deployables
from cyborg_fpga.db import popularity
from cyborg_fpga.rpc import conductor as conductor_rpc

_WINDOW_SECONDS = 7 * 86400
# What is loaded often does not change from one minute to the next, and all
# hosts ask.
_KEPT_SECONDS = 60.0
_MOST = 200


class Popular:
    """RPC endpoint; :class:`rpc.conductor.ConductorAPI` is the client side."""

    target = messaging.Target(version=conductor_rpc.ConductorAPI.VERSION)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: list[nouns.Bitstream] = []
        self._until = 0.0

    def popular(
        self, ctx: context.RequestContext, hostname: str, count: int
    ) -> list[dict[str, Any]]:
        """Those that fit a host's cards, the most popular first."""
        known = self._most_loaded(ctx)
        regions = deployables.of_host(ctx, hostname) if known else []
        fitting = (
            image
            for image in known
            if image.hash_value
            and image.size
            and any(choice.fits(region, image) for region in regions)
        )
        return [
            {
                'uuid': image.uuid,
                'algo': image.hash_algo,
                'value': image.hash_value,
                'size': image.size,
            }
            for image, _ in zip(fitting, range(count), strict=False)
        ]

    def _most_loaded(
        self, ctx: context.RequestContext
    ) -> list[nouns.Bitstream]:
        with self._lock:
            if time.monotonic() > self._until:
                often = popularity.most_loaded(ctx, _WINDOW_SECONDS, _MOST)
                known = {b.uuid: b for b in bitstreams.public(ctx, often)}
                self._known = [known[u] for u in often if u in known]
                self._until = time.monotonic() + _KEPT_SECONDS
            return self._known
