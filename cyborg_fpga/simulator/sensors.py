"""How a simulated card is: what its sensors show and its bus has counted."""

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

    def chips(self) -> list[dict[str, str]]:
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
