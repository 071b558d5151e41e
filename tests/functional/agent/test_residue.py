"""What a project leaves in a card, and what the next one finds there.

Two projects have two cards by turns, a thousand times in all at each wipe
level. Half of the times one loads a function of its own, and each time it
leaves something random wherever a guest can; then the other looks for it.
What they see and do is what a guest sees and does of a PCI function; what is
between them is an agent with two real drivers.
"""

import concurrent.futures
import os
import pathlib
import tempfile
import threading
import uuid

from oslotest import base

from cyborg_fpga import model
from cyborg_fpga.agent import cache
from cyborg_fpga.agent import executor
from cyborg_fpga.agent import journal
from cyborg_fpga.drivers import intel_dfl
from cyborg_fpga.drivers import xilinx_xrt
from cyborg_fpga.simulator import accessor
from cyborg_fpga.simulator import samples
from tests.fixtures import simulated_host
from tests.unit.agent import fakes

SWITCHES = 1000
WINDOW = 4096
#: Registers, block memory, both interfaces of the card's memory.
PLACES = (16, 1100, 2100, 3800)
SIZE = 12

_QUICK = f'program_fixed: 0, program_rate: 1000000000, memory: {WINDOW}'
SCENARIO = f"""
cards:
  - {{address: '0000:3b:00.0', family: PAC_A10, {_QUICK}}}
  - {{address: '0000:5e:00.0', family: U250, {_QUICK}}}
"""
A10 = '69528db6eb31577a8c3668f9faa081f6'
U250 = 'f2b82d53372f41a4bbe93dfe1c0b3c8e'
PUBLIC = 'd8424dc4a4a3c413f89e433683f9040b'
RESET, CLEAR = model.WipeLevel.RESET, model.WipeLevel.CLEAR
BLANK, NONE = model.WipeLevel.BLANK, model.WipeLevel.NONE


class Conductor(fakes.Conductor):
    """One that can be waited for without looking again and again."""

    def __init__(self):
        super().__init__()
        self.told = threading.Condition()

    def finish(self, ctx, status):
        with self.told:
            super().finish(ctx, status)
            self.told.notify_all()

    def outcome(self, ident):
        with self.told:
            self.told.wait_for(lambda: ident in self.outcomes, 60)
            return self.outcomes[ident][0]


class Host(accessor.SimulatedSysfs):
    """Nobody else has its cards: all of /proc need not be asked for that."""

    def opened_by(self, nodes):
        return []


class Card:
    """A card that two projects have by turns.

    :ivar loads: How often a project had to have something loaded.
    """

    def __init__(self, test, driver, address, guest, make):
        self._test = test
        self._driver = driver
        self._device = model.PciAddress.parse(address)
        self._guest = guest
        self._make = make
        (found,) = driver.discover()
        (region,) = found.deployables
        self._name, self.levels = region.name, region.wipe_levels
        self._fence = 0
        self.loads = 0

    def shown(self):
        """The function that anybody on the bus can read."""
        return self._driver.identify(self._device, self._name)

    def window(self):
        return self._test.host.simulator.read_memory(self._guest, 0, WINDOW)

    def leave(self, data):
        for place, secret in zip(PLACES, data, strict=True):
            self._test.host.simulator.write_memory(self._guest, place, secret)

    def load(self, function):
        if self.shown() != function:
            self.loads += 1
            self._run(fakes.program, function, **self._image(function))

    def wipe(self, level, function):
        def make(images, function, **values):
            return fakes.wipe(level, function, images=images, **values)

        self._run(make, function, **self._image(function))

    def _image(self, function):
        return {'content': self._make(function)}

    def _run(self, make, function, **values):
        self._fence += 1
        operation = make(
            self._test.images,
            function,
            device=self._device,
            deployable=self._name,
            driver=self._driver.name,
            fence=self._fence,
            **values,
        )
        self._test.executor.run(operation)
        outcome = self._test.conductor.outcome(operation.uuid)
        self._test.assertTrue(outcome.succeeded, outcome)


class TestSwitches(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        # Nothing here is to outlive a power cut, so no disk need wait for it.
        shared = pathlib.Path('/dev/shm')
        above = str(shared) if shared.is_dir() else None
        directory = tempfile.TemporaryDirectory('-fpga-residue', dir=above)
        self.addCleanup(directory.cleanup)
        path = pathlib.Path(directory.name)
        self.host = self.useFixture(
            simulated_host.SimulatedHost(SCENARIO, above=path)
        )
        self.images, self.conductor = fakes.Images(), Conductor()
        drivers = [
            kind(Host(self.host.directory))
            for kind in (
                intel_dfl.IntelDFLDriver,
                xilinx_xrt.XilinxXRTDriver,
            )
        ]
        for driver in drivers:
            driver.blank_images = self.host.blank_images()
        self._start(path, drivers)
        self.cards = [
            Card(
                self,
                drivers[0],
                '0000:3b:00.0',
                '0000:3b:00.0',
                lambda function: samples.sample_gbs(A10, function, size=512),
            ),
            Card(
                self,
                drivers[1],
                '0000:5e:00.0',
                '0000:5e:00.1',
                lambda f: samples.sample_xclbin(U250, f, size=512),
            ),
        ]
        self.executor.learn([r for d in drivers for r in d.discover()])

    def _start(self, path, drivers):
        entries = journal.Journal(path / 'journal')
        entries.open()
        self.addCleanup(entries.close)
        files = cache.Cache(path / 'cache', 2**26, self.images.download)
        files.open()
        self.executor = executor.Executor(
            entries,
            {driver.name: driver for driver in drivers},
            files,
            self.conductor,
            changed=lambda: None,
        )
        self.executor.start()
        self.addCleanup(self.executor.stop)

    def switch(self, level):
        """Have both cards change hands, at the same time.

        :returns: At how many changes the next one found something of the
            other's data, and something of a function of its own.
        """
        with concurrent.futures.ThreadPoolExecutor(len(self.cards)) as pool:
            found = pool.map(lambda c: self._turns(c, level), self.cards)
            return tuple(map(sum, zip(*found, strict=True)))

    def _turns(self, card, level):
        data, functions = 0, 0
        for number in range(SWITCHES // len(self.cards)):
            # By turns each project has two of a kind.
            mine = number % 4 < 2
            function = uuid.uuid4().hex if mine else PUBLIC
            card.load(function)
            left = [os.urandom(SIZE) for _ in PLACES]
            card.leave(left)
            # As the conductor has it: what is somebody's own never stays.
            card.wipe(CLEAR if mine and level is RESET else level, function)
            # Here the next one has it.
            shown, window = card.shown(), card.window()
            data += any(secret in window for secret in left)
            functions += mine and shown == function
            if level is RESET and not mine:
                self.assertEqual(PUBLIC, shown)
        return data, functions

    def test_after_a_reset_nothing_is_left_and_a_public_function_is_warm(self):
        self.assertEqual((0, 0), self.switch(RESET))
        # The second in a row with the public function had nothing to load.
        self.assertEqual(SWITCHES * 3 // 4, sum(c.loads for c in self.cards))

    def test_after_a_clear_nothing_is_left(self):
        self.assertEqual((0, 0), self.switch(CLEAR))

    def test_after_a_blank_image_nothing_is_left(self):
        self.assertEqual((0, 0), self.switch(BLANK))

    def test_without_a_wipe_everything_is_found_every_time(self):
        self.assertEqual((SWITCHES, SWITCHES // 2), self.switch(NONE))
