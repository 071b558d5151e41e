"""What the tests of the whole stack share."""

import itertools
import uuid
from typing import Any
from typing import ClassVar

from oslotest import base
from testtools import content

from cyborg_fpga.db import engine
from cyborg_fpga.db import models
from tests.fixtures import simulated_host
from tests.fixtures import stack

_FREE = {'state': 'idle', 'wipe_pending': False}
_COUNTER = itertools.count()


class StackTest(base.BaseTestCase):
    """Tests of one class share a stack: it costs ten seconds.

    Each leaves it with everything up and nothing claimed;
    :meth:`agree` sees to that.
    """

    backend: ClassVar[str] = 'postgresql'
    conductors: ClassVar[int] = 1
    scenario: ClassVar[str] = simulated_host.QUICK
    settings: ClassVar[dict[str, dict[str, Any]]] = {}
    stack: ClassVar[stack.Stack]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.stack = stack.Stack(
            cls.backend,
            conductors=cls.conductors,
            scenario=cls.scenario,
            settings=cls.settings,
        )
        cls.stack.setUp()
        cls.addClassCleanup(cls.stack.cleanUp)

    def setUp(self):
        super().setUp()
        self.addOnException(self._show_logs)
        self.addCleanup(self._tidy)

    def image(self, **how):
        """A bitstream with a function that no card has yet; both ids."""
        function = uuid.uuid4().hex
        return self.stack.bitstream(function, **how), function

    def claim(self, image=None, **wanted):
        """Ask for one PF on the host; the answer."""
        return self.stack.api.post('/claims', self.wish(image, **wanted))

    def wish(self, image=None, **wanted):
        body = {'hostname': self.stack.hostname, 'resource_class': stack.PF}
        return {**body, **({'image_uuid': image} if image else {}), **wanted}

    def disagreements(self):
        """Where database, Placement and cards differ, or work is left."""
        with engine.get_engine().begin() as connection:
            held = connection.execute(
                models.AttachHandle.__table__.select().where(
                    models.AttachHandle.claim_id.is_not(None)
                )
            ).all()
        found = [
            f'operation {o["uuid"]} ({o["kind"]}) is {o["state"]}'
            for state in ('pending', 'running')
            for o in self.stack.operations(state=state)
        ]
        claims = self.stack.claims()
        wanted = {'ready': 1, 'failed': 0}
        for claim in claims:
            uuid_, state = claim['uuid'], claim['state']
            amount = claim['count'] * wanted.get(state, 0)
            allocated = self.stack.placement.allocated(uuid_)
            if state not in wanted:
                found.append(f'claim {uuid_} is {state}')
            if len(claim['addresses']) != amount:
                found.append(f'claim {uuid_} has {claim["addresses"]}')
            if sum(allocated.values()) != amount:
                found.append(f'{state} claim {uuid_} has {allocated}')
        if len(held) != sum(len(claim['addresses']) for claim in claims):
            found.append(f'{len(held)} handles are held by {claims}')
        usages = self.stack.placement.usages(self.stack.hostname)
        if sum(usages.values()) != len(held):
            found.append(f'{len(held)} handles are held, usages: {usages}')
        return found + self._different_contents()

    def _different_contents(self):
        found = []
        for region in self.stack.deployables():
            name = region['name']
            if region['health'] in ('lost', 'quarantined'):
                continue
            if any(region[key] != value for key, value in _FREE.items()):
                found.append(f'{name} is {region["state"]}, to be wiped: '
                             f'{region["wipe_pending"]}')  # fmt: skip
            card = self.stack.function(region['device_address'])
            if region['function_id'] != card:
                found.append(f'{name}: {region["function_id"]}, not {card}')
        return found

    def agree(self, seconds=60):
        """Wait until everybody says the same and nothing is unfinished."""
        last = []

        def holds():
            last[:] = self.disagreements()
            return not last

        try:
            self.stack.until('they agree', holds, seconds)
        except AssertionError:
            self.fail(f'after {seconds} s: {last}')

    def assert_released(self):
        """Nothing is claimed, allocated or reserved, and nothing is left."""
        self.agree()
        self.assertEqual([], self.stack.claims())
        # Placement is told afterwards.
        self.stack.until(
            'nothing is reserved', lambda: not self.stack.stock()['reserved']
        )

    def _tidy(self):
        """Whatever failed, the next test finds everything free."""
        for device in self.stack.devices().values():
            self.stack.cards.clear(device['pci_address'])
            if device['health'] == 'quarantined':
                self.stack.admin.call(
                    'POST', f'/devices/{device["uuid"]}/enable'
                )
        for claim in self.stack.claims():
            self.stack.release(claim['uuid'])
        self.agree()

    def _show_logs(self, exc_info):
        for process in self.stack.processes[-5:]:
            self.addDetail(
                f'{process.name}-{next(_COUNTER)}',
                content.text_content(process.words()[-20000:]),
            )
