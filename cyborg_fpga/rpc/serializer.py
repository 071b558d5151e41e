"""Carry a RequestContext across RPC; payloads are already plain JSON."""

from typing import Any

import oslo_messaging as messaging

from cyborg_fpga import context


class ContextSerializer(messaging.NoOpSerializer):
    def serialize_context(self, ctxt: context.RequestContext) -> Any:
        return ctxt.to_dict()

    def deserialize_context(self, ctxt: dict[str, Any]) -> Any:
        return context.from_wire(ctxt)
