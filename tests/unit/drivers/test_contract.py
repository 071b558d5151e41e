"""The contract of drivers/base.py: every driver on every backend.

A new driver is a line in :mod:`.subjects`, a new backend a class in
:mod:`tests.fixtures.backends`, whose tests :func:`classes` makes. Here it is
plain directories; the mount, which takes a process, is among the functional
tests. What holds without a simulated card to play with is in
:mod:`.anyhost`, which :mod:`tests.contract` runs on hosts of the user's own.
"""

import collections
import configparser
import copy
import pathlib

from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga import model
from tests.fixtures import backends
from tests.unit.drivers import anyhost
from tests.unit.drivers import subjects

FUNCTION = subjects.FUNCTION
ROOT = pathlib.Path(__file__).parents[3]
#: In registers, in block memory and in the card's own.
PLACES = (0, BLOCKS := 20000, 40000, 60000)


class Contract(anyhost.AnyHost):
    """What holds for every driver; mixed into a test class of each."""

    subject: subjects.Subject
    scenario: str

    def setUp(self):
        super().setUp()
        self.host = self.useFixture(self.backend(self.scenario))
        self.simulator, self.fs = self.host.simulator, self.host.fs
        self.driver = self.make(self.fs)
        if self.subject.blank:
            path = self.host.directory / 'blank-image'
            path.write_bytes(self.subject.blank)
            region = self.driver.discover()[0].deployables[0].region_id
            self.driver.blank_images = {region: path}
        self.card = model.PciAddress.parse(self.subject.card)
        self.name = self.subject.deployable
        self.guest = self.subject.handles[-1]

    def make(self, fs):
        return self.subject.driver(fs, self.subject.table(self.host.directory))

    def report(self):
        (found,) = [
            r for r in self.driver.discover() if r.pci_address == self.card
        ]
        return found

    def region(self):
        (found,) = [
            d for d in self.report().deployables if d.name == self.name
        ]
        return found

    def image(self, function=FUNCTION, make=None):
        path = self.host.directory / f'image-{function}'
        path.write_bytes((make or self.subject.image)(function))
        return path

    def loads(self):
        return [
            port['loads']
            for card in self.simulator.cards()
            for port in card['ports']
        ]

    def leave(self, places=PLACES):
        """Let a guest leave something wherever it can."""
        for place in places:
            self.simulator.write_memory(self.guest, place, b'secret')

    def left(self):
        """Where the next one finds it."""
        return [
            place
            for place in PLACES
            if self.simulator.read_memory(self.guest, place, 6) == b'secret'
        ]

    def fails(self, call, *args):
        exc = self.assertRaises(errors.DeviceFailed, call, *args)
        return model.Cause(exc.kwargs['cause'])

    # ---- discover

    def test_looking_changes_nothing(self):
        self.simulator.write_memory(self.guest, 0, b'kept')
        self.driver.discover()
        self.assertEqual(b'kept', self.simulator.read_memory(self.guest, 0, 4))
        self.assertEqual({0}, set(self.loads()))

    def test_a_look_costs_few_reads_and_only_the_tools_that_must_be(self):
        counts = collections.Counter()

        class Counting(type(self.host.fs)):
            def read_bytes(self, *args, **kwargs):
                counts['reads'] += 1
                return super().read_bytes(*args, **kwargs)

            def run(self, *args, **kwargs):
                counts['tools'] += 1
                return super().run(*args, **kwargs)

        fs = copy.copy(self.host.fs)
        fs.__class__ = Counting
        found = self.make(fs).discover()
        self.assertEqual(2, len(found))
        self.assertLess(counts['reads'], 2 * 60)
        self.assertEqual(self.subject.tools, counts['tools'])

    def test_a_region_says_what_can_be_given_and_done(self):
        region = self.region()
        self.assertEqual(
            list(self.subject.handles), [str(h) for h in region.handles]
        )
        self.assertEqual(self.subject.levels, region.wipe_levels)
        self.assertTrue(region.readable)
        self.assertIsNone(region.function_id)

    def test_a_card_that_vanishes_is_left_out_until_it_is_back(self):
        self.simulator.fault(self.subject.card, 'vanish')
        found = [r.pci_address for r in self.driver.discover()]
        self.assertEqual((1, False), (len(found), self.card in found))
        self.simulator.clear(self.subject.card)
        self.assertEqual(self.name, self.region().name)

    def test_no_attribute_ends_the_scan_of_the_other_cards(self):
        others = {r.pci_address for r in self.driver.discover()} - {self.card}
        for path, data in self.attributes():
            for change in (None, b'\xff?\n'):
                path.unlink() if change is None else path.write_bytes(change)
                found = {r.pci_address for r in self.driver.discover()}
                self.assertLessEqual(others, found, path)
            path.write_bytes(data)

    def attributes(self):
        everything = {p for p in self.host.sys.rglob('*') if p.is_file()}
        self.simulator.fault(self.subject.card, 'vanish')
        rest = {p for p in self.host.sys.rglob('*') if p.is_file()}
        self.simulator.clear(self.subject.card)
        found = sorted({p.resolve() for p in everything - rest})
        self.assertGreaterEqual(len(found), 5)
        return [(path, path.read_bytes()) for path in found]

    # ---- program, identify

    def test_a_file_that_is_no_image_does_not_touch_the_card(self):
        image = self.image(make=lambda function: b'#!/bin/sh\n')
        for call in (
            lambda: self.driver.program(self.card, self.name, image),
            lambda: self.driver.expected_function(image),
        ):
            self.assertRaises(errors.BadBitstream, call)
        self.assertEqual({0}, set(self.loads()))

    def test_a_region_that_is_not_there_is_named_so(self):
        other = model.PciAddress.parse('0000:5e:00.0')
        for card, name in (
            (self.card, f'{self.card}/x'),
            (self.card, ''),
            (self.card, '../../x'),
            (other, self.name),
        ):
            self.assertEqual(
                model.Cause.DEVICE_GONE,
                self.fails(self.driver.identify, card, name),
            )

    def test_a_card_that_is_gone_is_named_so(self):
        calls = [
            (self.driver.identify, self.card, self.name),
            (self.driver.wipe, self.card, self.name, self.subject.levels[0]),
        ]
        if self.subject.image is not None:
            image = self.image()
            calls.append((self.driver.program, self.card, self.name, image))
        self.simulator.fault(self.subject.card, 'vanish')
        for call in calls:
            self.assertEqual(model.Cause.DEVICE_GONE, self.fails(*call))

    # ---- wipe

    def test_level_none_touches_nothing(self):
        self.simulator.write_memory(self.guest, 0, b'kept')
        self.driver.wipe(self.card, self.name, model.WipeLevel.NONE)
        self.assertEqual(b'kept', self.simulator.read_memory(self.guest, 0, 4))

    def test_a_wipe_that_does_not_work_is_told(self):
        # A card is wiped by a reset or by loading something.
        for kind in ('wipe', 'fail'):
            self.simulator.fault(self.subject.card, kind)
        self.fails(
            self.driver.wipe, self.card, self.name, self.subject.levels[0]
        )

    def test_a_level_that_is_not_offered_is_told(self):
        for level in (model.WipeLevel.RESET, model.WipeLevel.CLEAR):
            if level not in self.subject.levels:
                self.fails(self.driver.wipe, self.card, self.name, level)


