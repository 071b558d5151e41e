"""How a simulated card is: what its sensors show and its bus has counted.

XRT's kernel drivers show sensors in sysfs too, in two ways, which are those
of https://github.com/Xilinx/XRT, src/runtime_src/core/pcie/driver/linux/xocl,
subdev/xmc.c for Alveo cards and subdev/hwmon_sdm.c for Versal ones. The former
lists targets among its sensors; the latter has units of its own.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any
from typing import Self

_COUNTED = {
    'correctable': ('TOTAL_ERR_COR', ('RxErr', 'BadTLP', 'BadDLLP')),
    'nonfatal': ('TOTAL_ERR_NONFATAL', ('CmpltTO', 'UnsupReq', 'MalfTLP')),
    'fatal': ('TOTAL_ERR_FATAL', ('DLP', 'FCP', 'MalfTLP')),
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wellbeing:
    """Of one card; the numbers of errors are those since it is there."""

    celsius: float = 41.5
    watts: float = 22.0
    correctable: int = 0
    nonfatal: int = 0
    fatal: int = 0

    @classmethod
    def of(cls, faults: Mapping[str, Mapping[str, Any]]) -> Self:
        """What the faults of a card make of it."""
        arguments = {
            name: value
            for kind in ('hot', 'thirsty', 'aer')
            for name, value in faults.get(kind, {}).items()
            if name != 'times'
        }
        return cls(**arguments)

    def counters(self) -> dict[str, str]:
        """The kernel's attributes with its counts, by their names."""
        found = {}
        for kind, (total, names) in _COUNTED.items():
            count = getattr(self, kind)
            # All of the first sort.
            lines = [f'{names[0]} {count}', *(f'{n} 0' for n in names[1:])]
            text = '\n'.join([*lines, f'{total} {count}'])
            found[f'aer_dev_{kind}'] = text
        return found

    def alveo_chip(self, name: str) -> dict[str, str]:
        """The attributes of an Alveo card's sensors.

        Those that a card has not got show 0.
        """
        degrees, power = f'{self.celsius:.0f}000', f'{self.watts * 1e6:.0f}'
        return {
            'name': name,
            'temp1_label': 'PCB TOP FRONT',
            'temp1_input': '38000',
            'temp1_highest': '39000',
            'temp4_label': 'FPGA TEMP',
            'temp4_input': degrees,
            'temp4_highest': degrees,
            'temp10_label': 'HBM TEMP',
            'temp10_input': '0',
            'temp10_highest': '0',
            'temp15_label': 'CS_TARGET_TEMP',
            'temp15_input': '97000',
            'temp15_max': '100000',
            'in0_label': '12V PEX',
            'in0_input': '12100',
            'power1_label': 'POWER',
            'power1_input': power,
            'power1_average': power,
            'power2_label': 'CS_TARGET_POWER',
            'power2_input': '225000000',
            'power2_max': '225000000',
        }

    def versal_chip(self, name: str) -> dict[str, str]:
        """The same of a Versal card, whose labels its firmware gives."""
        shown = {'name': name}
        for stem, label, units, value, limit in (
            ('temp1', 'PCB', 'Celsius', '38', '100'),
            ('temp2', 'device', 'Celsius', f'{self.celsius:.0f}', '105'),
            ('power1', 'Total_Power', 'Watts', f'{self.watts:.0f}', '300'),
        ):
            shown |= {
                f'{stem}_label': label,
                f'{stem}_input': value,
                f'{stem}_average': value,
                f'{stem}_max': value,
                f'{stem}_units': units,
                f'{stem}_unitm': '0',
                f'{stem}_upper_critical': limit,
                f'{stem}_status': 'Sensor Present and Valid',
            }
        return shown

    def dfl_chips(self) -> list[dict[str, str]]:
        """The attributes of a DFL card's sensors, by chip."""
        degrees, power = self.celsius * 1000, self.watts * 1_000_000
        return [
            {
                'name': 'dfl_fme_thermal',
                'temp1_input': f'{degrees:.0f}',
                'temp1_max': '90000',
                'temp1_crit': '95000',
                'temp1_crit_alarm': f'{int(degrees >= 95000)}',
            },
            {'name': 'dfl_fme_power', 'power1_input': f'{power:.0f}'},
        ]
