"""How many claims find their function loaded, on a cloud that is in use.

A few functions are wanted often and most of them seldom (Zipf): each claim
is of one of them and ends after a random time, so that the same part of all
cards is always busy. The service runs as a user starts it, with simulated
cards on many hosts. What it does is compared with a plain model in which the
card is chosen at random, and with one that knows what will be asked for.
"""

import collections
import concurrent.futures
import contextlib
import itertools
import json
import pathlib
import random
import tempfile
import threading
import time

import yaml

from benchmarks import bench_claims
from cyborg_fpga.cmd import demo_http
from cyborg_fpga.simulator import samples

FIGURES = (
    'locality.warm_percent',
    'locality.random_percent',
    'locality.foreseen_percent',
    'locality.warm_ms',
    'locality.cold_ms',
)
REACHES = {'locality.warm_percent': ('at least', 75)}

_HOSTS, _CARDS = 25, 8
_DEPLOYABLES = _HOSTS * _CARDS
_BUSY = _DEPLOYABLES * 7 // 10
_IMAGES = 40
_WARM_UP, _MEASURED = 100, 400
_CLIENTS = 4
_SECONDS = 60
# Often enough for the times, and not what the service is busy with.
_POLL_SECONDS = 0.1
_USER = 'alice:demo:member,reader'


def run(wanted):
    wishes, leavers = workload()
    yield 'locality.random_percent', share(wishes, leavers, at_random), '%'
    yield 'locality.foreseen_percent', share(wishes, leavers, foreseen), '%'
    if not {'warm_percent', 'warm_ms', 'cold_ms'} & {
        name.removeprefix('locality.') for name in wanted
    }:
        return
    took = {True: [], False: []}
    for warm, seconds in _measured(wishes, leavers):
        took[warm].append(seconds)
    yield 'locality.warm_percent', 100 * len(took[True]) / _MEASURED, '%'
    for name, warm in (('warm_ms', True), ('cold_ms', False)):
        middle = sorted(took[warm])[len(took[warm]) // 2]
        yield f'locality.{name}', 1000 * middle, 'ms'


def workload(seed=1):
    """What is asked for in which order, and which of the holders leaves."""
    chance = random.Random(seed)
    weights = [1 / rank for rank in range(1, _IMAGES + 1)]
    total = _BUSY + _WARM_UP + _MEASURED
    return (
        chance.choices(range(_IMAGES), weights, k=total),
        [chance.randrange(_BUSY) for _ in range(total)],
    )


def share(wishes, leavers, choose):
    """Percent of a plain model's claims that find their function loaded."""
    loaded, idle, held = {}, set(range(_DEPLOYABLES)), []
    warm = 0
    for turn, (wish, leaver) in enumerate(zip(wishes, leavers, strict=True)):
        if len(held) == _BUSY:
            idle.add(held.pop(leaver))
        card = choose(wish, loaded, idle, wishes[turn + 1 :], leavers[turn])
        if turn >= _BUSY + _WARM_UP:
            warm += loaded.get(card) == wish
        loaded[card] = wish
        idle.remove(card)
        held.append(card)
    return 100 * warm / _MEASURED


def at_random(wish, loaded, idle, later, salt):
    return random.Random(f'{salt} {len(later)}').choice(sorted(idle))


def foreseen(wish, loaded, idle, later, salt):
    """The one whose function is wanted again last of all."""
    holding = collections.defaultdict(list)
    for card in sorted(idle):
        holding[loaded.get(card)].append(card)
    if holding[wish]:
        return holding[wish][0]
    if holding[None]:
        return holding[None][0]
    last, found = -1, None
    for image, cards in holding.items():
        turns = (turn for turn, one in enumerate(later) if one == image)
        needed = list(itertools.islice(turns, len(cards)))
        # Of several that hold it, the last is wanted when all others are.
        when = needed[-1] if len(needed) == len(cards) > 0 else len(later)
        if cards and when > last:
            last, found = when, cards[0]
    return found


def _measured(wishes, leavers):
    """Of each claim that counts: whether it was warm, and its seconds."""
    with tempfile.TemporaryDirectory(prefix='cyborg-fpga-') as name:
        folder = pathlib.Path(name)
        scenario = folder / 'wanted.yaml'
        scenario.write_text(yaml.safe_dump({'hosts': [_hosts()]}))
        with bench_claims.started(folder / 'state', scenario):
            endpoints = json.loads(
                (folder / 'state' / 'endpoints.json').read_text()
            )
            tenants = _Tenants(endpoints, wishes, leavers)
            with concurrent.futures.ThreadPoolExecutor(_CLIENTS) as pool:
                found = list(pool.map(tenants.turn, range(len(wishes))))
    return found[_BUSY + _WARM_UP :]


def _hosts():
    card = {
        'address': '0000:10:00.0',
        'family': 'PAC_A10',
        'count': _CARDS,
        'program_fixed': 0.02,
        'program_rate': 1e9,
    }
    return {'name': 'rack1-', 'count': _HOSTS, 'cards': [card]}


class _Tenants:
    """Those who claim: a fixed number of claims is held at any time."""

    def __init__(self, endpoints, wishes, leavers):
        self._endpoints = endpoints
        self._wishes, self._leavers = wishes, leavers
        self._guard = threading.Lock()
        self._local = threading.local()
        self._held = []
        glance = demo_http.Http(endpoints['image'], 'admin', 'image 2')
        self._images = [self._upload(glance, n) for n in range(_IMAGES)]

    def turn(self, number):
        """One leaves, one comes; whether it was warm, and how long it took."""
        self._leave(self._leavers[number])
        started = time.perf_counter()
        image = self._images[self._wishes[number]]
        claim = self._api.post('/claims', {'image_uuid': image})
        path = f'/claims/{claim["uuid"]}'
        if claim['state'] != 'ready':
            _await(lambda: self._api.get(path)['state'] == 'ready')
            claim = self._api.get(path)
        warm = not claim['operation_uuids']
        seconds = time.perf_counter() - started
        with self._guard:
            self._held.append(claim['uuid'])
        return warm, seconds

    def _leave(self, which):
        with self._guard:
            # With those that others are just making.
            if len(self._held) + _CLIENTS <= _BUSY:
                return
            uuid = self._held.pop(which % len(self._held))
        self._api.delete(f'/claims/{uuid}')
        # A card that is being wiped is as busy as one that is held.
        _await(lambda: not self._api.has(f'/claims/{uuid}'))

    def _upload(self, glance, number):
        # That of number 0 would be none.
        function = f'{number + 1:032x}'
        return glance.upload(
            f'function {number}',
            samples.sample_gbs(samples.EXAMPLE_REGION, function, size=4096),
            {'vendor': 'intel', 'type': f'type{number}'},
        )

    @property
    def _api(self):
        with contextlib.suppress(AttributeError):
            return self._local.api
        self._local.api = demo_http.Http(
            self._endpoints['accelerator'], _USER, 'accelerator 2.3'
        )
        return self._local.api


def _await(holds):
    end = time.monotonic() + _SECONDS
    while not holds():
        if time.monotonic() > end:
            raise RuntimeError('a claim is neither made nor given back')
        time.sleep(_POLL_SECONDS)
