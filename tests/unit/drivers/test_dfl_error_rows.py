"""What Linux 6.1 answers to those who use DFL cards, and what we make of it.

A row is a fact of the notes on hardware, seen with the real drivers: what is
done, and the kernel's errno or what is to be seen afterwards. Each has a
card of its own.
"""

import contextlib
import errno
import struct

from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.drivers import intel_dfl
from cyborg_fpga.simulator import samples
from tests.fixtures import backends

A10 = '69528db6eb31577a8c3668f9faa081f6'
D5005 = '9346116da52d5ca8b06aa9a389ef7c8d'
FUNCTION = 'd8424dc4a4a3c413f89e433683f9040b'
PR, RESET = 0xB680, 0xB640
RELEASE, ASSIGN = 0x4004B681, 0x4004B682


class Card:
    """One card of two ports, as a program on its host uses it."""

    def __init__(self, host, address):
        self.host, self.fs, self.address = host, host.fs, address
        self.path = f'bus/pci/devices/{address}'
        (fme,) = self.fs.glob(f'{self.path}/fpga_region/*/dfl-fme.*')
        self.fme, self.node = fme, fme.rpartition('/')[2]
        bus = address[:8]
        self.vf = f'{bus}10.0'

    def load(self, region=A10, port=0, flags=0, damaged=False):
        data = samples.sample_gbs(region, FUNCTION)
        raw = bytearray(data[data.index(b'FPGASIM1') :])
        raw[-1] ^= damaged
        image = self.host.directory / 'raw'
        image.write_bytes(raw)
        arg = struct.pack('<IIIIQ', 24, flags, port, len(raw), 0)
        self.fs.ioctl(self.node, PR, arg, image=image)

    def port(self, request, port=0):
        self.fs.ioctl(self.node, request, port.to_bytes(4, 'little'))

    def vfs(self, number):
        self.fs.write(f'{self.path}/sriov_numvfs', str(number))

    def bind(self, action, function):
        self.fs.write(f'bus/pci/drivers/dfl-pci/{action}', function)

    def fault(self, kind, **arguments):
        self.host.simulator.fault(self.address, kind, **arguments)

    def with_vf(self):
        self.port(RELEASE)
        self.vfs(1)

    def afu_id(self, function=None):
        device = f'bus/pci/devices/{function or self.address}'
        paths = self.fs.glob(f'{device}/fpga_region/*/dfl-port.*')
        return self.fs.read(f'{paths[0]}/afu_id')

    def manager(self, name):
        (path,) = self.fs.glob(f'{self.fme}/dfl-fme-mgr.*/*/fpga*')
        return self.fs.read(f'{path}/{name}')

    def shows(self, pattern):
        return len(self.fs.glob(f'bus/pci/devices/{pattern}'))


def _after(first, then):
    """Do *first*, whatever it ends with, then *then*."""

    def both(card):
        with contextlib.suppress(OSError):
            first(card)
        return then(card)

    return both


#: (fact, what is done, errno or what it gives)
KERNEL = (
    ('an image for another interface', lambda c: c.load(D5005), errno.EIO),
    ('a corrupt image', lambda c: c.load(damaged=True), errno.EIO),
    (
        'the manager then says where it failed',
        _after(lambda c: c.load(D5005), lambda c: c.manager('state')),
        'write complete error',
    ),
    (
        'and why: interface',
        _after(lambda c: c.load(D5005), lambda c: c.manager('status')),
        'reconfig incompatible image',
    ),
    (
        'and why: damage',
        _after(lambda c: c.load(damaged=True), lambda c: c.manager('status')),
        'reconfig CRC error',
    ),
    ('a port that there is not', lambda c: c.load(port=2), errno.EINVAL),
    ('flags that are not 0', lambda c: c.load(flags=1), errno.EINVAL),
    (
        'hardware that is silent',
        _after(
            lambda c: c.fault('fail', errno='ETIMEDOUT'), lambda c: c.load()
        ),
        errno.ETIMEDOUT,
    ),
    (
        'a region or manager in use',
        _after(lambda c: c.fault('refuse'), lambda c: c.load()),
        errno.EBUSY,
    ),
    (
        'a manager before the first load',
        lambda c: c.manager('state'),
        'unknown',
    ),
    (
        'a manager after a load',
        _after(lambda c: c.load(), lambda c: c.manager('state')),
        'operating',
    ),
    (
        'the function of a port in reset',
        _after(lambda c: c.load(damaged=True), lambda c: c.afu_id()),
        errno.EBUSY,
    ),
    (
        'the interface of the base region',
        lambda c: c.fs.read(c.fme.rpartition('/')[0] + '/compat_id'),
        errno.ENOENT,
    ),
    (
        'releasing a port twice',
        _after(lambda c: c.port(RELEASE), lambda c: c.port(RELEASE)),
        errno.EBUSY,
    ),
    (
        'releasing a port whose node is open',
        _after(lambda c: c.fault('held'), lambda c: c.port(RELEASE)),
        errno.EBUSY,
    ),
    (
        'a released port in sysfs',
        _after(
            lambda c: c.port(RELEASE),
            lambda c: c.shows(f'{c.address}/fpga_region/*/dfl-port.*'),
        ),
        1,
    ),
    ('VFs without a released port', lambda c: c.vfs(1), errno.EINVAL),
    (
        'more VFs than released ports',
        _after(lambda c: c.port(RELEASE), lambda c: c.vfs(2)),
        errno.EINVAL,
    ),
    ('more VFs than the card can have', lambda c: c.vfs(3), errno.ERANGE),
    (
        'another number of VFs',
        _after(lambda c: c.with_vf(), lambda c: c.vfs(2)),
        errno.EBUSY,
    ),
    (
        'the same number of VFs',
        _after(lambda c: c.with_vf(), lambda c: c.vfs(1)),
        None,
    ),
    (
        'VFs of a PF without a driver',
        _after(lambda c: c.bind('unbind', c.address), lambda c: c.vfs(1)),
        errno.ENOENT,
    ),
    (
        'what a VF of the host shows',
        _after(lambda c: c.with_vf(), lambda c: c.afu_id(c.vf)),
        '0' * 32,
    ),
    (
        'what a VF for guests shows',
        _after(
            lambda c: (c.with_vf(), c.fault('guest')),
            lambda c: c.shows(f'{c.vf}/fpga_region'),
        ),
        0,
    ),
    (
        'giving back a port whose VF lives',
        _after(lambda c: c.with_vf(), lambda c: c.port(ASSIGN)),
        None,
    ),
    (
        'loading a port whose VF a guest has',
        _after(lambda c: (c.with_vf(), c.fault('guest')), lambda c: c.load()),
        None,
    ),
    (
        'the function of a port that came back',
        _after(
            lambda c: (c.port(RELEASE), c.port(ASSIGN)), lambda c: c.afu_id()
        ),
        errno.ENOENT,
    ),
    (
        'and once its PF is bound anew',
        _after(
            lambda c: (
                c.port(RELEASE),
                c.port(ASSIGN),
                c.bind('unbind', c.address),
                c.bind('bind', c.address),
            ),
            lambda c: c.afu_id(),
        ),
        '0' * 32,
    ),
)

