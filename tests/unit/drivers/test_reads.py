"""How often a look at many cards touches the host; times are measured by
``tools/bench discover``.
"""

import collections
import subprocess
from unittest import mock

from oslotest import base

from cyborg_fpga.drivers import intel_dfl
from tests.fixtures import simulated_host

CARDS, VFS = 8, 4
FORTY = f"""
cards: [{{address: '0000:10:00.0', family: PAC_D5005, vfs: {VFS},
          count: {CARDS}}}]
"""


class TestReads(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        host = self.useFixture(simulated_host.SimulatedHost(FORTY))
        test = self
        self.reads = collections.Counter()

        class Counted(type(host.fs)):
            def read_bytes(self, path, *args, **kwargs):
                test.reads[path] += 1
                return super().read_bytes(path, *args, **kwargs)

        host.fs.__class__ = Counted
        self.driver = intel_dfl.IntelDFLDriver(host.fs)

    def look(self):
        """The cards' functions that a look finds."""
        self.reads.clear()
        found = self.driver.discover()
        handles = [h for c in found for d in c.deployables for h in d.handles]
        return [*(card.pci_address for card in found), *handles]

    def test_a_look_at_forty_functions_reads_a_few_attributes_of_each(self):
        self.assertEqual(CARDS * (1 + VFS), len(self.look()))
        functions = CARDS * (1 + VFS)
        self.assertLess(sum(self.reads.values()), 12 * functions)

    def test_the_next_look_costs_no_more(self):
        self.look()
        first = sum(self.reads.values())
        self.look()
        self.assertLessEqual(sum(self.reads.values()), first)

    def test_no_process_is_started(self):
        # Whatever of subprocess: all of it comes here.
        with mock.patch.object(subprocess, 'Popen', autospec=True) as started:
            self.look()
        started.assert_not_called()
