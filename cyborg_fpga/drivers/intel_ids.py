"""PCI ids of the cards that speak DFL, and how long they take.

To support one more card, add a line.
"""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Family:
    """What the ids alone say of a card.

    :ivar vendor: Word used in traits and resource classes.
    :ivar name: Upper-case word used in traits.
    :ivar program_fixed: Seconds of a partial reconfiguration of any size.
    :ivar program_rate: Bytes per second on top of that.
    """

    vendor: str
    name: str
    model: str
    program_fixed: float = 2.0
    program_rate: float = 20e6


_VENDORS = {'8086': 'intel', '1c2c': 'silicom', '1ded': 'alibaba'}

_OFS = Family('intel', 'OFS', 'OFS platform')

#: (vendor, device, subsystem device or None for any). The fixed seconds are
#: what Intel's guides show for a whole update of an N6001 (0.9) and a D5005
#: (1.9); nobody publishes a rate, so it is a cautious one.
_FAMILIES: dict[tuple[str, str, str | None], Family] = {
    ('8086', '09c4', None): Family(
        'intel', 'PAC_A10', 'Programmable Acceleration Card with Arria 10 GX'
    ),
    ('8086', '0b2b', None): Family(
        'intel', 'PAC_D5005', 'FPGA Programmable Acceleration Card D5005'
    ),
    ('8086', 'bcce', '138d'): Family(
        'intel', 'PAC_D5005', 'FPGA Programmable Acceleration Card D5005'
    ),
    ('8086', '0b30', None): Family(
        'intel', 'PAC_N3000', 'FPGA Programmable Acceleration Card N3000'
    ),
    ('8086', 'bcce', '1770'): Family(
        'intel', 'N6000', 'FPGA SmartNIC N6000-PL', 1.0
    ),
    ('8086', 'bcce', '1771'): Family(
        'intel', 'N6001', 'FPGA SmartNIC N6001-PL', 1.0
    ),
    ('8086', 'bcce', '17d4'): Family(
        'intel', 'F2000X', 'IPU Platform F2000X-PL', 1.0
    ),
    ('8086', 'bcce', None): _OFS,
    ('8086', 'af00', None): _OFS,
    ('8086', '0ddb', None): _OFS,
    ('8086', 'bcbd', None): Family(
        'intel', 'XEON_FPGA', 'Xeon with integrated FPGA'
    ),
    ('8086', 'bcc0', None): Family(
        'intel', 'XEON_FPGA', 'Xeon with integrated FPGA'
    ),
    ('1c2c', '1000', None): Family('silicom', 'N5010', 'FPGA SmartNIC N5010'),
    ('1c2c', '1001', None): Family('silicom', 'N5011', 'FPGA SmartNIC N5011'),
    ('1c2c', '1002', None): Family('silicom', 'N5013', 'FPGA SmartNIC N5013'),
    ('1c2c', '1003', None): Family('silicom', 'N5014', 'FPGA SmartNIC N5014'),
    ('1ded', '8103', None): Family('alibaba', 'F5', 'F5 (Agilex)'),
}


def family(vendor: str, device: str, subsystem: str | None) -> Family | None:
    """Look a card up by its ids, four hex digits each.

    A card of a known vendor that is not listed (the kernel takes new ids at
    run time) is a family of its own; None for an unknown vendor.
    """
    found = _FAMILIES.get((vendor, device, subsystem)) or _FAMILIES.get(
        (vendor, device, None)
    )
    if found or vendor not in _VENDORS:
        return found
    return Family(_VENDORS[vendor], f'DFL_{device.upper()}', '')