class Loading(Contract):
    """What holds where images are loaded."""

    def test_what_is_loaded_is_read_back(self):
        self.assertIsNone(self.driver.identify(self.card, self.name))
        image = self.image()
        for _ in range(2):
            self.driver.program(self.card, self.name, image)
            expected = self.driver.expected_function(image)
            self.assertIsNotNone(expected)
            self.assertEqual(
                expected, self.driver.identify(self.card, self.name)
            )
            self.assertEqual(expected, self.region().function_id)

    def test_two_images_show_two_functions(self):
        seen = set()
        for function in (FUNCTION, subjects.OTHER_FUNCTION):
            self.driver.program(self.card, self.name, self.image(function))
            seen.add(self.driver.identify(self.card, self.name))
        self.assertEqual(2, len(seen))

    def test_other_cards_are_left_alone(self):
        self.driver.program(self.card, self.name, self.image())
        self.assertEqual(1, sum(self.loads()))

    def test_what_the_last_guest_left_goes_with_its_function(self):
        self.simulator.write_memory(self.guest, 0, b'secret')
        self.driver.program(self.card, self.name, self.image())
        self.assertNotEqual(
            b'secret', self.simulator.read_memory(self.guest, 0, 6)
        )

    def test_an_image_for_another_region_does_not_touch_the_card(self):
        image = self.image(make=self.subject.misfit)
        self.assertRaises(
            errors.DoesNotFit,
            self.driver.program,
            self.card,
            self.name,
            image,
        )
        self.assertEqual({0}, set(self.loads()))

    def test_a_load_that_fails_is_told_and_the_next_one_works(self):
        self.simulator.fault(self.subject.card, 'fail', times=1)
        cause = self.fails(
            self.driver.program, self.card, self.name, self.image()
        )
        self.assertEqual(model.Cause.DEVICE_ERROR, cause)
        self.driver.program(self.card, self.name, self.image())
        self.assertIsNotNone(self.driver.identify(self.card, self.name))

    def test_after_a_load_that_fails_no_function_is_shown(self):
        self.driver.program(self.card, self.name, self.image())
        self.simulator.fault(self.subject.card, 'fail', times=1)
        other = self.image(subjects.OTHER_FUNCTION)
        self.fails(self.driver.program, self.card, self.name, other)
        try:
            shown = self.driver.identify(self.card, self.name)
        except errors.DeviceFailed:
            shown = None
        self.assertIsNone(shown)
        self.assertIsNone(self.region().function_id)


