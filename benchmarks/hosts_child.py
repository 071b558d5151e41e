"""Simulated hosts that report, all of them threads of one process.

``python -m benchmarks.hosts_child FOLDER COUNT CARDS INTERVAL TRANSPORT``

Each has cards of its own, the driver that looks at them and the agent's
reporter; what else an agent has waits for messages and sends none. Prints
``built``, reports once it is told so by a line of its standard input, and
ends with that.
"""

import pathlib
import sys

import oslo_messaging as messaging
from oslo_config import cfg

import cyborg_fpga.cmd  # noqa: F401 (chooses threads for oslo.service)
from cyborg_fpga import rpc
from cyborg_fpga.agent import cache
from cyborg_fpga.agent import executor
from cyborg_fpga.agent import journal
from cyborg_fpga.agent import reporter
from cyborg_fpga.drivers import intel_dfl
from cyborg_fpga.rpc import conductor
from cyborg_fpga.simulator import accessor
from cyborg_fpga.simulator import scenario
from cyborg_fpga.simulator import server

_HOST = "cards: [{{address: '0000:10:00.0', family: PAC_A10, count: {}}}]"
_TIMEOUT = 20
_CACHE = 1 << 20


class SimulatedHost:
    """One host, and the part of its agent that reports."""

    def __init__(self, folder, cards, client, interval):
        folder.mkdir()
        built = server.Host(folder, scenario.parse(cards))
        built.start()
        # Attributes can be read all the same; nobody loads anything.
        built.stop()
        drivers = {
            'intel_dfl': intel_dfl.IntelDFLDriver(
                accessor.SimulatedSysfs(folder)
            )
        }
        self._journal = journal.Journal(folder / 'journal')
        self._reporter = reporter.Reporter(
            folder.name,
            drivers,
            client,
            resource_provider_name=folder.name,
            interval=interval,
        )
        self._executor = executor.Executor(
            self._journal,
            drivers,
            cache.Cache(folder / 'cache', _CACHE, _nothing),
            client,
            changed=self._reporter.wake,
        )

    def start(self):
        self._journal.open()
        self._reporter.start(self._executor, self._journal.next_boot())


def _nothing(ident):
    raise AssertionError(f'nobody asks for image {ident}')


def main(folder, count, cards, interval, url):
    transport = messaging.get_rpc_transport(
        cfg.CONF, url, allowed_remote_exmods=rpc.ALLOWED_REMOTE_EXMODS
    )
    client = conductor.ConductorAPI(transport, timeout=_TIMEOUT)
    hosts = [
        SimulatedHost(
            pathlib.Path(folder) / f'host{number}',
            _HOST.format(cards),
            client,
            float(interval),
        )
        for number in range(int(count))
    ]
    print('built', flush=True)
    if sys.stdin.readline():
        for host in hosts:
            host.start()
        sys.stdin.read()


if __name__ == '__main__':
    main(*sys.argv[1:])
