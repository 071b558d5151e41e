"""Cards get the virtual functions that the site wants, when they are free."""

import threading

import oslo_messaging as messaging

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.agent import virtual_functions
from cyborg_fpga.drivers import intel_dfl
from tests.fixtures import simulated_host
from tests.unit.agent import base
from tests.unit.agent import fakes

CARD = model.PciAddress.parse('0000:3b:00.0')
OTHER = model.PciAddress.parse('0000:5e:00.0')
PORT = f'{CARD}/port0'


class KeeperTest(base.ExecutorTest):
    scenario = f"""
    cards:
      - {{address: '{CARD}', ports: 2}}
      - {{address: '{OTHER}'}}
    """

    def setUp(self):
        super().setUp()
        self.host = self.useFixture(
            simulated_host.SimulatedHost(self.scenario)
        )
        self.driver = intel_dfl.IntelDFLDriver(self.host.fs)
        self.claims = []
        self.keeper = virtual_functions.VirtualFunctions(
            [f'{CARD}=2'], {'intel_dfl': self.driver}, retry=0
        )

    def keep(self):
        self.keeper.start(self.start(), lambda: self.claims, self.changes.set)

    def look(self):
        """Look once, and again when what that began is done."""
        self.changes.clear()
        self.keeper.look(self.driver.discover())
        self.assertTrue(self.changes.wait(60), 'nothing was done')
        return self.found()

    def found(self):
        (card,) = [
            card
            for card in self.keeper.look(self.driver.discover())
            if card.pci_address == CARD
        ]
        return card

    def handles(self, card):
        return [str(h) for d in card.deployables for h in d.handles]

    def test_a_free_card_gets_them_and_another_is_left_as_it_is(self):
        self.keep()
        self.assertEqual(
            ['0000:3b:10.0', '0000:3b:10.2'], self.handles(self.look())
        )
        (other,) = [
            card
            for card in self.driver.discover()
            if card.pci_address == OTHER
        ]
        self.assertEqual([str(OTHER)], self.handles(other))

    def test_a_claimed_card_gets_them_when_it_is_free(self):
        self.claims = [PORT]
        self.keep()
        self.assertEqual([str(CARD)], self.handles(self.look()))
        self.claims = [f'{OTHER}/port0']
        self.assertEqual(2, len(self.handles(self.look())))

    def test_nothing_is_changed_while_nobody_says_what_is_claimed(self):
        def silent():
            raise messaging.MessagingTimeout('silence')

        self.keeper.start(self.start(), silent, self.changes.set)
        self.assertEqual([str(CARD)], self.handles(self.look()))

    def test_a_card_in_use_is_no_reason_to_suspect_it(self):
        self.host.simulator.fault(str(OTHER), 'guest')
        self.keeper = virtual_functions.VirtualFunctions(
            ['8086/09c4=1'], {'intel_dfl': self.driver}, retry=0
        )
        self.host.simulator.fault(str(CARD), 'held')
        self.keep()
        self.assertEqual(model.Health.OK, self.look().health)

    def test_a_card_that_cannot_have_them_is_suspect_and_says_why(self):
        self.keeper = virtual_functions.VirtualFunctions(
            [f'{CARD}=3'], {'intel_dfl': self.driver}, retry=0
        )
        self.keep()
        found = self.look()
        self.assertEqual(model.Health.SUSPECT, found.health)
        self.assertIn('it has 2 ports', found.health_reason)

    def test_a_removal_that_does_not_end_makes_its_card_suspect(self):
        self.driver.set_vfs(CARD, 2)
        self.host.simulator.fault(str(CARD), 'guest', function='0000:3b:10.0')
        self.host.fs.opened_by = lambda nodes: []
        self.host.fs.patience = 0.1
        self.keeper = virtual_functions.VirtualFunctions(
            [f'{CARD}=0'], {'intel_dfl': self.driver}, retry=3600
        )
        self.keep()
        found = self.look()
        self.assertEqual(model.Health.SUSPECT, found.health)
        self.assertIn('has not ended', found.health_reason)
        self.host.simulator.clear(str(CARD))

    def test_a_card_is_reported_as_it_was_until_it_is_changed(self):
        gate, begun = threading.Event(), threading.Event()
        set_vfs = self.driver.set_vfs

        def slowly(device, number):
            set_vfs(device, number)
            begun.set()
            gate.wait(60)

        self.driver.set_vfs = slowly
        self.addCleanup(gate.set)
        self.keep()
        self.keeper.look(self.driver.discover())
        self.assertTrue(begun.wait(60))
        self.assertEqual([str(CARD)], self.handles(self.found()))
        # Nor is it left out where its driver does not see it.
        (gone,) = self.keeper.look([])
        self.assertEqual(CARD, gone.pci_address)
        self.assertIn(CARD, self.executor.busy_since(self.executor.activity()))
        gate.set()
        self.assertTrue(self.changes.wait(60))
        self.assertEqual(2, len(self.handles(self.found())))

    def test_a_card_is_not_changed_while_it_is_programmed(self):
        both = Both()
        set_vfs = self.driver.set_vfs
        self.driver.set_vfs = lambda *args: both.meet() or set_vfs(*args)
        self.cards.program = lambda *args: both.meet()
        self.keep()
        self.executor.run(fakes.program(self.images, device=CARD))
        self.keeper.look(self.driver.discover())
        self.assertTrue(fakes.wait_for(lambda: len(both.missed) == 2, 60))
        self.assertEqual([True, True], both.missed)

    def test_an_entry_that_is_wrong_is_refused(self):
        for text in ('0000:3b:00.0', 'x=1', '0000:3b:00.0=x', '=1', '8086=2'):
            self.assertRaises(
                errors.InvalidInput,
                virtual_functions.VirtualFunctions,
                [text],
                {},
            )


class LockTest(base.ExecutorTest):
    def test_a_card_does_one_thing_at_a_time(self):
        both = Both()
        self.cards.program = lambda *args: both.meet()
        self.cards.loaded['card0_region1'] = None
        self.start()
        for name in (fakes.REGION, 'card0_region1'):
            self.executor.run(fakes.program(self.images, deployable=name))
        self.assertTrue(fakes.wait_for(lambda: len(both.missed) == 2, 60))
        self.assertEqual([True, True], both.missed)


class Both:
    """Two things that meet if they are done at the same time.

    :ivar missed: Of each, whether it has not met the other.
    """

    def __init__(self):
        self._barrier = threading.Barrier(2)
        self.missed = []

    def meet(self):
        try:
            self._barrier.wait(2)
        except threading.BrokenBarrierError:
            self.missed.append(True)
        else:
            self.missed.append(False)
