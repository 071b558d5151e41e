"""What Nova and operators ask of us, beside what Cyborg does with it.

Both in one run, in turns, on the same servers: see :mod:`benchmarks.sides`.
``peer.`` stands before Cyborg's figures, ``ratio.`` before how many times
better ours are.

``arq.bind.*.0`` is with no other accelerator request in the table. All others
are with 112: four of them are bound to a part of the same card, so that there
is nothing to be wiped when the eight go, which Cyborg never does. Lists are
of 16, 1,000 and 10,000 cards; ours come in pages of 1,000, of which the
slowest counts, Cyborg's as a whole. ``floor.rps`` is what no list can be
faster than: a version document, behind the same web server and middleware.
"""

import concurrent.futures
import contextlib
import functools
import json
import statistics
import sys
import time

from benchmarks import arqs
from benchmarks import cards
from benchmarks import sides

_REQUESTS = (
    'arq.list.sql',
    'arq.list.ms',
    'arq.bind.sql.0',
    'arq.bind.ms.0',
    'arq.bind.sql.112',
    'arq.bind.ms.112',
    'arq.delete.sql',
    'arq.delete.ms',
    'arq.cycle_ms',
    'arq.cycles.1',
    'arq.cycles.8',
)
_LISTS = ('devices', 'deployables')
_CARDS = tuple(
    f'{what}.{figure}'
    for what in _LISTS
    for figure in ('rps.16', 'page_ms.1000', 'page_ms.10000')
)
_LONGEST = _CARDS[-1]
_FLOOR = 'floor.rps'
_PREFIXES = ('', 'peer.', 'ratio.')
FIGURES = tuple(
    prefix + name
    for name in (*_REQUESTS, _FLOOR, *_CARDS)
    for prefix in _PREFIXES
)
REACHES = {
    'arq.list.sql': ('at most', 2),
    'arq.bind.sql.0': ('at most', 20),
    'arq.bind.sql.112': ('at most', 20),
    'arq.delete.sql': ('at most', 10),
    'ratio.arq.cycle_ms': ('at least', 3),
    'ratio.arq.cycles.8': ('at least', 10),
    'ratio.devices.rps.16': ('at least', 5),
    'devices.page_ms.10000': ('at most', 500),
}

_CLIENTS = 8
_OTHERS = 112
_BOUND = 4
_ROUNDS = 5
#: Requests of each client that make a rate.
_ASKED = 100
_CYCLES = 5
_PAGE = 1000
_UNITS = {'sql': 'statements', 'cycles': 'cycles/s', 'rps': 'requests/s'}


def run(wanted):
    asked = {name.removeprefix('peer.').removeprefix('ratio.')
             for name in wanted}  # fmt: skip
    with sides.started() as both:
        if asked.intersection(_REQUESTS):
            yield from _compared(_requests(both))
        if _FLOOR in asked:
            measure = functools.partial(_rate, '')
            yield from _compared([(_FLOOR, _in_turns(both, measure, _ROUNDS))])
        if asked.intersection(_CARDS):
            yield from _compared(_cards(both, asked))


def _compared(figures):
    """Ours, theirs and the ratio of each of *figures*: name, two values."""
    for name, (ours, theirs) in figures:
        unit = next((_UNITS[p] for p in name.split('.') if p in _UNITS), 'ms')
        yield name, ours, unit
        yield f'peer.{name}', theirs, unit
        more = unit in ('cycles/s', 'requests/s')
        ratio = ours / theirs if more else theirs / ours
        yield f'ratio.{name}', ratio, 'times'


# -- accelerator requests -----------------------------------------------


