"""Gives cards the virtual functions that ``[devices] vfs`` wants them to have.

Only a card of which nothing is claimed is changed, by its own thread, so
that nothing else is done to it meanwhile; the reports go on.
"""

import dataclasses
import functools
import threading
import time
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

import oslo_messaging as messaging
from oslo_log import log as logging

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.agent import executor as agent_executor
from cyborg_fpga.agent import selection
from cyborg_fpga.drivers import base

LOG = logging.getLogger(__name__)

_RETRY_SECONDS = 60.0
_LIMIT = 256


class VirtualFunctions:
    """Looks at each report and has done what is missing.

    :param wanted: Entries ``card=number``; the first that is about a card
        holds, and one that none is about is left as it is.
    :param retry: Seconds from one attempt on a card to the next.
    :raises errors.InvalidInput: An entry is wrong.
    """

    def __init__(
        self,
        wanted: Iterable[str],
        drivers: Mapping[str, base.Driver],
        *,
        retry: float = _RETRY_SECONDS,
    ) -> None:
        self._wanted = [_parsed(text) for text in wanted]
        self._drivers = drivers
        self._retry = retry
        self._lock = threading.Lock()
        self._executor: agent_executor.Executor | None = None
        # Cards that are being changed, as they were before.
        self._before: dict[model.PciAddress, model.DeviceReport] = {}
        self._tried: dict[model.PciAddress, float] = {}
        self._trouble: dict[model.PciAddress, str] = {}

    def start(
        self,
        executor: agent_executor.Executor,
        claimed: Callable[[], Collection[str]],
        changed: Callable[[], None],
    ) -> None:
        """Change cards from now on.

        :param claimed: Names of this host's deployables that are in use.
        :param changed: Called after a card was changed, in its thread.
        """
        self._claimed, self._changed = claimed, changed
        self._executor = executor

    def look(
        self, cards: Sequence[model.DeviceReport]
    ) -> tuple[model.DeviceReport, ...]:
        """What to report of *cards*; what is to be changed is begun.

        A card that is being changed is reported as it was before, since
        nobody must be given what is there for a moment only.
        """
        for card in cards if self._executor else ():
            self._begin(card)
        with self._lock:
            found = {card.pci_address: card for card in cards} | self._before
            return tuple(
                _suspect(card, self._trouble.get(address))
                for address, card in found.items()
            )

    def _begin(self, card: model.DeviceReport) -> None:
        number = self._number(card)
        address, now = card.pci_address, time.monotonic()
        if number is None or self._executor is None:
            return
        with self._lock:
            due = now - self._tried.get(address, -self._retry) >= self._retry
            if address in self._before or not due:
                return
        driver = self._drivers[card.driver]
        try:
            if driver.has_vfs(address, number):
                self._trouble.pop(address, None)
                return
        except errors.DeviceFailed as exc:
            LOG.debug('Card %s: %s', address, exc.message)
            return
        with self._lock:
            self._tried[address] = now
            self._before[address] = card
        self._executor.run_alone(
            address, functools.partial(self._change, card, driver, number)
        )

    def _change(
        self, card: model.DeviceReport, driver: base.Driver, number: int
    ) -> None:
        address = card.pci_address
        try:
            if self._is_free(address):
                driver.set_vfs(address, number)
                LOG.info('Card %s has %s virtual functions', address, number)
                self._trouble.pop(address, None)
        except errors.DeviceFailed as exc:
            LOG.error(
                'Card %s cannot get %s virtual functions: %s',
                address,
                number,
                exc.message,
            )
            if exc.kwargs['cause'] != model.Cause.DEVICE_BUSY:
                self._trouble[address] = exc.message[:_LIMIT]
        finally:
            with self._lock:
                del self._before[address]
            self._changed()

    def _is_free(self, address: model.PciAddress) -> bool:
        try:
            claimed = self._claimed()
        except (errors.FPGAError, messaging.MessagingException) as exc:
            LOG.warning('Nobody says what is claimed of %s: %s', address, exc)
            return False
        taken = [name for name in claimed if name.startswith(f'{address}/')]
        if taken:
            LOG.info(
                'Card %s gets other virtual functions when %s are free',
                address,
                ', '.join(taken),
            )
        return not taken

    def _number(self, card: model.DeviceReport) -> int | None:
        for entry, number in self._wanted:
            if selection.matches([entry], card):
                return number
        return None


def _parsed(text: str) -> tuple[str, int]:
    which, equals, number = text.partition('=')
    if not equals or not number.strip().isdecimal():
        raise errors.InvalidInput(
            reason=f'[devices] vfs: {text!r} is not card=number'
        )
    return selection.entry(which), int(number)


def _suspect(
    card: model.DeviceReport, trouble: str | None
) -> model.DeviceReport:
    if trouble is None:
        return card
    reasons = filter(None, (card.health_reason, trouble))
    worst = card.health is not model.Health.OK
    return dataclasses.replace(
        card,
        health=card.health if worst else model.Health.SUSPECT,
        health_reason='; '.join(reasons),
    )
