"""Run tests in forks of a process that has imported what is not ours.

A quick test spends nearly all of its time on importing what it needs of
others. :class:`Forks` has a process do that once. For each run the process
forks; the fork imports everything of ours, from the tree that it is told,
and is to unittest a process of its own.

Run as a script, this is that process, so it must not import anything of ours.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
from collections.abc import Iterable
from collections.abc import Sequence
from typing import NamedTuple
from typing import NoReturn

#: What is imported from the tree, and by the forks only.
OURS = ('cyborg_fpga', 'tests')
#: Seconds; a test that hangs proves nothing.
LIMIT = 180
#: Begins the output where another package is imported than the tree's.
ELSEWHERE = 'not the copy is tested but'


class Done(NamedTuple):
    """How a run ended.

    :ivar status: As a shell says it; None where it was killed at its limit.
    """

    status: int | None
    output: str


class Forks:
    """A process that runs tests, one run at a time."""

    def __init__(self, temporary: str):
        env = {
            **os.environ,
            'PYTHONWARNINGS': 'ignore',
            'TMPDIR': temporary,
        }
        # Each fork would compile all of ours anew.
        env.pop('PYTHONDONTWRITEBYTECODE', None)
        env.pop('PYTHONPATH', None)
        self._process = subprocess.Popen(
            # -P: it finds nothing of ours beside this file.
            [sys.executable, '-P', __file__],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self, tree: pathlib.Path, names: Sequence[str], limit: float = LIMIT
    ) -> Done:
        """Have unittest run the tests of *tree* with these names."""
        return self._ask('run', tree, names, limit)

    def prepare(self, tree: pathlib.Path, names: Sequence[str]) -> Done:
        """Import whatever of others these tests of *tree* do."""
        return self._ask('prepare', tree, names, LIMIT)

    def _ask(
        self,
        what: str,
        tree: pathlib.Path,
        names: Sequence[str],
        limit: float,
    ) -> Done:
        with tempfile.NamedTemporaryFile(prefix='output-') as output:
            job = {
                'what': what,
                'tree': str(tree),
                'names': list(names),
                'output': output.name,
                'limit': limit,
            }
            self._process.stdin.write(json.dumps(job) + '\n')
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
            if not answer:
                raise RuntimeError('the process that forks has ended')
            (status,) = json.loads(answer)
            text = pathlib.Path(output.name).read_text(errors='replace')
        return Done(status, text)

    def close(self) -> None:
        """End it, and the run that it is at."""
        self._process.terminate()
        self._process.communicate()


#: Of a fork, when it ends.
_status: int | None = None


class _Job(NamedTuple):
    what: str
    tree: str
    names: list[str]
    output: str
    limit: float


def _serve() -> None:
    # Ends what is forked, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for line in sys.stdin:
        job = _Job(**json.loads(line))
        _check_untouched()
        # What lies here already does not have to be looked through by each.
        gc.freeze()
        pid = os.fork()
        if not pid:
            _be_unittest(job)
        status = _wait(pid, job.limit)
        if job.what == 'prepare' and status == 0:
            text = pathlib.Path(job.output).read_text()
            _import(json.loads(text.splitlines()[-1]))
        print(json.dumps([status]), flush=True)


def _check_untouched() -> None:
    """Make sure that a fork gets all of ours from its tree, and can run."""
    loaded = [name for name in sys.modules if _is_ours(name)]
    if loaded or threading.active_count() != 1:
        raise SystemExit(f'not to be forked: {loaded} {threading.enumerate()}')


def _is_ours(module: str) -> bool:
    return module.partition('.')[0] in OURS


def _wait(pid: int, limit: float) -> int | None:
    """Wait for a fork, and end it at its limit and all that it leaves."""
    fork = os.pidfd_open(pid)
    try:
        ended, _, _ = select.select([fork], [], [], limit)
    finally:
        os.close(fork)
        # Before anybody else can have its number.
        for kill in os.killpg, os.kill:
            with contextlib.suppress(ProcessLookupError):
                kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status) if ended else None


def _be_unittest(job: _Job) -> NoReturn:
    """Go on as ``python -m unittest`` in the tree does, and end so."""
    global _status
    _status = 1
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.setsid()
    os.chdir(job.tree)
    # As processes that it starts must find it.
    os.environ['PYTHONPATH'] = job.tree
    sys.path.insert(0, job.tree)
    with open(os.devnull) as nothing, open(job.output, 'a') as output:
        os.dup2(nothing.fileno(), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    if job.what == 'prepare':
        unittest.defaultTestLoader.loadTestsFromNames(job.names)
        print(f'\n{json.dumps(_of_others(sys.modules, job.tree))}')
        _status = 0
        sys.exit()
    argv = ['python -m unittest', *job.names]
    ran = unittest.main(module=None, argv=argv, exit=False)
    _of_others(sys.modules, job.tree)
    _status = int(not ran.result.wasSuccessful())
    sys.exit()


def _of_others(modules: Iterable[str], tree: str) -> list[str]:
    """The modules that are not ours, in the order of *modules*.

    It must not go unnoticed when ours come from anywhere but the tree.
    """
    for name in filter(_is_ours, modules):
        path = getattr(sys.modules[name], '__file__', None)
        if path is not None and not path.startswith(f'{tree}/'):
            raise SystemExit(f'{ELSEWHERE} {path}')
    return [name for name in modules if not _is_ours(name)]


def _import(names: Iterable[str]) -> None:
    # As tests/__init__.py does, before anything imports oslo.messaging.
    backend = importlib.import_module('oslo_service.backend')
    backend.init_backend(backend.BackendType.THREADING)
    for name in names:
        # Some there are that only others put into the table of modules.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _leave() -> None:
    """End a fork once threads have ended and everything is cleaned up.

    To free all that was imported would take as long as a test.
    """
    if _status is not None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_status)


if __name__ == '__main__':
    # The first is called last.
    atexit.register(_leave)
    _serve()
