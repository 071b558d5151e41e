"""What the readings of cards say of their health, from one look to the next.

A card is suspect from the first bad look until so many good ones in a row,
and to be quarantined after so many bad ones in a row. What a driver itself
says of a card counts at once, and for as long as it says so: that its last
load failed, or that the kernel's driver is not bound to it.
"""

import dataclasses
import functools
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from oslo_log import log as logging

from cyborg_fpga import model
from cyborg_fpga.drivers import base
from cyborg_fpga.drivers import pci_function
from cyborg_fpga.drivers import pci_health
from cyborg_fpga.drivers import sysfs

LOG = logging.getLogger(__name__)

_UNITS = {'temperature': '°C', 'power': 'W'}
# Of a period: scans that come earlier are not looks.
_SHARE = 0.5


@dataclasses.dataclass(slots=True)
class _Case:
    """What is known of one card.

    :ivar bad: Looks in a row that were bad; *good* likewise.
    :ivar reason: Of the last bad look; '' once it has recovered.
    """

    looked: float | None = None
    counters: Mapping[str, int] = dataclasses.field(default_factory=dict)
    bad: int = 0
    good: int = 0
    reason: str = ''


class Judge:
    """Gives the cards of a scan their health.

    Safe to share between scans of different drivers.

    :param limits: The options of ``[devices]``.
    :param interval: Seconds between two reports.
    """

    def __init__(
        self,
        fs: sysfs.Sysfs,
        limits: Any,
        interval: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fs = fs
        self._limits = limits
        self._period = interval * _SHARE
        self._clock = clock
        self._cases: dict[model.PciAddress, _Case] = {}

    def judge(
        self,
        driver: base.Driver,
        found: Sequence[model.DeviceReport],
        before: Sequence[model.DeviceReport],
    ) -> list[model.DeviceReport]:
        """The cards of *found*, and those that only lost their driver.

        :param before: What this returned for *driver* the last time.
        """
        earlier = {card.pci_address: card for card in before}
        judged = []
        for seen in found:
            card = _with_regions(seen, earlier.pop(seen.pci_address, None))
            look = functools.partial(self._problems, driver, card)
            judged.append(self._judged(card, look))
        for card in earlier.values():
            judged += self._strayed(card)
        return sorted(judged, key=lambda card: card.pci_address)

    def _strayed(
        self, card: model.DeviceReport
    ) -> Iterator[model.DeviceReport]:
        """*card* as it was, if it is on its bus still."""
        function = pci_function.Function(self._fs, card.pci_address)
        if not self._fs.exists(function.path):
            self._cases.pop(card.pci_address, None)
            return
        # Another driver may have it for good reason: a guest's.
        reason = pci_function.not_bound(function.address, function.driver())
        yield self._judged(unread(card, reason), lambda case: [])

    def _judged(
        self, card: model.DeviceReport, look: Callable[[_Case], list[str]]
    ) -> model.DeviceReport:
        """*card* with its health.

        :param look: Says what is wrong with it; called when it is time.
        """
        case = self._cases.setdefault(card.pci_address, _Case())
        now = self._clock()
        if case.looked is None or now - case.looked >= self._period:
            case.looked = now
            self._count(card.pci_address, case, look(case))
        health, reasons = card.health, [card.health_reason]
        if case.reason:
            health = model.Health.SUSPECT
            reasons.append(case.reason)
            if 0 < self._limits.quarantine_after <= case.bad:
                health = model.Health.QUARANTINED
        return dataclasses.replace(
            card,
            health=health,
            health_reason='; '.join(dict.fromkeys(filter(None, reasons))),
        )

    def _count(
        self, address: model.PciAddress, case: _Case, problems: list[str]
    ) -> None:
        if problems:
            reason = '; '.join(dict.fromkeys(problems))
            if reason != case.reason:
                LOG.warning('Card %s: %s', address, reason)
            case.bad, case.good, case.reason = case.bad + 1, 0, reason
            return
        case.bad, case.good = 0, case.good + 1
        if case.reason and case.good >= self._limits.recover_after:
            LOG.info('Card %s is good again', address)
            case.reason = ''

    def _problems(
        self, driver: base.Driver, card: model.DeviceReport, case: _Case
    ) -> list[str]:
        readings = driver.readings(card)
        before, case.counters = case.counters, readings.counters
        return [
            *readings.problems,
            *self._too_many(before, readings.counters),
            *self._too_much(readings.sensors),
        ]

    def _too_many(
        self, before: Mapping[str, int], now: Mapping[str, int]
    ) -> Iterator[str]:
        for kind, count in now.items():
            limit = self._limits[f'{kind}_errors_limit']
            if limit >= 0 and count - before.get(kind, count) > limit:
                yield (
                    f'more than {limit} {kind} PCI Express errors from one '
                    'look to the next'
                )

    def _too_much(self, sensors: Sequence[pci_health.Sensor]) -> Iterator[str]:
        for sensor in sensors:
            unit, name = _UNITS[sensor.kind], f'{sensor.kind} {sensor.name}'
            limits = {sensor.critical, self._limits[f'{sensor.kind}_limit']}
            lowest = min(filter(None, limits), default=None)
            if lowest is not None and sensor.value >= lowest:
                LOG.info('%s: %s %s', name, sensor.value, unit)
                yield f'{name} is {lowest:g} {unit} or more'
            elif sensor.alarm:
                yield f'{name} has its alarm set'


def _with_regions(
    card: model.DeviceReport, before: model.DeviceReport | None
) -> model.DeviceReport:
    """*card*, with the regions it had where they cannot be seen now."""
    if before is None or card.deployables or card.health is model.Health.OK:
        return card
    regions = unread(before, '').deployables
    return dataclasses.replace(card, deployables=regions)


def unread(card: model.DeviceReport, reason: str) -> model.DeviceReport:
    """*card* as it was, and suspect: nothing is known of it now."""
    return dataclasses.replace(
        card,
        health=model.Health.SUSPECT,
        health_reason=reason,
        deployables=tuple(
            dataclasses.replace(deployable, busy=True)
            for deployable in card.deployables
        ),
    )
