"""Cards of ours that the compute service would give away too.

Nova's ``[pci] device_spec`` is read the way Nova reads it: what an entry
leaves out matches anything, an address is a text with ``*`` or regular
expressions by part, and one that names a PF takes in its VFs.
"""

import json
import re
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging

from cyborg_fpga import model
from cyborg_fpga.agent import selection
from cyborg_fpga.drivers import families

LOG = logging.getLogger(__name__)

_Spec = Mapping[str, Any]
_PARTS = ('domain', 'bus', 'slot', 'function')
_OPTION = cfg.MultiStrOpt(
    'device_spec',
    default=[],
    deprecated_opts=[
        cfg.DeprecatedOpt('passthrough_whitelist', group='pci'),
        cfg.DeprecatedOpt('pci_passthrough_whitelist', group='DEFAULT'),
    ],
)


class Overlap:
    """Warns once of each card that Nova's own configuration lists too.

    :param files: Nova's configuration files. One that cannot be read is
        warned about: nothing is known then.
    """

    def __init__(self, files: Sequence[str], table: families.Table) -> None:
        self._specs = _read(files) if files else []
        self._table = table
        self._warned: set[model.PciAddress] = set()

    def warn(self, cards: Iterable[model.DeviceReport]) -> None:
        """Look at the cards of a report; cheap where Nova lists none."""
        for card in cards if self._specs else ():
            if card.pci_address in self._warned:
                continue
            if any(self._lists(spec, card) for spec in self._specs):
                self._warned.add(card.pci_address)
                LOG.warning(
                    'Card %s is ours, and [pci] device_spec of the compute '
                    'service lists it too: it may be given away twice. '
                    'Take it out there, or name it in [devices] exclude',
                    card.pci_address,
                )

    def _lists(self, spec: _Spec, card: model.DeviceReport) -> bool:
        products = self._table.products(card.vendor_id, card.product_id)
        return (
            _id_matches(spec, 'vendor_id', {card.vendor_id})
            and _id_matches(spec, 'product_id', products)
            and any(
                _address_matches(spec.get('address'), address)
                for address in selection.functions(card)
            )
        )


def _read(files: Sequence[str]) -> list[_Spec]:
    nova = cfg.ConfigOpts()
    nova.register_opt(_OPTION, group='pci')
    try:
        nova(
            [],
            project='nova',
            default_config_files=list(files),
            default_config_dirs=[],
        )
        texts = list(nova.pci.device_spec)
    except cfg.Error as exc:
        LOG.warning(
            '[devices] nova_config cannot be read, so cards that the compute '
            'service has too are not known: %s',
            exc,
        )
        return []
    specs: list[_Spec] = []
    for text in texts:
        specs += _parsed(text)
    return specs


def _parsed(text: str) -> list[_Spec]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    specs: list[_Spec] = found if isinstance(found, list) else [found]
    if not all(isinstance(spec, dict) for spec in specs):
        LOG.warning('Not understood in [pci] device_spec: %s', text)
        return []
    # An entry by network interface is about a network card.
    return [spec for spec in specs if 'devname' not in spec]


def _id_matches(spec: _Spec, name: str, ids: Iterable[str]) -> bool:
    wanted = str(spec.get(name, '*'))
    return any(_same(wanted, found) for found in ids)


def _address_matches(wanted: Any, address: str) -> bool:
    if not wanted:
        return True
    parsed = model.PciAddress.parse(address)
    parts = (parsed.domain, parsed.bus, parsed.device, parsed.function)
    if isinstance(wanted, str):
        return all(
            _same(text, part)
            for text, part in zip(_split(wanted), parts, strict=True)
        )
    try:
        # As Nova does: what follows the match does not matter.
        return all(
            re.match(str(wanted.get(name, '.*')), part)
            for name, part in zip(_PARTS, parts, strict=True)
        )
    except (AttributeError, re.error):
        return False


def _split(text: str) -> tuple[str, str, str, str]:
    """Domain, bus, slot and function of a glob; what is missing is ``*``."""
    plain, _, function = text.partition('.')
    domain, bus, slot = ['', '', *plain.split(':')][-3:]
    return domain, bus, slot, function


def _same(wanted: str, found: str) -> bool:
    """They are one hex number, or *wanted* is anything."""
    if wanted.strip() in ('', '*'):
        return True
    try:
        return int(wanted, 16) == int(found, 16)
    except ValueError:
        return False
