"""Take one guard after the other out, and expect its test to notice.

    python tests/mutations/run.py [NAME...]

Each ``*.patch`` beside this file is a unified diff against the sources that
removes one guard. Its first lines say what it removes and which tests must
then fail; see ``README.rst``. Everything happens in temporary copies.
"""

import concurrent.futures
import contextlib
import dataclasses
import importlib.util
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

FOLDER = pathlib.Path(__file__).resolve().parent
ROOT = FOLDER.parent.parent
# Python looks beside us only.
sys.path.insert(0, str(ROOT))

from tests.fixtures import folders  # noqa: E402 (found by the line above)
from tests.mutations import forks  # noqa: E402 (found by the line above)

#: What a test needs of the tree.
COPIED = ('cyborg_fpga', 'tests', 'etc', 'setup.cfg', 'pyproject.toml')
#: What it does not. What others compile meanwhile comes and goes.
LEFT = shutil.ignore_patterns('*.patch', '__pycache__')
AT_A_TIME = 2
#: Seconds, for half of all tests.
BASE_LIMIT = 900


class Wrong(Exception):
    """A mutation that proves nothing; the text says why."""


class Skipped(Exception):
    """Its test cannot run on this machine."""


@dataclasses.dataclass(frozen=True, slots=True)
class Mutation:
    """One patch.

    :ivar guard: What it removes.
    :ivar tests: Each of these must fail.
    """

    path: pathlib.Path
    guard: str
    tests: tuple[str, ...]


def load(path: pathlib.Path) -> Mutation:
    """Read a patch's header.

    :raises Wrong: It names no guard or no test.
    """
    said: dict[str, list[str]] = {'guard': [], 'test': []}
    for line in path.read_text().splitlines():
        if not line.startswith('#'):
            break
        key, _, value = line.removeprefix('#').partition(':')
        said.setdefault(key.strip(), []).append(value.strip())
    if not said['guard'] or not said['test']:
        raise Wrong('the header must have "# guard:" and "# test:"')
    return Mutation(path, ' '.join(said['guard']), tuple(said['test']))


def copy(
    target: pathlib.Path,
    source: pathlib.Path,
    file: Callable[[str, str], object] = shutil.copy2,
    *,
    leave: Any = LEFT,
) -> pathlib.Path:
    """Make *target* hold what is needed of *source*.

    :param file: How one file gets there.
    :param leave: See ``ignore`` of :func:`shutil.copytree`.
    """
    for name in COPIED:
        found = source / name
        if found.is_dir():
            shutil.copytree(
                found, target / name, copy_function=file, ignore=leave
            )
        elif found.exists():
            file(str(found), str(target / name))
    return target


