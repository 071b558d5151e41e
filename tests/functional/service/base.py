"""What the tests of the whole service in one process share."""

import contextlib
import threading
from typing import Any
from typing import ClassVar
from unittest import mock

from oslotest import base

from tests.fixtures import api
from tests.fixtures import inprocess
from tests.fixtures import simulated_host


class ServiceTest(base.BaseTestCase):
    """Tests of one class share a service: it costs four seconds.

    Each finds it whole and idle, whatever the one before did.
    """

    scenario: ClassVar[str] = simulated_host.QUICK
    settings: ClassVar[dict[str, dict[str, Any]]] = {}
    agent_seconds: ClassVar[int] = 5
    service: ClassVar[inprocess.InProcess]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.service = inprocess.InProcess(
            cls.scenario, cls.settings, agent_seconds=cls.agent_seconds
        )
        cls.service.setUp()
        cls.addClassCleanup(cls.service.cleanUp)

    def setUp(self):
        super().setUp()
        self.addCleanup(self.service.mend)
        self.service.new_type()

    @contextlib.contextmanager
    def stuck(self, cls, method):
        """Calls of *method* begin when the block ends."""
        original, end = getattr(cls, method), threading.Event()

        def wait(*args, **kwargs):
            end.wait(30)
            return original(*args, **kwargs)

        with mock.patch.object(cls, method, autospec=True, side_effect=wait):
            try:
                yield
            finally:
                end.set()

    def refused(self, status, answer):
        """The code and sentence of an answer that must have *status*."""
        self.assertEqual(status, answer.status_int, answer.text)
        inner = api.check_error(answer)
        self.assertRegex(inner['faultstring'], r'\w+ \w+')
        return inner['code'], inner['faultstring']

    def assert_nothing_left(self):
        """No claim, handle, allocation or unfinished operation."""
        self.service.empty('nothing is left', self.service.left_over)

    def assert_untouched(self):
        """Nothing is left, and that now, without waiting."""
        self.assertEqual([], self.service.left_over())
