"""``/v2/devices``: the cards."""

import functools
from typing import Any

from oslo_serialization import jsonutils

from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.api import handler
from cyborg_fpga.api import paging
from cyborg_fpga.api.schemas import devices as schema
from cyborg_fpga.api.schemas import parts
from cyborg_fpga.db import devices
from cyborg_fpga.policies import devices as policies

_STATUS_SINCE = 3


class Devices(handler.Controller):
    @handler.expose(
        query=schema.QUERY,
        cyborg_filters=True,
        answers={200: schema.DEVICES},
    )
    def index(self, call: handler.Call) -> dict[str, Any]:
        call.authorize(policies.GET_ALL)
        return paging.page(call, 'devices', devices.list_page, _shown)

    @handler.expose(answers={200: schema.DEVICE})
    def show(self, call: handler.Call, uuid: str) -> dict[str, Any]:
        call.authorize(policies.GET_ONE)
        return _shown(call, self._device(call, uuid))

    @handler.expose(body=[(0, parts.NO_BODY)], answers={204: None})
    def enable(self, call: handler.Call, uuid: str) -> None:
        """Offer the card again, and forgive it its quarantine."""
        call.authorize(policies.ENABLE)
        device = self._device(call, uuid)
        values: dict[str, Any] = {'status': model.DeviceStatus.ENABLED.value}
        if device.health in (model.Health.QUARANTINED, model.Health.SUSPECT):
            values['health'] = model.Health.OK.value
        self.services.conductor.set_device(call.ctx, device.uuid, values)

    @handler.expose(body=[(0, parts.NO_BODY)], answers={204: None})
    def disable(self, call: handler.Call, uuid: str) -> None:
        """Offer the card no more; who has it keeps it."""
        call.authorize(policies.DISABLE)
        device = self._device(call, uuid)
        values = {'status': model.DeviceStatus.MAINTAINING.value}
        self.services.conductor.set_device(call.ctx, device.uuid, values)

    def _device(self, call: handler.Call, uuid: str) -> nouns.Device:
        return devices.get(call.ctx, handler.known_uuid('device', uuid))


def _shown(call: handler.Call, device: nouns.Device) -> dict[str, Any]:
    address = str(device.pci_address)
    extra = dict(device.attributes)
    shown = {
        'uuid': device.uuid,
        'type': device.type,
        'vendor': device.vendor,
        'model': device.model,
        'std_board_info': _board(
            vendor_id=device.vendor_id,
            product_id=device.product_id,
            family=device.family,
            pci_address=address,
        ),
        'vendor_board_info': jsonutils.dumps(extra, sort_keys=True)
        if extra
        else None,
        'hostname': device.hostname,
        'pci_address': address,
        'driver': device.driver,
        'family': device.family,
        'vendor_id': device.vendor_id,
        'product_id': device.product_id,
        'serial': device.serial,
        'numa_node': device.numa_node,
        'health': device.health.value,
        'health_reason': device.health_reason,
        'failures': device.failures,
        'attributes': extra,
        'links': call.self_link('devices', device.uuid),
        'created_at': device.created_at,
        'updated_at': device.updated_at,
    }
    if call.minor >= _STATUS_SINCE:
        shown['status'] = device.status.value
    return shown


@functools.lru_cache(4096)
def _board(**members: str) -> str:
    """What Cyborg wraps as JSON text; a card's is always the same."""
    return jsonutils.dumps(members, sort_keys=True)
