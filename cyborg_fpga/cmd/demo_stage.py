"""What the demo's steps are made of: saying, checking, waiting, asking."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from cyborg_fpga.cmd import demo_http
from cyborg_fpga.simulator import client

SECRET = b'the key of project demo'

_PATIENCE_SECONDS = 30


class Failed(Exception):
    """A step did not hold; the text says which and why."""


class Stage:
    """The actors: two members, an administrator, the cards and clouds."""

    def __init__(
        self,
        folder: pathlib.Path,
        endpoints: Mapping[str, str],
        hostname: str,
    ) -> None:
        self.steps = 0
        self._host = hostname
        self._folder = folder
        self._cards = client.Simulator(str(folder / 'host'))
        alice = 'alice:demo:member,reader'
        self._admin = _accelerator(endpoints, 'admin')
        self._alice = _accelerator(endpoints, alice)
        self._mallory = _accelerator(endpoints, 'mallory:other:member,reader')
        self._images = demo_http.Http(endpoints['image'], 'admin', 'image')
        self._own_images = demo_http.Http(endpoints['image'], alice, 'image')
        self._room = demo_http.Http(
            endpoints['placement'], 'admin', 'placement 1.39'
        )

    @contextlib.contextmanager
    def _step(self, title: str) -> Iterator[None]:
        self.steps += 1
        print(f'[{self.steps:2}] {title}', flush=True)
        yield

    def _say(self, text: str) -> None:
        for line in text.splitlines():
            print(f'       {line}', flush=True)

    def _check(self, holds: bool, reason: str) -> None:
        if not holds:
            raise Failed(reason)

    def _until(self, what: str, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + _PATIENCE_SECONDS
        while not holds():
            if time.monotonic() > end:
                raise Failed(f'after {_PATIENCE_SECONDS} s still not: {what}')
            time.sleep(0.1)

    def _cli(self, cloud: str, *words: str) -> None:
        beside = pathlib.Path(sys.executable).parent / 'openstack'
        found = str(beside) if beside.exists() else shutil.which('openstack')
        if found is None:
            raise Failed('there is no openstack command')
        command = ['openstack', '--os-cloud', cloud, 'fpga', *words]
        self._say(f'$ {" ".join(command)}')
        settings = self._folder / 'clouds.yaml'
        done = subprocess.run(  # noqa: S603 (our own arguments)
            [found, *command[1:]],
            env={**os.environ, 'OS_CLIENT_CONFIG_FILE': str(settings)},
            capture_output=True,
            text=True,
            check=False,
        )
        self._say(done.stdout)
        if done.returncode:
            raise Failed(f'{done.stderr.strip() or done.returncode}')

    def _claim(self, **wanted: Any) -> dict[str, Any]:
        claim = self._alice.post('/claims', {'hostname': self._host, **wanted})
        self._until(
            f'claim {claim["uuid"]} is ready',
            lambda: self._settled(claim['uuid']),
        )
        found: dict[str, Any] = self._alice.get(f'/claims/{claim["uuid"]}')
        return found

    def _settled(self, uuid: str) -> bool:
        claim = self._alice.get(f'/claims/{uuid}')
        if claim['state'] == 'failed':
            raise Failed(str(claim['fault']))
        return bool(claim['state'] == 'ready')

    def _release(self, uuid: str, who: demo_http.Http | None = None) -> None:
        who = who or self._alice
        who.delete(f'/claims/{uuid}')
        self._until(
            f'claim {uuid} is gone', lambda: not who.has(f'/claims/{uuid}')
        )

    def _refused(
        self, status: int, who: demo_http.Http, path: str, body: Any
    ) -> None:
        try:
            who.post(path, body)
        except demo_http.Refused as exc:
            self._check(exc.status == status, str(exc))
            self._say(f'{status}: {exc.reason}')
        else:
            raise Failed('it was not refused')

    def _finished(self, operation: str, who: demo_http.Http) -> None:
        """Follow an operation to its good end, printing its progress."""
        shown = ''

        def ended() -> bool:
            nonlocal shown
            found = who.get(operation)
            line = f'{found["progress"]:3} % {found["step"] or found["state"]}'
            if line != shown:
                self._say(line)
                shown = line
            if found['state'] in ('failed', 'cancelled'):
                raise Failed(f'{found["cause"]}: {found["detail"]}')
            return bool(found['state'] == 'succeeded')

        self._until('the operation has ended', ended)

    def _check_programmed(
        self, claim: dict[str, Any], image: str | None, function: str
    ) -> None:
        address = claim['addresses'][0]
        self._check(
            image is None or claim['image_uuid'] == image, 'wrong image'
        )
        self._check(
            self._afu(address) == function,
            f'the card at {address} does not hold {function}',
        )
        self._say(f'{address} holds {function}, read back from sysfs')

    def _afu(self, address: str) -> str:
        card = self._folder / 'host/sys/bus/pci/devices' / address
        found = card.glob('fpga_region/region*/dfl-port.*/afu_id')
        return next(found).read_text().strip()

    def _memory(self, address: str) -> bytes:
        return self._cards.read_memory(address, 0, len(SECRET))

    def _regions(self) -> list[dict[str, Any]]:
        found = self._admin.get(f'/deployables?hostname={self._host}')
        return list(found['deployables'])

    def _traits(self, resource_class: str) -> set[str]:
        return self._room.traits(self._host, resource_class)


def _accelerator(endpoints: Mapping[str, str], token: str) -> demo_http.Http:
    return demo_http.Http(endpoints['accelerator'], token, 'accelerator 2.3')