Cause = model.Cause
#: (fact, fault and its arguments, what is called, cause, words)
DRIVER = (
    ('fails', 'fail', {'errno': 'EIO'}, 'load', Cause.DEVICE_ERROR, 'write'),
    ('silent', 'fail', {'errno': 'ETIMEDOUT'}, 'load', Cause.TIMEOUT, ''),
    ('in use', 'refuse', {'errno': 'EBUSY'}, 'load', Cause.DEVICE_BUSY, ''),
    ('refused', 'refuse', {'errno': 'EINVAL'}, 'load', Cause.DEVICE_ERROR, ''),
    ('off the bus', 'vanish', {}, 'load', Cause.DEVICE_GONE, 'gone'),
    ('falls off', 'drop', {}, 'load', Cause.DEVICE_GONE, ''),
    ('in reset', 'unreadable', {'errno': 'EBUSY'}, 'read', None, ''),
    ('no AFU', 'unreadable', {'errno': 'ENOENT'}, 'read', None, ''),
    ('not ready', 'unreadable', {'errno': 'EINVAL'}, 'read', None, ''),
    ('unplugged', 'unreadable', {'errno': 'ENODEV'}, 'read', None, ''),
    ('in a guest', 'guest', {}, 'load', Cause.DEVICE_BUSY, 'vfio-pci'),
    ('no wipe', 'fail', {}, 'wipe', Cause.DEVICE_ERROR, 'write'),
)


ADDRESSES = [
    f'0000:{2 * n + 1:02x}:00.0' for n in range(max(len(KERNEL), len(DRIVER)))
]
CARDS = 'cards:\n' + ''.join(
    f"  - {{address: '{address}', ports: 2, program_fixed: 0,"
    ' program_rate: 1000000000}\n'
    for address in ADDRESSES
)


class Rows:
    """On any backend."""

    scenario = CARDS

    def setUp(self):
        super().setUp()
        self.host = self.useFixture(self.backend(self.scenario))

    def test_the_kernel_answers_as_it_was_seen_to(self):
        for address, (fact, act, wanted) in zip(
            ADDRESSES, KERNEL, strict=False
        ):
            try:
                found = act(Card(self.host, address))
            except OSError as exc:
                found = exc.errno
            self.assertEqual(wanted, found, fact)

    def test_the_driver_makes_of_it_what_it_means(self):
        host = self.host
        driver = intel_dfl.IntelDFLDriver(host.fs)
        image = host.directory / 'image'
        image.write_bytes(samples.sample_gbs(A10, FUNCTION))
        blank = host.directory / 'blank-image'
        blank.write_bytes(samples.blank_gbs(A10))
        driver.blank_images = {A10: blank}
        for address, (fact, fault, arguments, act, cause, words) in zip(
            ADDRESSES, DRIVER, strict=False
        ):
            host.simulator.fault(address, fault, **arguments)
            card = model.PciAddress.parse(address)
            name = f'{address}/port0'
            if act == 'read':
                (found,) = [
                    d
                    for report in driver.discover()
                    for d in report.deployables
                    if d.name == name
                ]
                self.assertFalse(found.readable, fact)
                continue
            calls = {
                'load': (driver.program, (card, name, image)),
                'wipe': (driver.wipe, (card, name, model.WipeLevel.RESET)),
            }
            call, args = calls[act]
            exc = self.assertRaises(errors.DeviceFailed, call, *args)
            self.assertEqual(cause, exc.kwargs['cause'], fact)
            self.assertIn(words, exc.kwargs['detail'], fact)


def classes(backend, module):
    """The suite on *backend*."""
    bases = (Rows, backend, base.BaseTestCase)
    return {'TestRows': type('TestRows', bases, {'__module__': module})}


globals().update(classes(backends.Tree, __name__))
