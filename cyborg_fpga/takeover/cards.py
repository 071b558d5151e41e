"""Store hosts, devices and what belongs to them."""

from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from oslo_utils import uuidutils

from cyborg_fpga import model
from cyborg_fpga.db import models
from cyborg_fpga.takeover import records
from cyborg_fpga.takeover import source
from cyborg_fpga.takeover import translate

_HOST, _CARD, _REGION = models.Host, models.Device, models.Deployable


def store(
    made: records.Records, cyborg: source.Cyborg, devices: Sequence[Any]
) -> None:
    """Store *devices*, in as many statements however many there are."""
    devices = made.new(_CARD, devices)
    if not devices:
        return
    ids = [row.id for row in devices]
    deployables = cyborg.deployables(ids)
    inner = [row.id for row in deployables]
    cards = translate.cards(
        devices,
        cyborg.paths(ids),
        deployables,
        cyborg.attributes(inner),
        cyborg.handles(inner),
        made.damage,
    )
    hosts = _store_hosts(made, {card.hostname for card in cards})
    cards = [card for card in cards if card.hostname in hosts]
    made.add(
        _CARD,
        [{**card.values, 'host_id': hosts[card.hostname]} for card in cards],
        once='pci_address',
    )
    _store_regions(made, cards, hosts)


def _store_hosts(
    made: records.Records, names: Collection[str]
) -> Mapping[str, int]:
    """Row ids of those of *names* that are new since this import began."""
    new = set(names) - set(made.summary.hosts)
    taken = _taken(made, new)
    made.conflicts += [
        f'host {name} is here already: an agent of this service reported it'
        for name in sorted(taken)
    ]
    new -= taken
    made.add(
        _HOST,
        [
            {
                'uuid': uuidutils.generate_uuid(),
                'hostname': name,
                'rp_name': name,
                'layout': model.Layout.REGION.value,
                # Until its agent reports.
                'up': False,
                'boot_id': 0,
            }
            for name in sorted(new)
        ],
    )
    made.summary.hosts += sorted(new)
    return made.ids(_HOST.hostname, set(names) - taken)


def _taken(made: records.Records, names: Collection[str]) -> set[str]:
    """Those of *names* that are hosts of ours, or providers of such."""
    known = made.session.execute(
        sa.select(_HOST.hostname, _HOST.rp_name).where(
            sa.or_(_HOST.hostname.in_(names), _HOST.rp_name.in_(names))
        )
    )
    return {name for row in known for name in row} & set(names)


def _store_regions(
    made: records.Records,
    cards: Sequence[translate.Card],
    hosts: Mapping[str, int],
) -> None:
    card_ids = made.ids(_CARD.uuid, [card.values['uuid'] for card in cards])
    regions = {
        region.values['uuid']: (region, hosts[card.hostname], card_id)
        for card in cards
        for region in card.regions
        if (card_id := card_ids.get(card.values['uuid']))
    }
    made.add(
        _REGION,
        [
            {**region.values, 'host_id': host_id, 'device_id': card_id}
            for region, host_id, card_id in regions.values()
        ],
        once='name',
    )
    facts: list[translate.Values] = []
    handles: list[translate.Values] = []
    for uuid, row_id in made.ids(_REGION.uuid, regions).items():
        region, host_id, _ = regions[uuid]
        parent = {'deployable_id': row_id}
        facts += [{**fact, **parent} for fact in region.facts]
        handles += [
            {**handle, **parent, 'host_id': host_id}
            for handle in region.handles
        ]
        _tell_left_out(made.summary, region)
    made.add(models.Attribute, facts)
    made.add(models.AttachHandle, handles, once='pci_address')


def _tell_left_out(summary: records.Summary, region: translate.Region) -> None:
    if region.functions:
        summary.left_out['traits of loaded functions'] += region.functions
    for name in region.illegal:
        summary.left_out['traits that Placement cannot have'] += 1
        summary.notes.append(
            f'deployable {region.values["name"]}: Placement can have no '
            f'trait {name!r}'
        )
