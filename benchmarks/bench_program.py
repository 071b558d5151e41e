"""How fast an image gets from Glance to a card, and what that costs.

The service runs as a user starts it, with real Glance and a simulated card
that takes whatever comes at once, so that nothing but us can be slow. Beside
it a plain script copies the same bytes from the same Glance, hashes them and
loads them into a card of its own, in turns.
"""

import concurrent.futures
import contextlib
import datetime
import functools
import hashlib
import math
import pathlib
import subprocess
import sys
import tempfile
import time
import uuid

import psutil

from cyborg_fpga.simulator import cloud
from cyborg_fpga.simulator import samples
from tests.fixtures import gate
from tests.fixtures import simulated_host
from tests.fixtures import stack

_ONE = (
    'program.ratio',
    'program.overhead_s',
    'program.seconds',
    'program.bare_s',
    'program.rss_mb',
    'program.rss_growth_mb',
)
_MANY = (
    'program.hosts_mb_s.1',
    'program.hosts_mb_s.4',
    'program.hosts_mb_s.8',
    'program.hosts_ratio.8',
    'program.hosts_unlimited_ratio.8',
)
FIGURES = (*_ONE, *_MANY)
REACHES = {
    'program.ratio': ('at least', 0.8),
    'program.overhead_s': ('at most', 0.5),
    'program.hosts_ratio.8': ('at least', 0.8),
}

_MB = 1000000
_SIZE = 100 * _MB
_ROUNDS = 4
_HOSTS = 8
_ROUNDS_OF_MANY = 2
#: What a gigabit Ethernet carries of TCP's data.
_LINK = 117.5 * _MB
#: What an agent may map besides what it has when it is idle: the image twice,
#: for the simulated card gets a copy of it, and what threads set aside.
_ROOM = 6 * _SIZE
_SECONDS = 120
_CARD = """
cards:
  - {address: '0000:3b:00.0', family: PAC_A10,
     program_fixed: 0, program_rate: 1000000000000}
"""
_SETTINGS = {
    'DEFAULT': {'debug': False},
    # Nothing but what is measured.
    'agent': {'report_interval': 2, 'prefetch': 0, 'cache_size_mb': 1024},
    'conductor': {'deadline_min': _SECONDS},
}


def run(wanted):
    with _started() as service:
        if wanted & set(_ONE):
            yield from _one(service)
        if wanted & set(_MANY):
            yield from _many(service)


@contextlib.contextmanager
def _started():
    service = stack.Stack('mariadb', scenario=_CARD, settings=_SETTINGS)
    service.setUp()
    try:
        yield service
    finally:
        service.cleanUp()


def _one(service):
    ours, bare, unhashed, sizes = [], [], [], []
    agent = psutil.Process(service.agent.pid)
    with _Bare() as script:
        card = _Card(service, service.hostname)
        glance = service.cloud.endpoints['image']
        card.program(_image(service, glance))
        _limit(agent)
        for _ in range(_ROUNDS):
            image = _image(service, glance)
            seconds, hashing = script.parts(image)
            bare.append(seconds)
            unhashed.append(seconds - hashing)
            ours.append(card.program(image))
            sizes.append(_most(agent))
    # What others do on the machine can only make it longer.
    yield 'program.ratio', min(bare) / min(ours), 'of the script'
    yield 'program.overhead_s', min(ours) - min(unhashed), 's'
    yield 'program.seconds', min(ours), 's'
    yield 'program.bare_s', min(bare), 's'
    yield 'program.rss_mb', sizes[-1] / _MB, 'MB'
    yield 'program.rss_growth_mb', (sizes[-1] - sizes[0]) / _MB, 'MB'


def _many(service):
    with contextlib.ExitStack() as held:
        link = held.enter_context(gate.Gate(service.cloud.endpoints['image']))
        link.limit(_LINK)
        hosts = [_host(service, held, n, link.url) for n in range(_HOSTS)]
        cards = [_Card(service, host) for host in hosts]
        image = functools.partial(_image, service, link.url)
        for count in (1, 4, _HOSTS):
            seconds = _best(_Card.program, cards[:count], image)
            rate = count * _SIZE / seconds
            yield f'program.hosts_mb_s.{count}', rate / _MB, 'MB/s'
        yield f'program.hosts_ratio.{_HOSTS}', rate / _LINK, 'of the link'
        link.limit(math.inf)
        scripts = [held.enter_context(_Bare()) for _ in cards]
        bare = _best(_Bare.load, scripts, image)
        ours = _best(_Card.program, cards, image)
        name = f'program.hosts_unlimited_ratio.{_HOSTS}'
        yield name, bare / ours, 'of the scripts'


