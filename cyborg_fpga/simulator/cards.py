"""One simulated card: loads images, resets ports, holds data, has faults.

Its state is in files below ``DIR/state``, written before and after each
change, so that a card process killed at any moment leaves what a card that
lost power would: a load that had begun leaves half an image and a port that
stays in reset.
"""

import errno
import json
import os
import pathlib
import threading
import time
from collections.abc import Mapping
from typing import Any

from oslo_log import log as logging

from cyborg_fpga.simulator import bus
from cyborg_fpga.simulator import faults
from cyborg_fpga.simulator import holding
from cyborg_fpga.simulator import kinds
from cyborg_fpga.simulator import loading
from cyborg_fpga.simulator import payload
from cyborg_fpga.simulator import samples
from cyborg_fpga.simulator import scenario
from cyborg_fpga.simulator import sensors
from cyborg_fpga.simulator import tree

LOG = logging.getLogger(__name__)

_TICK = 0.02
_LOGIC = (holding.Part.REGISTERS, holding.Part.BLOCKS)


PowerCut = bus.PowerCut
_os_error = bus.os_error


class Card:
    """Thread-safe; one load at a time, as under the kernel's engine lock.

    Errors are :class:`OSError` with the errno that the kernel would give.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        card: scenario.Card,
        card_tree: tree.CardTree,
    ) -> None:
        self.spec = card
        self._decode = kinds.KINDS[card.kind].decode
        self.tree = card_tree
        self._state = directory / 'state'
        self._holding = holding.Holding(
            self._state, card.memory, memory=card.kind != 'zynq'
        )
        self._flags = 0
        self._file = self._state / f'{card.address}.json'
        self._engine = threading.Lock()
        self._changed = threading.Condition()
        self._written: dict[int, int] = {}
        self._stopped = False
        found = (
            json.loads(self._file.read_text()) if (self._file.exists()) else {}
        )
        self._manager: dict[str, str] = found.get(
            'manager', {'state': 'unknown', 'status': ''}
        )
        self._faults = faults.Faults(found.get('faults', {}), card.kind)
        for kind, arguments in card.faults.items() if not found else ():
            self._faults.set(kind, arguments or {})
        self._ports: list[dict[str, Any]] = found.get('ports') or [
            _new_port(card.function_id) for _ in range(card.ports)
        ]
        self.bus = bus.Bus(
            card,
            card_tree,
            found.get('bus'),
            changed=self._changed,
            save=self._save,
        )

    def start(self) -> None:
        """Bring the tree up to date with the state on disk."""
        with self._changed:
            for port, state in enumerate(self._ports):
                if state['loading'] is not None:
                    LOG.warning('Card %s has half an image', self.address)
                    state.update(loading=None, broken=True)
                    self._manager = {'state': 'write error', 'status': ''}
                    self._written.pop(port, None)
            self._save()

    def stop(self) -> None:
        """Cut the power: whatever runs ends where it is, unanswered."""
        with self._changed:
            self._stopped = True
            self.bus.stop()
            self._changed.notify_all()

    @property
    def address(self) -> str:
        return self.spec.address

    def program(self, port: int, image: bytes) -> None:
        """Load *image*; blocks as long as the hardware takes.

        :raises OSError: EINVAL, EIO, ENODEV.
        """
        if not 0 <= port < self.spec.ports:
            raise _os_error(errno.EINVAL)
        with self._engine:
            refuse = self._take('refuse')
            if refuse:
                number = int(getattr(errno, refuse['errno']))
                raise loading.refusal(number, refuse['code'])
            self._begin(port, len(image))
            try:
                function = self._load(port, image)
            except loading.LoadFailed as exc:
                self._end(port, None, exc.state, exc.status)
                raise loading.refusal(exc.number, exc.code) from exc
            self._end(port, function, 'operating', '')

    def check_unused(self) -> None:
        """:raises OSError: EBUSY, programs on the host have it open."""
        with self._changed:
            self._check_present()
            if self._faults.has('held'):
                raise _os_error(errno.EBUSY)

    def reset(self, function: str) -> None:
        """Reset the logic behind *function*, which stays."""
        with self._changed:
            self._check_present()
            self._strike()
            if self._faults.take('dirty'):
                self._save()
                return
            # PCI Express wants nothing of the last use to be readable. Where
            # tenants bring the logic, a card can see to its registers only.
            plain = self.spec.kind == 'pci'
            parts = () if plain else (holding.Part.REGISTERS,)
            self._holding.empty(function, *parts)

    def unload(self, port: int, *, memory: bool) -> None:
        """Take a port's function away, and all that it held.

        :param memory: Have the card's memory overwritten too.
        """
        with self._changed:
            self._check_present()
            self._strike()
            self._ports[port].update(function_id=samples.BLANK, broken=False)
            for function in self.functions():
                self._holding.empty(function, *(() if memory else _LOGIC))
            self._save()

    def overwrite(self, interface: int) -> None:
        """Empty what is behind one interface to the card's memory."""
        with self._changed:
            self._check_present()
            self._strike()
            for function in self.functions():
                self._holding.overwrite(function, interface)

    def set_manager(self, state: str) -> None:
        with self._changed:
            self._check_present()
            self._manager = {'state': state, 'status': ''}
            self._save()

    def set_flags(self, value: int) -> None:
        with self._changed:
            self._check_present()
            self._flags = value
            self._save()

    def write_memory(self, function: str, offset: int, data: bytes) -> None:
        """Write as a guest with *function* would; lost while in reset."""
        with self._changed:
            if self._reachable(function, offset, len(data)):
                self._holding.write(function, offset, data)

    def read_memory(self, function: str, offset: int, length: int) -> bytes:
        """Read as a guest with *function* would; all ones while in reset."""
        with self._changed:
            if not self._reachable(function, offset, length):
                return b'\xff' * length
            return self._holding.read(function, offset, length)

    def fault(self, kind: str, arguments: Mapping[str, Any]) -> None:
        with self._changed:
            function = arguments.get('function', '')
            if function and function not in self.functions():
                raise ValueError(f'no guest can have {function}')
            self._faults.set(kind, arguments)
            self._save()

    def clear(self, kind: str | None) -> None:
        with self._changed:
            self._faults.clear(kind)
            self._save()

    def describe(self) -> dict[str, Any]:
        """What ``cyborg-fpga-simulator show`` prints."""
        with self._changed:
            ports = [
                {
                    'function_id': state['function_id'],
                    'broken': state['broken'],
                    'loading': state['loading'],
                    'written': self._written.get(port),
                    'loads': state['loads'],
                }
                for port, state in enumerate(self._ports)
            ]
            return {
                'address': self.address,
                'family': self.spec.family,
                'region_id': self.spec.region_id,
                'functions': self.functions(),
                'manager': dict(self._manager),
                'flags': self._flags,
                'ports': ports,
                'faults': {**self._faults.active},
            }

    def functions(self) -> list[str]:
        """Addresses of what guests can be given."""
        return self.bus.guests()

    def _begin(self, port: int, size: int) -> None:
        with self._changed:
            self._check_present()
            self._ports[port]['loading'] = size
            self._ports[port]['broken'] = False
            self._ports[port]['loads'] += 1
            self._written[port] = 0
            self._manager = {'state': 'write', 'status': ''}
            self._image(port).write_bytes(b'')
            # Whatever the logic held is gone with it.
            self._empty(port, *_LOGIC)
            self._save()

    def _load(self, port: int, image: bytes) -> str:
        """Configure the region bit by bit; returns the new function."""
        strikes = {kind: self._take(kind) for kind in loading.KINDS}
        plan = loading.plan(self.spec, len(image), strikes)
        begun = time.monotonic()
        while self._written[port] < plan.stop:
            self._wait(min(_TICK, begun + plan.seconds - time.monotonic()))
            share = (time.monotonic() - begun) / (plan.seconds or 1e-9)
            done = min(plan.stop, int(len(image) * min(1, share)))
            with open(self._image(port), 'ab') as file:
                file.write(image[self._written[port] : done])
            self._written[port] = done
        if plan.drops:
            self.fault('vanish', {})
        if plan.failure is not None:
            raise plan.failure
        return self._configured(image)

    def _wait(self, seconds: float) -> None:
        """Let time pass, more of it while the card hangs."""
        with self._changed:
            self._changed.wait(max(0, seconds))
            while self._hangs():
                self._changed.wait()
            if self._stopped:
                raise PowerCut
            if self._gone():
                raise loading.LoadFailed(errno.ENODEV, 'write error')

    def _hangs(self) -> bool:
        return bool(
            self._faults.has('hang') and not self._gone() and not self._stopped
        )

    def _configured(self, image: bytes) -> str:
        try:
            found = self._decode(image, self.spec)
        except payload.BadImage as exc:
            raise loading.LoadFailed(exc.number, exc.state, str(exc)) from exc
        lie = self._take('lie')
        return lie['function_id'] if lie else found

    def _end(
        self, port: int, function: str | None, state: str, status: str
    ) -> None:
        with self._changed:
            if function in samples.BLANKS:
                self._empty(port, holding.Part.MEMORY)
            self._ports[port].update(
                loading=None,
                broken=function is None,
                function_id=function or samples.BLANK,
            )
            self._written.pop(port, None)
            self._manager = {'state': state, 'status': status}
            self._save()

    def _take(self, kind: str) -> dict[str, Any] | None:
        with self._changed:
            found = self._faults.take(kind)
            self._save()
            return dict(found) if found else None

    def _gone(self) -> bool:
        return bool(self._faults.has('vanish') or self.bus.removed)

    def _check_present(self) -> None:
        if self._gone():
            raise _os_error(errno.ENODEV)

    def _reachable(self, function: str, offset: int, length: int) -> bool:
        self._check_present()
        if function not in self.functions():
            raise _os_error(errno.ENODEV)
        if offset < 0 or length < 0 or offset + length > self.spec.memory:
            raise _os_error(errno.EINVAL)
        position = self.functions().index(function)
        port = self._ports[self.bus.port_of(position)]
        return not port['broken'] and port['loading'] is None

    def _strike(self) -> None:
        """:raises OSError: EIO, it cannot be wiped."""
        if self._faults.take('wipe'):
            self._save()
            raise _os_error(errno.EIO)

    def _empty(self, port: int, *parts: holding.Part) -> None:
        for number, function in enumerate(self.functions()):
            if self.bus.port_of(number) == port:
                self._holding.empty(function, *parts)

    def _image(self, port: int) -> pathlib.Path:
        """What has reached the region so far."""
        return self._state / f'{self.address}.port{port}.image'

    def _save(self) -> None:
        """Make the file, the tree and those who wait agree with us."""
        if self._stopped:
            raise PowerCut
        state = {
            'manager': self._manager,
            'ports': self._ports,
            'faults': self._faults.active,
            'bus': self.bus.saved(),
        }
        temporary = self._file.with_suffix('.new')
        temporary.write_text(json.dumps(state))
        os.replace(temporary, self._file)
        if self._gone():
            self.tree.remove()
        else:
            self._show()
        self._changed.notify_all()

    def _show(self) -> None:
        guest = self._faults.has('guest')
        held = guest['function'] or self.functions()[0] if guest else ''
        if held != self.bus.guest:
            self.bus.hold(held)
        self._holding.make(self.functions())
        self.tree.arrange(self.bus.layout())
        if not self.tree.present():
            self.tree.build()
        self.bus.open(self.tree.vfio_node(held) if held else None)
        self.tree.show_manager(**self._manager)
        self.tree.show_flags(self._flags)
        held = self._faults.has('held')
        self.tree.show_users(held['contexts'] if held else 0)
        shown = self._faults.has('errors')
        self.tree.show_errors(shown['value'] if shown else 0)
        shown = self._faults.has('porterrors')
        self.tree.show_port_errors(shown['value'] if shown else 0)
        self.tree.show_wellbeing(sensors.Wellbeing.of(self._faults.active))
        unreadable = self._faults.has('unreadable')
        misread = self._faults.has('misread')
        for port, state in enumerate(self._ports):
            value: str | int = (misread or state)['function_id']
            if unreadable:
                value = int(getattr(errno, unreadable['errno']))
            elif state['broken'] or state['loading'] is not None:
                # Until a load succeeds, the port is held in reset.
                value = errno.EBUSY
            self.tree.show_function(port, value)


def _new_port(function_id: str | None) -> dict[str, Any]:
    return {
        'function_id': function_id or samples.BLANK,
        'loading': None,
        'broken': False,
        'loads': 0,
    }
