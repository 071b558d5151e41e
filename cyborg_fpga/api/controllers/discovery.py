"""``/`` and ``/v2``: which versions there are. No token is needed."""

from typing import Any

from cyborg_fpga.api import handler
from cyborg_fpga.api import versions
from cyborg_fpga.api.schemas import discovery as schema


class Discovery(handler.Controller):
    @handler.expose(answers={200: schema.ROOT})
    def versions(self, call: handler.Call) -> dict[str, Any]:
        return versions.root_document(call.base_url)

    @handler.expose(answers={200: schema.V2})
    def v2(self, call: handler.Call) -> dict[str, Any]:
        return versions.v2_document(call.base_url)
