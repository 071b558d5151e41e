"""Jobs of the reconciler: one per key, and what fails keeps nobody."""

import threading
from unittest import mock

from oslotest import base as test

from cyborg_fpga import errors
from cyborg_fpga.conductor import reconcile
from cyborg_fpga.db import hosts
from cyborg_fpga.db import operations
from tests.unit.conductor import base
from tests.unit.db import base as db

_SECONDS = 60


class TestJobs(test.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.jobs = reconcile.Jobs('test')
        self.addCleanup(self.jobs.stop)
        self.go = threading.Event()
        self.addCleanup(self.go.set)

    def start(self, key, then=None):
        """Start a job that waits for :attr:`go`; its beginning and end."""
        begun, ended = threading.Event(), threading.Event()

        def work(ctx):
            begun.set()
            try:
                self.go.wait(_SECONDS)
                if then is not None:
                    raise then
            finally:
                ended.set()

        self.jobs.start(key, work)
        return begun, ended

    def test_keys_work_beside_each_other(self):
        for key in ('one', 'two'):
            begun, _ = self.start(key)
            self.assertTrue(begun.wait(_SECONDS))

    def test_second_of_a_key_is_not_begun(self):
        begun, _ = self.start('one')
        self.assertTrue(begun.wait(_SECONDS))
        second, _ = self.start('one')
        self.go.set()
        self.jobs.stop()
        self.assertFalse(second.is_set())

    def test_key_is_free_when_its_job_has_failed(self):
        self.go.set()
        for failure in (
            ValueError('a bug'),
            errors.ServiceUnavailable(service='Placement', reason='away'),
        ):
            _, ended = self.start('one', failure)
            self.assertTrue(ended.wait(_SECONDS))
            self.assertTrue(self.again('one'))

    def again(self, key):
        """Start *key* until it is taken: a job ends after its work."""
        waited = threading.Event()
        for _ in range(_SECONDS * 100):
            begun, _ = self.start(key)
            if begun.wait(0.01):
                return True
            waited.wait(0.01)
        return False

    def test_stop_waits_for_what_runs(self):
        begun, ended = self.start('one')
        self.assertTrue(begun.wait(_SECONDS))
        threading.Timer(0.05, self.go.set).start()
        self.jobs.stop()
        self.assertTrue(ended.is_set())


class TestCycle(base.ConductorTest):
    def test_step_that_fails_keeps_nobody_from_the_next(self):
        with (
            mock.patch.object(
                operations,
                'take_unfinished',
                autospec=True,
                side_effect=ValueError('a bug'),
            ),
            mock.patch.object(
                hosts, 'stale', autospec=True, return_value=[]
            ) as last,
        ):
            self.manager.reconciler.cycle()
        last.assert_called_once()


class TestByHost(base.ConductorTest):
    def test_what_belongs_to_a_host_is_together(self):
        self.ask('report', report=self.cards(hostname='a').to_wire())
        found = [*self.regions(), *self.regions('a'), *self.regions()]
        grouped = reconcile._by_host(found)
        self.assertEqual(['a', db.HOST], [name for name, _ in grouped])
        self.assertEqual([2, 4], [len(items) for _, items in grouped])