class Verified(Contract):
    """What holds where a card says what it holds."""

    def test_a_card_that_lies_is_found_out_by_reading_back(self):
        image = self.image()
        self.simulator.fault(self.subject.card, 'lie')
        self.driver.program(self.card, self.name, image)
        self.assertNotEqual(
            self.driver.expected_function(image),
            self.driver.identify(self.card, self.name),
        )


class Resetting(Contract):
    """What holds where a card can be reset."""

    def test_a_reset_removes_data_and_keeps_the_function(self):
        image = self.image() if self.subject.image else None
        if image is not None:
            self.driver.program(self.card, self.name, image)
        before = self.driver.identify(self.card, self.name)
        self.leave()
        self.assertEqual([*PLACES], self.left())
        level = model.WipeLevel.RESET
        self.driver.wipe(self.card, self.name, level, image=image)
        self.assertEqual([], self.left())
        self.assertEqual(before, self.driver.identify(self.card, self.name))

    def test_a_reset_without_a_file_leaves_nothing_or_says_so(self):
        if self.subject.image is not None:
            self.driver.program(self.card, self.name, self.image())
        self.leave()
        try:
            self.driver.wipe(self.card, self.name, model.WipeLevel.RESET)
        except errors.DeviceFailed:
            return
        self.assertEqual([], self.left())

    def test_a_reset_of_what_is_blank_removes_data(self):
        # There is no block memory where nothing configures one.
        self.leave([place for place in PLACES if place != BLOCKS])
        self.driver.wipe(self.card, self.name, model.WipeLevel.RESET)
        self.assertEqual([], self.left())
        self.assertIsNone(self.driver.identify(self.card, self.name))


class Clearing(Contract):
    """What holds where a function can be taken off a card."""

    def test_clearing_removes_data_and_function(self):
        for level in self.subject.levels:
            if level is not model.WipeLevel.RESET:
                self.driver.program(self.card, self.name, self.image())
                self.leave()
                self.driver.wipe(self.card, self.name, level)
                self.assertIsNone(self.driver.identify(self.card, self.name))
                self.assertEqual([], self.left(), level)

    def test_clearing_what_is_clear_removes_data_all_the_same(self):
        self.driver.wipe(self.card, self.name, model.WipeLevel.CLEAR)
        self.leave()
        self.driver.wipe(self.card, self.name, model.WipeLevel.CLEAR)
        self.assertEqual([], self.left())


class OnABus(Contract):
    """What holds for cards whose functions guests can be given."""

    def test_a_guest_that_has_a_function_is_found(self):
        self.assertEqual([], self.driver.users(self.card, self.name))
        self.simulator.fault(self.subject.card, 'guest', function=self.guest)
        self.assertNotEqual([], self.driver.users(self.card, self.name))
        self.simulator.clear(self.subject.card, 'guest')
        self.assertEqual([], self.driver.users(self.card, self.name))


def _parts(subject):
    """What of the contract its cards can keep."""
    if subject.image is not None:
        yield Loading
        if subject.readable:
            yield Verified
    if not subject.card.startswith('ffffffff'):
        yield OnABus
    if model.WipeLevel.RESET in subject.levels:
        yield Resetting
    if model.WipeLevel.CLEAR in subject.levels:
        yield Clearing


def classes(backend, name, module):
    """The suite on *backend*: a test class for each driver, by its name."""
    found = {}
    for driver, subject in subjects.SUBJECTS.items():
        own = f'Test_{driver}_on_{name}'
        bases = (*_parts(subject), Contract, backend, base.BaseTestCase)
        members = {'subject': subject, 'scenario': subject.scenario}
        found[own] = type(own, bases, {**members, '__module__': module})
    return found


globals().update(classes(backends.Tree, 'tree', __name__))


class TestTheSuiteItself(base.BaseTestCase):
    def test_no_driver_is_left_out(self):
        entry_points = configparser.ConfigParser()
        entry_points.read(ROOT / 'setup.cfg')
        listed = entry_points['entry_points']['cyborg_fpga.drivers']
        names = {line.split('=')[0].strip() for line in listed.splitlines()}
        run = {s.driver.name for s in subjects.SUBJECTS.values()}
        # The fake driver has no card that anybody could simulate.
        self.assertEqual(names - {'', 'fake'}, run)
