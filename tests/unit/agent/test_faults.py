"""What an agent makes of cards that fail: the right cause, and no more.

Real drivers on simulated cards; a fault for each thing that can go wrong.
"""

import os
import pathlib

from cyborg_fpga import model
from tests.fixtures import backends
from tests.unit.agent import base
from tests.unit.agent import fakes
from tests.unit.drivers import subjects

Cause = model.Cause
LOADERS = ('intel_dfl', 'aws_f2', 'fpga_manager', 'xilinx_xrt')

#: Fault, its arguments, the cause, and whether the card's function went.
FAILURES = (
    ('fail', {'percent': 10}, Cause.DEVICE_ERROR, True),
    ('fail', {'percent': 100}, Cause.DEVICE_ERROR, True),
    ('fail', {'errno': 'ETIMEDOUT'}, Cause.TIMEOUT, True),
    ('refuse', {'errno': 'EBUSY'}, Cause.DEVICE_BUSY, False),
    ('refuse', {'errno': 'ETIMEDOUT'}, Cause.TIMEOUT, False),
    ('refuse', {'errno': 'EIO'}, Cause.DEVICE_ERROR, False),
    ('drop', {'percent': 50}, Cause.DEVICE_GONE, True),
    ('vanish', {}, Cause.DEVICE_GONE, False),
)
#: The same where a card says what it holds.
LIES = ('lie', 'misread')


class Faults(base.ExecutorTest):
    """Mixed into a test class of each driver."""

    subject: subjects.Subject

    def setUp(self):
        super().setUp()
        self.host = self.useFixture(self.backend(self.subject.scenario))
        self.cards = self.subject.driver(
            self.host.fs, self.subject.table(self.host.directory)
        )
        # The base class lets go of what hangs.
        self.cards.hangs = {}
        self.simulator = self.host.simulator
        self.addCleanup(self.mend)
        self.fence = 0
        self.start()

    def mend(self):
        self.simulator.clear(self.subject.card)

    def operation(self, function=subjects.FUNCTION):
        """One that loads *function*, newer than those before it."""
        self.fence += 1
        return fakes.program(
            self.images,
            content=self.subject.image(function),
            deployable=self.subject.deployable,
            device=model.PciAddress.parse(self.subject.card),
            fence=self.fence,
        )

    def shown(self):
        return self.cards.identify(
            model.PciAddress.parse(self.subject.card), self.subject.deployable
        )

    def outcome(self, operation):
        self.executor.run(operation)
        found = fakes.wait_for(
            lambda: self.conductor.outcomes.get(operation.uuid, [None])[0],
            seconds=60,
        )
        self.assertIsNotNone(found, 'no outcome came')
        return found

    def loads(self, function):
        """What is loaded when *function* was, to compare with later."""
        ended = self.outcome(self.operation(function))
        self.assertTrue(ended.succeeded, ended)
        return self.shown()

    def left_over(self):
        """What nobody needs once an operation has ended."""
        firmware = pathlib.Path(self.host.directory / 'firmware')
        return sorted(
            str(path)
            for place in (firmware, self.path / 'state')
            for path in place.rglob('*')
            if path.suffix in ('.loading', '.tmp')
        )

    def settled(self, before):
        """Wait until nothing of it is left, and no more open than *before*."""
        self.assertTrue(
            fakes.wait_for(
                lambda: _open_files() <= before and not self.left_over(),
                seconds=60,
            ),
            (before, _open_files(), self.left_over()),
        )

    def test_a_load_that_fails_has_its_cause_and_leaves_nothing_behind(self):
        for kind, arguments, cause, goes in FAILURES:
            kept = self.loads(subjects.FUNCTION)
            before = _open_files()
            self.simulator.fault(
                self.subject.card, kind, **{'times': 1, **arguments}
            )
            ended = self.outcome(self.operation(subjects.OTHER_FUNCTION))
            what = (kind, arguments, ended)
            self.assertFalse(ended.succeeded, what)
            self.assertEqual(cause, ended.cause, what)
            self.assertNotIn('Traceback', ended.detail, what)
            self.settled(before)
            self.mend()
            (found,) = (
                region.function_id
                for card in self.cards.discover()
                for region in card.deployables
                if region.name == self.subject.deployable
            )
            if not self.subject.readable and kind != 'vanish':
                # The record of it is gone before a load is begun.
                goes = True
            self.assertEqual(None if goes else kept, found, what)
        # What comes after it all works.
        self.assertNotEqual(kept, self.loads(subjects.OTHER_FUNCTION))

    def test_a_load_that_is_slow_is_waited_for(self):
        self.simulator.fault(self.subject.card, 'slow', seconds=0.3, times=1)
        self.assertIsNotNone(self.loads(subjects.FUNCTION))

    def test_a_load_that_hangs_keeps_its_card_alone(self):
        self.simulator.fault(self.subject.card, 'hang')
        operation = self.operation()
        self.executor.run(operation)
        self.assertTrue(
            fakes.wait_for(
                lambda: any(
                    port['loading'] is not None
                    for card in self.simulator.cards()
                    for port in card['ports']
                ),
                seconds=60,
            )
        )
        status = self.executor.status(operation.uuid)
        self.assertEqual(('programming', False), (status.step, status.done))
        # Everything else goes on: the other card is seen.
        self.assertEqual(2, len(self.cards.discover()))
        self.mend()
        ended = fakes.wait_for(
            lambda: self.conductor.outcomes.get(operation.uuid, [None])[0],
            seconds=60,
        )
        self.assertTrue(ended.succeeded, ended)


class Lies(Faults):
    """Where a card says what it holds."""

    def test_a_card_that_shows_another_function_has_failed(self):
        for kind in LIES:
            expected = self.loads(subjects.FUNCTION)
            self.simulator.fault(self.subject.card, kind)
            ended = self.outcome(self.operation(subjects.OTHER_FUNCTION))
            self.assertEqual(Cause.READBACK_MISMATCH, ended.cause, kind)
            self.assertNotEqual(expected, ended.function_id)
            self.mend()
            if kind == 'misread':
                # It was read wrongly, and is what was wanted.
                self.assertNotIn(self.shown(), (expected, ended.function_id))
            else:
                self.assertEqual(ended.function_id, self.shown())


def _open_files():
    return len(os.listdir('/proc/self/fd'))


for _name in LOADERS:
    _subject = subjects.SUBJECTS[_name]
    _class = f'Test_{_name}'
    globals()[_class] = type(
        _class,
        (Lies if _subject.readable else Faults, backends.Tree),
        {'subject': _subject, '__module__': __name__},
    )
# They are run as the drivers' classes only.
del Faults, Lies