def _best(act, workers, image):
    """Seconds until the last of them is done; all begin at once."""
    # What others do on the machine can only make it longer.
    return min(
        # Images of their own: they share nothing.
        _together(act, workers, [image() for _ in workers])
        for _ in range(_ROUNDS_OF_MANY)
    )


def _together(act, workers, images):
    """Seconds of the one that took longest; all begin at once."""
    with concurrent.futures.ThreadPoolExecutor(len(workers)) as pool:
        took = list(pool.map(act, workers, images))
    return max(took)


class _Image:
    """One in Glance that nobody has had yet."""

    def __init__(self, service, glance):
        function = uuid.uuid4().hex
        data = samples.sample_gbs(stack.REGION, function, size=_SIZE)
        self.sha512 = hashlib.sha512(data).hexdigest()
        self.uuid = service.cloud.upload(
            data, vendor='intel', visibility='public'
        )
        self.url = f'{glance}/v2/images/{self.uuid}/file'


_image = _Image


class _Card:
    """A claimed card, as its owner has it programmed."""

    def __init__(self, service, hostname):
        self._service = service
        wanted = {'hostname': hostname, 'resource_class': stack.PF}
        claim = service.until(
            f'a card of {hostname} is claimed',
            lambda: service.api.post('/claims', wanted),
            _SECONDS,
        )
        self._path = f'/claims/{claim["uuid"]}'

    def program(self, image):
        """:returns: Seconds from the request until it is done."""
        api, started = self._service.api, time.time()
        made = api.post(f'{self._path}/program', {'image_uuid': image.uuid})
        path = f'/operations/{made["uuid"]}'
        while made['state'] in ('pending', 'running'):
            if time.time() - started > _SECONDS:
                raise RuntimeError(f'after {_SECONDS} s still {made}')
            # Seldom: whoever asks takes time from who works.
            time.sleep(0.2)
            made = api.get(path)
        if made['state'] != 'succeeded':
            raise RuntimeError(f'it failed: {made}')
        ended = datetime.datetime.fromisoformat(made['finished_at'])
        return ended.timestamp() - started


class _Bare:
    """The script, and a card that is nobody else's."""

    def __enter__(self):
        self._held = contextlib.ExitStack()
        card = simulated_host.SimulatorProcess(_CARD)
        self._held.enter_context(card)
        folder = self._held.enter_context(tempfile.TemporaryDirectory())
        self._process = subprocess.Popen(
            [
                *(sys.executable, '-m', 'benchmarks.bare_child'),
                str(card.directory),
                str(pathlib.Path(folder) / 'image'),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._held.enter_context(self._process)
        # Without its standard input it ends.
        self._held.callback(self._process.stdin.close)
        self._process.stdout.readline()
        return self

    def __exit__(self, *exc):
        self._held.close()

    def load(self, image):
        """:returns: Seconds that it took."""
        return self.parts(image)[0]

    def parts(self, image):
        """:returns: Seconds that it took, and those of the hash."""
        line = f'{image.url} {image.sha512} {cloud.ADMIN_TOKEN}\n'
        self._process.stdin.write(line)
        self._process.stdin.flush()
        total, hashing = self._process.stdout.readline().split()
        return float(total), float(hashing)


def _host(service, held, number, glance):
    """Start one more host; its name."""
    name = f'{service.hostname}-{number}'
    card = held.enter_context(simulated_host.SimulatorProcess(_CARD))
    config = service.folder / f'{name}.conf'
    service.write(
        config,
        {
            'DEFAULT': {'host': name},
            'glance': {'endpoint': glance},
            'agent': {
                'simulator': card.directory,
                'state_path': service.folder / f'{name}.state',
                'cache_path': service.folder / f'{name}.cache',
                'blank_bitstreams': '',
            },
        },
    )
    agent = stack.Process('agent', config)
    held.callback(agent.stop)
    service.processes.append(agent)
    return name


def _limit(agent):
    """Let it map no more than what it has and a bit; see _ROOM."""
    room = agent.memory_info().vms + _ROOM
    agent.rlimit(psutil.RLIMIT_AS, (room, room))


def _most(process):
    """Bytes of the most memory that it ever had at once."""
    words = pathlib.Path(f'/proc/{process.pid}/status').read_text().split()
    return 1024 * int(words[words.index('VmHWM:') + 1])
