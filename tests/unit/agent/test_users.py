"""Nothing is done to a region that a guest or a process has open.

With the real driver on simulated cards: who has a node open is asked of the
kernel of this machine.
"""

import subprocess
import sys

from cyborg_fpga import model
from cyborg_fpga.drivers import intel_dfl
from cyborg_fpga.simulator import samples
from tests.fixtures import simulated_host
from tests.unit.agent import base
from tests.unit.agent import fakes

PF = '0000:3b:00.0'
VF_CARD = '0000:86:00.0'
FUNCTION = 'd8424dc4a4a3c413f89e433683f9040b'
REGIONS = {
    PF: '69528db6eb31577a8c3668f9faa081f6',
    VF_CARD: '9346116da52d5ca8b06aa9a389ef7c8d',
}


class UsersTest(base.ExecutorTest):
    def setUp(self):
        super().setUp()
        self.host = self.useFixture(simulated_host.SimulatedHost())
        self.simulator = self.host.simulator
        self.cards = Driver(self.host.fs)

    def operation(self, kind='program', card=PF, **values):
        where = {
            'device': model.PciAddress.parse(card),
            'deployable': f'{card}/port0',
        }
        if kind == 'wipe':
            level = values.pop('level', model.WipeLevel.RESET)
            return fakes.wipe(level, None, **where, **values)
        return fakes.program(
            self.images,
            content=samples.sample_gbs(REGIONS[card], FUNCTION, size=4096),
            **where,
            **values,
        )

    def run_to_end(self, operation):
        if self.executor is None:
            self.start()
        self.executor.run(operation)
        told = self.conductor.outcomes
        self.assertTrue(fakes.wait_for(lambda: told.get(operation.uuid), 60))
        return told[operation.uuid][0]

    def refused(self, operation, *words):
        outcome = self.run_to_end(operation)
        self.assertEqual(model.Cause.DEVICE_BUSY, outcome.cause, outcome)
        # So the conductor keeps what it knows of the region.
        self.assertFalse(outcome.touched)
        for word in words:
            self.assertIn(word, outcome.detail)

    def loads(self):
        return [c['ports'][0]['loads'] for c in self.simulator.cards()]

    def test_a_region_that_a_guest_has_is_not_programmed(self):
        self.simulator.fault(PF, 'guest')
        self.refused(self.operation(fence=1), 'vfio/')
        self.simulator.clear(PF)
        self.assertEqual([0, 0, 0], self.loads())
        self.assertTrue(self.run_to_end(self.operation(fence=2)).succeeded)

    def test_a_region_is_left_alone_while_any_of_its_vfs_is_in_a_guest(self):
        guest = '0000:86:10.4'
        self.simulator.fault(VF_CARD, 'guest', function=guest)
        self.simulator.write_memory(guest, 0, b'kept')
        self.refused(self.operation(card=VF_CARD))
        self.refused(self.operation('wipe', VF_CARD), 'vfio/')
        self.assertEqual([0, 0, 0], self.loads())
        self.assertEqual(b'kept', self.simulator.read_memory(guest, 0, 4))

    def test_a_process_that_has_a_port_open_is_named(self):
        self.simulator.write_memory(PF, 0, b'kept')
        node = self.host.directory / 'dev/dfl-port.0'
        with open(node, 'rb') as opened:
            process = subprocess.Popen(
                [sys.executable, '-c', 'import sys; sys.stdin.read()'],
                stdin=subprocess.PIPE,
                pass_fds=[opened.fileno()],
            )
        self.addCleanup(process.communicate)
        self.refused(
            self.operation('wipe'),
            f'process {process.pid} (python',
            'dfl-port.0',
        )
        self.assertEqual(b'kept', self.simulator.read_memory(PF, 0, 4))

    def test_another_cards_guest_is_in_nobodys_way(self):
        self.simulator.fault('0000:5e:00.0', 'guest')
        self.assertTrue(self.run_to_end(self.operation()).succeeded)

    def test_a_wipe_that_does_nothing_is_done_under_a_guest(self):
        self.simulator.fault(VF_CARD, 'guest', function='0000:86:10.4')
        outcome = self.run_to_end(
            self.operation('wipe', VF_CARD, level=model.WipeLevel.NONE)
        )
        self.assertTrue(outcome.succeeded, outcome)


class Driver(intel_dfl.IntelDFLDriver):
    """What the executor's fixture asks of its cards besides."""

    hangs: dict = {}
