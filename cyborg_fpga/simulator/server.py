"""Serves all cards of a simulated host to drivers, guests and tests."""

import errno
import fcntl
import os
import pathlib
import socket
import threading
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from oslo_log import log as logging

from cyborg_fpga.simulator import cards
from cyborg_fpga.simulator import ioctls
from cyborg_fpga.simulator import kinds
from cyborg_fpga.simulator import knobs
from cyborg_fpga.simulator import models
from cyborg_fpga.simulator import samples
from cyborg_fpga.simulator import scenario
from cyborg_fpga.simulator import tree
from cyborg_fpga.simulator import vendor_tools
from cyborg_fpga.simulator import wire

LOG = logging.getLogger(__name__)


class AlreadyServed(Exception):
    """Another process serves this directory."""


class Place(NamedTuple):
    """Where a simulated host is, or is to be, built."""

    name: str
    directory: pathlib.Path
    wanted: scenario.Scenario | None


def places(
    directory: pathlib.Path, wanted: Sequence[scenario.Scenario] = ()
) -> list[Place]:
    """Where the hosts of a scenario are.

    A single one is in *directory*; several have directories below it.

    :param wanted: Empty takes what was built there, or the default host.
    """
    if len(wanted) > 1:
        return [Place(h.name, directory / h.name, h) for h in wanted]
    built = sorted(path.parent for path in directory.glob('*/scenario.yaml'))
    if not wanted and built:
        return [Place(path.name, path, None) for path in built]
    host = wanted[0] if wanted else None
    return [Place(host.name if host else 'node1', directory, host)]


