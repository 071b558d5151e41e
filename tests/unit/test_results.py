"""What tools/test makes of the stream of a suite."""

import io
import pathlib
import re
import subprocess
import sys

import fixtures
import subunit
from oslotest import base

_TOOL = pathlib.Path(__file__).parents[2] / 'tools' / 'results.py'


class TestResults(base.BaseTestCase):
    def told(self, **outcomes):
        """Its first line, how tests failed, and what may run again."""
        stream = io.BytesIO()
        result = subunit.StreamResultToBytes(stream)
        for ident, status in outcomes.items():
            result.status(test_id=ident, test_status='inprogress')
            if status is not None:
                result.status(test_id=ident, test_status=status)
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        stories, again = folder / 'stories', folder / 'again'
        done = subprocess.run(
            [sys.executable, str(_TOOL), str(stories), str(again)],
            input=stream.getvalue(),
            stdout=subprocess.PIPE,
            check=True,
        )
        counts = done.stdout.decode().splitlines()[0]
        return counts, stories.read_text(), again.read_text().splitlines()

    def test_a_test_that_never_ended_has_failed(self):
        counts, stories, _ = self.told(
            **{'a.B.good': 'success', 'a.B.died': None, 'a.B.off': 'skip'}
        )
        self.assertEqual('1 1 1', counts)
        self.assertIn('a.B.died', stories)

    def test_what_failed_is_named_to_be_run_again(self):
        _, _, again = self.told(
            **{'a.B.c': 'fail', 'setUpClass (d.E)': 'fail', 'f.G.h': 'success'}
        )

        def chosen(ident):
            return any(re.search(line, ident) for line in again)

        self.assertTrue(chosen('a.B.c'))
        self.assertTrue(chosen('d.E.test_any'))
        for ident in ('a.B.cc', 'aaBac', 'd.EE.test', 'f.G.h'):
            self.assertFalse(chosen(ident), ident)

    def test_many_that_failed_are_no_accident(self):
        names = [f'a.B.{name}' for name in 'cdef']
        self.assertEqual(
            3, len(self.told(**dict.fromkeys(names[:3], 'fail'))[2])
        )
        self.assertEqual([], self.told(**dict.fromkeys(names, 'fail'))[2])

    def test_who_lost_a_race_has_no_second_chance(self):
        _, stories, again = self.told(
            **{'tests.functional.db.test_races.T.a': 'fail', 'a.B.c': 'fail'}
        )
        self.assertEqual([], again)
        self.assertIn('tests.functional.db', stories)
