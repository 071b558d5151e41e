"""Claims, programmings and releases while everything dies and fails."""

import datetime
import random
import threading
import time

from testtools import content

from cyborg_fpga.cmd import demo_http
from tests.fixtures import stack
from tests.functional.stack import base

_SECONDS = 25
_PATIENCE = 60
_CLIENTS = 5
#: Claims that were ready, and looked at.
_ENOUGH = 6
_VF = 'CUSTOM_FPGA_INTEL_VF'
_CARDS = ('0000:3b:00.0', '0000:5e:00.0', '0000:86:00.0')
_FAULTS = ('slow', 'fail', 'lie', 'wipe')
_SECRET = b'secret'
#: Gone meanwhile; taken or not in that state; its conductor is dead.
_REFUSALS = (404, 409, 503)


class Client(threading.Thread):
    """Asks for anything, and looks at what it gets.

    :ivar complaints: What it must not have seen.
    """

    def __init__(self, stack_, images, seed):
        super().__init__(daemon=True)
        self._stack = stack_
        self._images = images
        self._choice = random.Random(seed)
        self._api = demo_http.Http(stack_.url, stack.MEMBER, 'accelerator 2.3')
        self._claims = []
        self.stopping = threading.Event()
        self.complaints = []
        self.ready = 0

    def run(self):
        acts = [self._claim, self._release, self._program]
        while not self.stopping.wait(self._choice.uniform(0, 0.3)):
            (act,) = self._choice.choices(acts, [6, 4, 1])
            try:
                act()
            except demo_http.Refused as exc:
                if exc.status not in _REFUSALS:
                    self.complaints.append(str(exc))
            except Exception as exc:
                self.complaints.append(repr(exc))

    def _claim(self):
        image = self._choice.choice([None, *self._images])
        body = {'hostname': self._stack.hostname, 'resource_class': stack.PF}
        if image is not None:
            body['image_uuid'] = image
        elif self._choice.random() < 0.5:
            body.update(resource_class=_VF, count=self._choice.randint(1, 2))
        claim = self._api.post('/claims', body)
        self._claims.append((claim['uuid'], body['resource_class']))
        if body['resource_class'] == stack.PF:
            self._inspect(claim, image)

    def _inspect(self, claim, image):
        """Look for what is wanted, and for what somebody left."""
        end = time.monotonic() + 5
        while claim['state'] == 'programming' and time.monotonic() < end:
            time.sleep(0.05)
            claim = self._api.get(f'/claims/{claim["uuid"]}')
        if claim['state'] != 'ready':
            return
        self.ready += 1
        (address,) = claim['addresses']
        found = self._stack.cards.read_memory(address, 0, len(_SECRET))
        if found != bytes(len(_SECRET)):
            self.complaints.append(f'{claim} shows {found!r}')
        function = self._stack.function(address)
        if image and function != self._images[image]:
            self.complaints.append(f'{claim} has function {function}')
        self._stack.cards.write_memory(address, 0, _SECRET)

    def _release(self):
        if self._claims:
            place = self._choice.randrange(len(self._claims))
            uuid, _ = self._claims.pop(place)
            self._api.delete(f'/claims/{uuid}')

    def _program(self):
        mine = [uuid for uuid, kind in self._claims if kind == stack.PF]
        if mine:
            self._api.post(
                f'/claims/{self._choice.choice(mine)}/program',
                {'image_uuid': self._choice.choice(list(self._images))},
            )


class ChaosTest(base.StackTest):
    conductors = 2
    settings = {
        'conductor': {'deadline_min': 8},
        'api': {'conductor_timeout': 4},
    }

    def test_whatever_dies_everybody_says_the_same_in_the_end(self):
        images = dict(self.image() for _ in range(3))
        seed = time.time_ns()
        self.addDetail('seed', content.text_content(str(seed)))
        clients = [
            Client(self.stack, images, seed + number)
            for number in range(_CLIENTS)
        ]
        for client in clients:
            client.start()
        try:
            kills = self.wreak_havoc(random.Random(seed))
            # Cards that failed too often are not offered, and a slow machine
            # gets hardly anything done amid all this.
            end = time.monotonic() + _PATIENCE
            while self.ready(clients) < _ENOUGH and time.monotonic() < end:
                self.mend()
                time.sleep(1)
        finally:
            for client in clients:
                client.stopping.set()
            for client in clients:
                client.join()
        self.assertEqual([], [c for one in clients for c in one.complaints])
        self.assertGreater(kills, 5)
        self.assertGreaterEqual(self.ready(clients), _ENOUGH)
        self.mend()
        self.agree()
        for claim in self.stack.claims():
            self.stack.admin.delete(f'/claims/{claim["uuid"]}')
        for claim in self.stack.claims():
            self.stack.gone(claim['uuid'])
        self.mend()
        self.assert_released()
        self.assert_in_time()
        for process in self.stack.processes:
            self.assertNotIn('Traceback', process.words(), process.name)

    def ready(self, clients):
        return sum(client.ready for client in clients)

    def wreak_havoc(self, choice):
        """Kill conductors and the agent, and let cards fail."""
        kills = 0
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end:
            time.sleep(choice.uniform(0.2, 3))
            card, kind = choice.choice(_CARDS), choice.choice(_FAULTS)
            self.stack.cards.fault(card, kind, times=1)
            place = choice.randrange(3)
            if place < len(self.stack.conductors):
                self.stack.conductors[place].kill()
                self.stack.conductors[place] = self.stack.start('conductor')
            else:
                self.stack.agent.kill()
                time.sleep(choice.uniform(0, 2))
                self.stack.agent = self.stack.start('agent')
            kills += 1
        return kills

    def mend(self):
        """End the faults, and forgive the cards their quarantine."""
        for process in (*self.stack.conductors, self.stack.agent):
            process.says(stack.READY[process.name])
        for address, device in self.stack.devices().items():
            self.stack.cards.clear(address)
            self.stack.admin.call('POST', f'/devices/{device["uuid"]}/enable')

    def assert_in_time(self):
        for operation in self.stack.operations():
            ended, deadline = (
                datetime.datetime.fromisoformat(operation[name])
                for name in ('finished_at', 'deadline')
            )
            self.assertLess((ended - deadline).total_seconds(), 30, operation)
