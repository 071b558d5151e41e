"""What is outside the agent: cards, Glance and a conductor.

The cards' images are ``FAKE`` and the 32 hex digits of their function.
"""

import errno
import hashlib
import pathlib
import threading
import time
import uuid

import oslo_messaging as messaging

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.drivers import base
from cyborg_fpga.drivers import sysfs

CARD = model.PciAddress.parse('0000:3b:00.0')
OTHER_CARD = model.PciAddress.parse('0000:5e:00.0')
REGION = 'card0_region0'
OTHER_REGION = 'card1_region0'

CRYPTO = 'c' * 32
ZIP = 'd' * 32


def image_of(function, size=4096):
    return (b'FAKE' + function.encode()).ljust(size, b'.')


def wait_for(condition, seconds=5.0):
    """Poll until *condition* is true; its last value."""
    give_up = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < give_up:
        time.sleep(0.005)
    return value


class Cards(base.Driver):
    """Two cards of one region each, with every vice a card can have."""

    name = 'fake'

    def __init__(self):
        super().__init__(sysfs.Sysfs())
        self.loaded = {REGION: None, OTHER_REGION: None}
        self.calls = []
        self.refuses = {}  # method name -> exception
        self.hangs = {}  # deployable -> event to wait for inside program()
        self.lies = {}  # deployable -> function shown whatever is loaded
        self.levels = (model.WipeLevel.RESET, model.WipeLevel.CLEAR)
        self.scanning = lambda: None
        self.given = None  # function of the file that came with a wipe

    def discover(self):
        self._called('discover')
        self.scanning()
        return [
            model.DeviceReport(
                driver=self.name,
                pci_address=device,
                vendor='fake',
                family='FAKE',
                vendor_id='1234',
                product_id='5678',
                deployables=(
                    model.DeployableReport(
                        name=name,
                        handles=(device,),
                        function_id=self.loaded[name],
                        wipe_levels=self.levels,
                    ),
                ),
            )
            for device, name in ((CARD, REGION), (OTHER_CARD, OTHER_REGION))
        ]

    def program(self, device, deployable, image):
        function = self._parsed(image)
        self._called('program', deployable)
        if deployable in self.hangs:
            self.loaded[deployable] = 'e' * 32
            self.hangs[deployable].wait(10)
        self.loaded[deployable] = function

    def expected_function(self, image, *, told=None):
        return self._parsed(image)

    def identify(self, device, deployable):
        self._called('identify', deployable)
        return self.lies.get(deployable, self.loaded[deployable])

    def wipe(self, device, deployable, level, *, image=None):
        self._called('wipe', deployable, level)
        self.given = image and self._parsed(image)
        if level is model.WipeLevel.CLEAR:
            self.loaded[deployable] = None

    def acts(self):
        """What was done to cards, reading left out."""
        return [call for call in self.calls if call[0] in ('program', 'wipe')]

    def _called(self, name, *args):
        self.calls.append((name, *args))
        if name in self.refuses:
            raise self.refuses[name]

    @staticmethod
    def _parsed(image):
        content = pathlib.Path(image).read_bytes()
        if not content.startswith(b'FAKE'):
            raise errors.BadBitstream(reason='no magic number')
        return content[4:36].decode()


class Images:
    """A Glance: images by uuid, counted downloads."""

    def __init__(self):
        self.images = {}
        self.downloads = []
        self.starts = []
        self.chunk = 1024
        self.before_chunk = lambda: None

    def add(self, content):
        ident = str(uuid.uuid4())
        self.images[ident] = content
        return ident

    def download(self, ident, start=0):
        self.downloads.append(ident)
        self.starts.append(start)
        if ident not in self.images:
            raise errors.NotFound(kind='image', ident=ident)
        content = self.images[ident]
        for at in range(start, len(content), self.chunk):
            self.before_chunk()
            yield content[at : at + self.chunk]


class Conductor:
    """Answers an agent like a conductor, and remembers what it was told."""

    def __init__(self):
        self.calls = []
        self.ended = set()  # operations that were given up
        self.silent = threading.Event()
        self.outcomes = {}
        self.reports = []
        self.fences = {}
        self.on_begin = lambda uuid: None
        self.on_begun = lambda uuid: None  # it has been given leave
        self.attempts = {}

    def begin(self, ctx, uuid, fence, *, attempt=None):
        self._called('begin', uuid)
        self.on_begin(uuid)
        known = self.attempts.setdefault(uuid, attempt)
        if uuid in self.ended or attempt is None or known != attempt:
            raise errors.StaleFence(operation=uuid, fence=fence)
        self.on_begun(uuid)

    def progress(self, ctx, status):
        self.calls.append(('progress', status.step, status.progress))

    def finish(self, ctx, status):
        self._called('finish', status.uuid)
        self.outcomes.setdefault(status.uuid, []).append(status)

    def heartbeat(self, ctx, report):
        # Whoever wants to see reports sees whole ones.
        return False

    def report(self, ctx, report):
        self._called('report')
        self.reports.append(report)
        fences, self.fences = self.fences, {}
        return fences

    def outcome(self, uuid):
        """The first outcome told of *uuid*; waits for it."""
        return wait_for(lambda: self.outcomes.get(uuid, [None])[0])

    def count(self, name):
        return len([call for call in self.calls if call[0] == name])

    def _called(self, *call):
        self.calls.append(call)
        if self.silent.is_set():
            raise messaging.MessagingTimeout('silence')


def program(images, function=CRYPTO, **values):
    """An operation that loads *function*, with its image in *images*."""
    values = {**_image(images, function, values), **values}
    return _operation(model.OperationKind.PROGRAM, **values)


def wipe(level, function=CRYPTO, *, images=None, **values):
    """An operation that wipes what holds *function*.

    :param images: Where its image is put, for it to be loaded again.
    """
    if images is not None:
        values = {**_image(images, function, values), **values}
    return _operation(
        model.OperationKind.WIPE,
        wipe_level=level,
        expected_function=function,
        **values,
    )


def _image(images, function, values):
    content = values.pop('content', image_of(function))
    return {
        'image_uuid': images.add(content),
        'image_hash_algo': 'sha512',
        'image_hash_value': hashlib.sha512(content).hexdigest(),
        'image_size': len(content),
    }


def no_space():
    return OSError(errno.ENOSPC, 'No space left on device')


def _operation(kind, **values):
    return model.Operation(
        **{
            'uuid': str(uuid.uuid4()),
            'kind': kind,
            'deployable_uuid': str(uuid.uuid4()),
            'deployable': REGION,
            'device': CARD,
            'driver': 'fake',
            'hostname': 'host1',
            'fence': 1,
            'seconds_left': 60.0,
            **values,
        }
    )
