"""What it costs to look at cards, and to hear of those of many hosts.

The hosts are one process, with simulated cards of their own each, and report
to one conductor as agents do: RabbitMQ between them, MariaDB and Placement
behind it. Most of the time nothing changes on them, and that must be cheap.
"""

import contextlib
import pathlib
import queue
import subprocess
import sys
import tempfile
import time
import urllib.parse

import psutil
import sqlalchemy as sa
from oslo_config import cfg

from cyborg_fpga import conf as options
from cyborg_fpga.agent import cache
from cyborg_fpga.agent import executor
from cyborg_fpga.agent import hotplug
from cyborg_fpga.agent import journal
from cyborg_fpga.agent import reporter
from cyborg_fpga.db import engine
from cyborg_fpga.db import schema
from cyborg_fpga.drivers import intel_dfl
from cyborg_fpga.simulator import accessor
from cyborg_fpga.simulator import client
from cyborg_fpga.simulator import scenario
from cyborg_fpga.simulator import server
from tests.fixtures import cloud
from tests.fixtures import database
from tests.fixtures import inifile
from tests.fixtures import rabbit
from tests.fixtures import servers

#: Of one host: what a look at cards costs.
_LOOKS = ('discover.build_ms.40', 'discover.scan_ms.40')
_HOTPLUG = 'discover.hotplug_s'
#: Of all hosts and their conductor.
_REPORTS = (
    'discover.recorded_s',
    'discover.first_s',
    'discover.steady_core_percent',
    'discover.steady_sql_per_report',
    'discover.steady_placement_calls',
    'discover.steady_reports',
)
FIGURES = (*_LOOKS, _HOTPLUG, *_REPORTS)

REACHES = {
    'discover.build_ms.40': ('at most', 50),
    'discover.scan_ms.40': ('at most', 20),
    _HOTPLUG: ('at most', 2),
    'discover.steady_core_percent': ('at most', 25),
    'discover.steady_sql_per_report': ('at most', 2),
    'discover.steady_placement_calls': ('at most', 0),
}

_HOSTS = 1000
_CARDS = 8
# As agents are configured unless somebody says otherwise.
_INTERVAL = 30
_MINUTE = 60
_FIRST_SECONDS = 1800
#: A card with four virtual functions, eight times: 40 functions.
_FORTY = """
cards: [{address: '0000:10:00.0', family: PAC_D5005, vfs: 4, count: 8}]
"""
_ROUNDS = 15
# What belongs to a connection or a transaction rather than to a report.
_AROUND = ('sql BEGIN', 'sql SET ', 'sql SELECT 1')


def run(wanted):
    if wanted & set(_LOOKS):
        yield from _looks()
    if _HOTPLUG in wanted:
        yield _HOTPLUG, max(_plugged()), 's'
    if wanted & set(_REPORTS):
        with _started() as (hosts, conductor):
            yield from _first(hosts)
            yield from _steady(conductor)


def _looks():
    """A host with 40 functions, built and looked at."""
    built, looked = [], []
    wanted = scenario.parse(_FORTY)
    for _ in range(_ROUNDS):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            host = server.Host(folder, wanted)
            started = time.perf_counter()
            host.start()
            built.append(time.perf_counter() - started)
            driver = intel_dfl.IntelDFLDriver(accessor.SimulatedSysfs(folder))
            started = time.perf_counter()
            found = driver.discover()
            looked.append(time.perf_counter() - started)
            host.stop()
            if len(found) != len(wanted.cards):
                raise RuntimeError('not all cards were found')
    # What others do on the machine can only make it longer.
    yield 'discover.build_ms.40', 1000 * min(built), 'ms'
    yield 'discover.scan_ms.40', 1000 * min(looked), 'ms'


class _Heard:
    """A conductor that notes which cards it was told of, and when."""

    def __init__(self):
        self.reports = queue.Queue()

    def report(self, _context, report):
        cards = {str(device.pci_address) for device in report.devices}
        self.reports.put((time.perf_counter(), cards))
        return {}

    def heartbeat(self, _context, _report):
        return True

    def of(self, card, *, there):
        """When it was first said that a card is there, or is not."""
        while True:
            when, cards = self.reports.get(timeout=_MINUTE)
            if (card in cards) is there:
                return when


def _plugged():
    """Seconds from a card's coming until the agent says so, each time."""
    heard, wanted = _Heard(), scenario.parse(_FORTY)
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(
            stack.enter_context(tempfile.TemporaryDirectory())
        )
        host = server.Host(folder, wanted)
        host.start()
        stack.callback(host.stop)
        _report_to(heard, folder, stack)
        card, simulator = (
            str(wanted.cards[-1].address),
            client.Simulator(folder),
        )
        heard.of(card, there=True)
        for number in range(_ROUNDS):
            simulator.fault(card, 'vanish')
            heard.of(card, there=False)
            # The agent looks once in a second: come at any part of it.
            time.sleep(number / _ROUNDS)
            started = time.perf_counter()
            simulator.clear(card, 'vanish')
            yield heard.of(card, there=True) - started


