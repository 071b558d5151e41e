"""The harness of ``tools/bench``; the figures themselves are not tested."""

import contextlib
import io
import types
import unittest
from unittest import mock

from oslotest import base

from benchmarks import __main__ as bench


def module(values, figures=None):
    return types.SimpleNamespace(
        FIGURES=figures or tuple(values),
        run=lambda wanted: [(n, v, 'ms') for n, v in values.items()],
    )


class TestHarness(base.BaseTestCase):
    def _run(self, modules, *argv):
        out, err = io.StringIO(), io.StringIO()
        # The real modules start services.
        with (
            mock.patch.object(
                bench, 'modules', autospec=True, return_value=modules
            ),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = bench.main(list(argv))
        return code, out.getvalue().splitlines(), err.getvalue()

    def test_each_figure_is_one_line(self):
        code, lines, _ = self._run([module({'a.x': 2, 'a.y': 0.12345})])
        self.assertEqual((0, ['a.x: 2 ms', 'a.y: 0.123 ms']), (code, lines))

    def test_only_what_was_named_is_printed(self):
        modules = [module({'a.x': 1, 'a.xy': 2}), module({'b': 3})]
        self.assertEqual(['a.x: 1 ms'], self._run(modules, 'a.x')[1])
        self.assertEqual(2, len(self._run(modules, 'a')[1]))

    def test_a_module_that_nobody_asked_for_is_not_run(self):
        unwanted = module({'b': 1})
        unwanted.run = lambda wanted: self.fail('it was run')
        self.assertEqual(0, self._run([unwanted, module({'a': 1})], 'a')[0])

    def test_a_name_that_is_not_known_is_refused(self):
        code, lines, said = self._run([module({'a': 1})], 'z')
        self.assertEqual((2, []), (code, lines))
        self.assertIn('No figure is called z', said)

    def test_a_figure_that_does_not_come_is_a_failure(self):
        code, _, said = self._run([module({'a': 1}, figures=('a', 'b'))])
        self.assertEqual(1, code)
        self.assertIn('b was not measured', said)

    def test_it_says_whether_a_figure_is_what_it_is_to_be(self):
        both = module({'a': 3, 'b': 3})
        both.REACHES = {'a': ('at most', 2), 'b': ('at least', 3)}
        self.assertEqual(
            [
                'a: 3 ms',
                '  a is to be at most 2: not reached',
                'b: 3 ms',
                '  b is to be at least 3: reached',
            ],
            self._run([both])[1],
        )

    def test_a_server_that_is_not_there_is_told(self):
        without = module({'a': 1})
        without.__name__ = 'without'
        without.run = mock.Mock(side_effect=unittest.SkipTest('no server'))
        code, _, said = self._run([without])
        self.assertEqual(1, code)
        self.assertIn('without: no server\n', said)

    def test_every_figure_that_is_to_be_something_is_measured(self):
        for one in bench.modules():
            reaches = getattr(one, 'REACHES', {})
            self.assertLessEqual(set(reaches), set(one.FIGURES))

    def test_large_figures_keep_their_digits(self):
        self.assertEqual('123457', bench.text(123456.7))

    def test_every_module_says_what_it_measures(self):
        figures = [f for m in bench.modules() for f in m.FIGURES]
        self.assertEqual(sorted(set(figures)), sorted(figures))
