"""Take one guard after the other out, and expect its test to notice.

    python tests/mutations/run.py [NAME...]

Each ``*.patch`` beside this file is a unified diff against the sources that
removes one guard. Its first lines say what it removes and which tests must
then fail; see ``README.rst``. Everything happens in temporary copies.
"""

import concurrent.futures
import contextlib
import dataclasses
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence

FOLDER = pathlib.Path(__file__).resolve().parent
ROOT = FOLDER.parent.parent
sys.path.insert(0, str(ROOT))

from tests.fixtures import folders  # noqa: E402 (Python looks beside us only)

#: What a test needs of the tree.
COPIED = ('cyborg_fpga', 'tests', 'etc', 'setup.cfg', 'pyproject.toml')
AT_A_TIME = 2
#: Seconds; a test that hangs proves nothing.
LIMIT = 180


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


def copy(target: pathlib.Path, source: pathlib.Path = ROOT) -> pathlib.Path:
    for name in COPIED:
        found = source / name
        if found.is_dir():
            shutil.copytree(found, target / name)
        elif found.exists():
            shutil.copy2(found, target / name)
    return target


def run(tree: pathlib.Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run a command in *tree*, whose package it imports.

    :raises Wrong: It took longer than LIMIT.
    """
    env = {**os.environ, 'PYTHONPATH': str(tree), 'PYTHONWARNINGS': 'ignore'}
    env['TMPDIR'] = folders.BASE
    # Not the repository that the copies may lie in.
    env['GIT_CEILING_DIRECTORIES'] = str(tree.parent)
    try:
        return subprocess.run(
            argv,
            cwd=tree,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LIMIT,
            text=True,
            errors='replace',
        )
    except subprocess.TimeoutExpired as exc:
        raise Wrong(f'{argv[-1]} did not end') from exc


def run_test(tree: pathlib.Path, name: str) -> bool:
    """Whether a test passes.

    :raises Skipped: It was skipped.
    :raises Wrong: It could not even be loaded.
    """
    done = run(tree, sys.executable, '-m', 'unittest', name)
    last = done.stdout.rstrip().rpartition('\n')[2]
    if 'unittest.loader._FailedTest' in done.stdout or 'Ran 0' in done.stdout:
        raise Wrong(f'{name} cannot be loaded:\n{done.stdout}')
    if done.returncode == 0 and 'skipped=' in last:
        raise Skipped(name)
    return done.returncode == 0


def check_base(tree: pathlib.Path, mutations: Sequence[Mutation]) -> None:
    """Make sure that the tests are green while nothing is removed.

    :raises Wrong: One is not, or another package is imported.
    """
    where = run(
        tree,
        sys.executable,
        '-c',
        'import cyborg_fpga as f; print(f.__file__)',
    )
    if not where.stdout.startswith(str(tree)):
        raise Wrong(f'not the copy is tested but {where.stdout}')
    names = sorted({name for m in mutations for name in m.tests})
    done = run(tree, sys.executable, '-m', 'unittest', *names)
    if done.returncode:
        raise Wrong(f'without any mutation:\n{done.stdout}')


def try_one(base: pathlib.Path, mutation: Mutation) -> None:
    """Apply one patch and run its tests.

    :raises Wrong: It does not apply, or a test did not notice.
    """
    with tempfile.TemporaryDirectory(prefix='mutation-') as folder:
        tree = copy(pathlib.Path(folder), base)
        # Whole or not at all; the lines around it must still be there.
        applied = run(tree, 'git', 'apply', '-C1', str(mutation.path))
        if applied.returncode:
            raise Wrong(f'the patch does not apply: {applied.stdout}')
        for name in mutation.tests:
            if run_test(tree, name):
                raise Wrong(f'{name} does not notice')


def outcome(base: pathlib.Path, mutation: Mutation) -> tuple[str, str]:
    try:
        try_one(base, mutation)
    except Skipped as exc:
        # Where nothing may be skipped, its own fixture fails.
        return 'skipped', f'{exc} cannot run here'
    except Wrong as exc:
        return 'FAILED', str(exc)
    return 'ok', mutation.guard


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
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix='mutation-base-')
        )
        base = copy(pathlib.Path(folder))
        pool = stack.enter_context(
            concurrent.futures.ThreadPoolExecutor(AT_A_TIME)
        )
        try:
            check_base(base, mutations)
        except Wrong as exc:
            print(f'FAILED  {exc}\n0 passed, {len(paths)} failed')
            return 1
        found = pool.map(lambda m: outcome(base, m), mutations)
        for mutation, (word, text) in zip(mutations, found, strict=True):
            counts[word] += 1
            print(f'{word:7} {mutation.path.stem}: {text}', flush=True)
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
