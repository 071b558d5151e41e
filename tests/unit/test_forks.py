"""How the mutations run their tests."""

import contextlib
import pathlib
import textwrap

import fixtures
import psutil
from oslotest import base

from tests.mutations import forks

_TEST = """
    import atexit
    import pathlib
    import subprocess
    import sys
    import unittest

    import cyborg_fpga

    class Test(unittest.TestCase):
        def test_says_yes(self):
            self.assertEqual('yes', cyborg_fpga.ANSWER)

        def test_leaves_a_process(self):
            started = subprocess.Popen(['sleep', '600'])
            pathlib.Path('pid').write_text(str(started.pid))
            return started

        def test_hangs(self):
            self.test_leaves_a_process().wait()

        def test_cleans_up(self):
            atexit.register(pathlib.Path('cleaned').touch)

        def test_finds_it_imported(self):
            self.assertIn('xml.dom.pulldom', sys.modules)
"""
_IMPORTS = """
    import unittest
    import xml.dom.pulldom

    class Test(unittest.TestCase):
        def test_it(self):
            pass
"""


class TestForks(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        temporary = self.useFixture(fixtures.TempDir()).path
        self.forks = forks.Forks(temporary)
        self.addCleanup(self.forks.close)

    def tree(self, answer='yes'):
        tree = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        for package in forks.OURS:
            (tree / package).mkdir()
            (tree / package / '__init__.py').touch()
        (tree / 'cyborg_fpga/__init__.py').write_text(f'ANSWER = {answer!r}')
        for name, text in {'some': _TEST, 'more': _IMPORTS}.items():
            path = tree / f'tests/test_{name}.py'
            path.write_text(textwrap.dedent(text))
        return tree

    def run_test(self, name, *, tree=None, limit=60):
        name = f'tests.test_some.Test.test_{name}'
        return self.forks.run(tree or self.tree(), [name], limit)

    def assert_ended(self, tree):
        pid = int((tree / 'pid').read_text())
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).wait(60)

    def test_each_run_imports_ours_of_its_own_tree(self):
        for answer, status in ('yes', 0), ('no', 1), ('yes', 0):
            done = self.run_test('says_yes', tree=self.tree(answer))
            self.assertEqual(status, done.status, done.output)

    def test_what_hangs_ends_at_its_limit_with_all_that_it_started(self):
        tree = self.tree()
        for limit in 1, 10, 60:
            done = self.run_test('hangs', tree=tree, limit=limit)
            self.assertIsNone(done.status)
            if (tree / 'pid').exists() and (tree / 'pid').read_text():
                break
        self.assert_ended(tree)
        self.assertEqual(0, self.run_test('says_yes').status)

    def test_what_is_left_behind_ends_with_its_test(self):
        tree = self.tree()
        done = self.run_test('leaves_a_process', tree=tree)
        self.assertEqual(0, done.status)
        self.assert_ended(tree)

    def test_it_ends_as_any_process_does(self):
        tree = self.tree()
        self.assertEqual(0, self.run_test('cleans_up', tree=tree).status)
        self.assertTrue((tree / 'cleaned').exists())

    def test_what_is_of_others_is_imported_once(self):
        self.assertEqual(1, self.run_test('finds_it_imported').status)
        done = self.forks.prepare(self.tree(), ['tests.test_more'])
        self.assertEqual(0, done.status, done.output)
        self.assertEqual(0, self.run_test('finds_it_imported').status)

    def test_another_package_than_that_of_the_tree_is_noticed(self):
        tree = self.tree()
        (tree / 'cyborg_fpga/__init__.py').unlink()
        (tree / 'cyborg_fpga').rmdir()
        done = self.run_test('cleans_up', tree=tree)
        self.assertEqual(1, done.status)
        self.assertIn(forks.ELSEWHERE, done.output)