def _requests(both):
    requests = [arqs.Requests(side) for side in both]
    alone = _costs(requests)
    yield from _named(alone, 'bind', 'arq.bind.{}.0')
    for each in requests:
        each.rest()
        each.join(_BOUND, _OTHERS - _BOUND)
    more = _costs(requests)
    yield from _named(more, 'list', 'arq.list.{}')
    yield from _named(more, 'bind', 'arq.bind.{}.112')
    yield from _named(more, 'delete', 'arq.delete.{}')
    yield (
        'arq.cycle_ms',
        _in_turns(requests, lambda each: each.cycle(), 4 * _CYCLES),
    )
    for clients in (1, _CLIENTS):
        yield (
            f'arq.cycles.{clients}',
            _in_turns(requests, functools.partial(_cycles, clients), _ROUNDS),
        )


def _costs(requests):
    """Both sides' costs of some rounds; the first is for warming up."""
    found = [[], []]
    for _ in range(1 + _ROUNDS):
        for each, costs in zip(requests, found, strict=True):
            costs.append(each.costs())
    return [costs[1:] for costs in found]


def _named(found, step, name):
    """The most statements of a step, and its median time."""
    for kind, place, pick in (('sql', 0, max), ('ms', 1, statistics.median)):
        yield (
            name.format(kind),
            [pick(costs[step][place] for costs in side) for side in found],
        )


def _in_turns(subjects, measure, rounds):
    """The median of each subject's measurements."""
    found = [[] for _ in subjects]
    for _ in range(rounds):
        for subject, values in zip(subjects, found, strict=True):
            values.append(measure(subject))
    return [statistics.median(values) for values in found]


def _cycles(clients, requests):
    """Cycles per second; what is refused does not count."""

    def attempt(_):
        with contextlib.suppress(sides.Refused):
            requests.cycle()
            return True
        return False

    count = max(_CYCLES, clients * 2) * (1 if requests.side.prefix else 4)
    done, seconds = _at_once(clients, attempt, count)
    if done < count:
        print(
            f'{requests.side.prefix}arq.cycles.{clients}: {count - done} of '
            f'{count} were refused.',
            file=sys.stderr,
        )
    return done / seconds


def _at_once(clients, work, count):
    """How many of *count* times *work* was done, and in how many seconds."""
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        # So that every thread and its connection are there.
        list(pool.map(work, range(clients)))
        started = time.perf_counter()
        done = sum(pool.map(work, range(count)))
        return done, time.perf_counter() - started


# -- lists ----------------------------------------------------------------


def _cards(both, asked):
    tables = [cards.Cards(side) for side in both]
    for count in (16, 1000, 10000):
        if not any(name.endswith(f'.{count}') for name in asked):
            continue
        for table in tables:
            table.grow(count)
        for what in _LISTS:
            figure = f'{what}.{"rps" if count == 16 else "page_ms"}.{count}'
            if figure not in asked:
                continue
            measure = (
                functools.partial(_rate, f'/{what}')
                if count == 16
                else functools.partial(_slowest_page, what, count)
            )
            yield (
                figure,
                _in_turns(
                    both,
                    measure,
                    # Cyborg takes half a minute for the longest.
                    1 if figure == _LONGEST else _ROUNDS,
                ),
            )


def _rate(path, side):
    def ask(_):
        side.must(200, 'GET', path, token=sides.ADMIN)
        return True

    # Cyborg refuses the first ones if they come at once: it has not read its
    # policy then. And both open connections to the database when many come.
    ask(None)
    _at_once(_CLIENTS, ask, _ASKED)
    done, seconds = _at_once(_CLIENTS, ask, _ASKED * _CLIENTS)
    return done / seconds


def _slowest_page(what, count, side):
    """ms of the slowest page of a whole list."""
    worst, seen, marker = 0.0, 0, ''
    while seen < count:
        started = time.perf_counter()
        answer = side.must(200, 'GET', f'/{what}{marker}', token=sides.ADMIN)
        worst = max(worst, time.perf_counter() - started)
        page = json.loads(answer)
        seen += len(page[what])
        marker = f'?limit={_PAGE}&marker={page[what][-1]["uuid"]}'
    return 1000 * worst