class Host:
    """A simulated host; :meth:`start` builds what is missing and serves.

    :param directory: Is made if it is not there. One process serves it.
    :param wanted: None takes what the directory was built from, or the
        default host.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        wanted: scenario.Scenario | None = None,
    ) -> None:
        self.directory = directory
        self._wanted = wanted
        self._cards: dict[str, cards.Card] = {}
        self._listener: socket.socket | None = None
        self._lock: int | None = None
        self._models = models.Models(directory)

    def start(self) -> None:
        """Return once drivers can use the cards.

        :raises AlreadyServed: Another process serves this directory.
        :raises scenario.ScenarioError: It was built from another scenario.
        """
        for name in ('state', 'firmware'):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        self._take_lock()
        try:
            host = self._scenario()
            self._write_blanks(host)
            trees = kinds.plan(self.directory, host.cards)
            for spec, card_tree in zip(host.cards, trees, strict=True):
                card = cards.Card(self.directory, spec, card_tree)
                card.start()
                self._cards[spec.address] = card
            self._listener = wire.listen(self.directory)
        except BaseException:
            self._release_lock()
            raise
        threading.Thread(
            target=self._accept, args=(self._listener,), daemon=True
        ).start()

    def stop(self) -> None:
        """Serve no more; a load that runs is left as a power cut would."""
        if self._listener is not None:
            # Wakes accept(), which close() alone does not.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for card in self._cards.values():
            card.stop()
        self._release_lock()

    def ioctl(self, name: str, request: int, caller: ioctls.Caller) -> None:
        """Call the device node *name*, as :func:`ioctls.call` does.

        :raises OSError: ENOENT, there is none.
        """
        card, node = self._node(name)
        ioctls.call(card, node, request, caller)

    def held(self, name: str) -> bool:
        """Whether a guest has the device node *name*, which nobody shares."""
        node = self.directory / 'dev' / name
        guests = [(card, card.bus.guest) for card in self._cards.values()]
        return any(
            card.tree.vfio_node(guest) == node
            for card, guest in guests
            if guest
        )

    def writable(self, path: str) -> bool:
        """Whether the attribute at *path* can be written."""
        return path == knobs.RESCAN or any(
            path in card.tree.knobs and card.tree.present()
            for card in self._cards.values()
        )

    def write(self, path: str, data: bytes) -> None:
        """Write to the attribute at *path*; blocks like the hardware.

        :param path: Below the root of sysfs, without a link in it.
        :raises OSError: EACCES, it cannot be written; or what follows.
        """
        text, firmware = data.decode(), self.directory / 'firmware'
        if path == knobs.RESCAN:
            knobs.rescan(self._cards.values(), text)
            return
        found = knobs.find(self._cards.values(), path, text)
        knobs.write(*found, text, firmware)

    def _take_lock(self) -> None:
        self._lock = os.open(
            self.directory / 'state' / 'lock', os.O_CREAT | os.O_RDWR, 0o600
        )
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            self._release_lock()
            raise AlreadyServed(str(self.directory)) from exc

    def _release_lock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _scenario(self) -> scenario.Scenario:
        path = self.directory / 'scenario.yaml'
        if not path.exists():
            host = self._wanted or scenario.parse(scenario.DEFAULT)
            temporary = path.with_suffix('.new')
            temporary.write_text(host.dump())
            temporary.replace(path)
            return host
        (host,) = scenario.load(path)
        if self._wanted is not None and self._wanted.cards != host.cards:
            raise scenario.ScenarioError(
                f'{self.directory} was built from another scenario'
            )
        return host

    def _write_blanks(self, host: scenario.Scenario) -> None:
        directory = self.directory / 'blank'
        directory.mkdir(exist_ok=True)
        for kind, region in {(c.kind, c.region_id) for c in host.cards}:
            if region is None:
                continue
            gbs = kind == 'dfl'
            make = samples.blank_gbs if gbs else samples.blank_xclbin
            path = directory / f'{region}.{"gbs" if gbs else "xclbin"}'
            if not path.exists():
                temporary = self.directory / 'state' / 'blank.new'
                temporary.write_bytes(make(region))
                temporary.replace(path)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(
                target=self._serve, args=(sock,), daemon=True
            ).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock:
            try:
                header, blob = wire.receive(sock)
                answer, data = self._answer(sock, header, blob)
                wire.send(sock, answer, data)
            except (EOFError, OSError, ValueError) as exc:
                # The caller died. What it started has gone on to its end.
                LOG.debug('A caller is gone: %s', exc)

    def _answer(
        self, sock: socket.socket, header: dict[str, Any], blob: bytes
    ) -> tuple[dict[str, Any], bytes]:
        operation = _OPERATIONS.get(str(header.get('op')))
        try:
            if operation is None:
                raise ValueError(f'no operation {header.get("op")!r}')
            result, data = operation(self, sock, header, blob)
        except OSError as exc:
            return {'errno': exc.errno or errno.EIO}, b''
        except (KeyError, TypeError, ValueError) as exc:
            text = f'{type(exc).__name__}: {exc}'
            return {'errno': errno.EINVAL, 'message': text}, b''
        return {'errno': 0, 'result': result}, data

    def _ioctl(
        self, sock: socket.socket, header: dict[str, Any], arg: bytes
    ) -> tuple[Any, bytes]:
        caller = _Remote(sock, arg)
        self.ioctl(header['node'], header['request'], caller)
        return None, b''

    def _node(self, name: str) -> tuple[cards.Card, tree.Node]:
        for card in self._cards.values():
            if name in card.tree.nodes:
                if not card.tree.present():
                    break
                return card, card.tree.nodes[name]
        raise OSError(errno.ENOENT, '')

    def _write(
        self, sock: socket.socket, header: dict[str, Any], blob: bytes
    ) -> tuple[Any, bytes]:
        root = (self.directory / 'sys').resolve()
        path = (root / header['path']).resolve()
        self.write(str(path.relative_to(root)), blob)
        return None, b''

    def _write_memory(
        self, sock: socket.socket, header: dict[str, Any], blob: bytes
    ) -> tuple[Any, bytes]:
        address, offset = header['address'], header['offset']
        self._function(address).write_memory(address, offset, blob)
        return None, b''

    def _read_memory(
        self, sock: socket.socket, header: dict[str, Any], blob: bytes
    ) -> tuple[Any, bytes]:
        address = header['address']
        return None, self._function(address).read_memory(
            address, header['offset'], header['length']
        )

    def _run(
        self, sock: socket.socket, header: dict[str, Any], blob: bytes
    ) -> tuple[Any, bytes]:
        address = header['address']
        card = self._function(address)
        try:
            return {}, self._models.answer(card, address, blob)
        except models.CannotRun as exc:
            return {'refused': str(exc)}, b''

    def _show(
        self, sock: socket.socket, header: dict[str, Any], blob: bytes
    ) -> tuple[Any, bytes]:
        return [card.describe() for card in self._cards.values()], b''

    def _fault(
        self, sock: socket.socket, header: dict[str, Any], blob: bytes
    ) -> tuple[Any, bytes]:
        card = self._card(header['address'])
        card.fault(header['kind'], header['arguments'])
        return None, b''

    def _clear(
        self, sock: socket.socket, header: dict[str, Any], blob: bytes
    ) -> tuple[Any, bytes]:
        self._card(header['address']).clear(header['kind'])
        return None, b''

    def _card(self, address: str) -> cards.Card:
        if address not in self._cards:
            raise ValueError(f'there is no card {address}')
        return self._cards[address]

    def _function(self, address: str) -> cards.Card:
        for card in self._cards.values():
            if address in card.functions():
                return card
        raise OSError(errno.ENODEV, '')

    def _tool(
        self, sock: socket.socket, header: dict[str, Any], blob: bytes
    ) -> tuple[Any, bytes]:
        argv = header['argv']
        if argv[0] not in vendor_tools.TOOLS:
            raise OSError(errno.ENOENT, '')
        host = list(self._cards.values())
        code, output = vendor_tools.TOOLS[argv[0]](host, argv)
        return {'code': code, 'output': output}, b''


_Operation = Callable[
    [Host, socket.socket, dict[str, Any], bytes], tuple[Any, bytes]
]
_OPERATIONS: dict[str, _Operation] = {
    'ioctl': Host._ioctl,
    'write': Host._write,
    'tool': Host._tool,
    'memory-write': Host._write_memory,
    'memory-read': Host._read_memory,
    'run': Host._run,
    'cards': Host._show,
    'fault': Host._fault,
    'clear': Host._clear,
}


class _Remote:
    """A caller at the other end of a socket."""

    def __init__(self, sock: socket.socket, arg: bytes) -> None:
        self._sock = sock
        self._arg = arg

    @property
    def empty(self) -> bool:
        return not self._arg

    def argument(self, length: int) -> bytes:
        if len(self._arg) != length:
            raise OSError(errno.EFAULT, '')
        return self._arg

    def memory(self, address: int, length: int) -> bytes:
        wire.send(self._sock, {'read': [address, length]})
        answer, data = wire.receive(self._sock)
        if answer['errno'] or len(data) != length:
            raise OSError(errno.EFAULT, '')
        return data
