"""``cyborg-fpga-allinone``: the whole service on one machine, no hardware.

API, conductor and agent are threads of this process, with SQLite and
in-process messaging. Beside it run one process with real Placement and
Glance and one with the simulated cards. ``demo`` runs the tutorial against
them and ends.
"""

import argparse
import json
import os
import pathlib
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from typing import Any

import yaml
from oslo_config import cfg
from oslo_log import log as logging

from cyborg_fpga import context
from cyborg_fpga.cmd import api
from cyborg_fpga.cmd import conductor
from cyborg_fpga.cmd import demo
from cyborg_fpga.cmd import service
from cyborg_fpga.cmd import simulated_hosts
from cyborg_fpga.db import engine
from cyborg_fpga.db import hosts
from cyborg_fpga.db import schema
from cyborg_fpga.simulator import cloud
from cyborg_fpga.simulator import mount
from cyborg_fpga.simulator import scenario
from cyborg_fpga.simulator import server

LOG = logging.getLogger(__name__)

HOSTNAME = 'node1'

_READY_SECONDS = 60
_PORTS = {'accelerator': 6666, 'placement': 8778, 'image': 9292}

_CONFIG = """\
[DEFAULT]
host = {hostname}
transport_url = fake://
log_file = {dir}/cyborg-fpga.log
[database]
connection = sqlite:///{dir}/cyborg-fpga.db
[api]
host_ip = 127.0.0.1
port = {port}
auth_strategy = noauth
[agent]
report_interval = 5
[conductor]
reconcile_interval = 1
host_down_after = 30
[bitstream]
sync_interval = 2
[placement]
create_root_provider = true
auth_type = admin_token
token = admin
endpoint = {placement}
[glance]
auth_type = admin_token
token = admin
endpoint = {image}
"""


