"""How well the PCI functions of a card say that they are.

An attribute that is not there, or cannot be read now, says nothing: what is
unknown is not bad. Only an error of the hardware itself is.
"""

import dataclasses
import errno
import re
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from cyborg_fpga import model
from cyborg_fpga.drivers import pci_function
from cyborg_fpga.drivers import sysfs

_BROKEN = (errno.EIO, errno.ETIMEDOUT, errno.EREMOTEIO)
_SENSOR = re.compile('(temp|power)[0-9]+_input')
#: What the kernel counts, and in which attribute's last line.
_COUNTERS = {
    'correctable': ('aer_dev_correctable', 'TOTAL_ERR_COR'),
    'nonfatal': ('aer_dev_nonfatal', 'TOTAL_ERR_NONFATAL'),
    'fatal': ('aer_dev_fatal', 'TOTAL_ERR_FATAL'),
}
#: hwmon's units: thousandths of a degree, millionths of a watt. XRT's driver
#: of Versal cards has whole ones, and the power of ten beside each value.
_SCALES = {'temp': ('temperature', 1e-3), 'power': ('power', 1e-6)}
_EXPONENT = 'unitm'
#: What it calls what hwmon calls ``crit``.
_CRITICAL = ('crit', 'upper_critical')
#: What XRT's other driver shows among the sensors and is what its clocks are
#: throttled for.
_TARGETS = ('CS_TARGET_TEMP', 'CS_TARGET_POWER')


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """One sensor of a card.

    :ivar kind: ``temperature`` in degrees Celsius or ``power`` in watts.
    :ivar critical: What the card itself calls too much; None: it does not.
    :ivar alarm: The card says that it is too much.
    """

    name: str
    kind: str
    value: float
    critical: float | None = None
    alarm: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What can be read of a card's well-being.

    :ivar problems: What is wrong whatever anybody's limits, in words.
    :ivar counters: ``correctable``, ``nonfatal`` and ``fatal`` PCI Express
        errors since the card is there, where the kernel counts them.
    """

    problems: tuple[str, ...] = ()
    counters: Mapping[str, int] = dataclasses.field(default_factory=dict)
    sensors: tuple[Sensor, ...] = ()

    def plus(
        self, problems: Iterable[str], sensors: Iterable[Sensor] = ()
    ) -> 'Readings':
        return dataclasses.replace(
            self,
            problems=(*self.problems, *problems),
            sensors=(*self.sensors, *sensors),
        )


def read(fs: sysfs.Sysfs, functions: Sequence[model.PciAddress]) -> Readings:
    """Look at *functions*, all of one card; never raises :class:`OSError`."""
    look = _Look(fs)
    for address in functions:
        look.at_function(address)
    look.at_sensors({str(address) for address in functions})
    return Readings(
        problems=tuple(look.problems),
        counters=look.counters,
        sensors=tuple(look.sensors),
    )


def physical(card: model.DeviceReport) -> list[model.PciAddress]:
    """The functions of *card* that are not virtual ones, in order."""
    found = {card.pci_address}
    for region in card.deployables:
        if region.handle_kind is model.HandleKind.PF:
            found |= set(region.handles)
    return sorted(found)


class _Look:
    """One look at one card."""

    def __init__(self, fs: sysfs.Sysfs) -> None:
        self._fs = fs
        self.problems: list[str] = []
        self.counters: dict[str, int] = {}
        self.sensors: list[Sensor] = []

    def at_function(self, address: model.PciAddress) -> None:
        path = f'{pci_function.DEVICES}/{address}'
        try:
            # What a bus answers for a device that does not.
            if self._fs.read_bytes(f'{path}/config', 4) == b'\xff' * 4:
                self.problems.append(f'{address} does not answer on its bus')
        except OSError as exc:
            self._note(f'config of {address}', exc)
        for kind, (attribute, total) in _COUNTERS.items():
            text = self._text(f'{path}/{attribute}', f'{attribute}')
            count = _number(text.rpartition(f'{total} ')[2])
            if count is not None:
                self.counters[kind] = self.counters.get(kind, 0) + count

    def at_sensors(self, functions: set[str]) -> None:
        try:
            chips = self._fs.listdir('class/hwmon')
        except OSError:
            return
        for chip in chips:
            try:
                # …/0000:3b:00.0/…/hwmon/hwmon3
                link = self._fs.readlink(f'class/hwmon/{chip}')
                if not functions.isdisjoint(link.split('/')):
                    self.sensors += self._chip(f'class/hwmon/{chip}')
            except OSError as exc:
                self._note(f'sensors {chip}', exc)

    def _chip(self, path: str) -> Iterator[Sensor]:
        names = self._fs.listdir(path)
        chip = self._text(f'{path}/name', 'name') if names else ''
        for name in names:
            match = _SENSOR.fullmatch(name)
            if match is None:
                continue
            stem = name.removesuffix('_input')
            label = chip
            if f'{stem}_label' in names:
                label = self._text(f'{path}/{stem}_label', f'{stem}_label')
            if label in _TARGETS:
                continue
            found = {
                part: _number(self._text(f'{path}/{stem}_{part}', name))
                for part in ('input', *_CRITICAL, 'crit_alarm', _EXPONENT)
                if f'{stem}_{part}' in names
            }
            sensor = _sensor(label or stem, match[1], found)
            if sensor is not None:
                yield sensor

    def _text(self, path: str, name: str) -> str:
        try:
            return self._fs.read(path)
        except OSError as exc:
            self._note(name, exc)
            return ''

    def _note(self, name: str, exc: OSError) -> None:
        if exc.errno in _BROKEN:
            self.problems.append(f'{name} cannot be read: {exc.strerror}')


def _sensor(
    name: str, kind: str, found: Mapping[str, int | None]
) -> Sensor | None:
    """A sensor of whose attributes *found* is what could be read."""
    value, exponent = found['input'], found.get(_EXPONENT)
    word, scale = _SCALES[kind]
    if exponent is not None:
        scale = 10.0 ** max(-9, min(exponent, 9))
    if value is None:
        return None
    critical = next(filter(None, map(found.get, _CRITICAL)), None)
    return Sensor(
        name=name,
        kind=word,
        value=round(value * scale, 6),
        critical=round(critical * scale, 6) if critical else None,
        alarm=found.get('crit_alarm') == 1,
    )


def _number(text: str) -> int | None:
    try:
        return int(text, 0)
    except ValueError:
        return None
