"""Ten ways to tamper with a bitstream, and what reaches the card of each.

Everything between the download and the card is real: executor, cache, driver
and a simulated card, which keeps the bytes that it is given.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import random
import threading
import uuid

import fixtures
from oslotest import base

from cyborg_fpga import model
from cyborg_fpga.agent import executor
from cyborg_fpga.agent import journal
from cyborg_fpga.bitstream import formats
from cyborg_fpga.drivers import intel_dfl
from cyborg_fpga.simulator import samples
from tests.fixtures import folders
from tests.fixtures import handing
from tests.fixtures import signing
from tests.fixtures import simulated_host
from tests.unit.agent import fakes

CASES = 100
REGION = samples.EXAMPLE_REGION
CARD = model.PciAddress.parse('0000:3b:00.0')
PORT = '0000:3b:00.0/port0'
HOST = """
cards:
  - {address: '0000:3b:00.0', family: PAC_A10,
     program_fixed: 0, program_rate: 100000000000}
"""
_LARGEST = 1 << 17
# An agent syncs at every step: on a disk that others write to, seconds.
_MEMORY = ('/dev/shm',) if os.access('/dev/shm', os.W_OK) else ()

#: What a refused image is refused for; a case may have several reasons.
REFUSALS = (
    model.Cause.IMAGE_CORRUPT,
    model.Cause.IMAGE_MISMATCH,
    model.Cause.IMAGE_UNTRUSTED,
)


@dataclasses.dataclass
class Given:
    """What an agent is told of an image, and what Glance then gives it."""

    operation: model.Operation
    content: bytes

    def told(self, **changes):
        self.operation = dataclasses.replace(self.operation, **changes)

    def signed(self, **changes):
        self.told(
            image_signature={**self.operation.image_signature, **changes}
        )

    def rehash(self):
        """Whoever altered the data has altered Glance's record of it too."""
        self.told(
            image_hash_value=hashlib.sha512(self.content).hexdigest(),
            image_size=len(self.content),
        )


class Interrupted(intel_dfl.IntelDFLDriver):
    """Lets something happen when an image is about to be loaded."""

    before = staticmethod(lambda: None)

    def program(self, device, deployable, image):
        self.before()
        super().program(device, deployable, image)


class TamperingTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get('TAMPERING_SEED', 0)) or (
            random.SystemRandom().getrandbits(32)
        )
        print(f'TAMPERING_SEED={self.seed}')
        self.random = random.Random(self.seed)
        self.host = self.useFixture(simulated_host.SimulatedHost(HOST))
        self.path = pathlib.Path(
            self.useFixture(fixtures.TempDir(folders.own(*_MEMORY))).path
        )
        self.driver = Interrupted(self.host.fs)
        self.images = fakes.Images()
        self.images.chunk = 1 << 14
        self.conductor = fakes.Conductor()
        self.keys = self.path / 'keys'
        self.keys.mkdir()
        self.signer = self.new_signer()
        self.strangers = self.new_signer()
        self.fence = 0
        self.start()

    def new_signer(self):
        """Whose certificate is among :meth:`certificates`."""
        return signing.Signer(self.keys)

    def certificates(self):
        return handing.certificates_in(self.keys)

    def allowed(self):
        return f'*:{self.signer.uuid}'

    def start(self):
        entries = journal.Journal(self.path / 'state')
        entries.open()
        self.addCleanup(entries.close)
        _, images = handing.custody_of(
            self.path,
            2**30,
            self.images.download,
            keys=self.certificates(),
            wanted='required',
            allowed=self.allowed(),
        )
        self.executor = executor.Executor(
            entries,
            {self.driver.name: self.driver},
            images,
            self.conductor,
            changed=lambda: None,
        )
        self.executor.start()
        self.addCleanup(self.executor.stop)

    def file(self):
        """A whole bitstream of some size."""
        size = int(2 ** self.random.uniform(0, _LARGEST.bit_length() - 1))
        return samples.sample_gbs(
            REGION, f'{self.random.getrandbits(128):032x}', size=size
        )

    def given(self, content=None, signer=None):
        """What is as it should be."""
        content = content or self.file()
        said = formats.parse(content)
        self.fence += 1
        operation = model.Operation(
            uuid=str(uuid.uuid4()),
            kind=model.OperationKind.PROGRAM,
            deployable_uuid=str(uuid.uuid4()),
            deployable=PORT,
            device=CARD,
            driver=self.driver.name,
            hostname='host1',
            fence=self.fence,
            seconds_left=600.0,
            project_id='demo',
            image_uuid=str(uuid.uuid4()),
            image_hash_algo='sha512',
            image_hash_value=hashlib.sha512(content).hexdigest(),
            image_size=len(content),
            image_signature=(signer or self.signer).properties(content),
            expected_function=said.function_id,
        )
        return Given(operation, content)

    def run_to_end(self, given):
        """The outcome of loading *given*, and what then reached the card."""
        before = self.loads()
        operation = given.operation
        self.images.images[operation.image_uuid] = given.content
        self.executor.run(operation)
        outcome = fakes.wait_for(
            lambda: self.conductor.outcomes.get(operation.uuid), 60
        )
        self.assertIsNotNone(outcome, self.words(given, None))
        return outcome[0], self.arrived() if self.loads() > before else None

    def loads(self):
        text = (self.host.directory / 'state' / f'{CARD}.json').read_text()
        return json.loads(text)['ports'][0]['loads']

    def arrived(self):
        """The bytes that the card was given last."""
        state = self.host.directory / 'state'
        return (state / f'{CARD}.port0.image').read_bytes()

    def words(self, given, outcome):
        return f'seed {self.seed}: {given.operation} {outcome}'

    def twin_loads(self, content):
        """The same file, untouched, is loaded as it is."""
        given = self.given(content)
        outcome, arrived = self.run_to_end(given)
        words = self.words(given, outcome)
        self.assertTrue(outcome.succeeded, words)
        self.assertEqual(payload(content), arrived, words)

    def refused(self, given, causes=REFUSALS):
        outcome, arrived = self.run_to_end(given)
        words = self.words(given, outcome)
        self.assertIsNone(arrived, words)
        self.assertFalse(outcome.touched, words)
        self.assertIn(outcome.cause, causes, words)

    def flipped(self, content, first=0, end=None):
        """*content* with other bytes at some places of a part."""
        end = len(content) if end is None else end
        altered = bytearray(content)
        for _ in range(self.random.choice((1, 1, 2, 16))):
            place = self.random.randrange(first, end)
            altered[place] ^= self.random.randrange(1, 256)
        if altered == content:
            altered[first] ^= 1
        return bytes(altered)

    def somewhere(self):
        """In Glance's store alone, or in its records too."""
        return self.random.random() < 0.5


