"""How tools/test shares the tests of a suite among workers."""

import datetime
import io
import pathlib
import re
import subprocess
import sys

import fixtures
import subunit
from oslotest import base
from stestr import config_file
from stestr import scheduler
from stestr.repository import file

_ROOT = pathlib.Path(__file__).parents[2]
_TOOL = _ROOT / 'tools' / 'durations.py'
_TABLE = _ROOT / 'tests' / 'functional' / 'durations'
_MODULES = sorted((_ROOT / 'tests' / 'functional').rglob('test_*.py'))


def _name(path):
    return '.'.join(path.relative_to(_ROOT).with_suffix('').parts)


class TestDurations(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def run_tool(self, *arguments, said):
        done = subprocess.run(
            [sys.executable, str(_TOOL), *map(str, arguments)],
            input=said,
            stdout=subprocess.PIPE,
            check=True,
        )
        return done.stdout.decode()

    def workers(self, table, names):
        """What two workers of stestr's get."""
        repository = file.RepositoryFactory().initialise(str(self.folder))
        listed = ''.join(f'{name}\n' for name in names)
        self.run_tool('seed', table, self.folder, said=listed.encode())
        config = config_file.TestrConf(str(_ROOT / '.stestr.conf'))

        def group(name):
            found = re.match(config.group_regex, name)
            return found[0] if found else None

        return scheduler.partition_tests(names, 2, repository, group)

    def test_workers_get_as_much_to_do(self):
        table = self.folder / 'durations'
        table.write_text(
            '40 tests.functional.a.test_a\n'
            '30 tests.functional.test_b\n'
            '5 gabbi.suitemaker\n'
        )
        first = [f'tests.functional.a.test_a.C{n}.test_x' for n in range(4)]
        others = [
            'tests.functional.test_b.C.test_x(some.scenario)',
            'gabbi.suitemaker.test_api_claims_at_2.1_none.test_request',
            # Of which the table knows nothing.
            'tests.functional.service.test_new.C.test_x',
        ]
        self.assertCountEqual(
            [sorted(first), sorted(others)],
            map(sorted, self.workers(table, [*first, *others])),
        )

    def test_no_module_is_cut_in_two(self):
        names = [
            f'{_name(path)}.{cls}.test_{n}'
            for path in _MODULES
            for cls in ('TestA', 'TestB')
            for n in range(3)
        ]
        one, other = self.workers(_TABLE, names)
        self.assertCountEqual(names, [*one, *other])

        def modules(part):
            return {name.rsplit('.', 2)[0] for name in part}

        self.assertEqual(set(), modules(one) & modules(other))

    def test_what_comes_between_tests_counts_for_the_next(self):
        stream = io.BytesIO()
        result = subunit.StreamResultToBytes(stream)

        def seen(name, start, end, *, worker):
            for status, second in (('inprogress', start), ('success', end)):
                result.status(
                    test_id=name,
                    test_status=status,
                    test_tags={worker},
                    timestamp=datetime.datetime.fromtimestamp(
                        second, datetime.UTC
                    ),
                )

        seen('tests.functional.test_a.C.test_x', 100, 112, worker='worker-0')
        seen('tests.functional.test_b.C.test_x', 130, 131, worker='worker-0')
        seen('tests.functional.test_a.C.test_y', 107, 108, worker='worker-1')
        self.assertEqual(
            '20 tests.functional.test_a\n20 tests.functional.test_b\n',
            self.run_tool('table', said=stream.getvalue()),
        )