def mutate(
    tree: pathlib.Path, base: pathlib.Path, patch: pathlib.Path
) -> None:
    """Make *tree* what *base* is with *patch* applied.

    :raises Wrong: It does not apply.
    """
    # With what was compiled for the base.
    copy(tree, base, os.link, leave=None)
    for line in patch.read_text().splitlines():
        if line.startswith('+++ b/'):
            name = line.removeprefix('+++ b/')
            # Neither the file of the base is changed, nor what was compiled
            # of it taken for that of this one.
            (tree / name).unlink(missing_ok=True)
            shutil.copy2(base / name, tree / name)
            compiled = importlib.util.cache_from_source(str(tree / name))
            pathlib.Path(compiled).unlink(missing_ok=True)
    done = subprocess.run(
        # Whole or not at all; the lines around it must still be there.
        ['git', 'apply', '-C1', str(patch)],
        cwd=tree,
        # Not the repository that the copies may lie in.
        env={**os.environ, 'GIT_CEILING_DIRECTORIES': str(tree.parent)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise Wrong(f'the patch does not apply: {done.stdout}')


def run_test(forker: forks.Forks, tree: pathlib.Path, name: str) -> bool:
    """Whether a test passes.

    :raises Skipped: It was skipped.
    :raises Wrong: It could not even be loaded, or does not end.
    """
    done = forker.run(tree, [name])
    if done.status is None:
        raise Wrong(f'{name} did not end')
    if 'unittest.loader._FailedTest' in done.output or 'Ran 0' in done.output:
        raise Wrong(f'{name} cannot be loaded:\n{done.output}')
    if forks.ELSEWHERE in done.output:
        raise Wrong(f'{name}: {done.output}')
    last = done.output.rstrip().rpartition('\n')[2]
    if done.status == 0 and 'skipped=' in last:
        raise Skipped(name)
    return done.status == 0


def check_base(
    forker: forks.Forks,
    base: pathlib.Path,
    mutations: Sequence[Mutation],
    share: int,
) -> None:
    """Make sure that tests are green while nothing is removed.

    :param share: Which of AT_A_TIME parts of the modules it looks at.
    :raises Wrong: One is not.
    """
    names = sorted({name for m in mutations for name in m.tests})
    done = forker.prepare(base, names)
    if done.status == 0:
        modules = sorted({module_of(name) for name in names})[share::AT_A_TIME]
        names = [name for name in names if module_of(name) in modules]
        # Without a name unittest would run all tests there are.
        if names:
            done = forker.run(base, names, limit=BASE_LIMIT)
    if done.status != 0:
        raise Wrong(f'without any mutation:\n{done.output}')


def module_of(name: str) -> str:
    return name.rsplit('.', 2)[0]


def try_one(
    forker: forks.Forks, base: pathlib.Path, mutation: Mutation
) -> None:
    """Apply one patch and run its tests.

    :raises Wrong: It does not apply, or a test did not notice.
    """
    with tempfile.TemporaryDirectory(prefix='mutation-') as folder:
        tree = pathlib.Path(folder)
        mutate(tree, base, mutation.path)
        for name in mutation.tests:
            if run_test(forker, tree, name):
                raise Wrong(f'{name} does not notice')


def outcome(
    forkers: 'queue.SimpleQueue[forks.Forks]',
    base: pathlib.Path,
    mutation: Mutation,
) -> tuple[str, str]:
    forker = forkers.get()
    try:
        try_one(forker, base, mutation)
    except Skipped as exc:
        # Where nothing may be skipped, its own fixture fails.
        return 'skipped', f'{exc} cannot run here'
    except Wrong as exc:
        return 'FAILED', str(exc)
    finally:
        forkers.put(forker)
    return 'ok', mutation.guard


def outcomes(
    mutations: Sequence[Mutation],
) -> Iterator[tuple[Mutation, str, str]]:
    """Try one after the other, AT_A_TIME beside each other.

    :raises Wrong: The tests are not green while nothing is removed.
    """
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix='mutation-base-')
        )
        base = copy(pathlib.Path(folder), ROOT)
        pool = concurrent.futures.ThreadPoolExecutor(AT_A_TIME)
        stack.callback(pool.shutdown, cancel_futures=True)
        all_forkers = [forks.Forks(folders.BASE) for _ in range(AT_A_TIME)]
        for forker in all_forkers:
            stack.callback(forker.close)
        checks = pool.map(
            lambda share: check_base(
                all_forkers[share], base, mutations, share
            ),
            range(AT_A_TIME),
        )
        list(checks)
        forkers: queue.SimpleQueue[forks.Forks] = queue.SimpleQueue()
        for forker in all_forkers:
            forkers.put(forker)
        found = pool.map(lambda m: outcome(forkers, base, m), mutations)
        for mutation, (word, text) in zip(mutations, found, strict=True):
            yield mutation, word, text


def main(names: Sequence[str]) -> int:
    paths = [
        path
        for path in sorted(FOLDER.glob('*.patch'))
        if not names or path.stem in names
    ]
    # So that the copies go, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    counts = {'ok': 0, 'FAILED': 0, 'skipped': 0}
    mutations = []
    for path in paths:
        try:
            mutations.append(load(path))
        except Wrong as exc:
            counts['FAILED'] += 1
            print(f'FAILED  {path.stem}: {exc}', flush=True)
    try:
        with contextlib.closing(outcomes(mutations)) as found:
            for mutation, word, text in found:
                counts[word] += 1
                print(f'{word:7} {mutation.path.stem}: {text}', flush=True)
    except Wrong as exc:
        print(f'FAILED  {exc}\n0 passed, {len(paths)} failed')
        return 1
    if not paths:
        counts['FAILED'] += 1
        print('There is no such mutation.')
    print(
        f'{counts["ok"]} passed, {counts["FAILED"]} failed, '
        f'{counts["skipped"]} skipped'
    )
    return 1 if counts['FAILED'] else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