class TestInGlance(TamperingTest):
    def test_a_payload_that_was_altered(self):
        for _ in range(CASES):
            given = self.given()
            content = given.content
            first = formats.parse(content).payload_offset
            given.content = self.flipped(content, first)
            if self.somewhere():
                given.rehash()
            self.refused(given)
            self.twin_loads(content)

    def test_a_header_that_was_altered(self):
        for _ in range(CASES):
            given = self.given()
            content = given.content
            end = formats.parse(content).payload_offset
            given.content = self.flipped(content, 0, end)
            if self.somewhere():
                given.rehash()
            self.refused(given)
            self.twin_loads(content)

    def test_properties_that_were_altered(self):
        for number in range(CASES):
            given = self.given()
            self.alter(given, number)
            self.refused(given)
            self.twin_loads(given.content)

    def alter(self, given, number):
        told = given.operation
        other = f'{self.random.getrandbits(128):032x}'
        digest = self.flipped(bytes.fromhex(told.image_hash_value)).hex()
        signed = told.image_signature
        place = self.random.randrange(len(signed['img_signature']) - 4)
        letter = 'A' if signed['img_signature'][place] != 'A' else 'B'
        spoiled = (
            signed['img_signature'][:place]
            + letter
            + signed['img_signature'][place + 1 :]
        )
        ways = (
            lambda: given.told(expected_function=other),
            lambda: given.told(image_hash_value=digest),
            lambda: given.told(image_hash_algo='sha3_512'),
            lambda: given.told(image_size=told.image_size + 1),
            lambda: given.signed(img_signature=spoiled),
            lambda: given.signed(img_signature_hash_method='SHA-384'),
            lambda: given.signed(img_signature_key_type='RSA-PSS'),
            lambda: given.signed(
                img_signature_certificate_uuid=self.strangers.uuid
            ),
        )
        ways[number % len(ways)]()

    def test_what_was_signed_by_a_stranger(self):
        for _ in range(CASES):
            given = self.given(signer=self.strangers)
            if self.somewhere():
                given.signed(img_signature_certificate_uuid=self.signer.uuid)
            self.refused(given, [model.Cause.IMAGE_UNTRUSTED])
            self.twin_loads(given.content)

    def test_what_was_signed_with_a_certificate_that_does_not_hold_now(self):
        for number in range(CASES):
            content = self.file()
            path = self.keys / f'{self.signer.uuid}.pem'
            pem = path.read_bytes()
            days = (-2, -1) if number % 2 else (1, 2)
            path.write_bytes(self.signer.certificate(*days))
            self.refused(self.given(content), [model.Cause.IMAGE_UNTRUSTED])
            path.write_bytes(pem)
            self.twin_loads(content)

    def test_what_is_not_signed(self):
        for number in range(CASES):
            given = self.given()
            said = dict(given.operation.image_signature)
            for name in self.random.sample(sorted(said), 1 + number % 4):
                del said[name]
            given.told(image_signature=said or None)
            self.refused(given, [model.Cause.IMAGE_UNTRUSTED])
            self.twin_loads(given.content)

    def test_what_was_cut_off(self):
        for _ in range(CASES):
            given = self.given()
            content = given.content
            end = self.random.randrange(1, len(content))
            given.content = content[:end]
            if self.somewhere():
                given.rehash()
            self.refused(given)
            self.twin_loads(content)

    def test_the_signature_of_another_image(self):
        for _ in range(CASES):
            given, other = self.given(), self.given()
            given.told(image_signature=other.operation.image_signature)
            self.refused(given, [model.Cause.IMAGE_UNTRUSTED])
            self.twin_loads(given.content)


class TestOnTheHost(TamperingTest):
    def cached(self, given):
        name = f'sha512-{given.operation.image_hash_value}'
        return self.path / 'cache' / name

    def spoil(self, path, *, renamed, quiet):
        """Alter a file as whoever can write in its directory could."""
        found = path.stat()
        altered = self.flipped(path.read_bytes())
        if renamed:
            other = path.with_name('other')
            other.write_bytes(altered)
            os.replace(other, path)
        else:
            path.write_bytes(altered)
        if quiet:
            os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))

    def test_a_file_that_was_altered_in_the_cache(self):
        for number in range(CASES):
            content = self.file()
            self.twin_loads(content)
            given = self.given(content)
            self.spoil(
                self.cached(given),
                renamed=bool(number & 1),
                quiet=bool(number & 2),
            )
            # What Glance has by now is no better, or it is: then that.
            if number & 4:
                given.content = self.flipped(content)
                self.refused(given)
            self.twin_loads(content)

    def test_a_file_that_was_swapped_after_the_check(self):
        for number in range(CASES):
            given = self.given()
            path = self.cached(given)
            swapped = threading.Event()

            def swap(path=path, number=number, done=swapped):
                for file in path.parent.glob(f'{path.name}*'):
                    self.spoil(file, renamed=number % 2 > 0, quiet=True)
                done.set()

            self.driver.before = swap
            outcome, arrived = self.run_to_end(given)
            self.driver.before = lambda: None
            words = self.words(given, outcome)
            self.assertTrue(swapped.is_set(), words)
            self.assertTrue(outcome.succeeded, words)
            self.assertEqual(payload(given.content), arrived, words)
            self.twin_loads(given.content)


def payload(content):
    """The part of a bitstream that goes to the card."""
    return content[formats.parse(content).payload_offset :]