def _report_to(heard, folder, stack):
    """Start the parts of an agent that notice cards and report them."""
    fs = accessor.SimulatedSysfs(folder)
    drivers = {'intel_dfl': intel_dfl.IntelDFLDriver(fs)}
    told = reporter.Reporter(
        folder.name,
        drivers,
        heard,
        resource_provider_name=folder.name,
        interval=_FIRST_SECONDS,
    )
    kept = journal.Journal(folder / 'journal')
    kept.open()
    work = executor.Executor(
        kept,
        drivers,
        cache.Cache(folder / 'cache', 1 << 20, None),
        heard,
        changed=told.wake,
    )
    told.start(work, kept.next_boot())
    stack.callback(told.stop)
    watch = hotplug.Watch(fs, told.wake)
    watch.start()
    stack.callback(watch.stop)


@contextlib.contextmanager
def _started():
    """Hosts that are built and wait for a word, and their conductor.

    :raises unittest.SkipTest: Something that they need is not installed.
    """
    broker, url = rabbit.broker(), database.create('mariadb')
    with contextlib.ExitStack() as stack:
        stack.enter_context(cloud.Cloud())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        conf = cfg.ConfigOpts()
        options.register_opts(conf)
        conf([], default_config_files=[], default_config_dirs=[])
        conf.set_override('connection', url, 'database')
        engine.configure(conf)
        schema.upgrade()
        stack.callback(engine.dispose)
        conductor = Conductor(broker, url)
        stack.callback(conductor.stop)
        hosts = subprocess.Popen(
            [
                sys.executable,
                '-m',
                'benchmarks.hosts_child',
                folder,
                *map(str, (_HOSTS, _CARDS, _INTERVAL)),
                broker,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        stack.enter_context(hosts)
        # Without its standard input it ends.
        stack.callback(hosts.stdin.close)
        if hosts.stdout.readline() != 'built\n':
            raise RuntimeError('the hosts were not built')
        yield hosts, conductor


class Conductor:
    """One process, and what it has done so far."""

    def __init__(self, broker, url):
        home = servers.Home('conductor', None)
        self._notes = home.path / 'notes'
        config = home.path / 'conductor.conf'
        inifile.write(
            config,
            cloud.shared().options(),
            {
                'DEFAULT': {'transport_url': broker},
                'database': {'connection': url},
                'placement': {'create_root_provider': True},
            },
        )
        self._process = servers.Server(
            home,
            [
                sys.executable,
                '-m',
                'benchmarks.conductor_child',
                str(self._notes),
                f'--config-file={config}',
            ],
            env={'PYTHONPATH': str(pathlib.Path(__file__).parents[1])},
        )
        self.stop = self._process.stop
        self._process.wait(lambda: 'is ready' in self._process.log.read_text())

    @property
    def seconds(self):
        """Of processor time."""
        spent = psutil.Process(self._process.pid).cpu_times()
        return spent.user + spent.system

    def asked(self):
        """Statements and requests to Placement."""
        placement = cloud.shared().endpoints['placement']
        door = f'http {urllib.parse.urlsplit(placement).port} '
        lines = self._notes.read_text().splitlines()
        return (
            sum(
                line.startswith('sql ') and not line.startswith(_AROUND)
                for line in lines
            ),
            sum(line.startswith(door) for line in lines),
        )


def _first(hosts):
    """From nothing known to everything that Placement must be told."""
    started = time.perf_counter()
    hosts.stdin.write('go\n')
    hosts.stdin.flush()
    _until(lambda: _count('devices') == _HOSTS * _CARDS)
    yield 'discover.recorded_s', time.perf_counter() - started, 's'
    told = 'hosts WHERE NOT placement_stale AND placement_teller_until = 0'
    told += ' AND placement_digest IS NOT NULL'
    _until(lambda: _count(told) == _HOSTS)
    yield 'discover.first_s', time.perf_counter() - started, 's'


def _steady(conductor):
    """A minute in which nothing changes."""
    # What was late in the beginning is heard by then.
    time.sleep(2 * _INTERVAL)
    before = conductor.asked(), conductor.seconds, _reports()
    started = time.perf_counter()
    time.sleep(_MINUTE)
    busy = conductor.seconds - before[1]
    took = time.perf_counter() - started
    reports = _reports() - before[2]
    statements, calls = (
        after - earlier
        for after, earlier in zip(conductor.asked(), before[0], strict=True)
    )
    yield 'discover.steady_core_percent', 100 * busy / took, '%'
    yield 'discover.steady_sql_per_report', statements / reports, 'statements'
    yield 'discover.steady_placement_calls', calls, 'requests'
    yield 'discover.steady_reports', reports / took, 'reports/s'


def _until(holds):
    end = time.monotonic() + _FIRST_SECONDS
    while not holds():
        if time.monotonic() > end:
            raise RuntimeError('not all hosts were heard')
        time.sleep(0.5)


def _count(what):
    return _ask(f'SELECT COUNT(*) FROM {what}')


def _reports():
    """All that were ever taken; none of a host's is left out."""
    return int(_ask('SELECT SUM(report_sequence) FROM hosts'))


def _ask(statement):
    with engine.get_engine().connect() as connection:
        return connection.execute(sa.text(statement)).scalar_one()
