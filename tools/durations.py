"""Share the tests of a suite among workers by how long they take.

``seed TABLE REPOSITORY`` reads the names of tests, as ``stestr list`` prints
them, and lets stestr believe that they took what the table says of their
modules: a line each, the seconds and the name. A module that is not there
counts as one of a few seconds; what the table has wrong costs a balance of
the workers, and nothing else.

``table`` reads the stream of a run, as ``stestr last --subunit`` prints it,
and prints such a table. All that a worker did between the end of one test and
that of the next counts, so what a class starts first does too; stestr's own
figures leave that out.
"""

import collections
import dbm.dumb
import math
import pathlib
import re
import sys

import subunit
import testtools

_UNKNOWN = 10
_STEP = 5

# The names of gabbi's tests are those of files and requests, dots and all.
_MODULE = re.compile(r'[\w.]*?\b(test_\w+|suitemaker)(?=\.)')


def _module(ident):
    found = _MODULE.match(ident)
    return found[0] if found else ident


def _seed(table, repository):
    known = {}
    for line in pathlib.Path(table).read_text().splitlines():
        seconds, name = line.split()
        known[name] = float(seconds)
    names = [line.strip() for line in sys.stdin]
    # stestr prints other lines, too, before the names.
    names = [name for name in names if '.' in name and ' ' not in name]
    shares = collections.Counter(map(_module, names))
    folder = pathlib.Path(repository) / '.stestr'
    with dbm.dumb.open(str(folder / 'times.dbm'), 'c') as times:
        for name in names:
            module = _module(name)
            times[name] = str(known.get(module, _UNKNOWN) / shares[module])


def _table():
    workers = collections.defaultdict(list)

    def seen(test):
        start, end = test['timestamps']
        if test['status'] != 'exists' and start and end:
            (worker,) = test['tags'] or {''}
            workers[worker].append((start, end, _module(test['id'])))

    result = testtools.StreamToDict(seen)
    result.startTestRun()
    subunit.ByteStreamToStreamResult(
        sys.stdin.buffer, non_subunit_name='stdout'
    ).run(result)
    result.stopTestRun()
    took = collections.Counter()
    began = min((min(tests)[0] for tests in workers.values()), default=None)
    for tests in workers.values():
        tests.sort()
        before = began
        for _, end, module in tests:
            took[module] += (end - before).total_seconds()
            before = end
    for module, seconds in sorted(took.items()):
        print(_STEP * max(1, math.ceil(seconds / _STEP)), module)


if __name__ == '__main__':
    if sys.argv[1] == 'seed':
        _seed(*sys.argv[2:])
    else:
        _table()