class AllInOne:
    """Everything under one directory; started and stopped as one.

    :param mounted: The hosts are mounted below the directory, and the agents
        use them as they would use a kernel.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        path: pathlib.Path | None = None,
        *,
        mounted: bool = False,
    ) -> None:
        self.folder = folder
        self.endpoints: dict[str, str] = {}
        self._scenario = path
        self._point = folder / 'mount' if mounted else None
        self._places: list[server.Place] = []
        self._cards: subprocess.Popen[str] | None = None
        self._cloud: cloud.Cloud | None = None
        self._services: list[Any] = []

    def start(self) -> None:
        """Return once the first report is in Placement.

        :raises RuntimeError: It did not come up, and why.
        :raises mount.MountError: This machine can mount nothing.
        """
        if self._point is not None and (lacking := mount.missing()):
            raise mount.MountError(f'the hosts cannot be mounted: {lacking}')
        self.folder.mkdir(parents=True, exist_ok=True)
        wanted = scenario.load(self._scenario) if self._scenario else []
        self._places = server.places(self.folder / 'host', wanted)
        self._cards = self._start_cards()
        self._cloud = cloud.Cloud(
            self.folder / 'cloud',
            placement_port=_free_port(_PORTS['placement']),
            glance_port=_free_port(_PORTS['image']),
        )
        self.endpoints = dict(self._cloud.start())
        self._await_cards(self._cards)
        port = _free_port(_PORTS['accelerator'])
        self.endpoints['accelerator'] = f'http://127.0.0.1:{port}/v2'
        self._configure(port)
        schema.upgrade()
        agents = simulated_hosts.agents(
            self.folder / 'cyborg-fpga.conf',
            self.folder,
            self._places,
            service.transport(cfg.CONF),
            self._point,
        )
        last = api.Server(cfg.CONF)
        parts: list[Any] = [conductor.build(cfg.CONF), *agents.values(), last]
        for part in parts:
            part.start()
            self._services.append(part)
        self._await_report()
        self._write_files()

    def stop(self) -> None:
        """End everything that :meth:`start` started; the files stay."""
        for started in reversed(self._services):
            started.stop()
        self._services.clear()
        if self._cloud is not None:
            self._cloud.stop()
        if self._cards is not None:
            self._cards.terminate()
            try:
                self._cards.wait(10)
            except subprocess.TimeoutExpired:
                self._cards.kill()
                self._cards.wait()

    def _start_cards(self) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            '-m',
            'cyborg_fpga.cmd.simulator',
            'run',
            str(self.folder / 'host'),
            f'--parent={os.getpid()}',
        ]
        if self._scenario is not None:
            command += ['--scenario', str(self._scenario)]
        if self._point is not None:
            command += ['--mount', str(self._point)]
        return subprocess.Popen(  # noqa: S603 (our own module)
            command,
            stdout=subprocess.PIPE,
            text=True,
            # Ctrl-C is for the parent, whose agent still needs the cards.
            start_new_session=True,
        )

    def _await_cards(self, cards: subprocess.Popen[str]) -> None:
        said = cards.stdout
        if said is None or not (
            select.select([said], [], [], _READY_SECONDS)[0]
            and said.readline().startswith('ready')
        ):
            raise RuntimeError('the simulated cards did not start')

    def _configure(self, port: int) -> None:
        file = self.folder / 'cyborg-fpga.conf'
        file.write_text(
            _CONFIG.format(
                hostname=self._places[0].name,
                dir=self.folder,
                port=port,
                placement=self.endpoints['placement'],
                image=self.endpoints['image'],
            )
        )
        service.configure(
            cfg.CONF, 'cyborg-fpga-allinone', ['--config-file', str(file)]
        )
        engine.configure(cfg.CONF)

    def _await_report(self) -> None:
        end = time.monotonic() + _READY_SECONDS
        ctx = context.service()
        waiting = [place.name for place in self._places]
        while time.monotonic() < end:
            if hosts.list_page(
                ctx, filters={'hostname': waiting[0]}, limit=1
            ) and hosts.placement_digest(ctx, waiting[0]):
                waiting.pop(0)
                if not waiting:
                    return
                continue
            time.sleep(0.05)
        raise RuntimeError(
            f'no report reached Placement; see {self.folder}/cyborg-fpga.log'
        )

    def _write_files(self) -> None:
        (self.folder / 'endpoints.json').write_text(
            json.dumps(self.endpoints, indent=2) + '\n'
        )
        clouds = {
            'allinone': self._cloud_entry('admin'),
            'allinone-member': self._cloud_entry('alice:demo:member,reader'),
            'allinone-stranger': self._cloud_entry(
                'mallory:other:member,reader'
            ),
        }
        (self.folder / 'clouds.yaml').write_text(
            yaml.safe_dump({'clouds': clouds})
        )

    def _cloud_entry(self, token: str) -> dict[str, Any]:
        return {
            'auth_type': 'admin_token',
            'auth': {'token': token, 'endpoint': self.endpoints['placement']},
            'image_endpoint_override': self.endpoints['image'],
            'placement_endpoint_override': self.endpoints['placement'],
            'accelerator_endpoint_override': self.endpoints['accelerator'],
        }


def main(argv: Sequence[str] | None = None) -> int:
    args = _parse(argv)
    if args.dir is not None:
        return _run(args, pathlib.Path(args.dir).resolve())
    with tempfile.TemporaryDirectory(prefix='cyborg-fpga-') as folder:
        return _run(args, pathlib.Path(folder))


def _run(args: argparse.Namespace, folder: pathlib.Path) -> int:
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_args: ending.set())
    everything = AllInOne(folder, args.scenario, mounted=args.mount)
    started = time.monotonic()
    try:
        everything.start()
        took = time.monotonic() - started
        print(f'ready in {took:.1f} s, state under {folder}', flush=True)
        if args.command == 'demo':
            return demo.run(folder, everything.endpoints, HOSTNAME)
        _greet(everything)
        ending.wait()
        return 0
    except (
        OSError,
        RuntimeError,
        ValueError,
        cfg.Error,
        mount.MountError,
    ) as exc:
        print(f'cyborg-fpga-allinone: {exc}', file=sys.stderr)
        return 1
    finally:
        everything.stop()


def _greet(everything: AllInOne) -> None:
    for name, url in sorted(everything.endpoints.items()):
        print(f'  {name:12} {url}')
    clouds = shlex.quote(str(everything.folder / 'clouds.yaml'))
    commands = shlex.quote(str(pathlib.Path(sys.executable).parent))
    print(
        'Use it from another shell:\n'
        f'  export OS_CLIENT_CONFIG_FILE={clouds} PATH={commands}:$PATH\n'
        '  openstack --os-cloud allinone fpga device list\n'
        'Ctrl-C ends it.',
        flush=True,
    )


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='cyborg-fpga-allinone',
        description='The whole service on one machine, with simulated cards.',
    )
    parser.add_argument(
        'command', nargs='?', choices=['demo'],
        help='run the tutorial and end; without it the service stays up',
    )  # fmt: skip
    parser.add_argument('--dir', help='keep all state in this directory')
    parser.add_argument(
        '--scenario',
        type=pathlib.Path,
        help='a file that describes the simulated hosts and their cards',
    )
    parser.add_argument(
        '--mount',
        action='store_true',
        help='mount the hosts below the directory, so that their agents use '
        'them with the code for real ones; needs FUSE and root',
    )
    return parser.parse_args(argv)


def _free_port(wanted: int) -> int:
    """*wanted*, or a free one where it is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(('127.0.0.1', port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError('there is no free port')


if __name__ == '__main__':
    sys.exit(main())
