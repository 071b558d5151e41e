"""Every way in which a kernel or a vendor's tool says no, and its cause.

A row is what happens on the host, as the notes on hardware have it, and what
a driver must make of it.
"""

import copy
import errno
import pathlib
import re

from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga import model
from tests.fixtures import backends
from tests.unit.drivers import subjects

Cause = model.Cause
FUNCTION, OTHER = subjects.FUNCTION, subjects.OTHER_FUNCTION


class Rows:
    """A host with the cards of a subject, and its driver; on any backend."""

    name: str

    def setUp(self):
        super().setUp()
        subject = self.subject = subjects.SUBJECTS[self.name]
        self.host = self.useFixture(self.backend(self.scenario))
        self.driver = subject.driver(
            self.host.fs, subject.table(self.host.directory)
        )
        self.fault = self.host.simulator.fault
        self.card = model.PciAddress.parse(subject.card)

    def image(self, function=FUNCTION):
        path = pathlib.Path(self.host.directory / f'image-{function}')
        path.write_bytes(self.subject.image(function))
        return path

    def load(self, function=FUNCTION):
        image = self.image(function)
        self.driver.program(self.card, self.subject.deployable, image)

    def identify(self):
        return self.driver.identify(self.card, self.subject.deployable)

    def wipe(self, level):
        self.driver.wipe(self.card, self.subject.deployable, level)

    def fails(self, cause, words, call, *args):
        exc = self.assertRaises(errors.DeviceFailed, call, *args)
        self.assertEqual(cause, exc.kwargs['cause'], exc)
        self.assertIn(words, exc.kwargs['detail'])

    def tool(self, line, image=None):
        tool, *words = line.split()
        return self.host.fs.run(tool, words, image=image, seconds=60)

    def loads(self):
        cards = self.host.simulator.cards()
        return sum(port['loads'] for c in cards for port in c['ports'])


class Xrt(Rows):
    name = 'xilinx_xrt'

    def test_what_the_driver_refuses_leaves_the_old_function(self):
        self.load(OTHER)
        before = self.loads()
        for number, cause, words in (
            # The file was made for a newer XRT, or for another shell.
            ('EINVAL', Cause.DEVICE_ERROR, 'Invalid argument'),
            # Time stamp of the feature ROM.
            ('EOPNOTSUPP', Cause.DEVICE_ERROR, 'Operation not supported'),
            ('EBUSY', Cause.DEVICE_BUSY, 'Device or resource busy'),
            # Its signature, where the card wants one.
            ('EKEYREJECTED', Cause.DEVICE_ERROR, 'Key was rejected'),
            ('ETIMEDOUT', Cause.TIMEOUT, 'Connection timed out'),
            ('ENODEV', Cause.DEVICE_GONE, 'No such device'),
        ):
            self.fault(self.subject.card, 'refuse', errno=number, times=1)
            self.fails(cause, words, self.load)
            self.assertEqual(OTHER, self.identify(), number)
        self.assertEqual(before, self.loads())

    def test_a_load_that_fails_takes_the_old_function_with_it(self):
        for number, cause in (
            ('EIO', Cause.DEVICE_ERROR),
            ('ETIMEDOUT', Cause.TIMEOUT),
        ):
            self.load(OTHER)
            self.fault(self.subject.card, 'fail', errno=number, times=1)
            self.fails(cause, 'Could not program', self.load)
            self.assertIsNone(self.identify())

    def test_what_is_loaded_already_is_not_loaded_again(self):
        self.load()
        before = self.loads()
        self.load()
        self.assertEqual(before, self.loads())
        self.assertEqual(FUNCTION, self.identify())

    def test_a_function_that_nobody_has_ready_is_a_normal_state(self):
        for number, cause in (
            ('EINVAL', Cause.DEVICE_ERROR),
            ('ENODEV', Cause.DEVICE_GONE),
        ):
            self.fault(self.subject.card, 'unreadable', errno=number)
            self.fails(cause, '', self.identify)
            (card, _) = self.driver.discover()
            self.assertFalse(card.deployables[0].readable)

    def test_tools_name_the_devices_that_there_are(self):
        user, other = '0000:3b:00.1', '0000:5e:00.1'
        program = 'program -d {} -u {{image}}'
        image = self.image()
        for line, words in (
            ('program -u {image}', 'specify a device using --device'),
            (program.format('0000:aa:00.1'), f'  [{other}] : xilinx_u250'),
            (program.format('0000:aa:00.1'), ' not found\n Available devices'),
        ):
            found = self.tool(f'xbutil {line}', image)
            self.assertEqual(1, found.code)
            self.assertIn(words, found.output)
        for card in ('0000:3b:00.0', '0000:5e:00.0'):
            self.fault(card, 'vanish')
        found = self.tool(f'xbutil {program.format(user)}', image)
        self.assertEqual('ERROR: No devices found\n', found.output)

    def test_a_tool_that_finds_no_device_means_a_card_that_is_gone(self):
        fs = self.host.fs

        class Late(type(fs)):
            # The card goes between the look at it and the load.
            def run(self, tool, arguments, **kwargs):
                for card in ('0000:3b:00.0', '0000:5e:00.0'):
                    if arguments[0] == 'program':
                        Late.fault(card, 'vanish')
                return super().run(tool, arguments, **kwargs)

        Late.fault = self.fault
        fs.__class__ = Late
        self.fails(Cause.DEVICE_GONE, 'No devices found', self.load)

    def test_the_newer_tool_says_it_in_other_words(self):
        image = self.image()
        self.fault(self.subject.card, 'refuse', errno='EBUSY')
        for tool, words in (
            ('xbutil', '[xbutil] ERROR: Could not program device '
             '0000:3b:00.1: Device or resource busy\n'),
            ('xrt-smi', 'ERROR: Could not program device 0000:3b:00.1 : '
             'failed to load xclbin: Device or resource busy\n'),
        ):  # fmt: skip
            line = f'{tool} program -d 0000:3b:00.1 -u {{image}}'
            found = self.tool(line, image)
            self.assertEqual((1, words), (found.code, found.output))


class XrtWipe(Rows):
    name = 'xilinx_xrt'

    def setUp(self):
        super().setUp()
        blank = self.host.directory / 'blank-image'
        blank.write_bytes(self.subject.blank)
        (card, _) = self.driver.discover()
        region = card.deployables[0].region_id
        self.driver.blank_images = {region: blank}
        # The blank xclbin is loaded, and a guest has written something.
        self.wipe(model.WipeLevel.CLEAR)
        self.guest = self.subject.handles[0]
        self.simulator = self.host.simulator
        self.simulator.write_memory(self.guest, 0, b'secret')

    def memory(self):
        return self.simulator.read_memory(self.guest, 0, 6)

    def test_a_card_that_is_clear_already_is_reset(self):
        self.wipe(model.WipeLevel.CLEAR)
        self.assertNotEqual(b'secret', self.memory())
        self.assertIsNone(self.identify())

    def test_a_reset_that_fails_ends_with_0_and_is_found_out(self):
        self.fault(self.subject.card, 'wipe', times=1)
        line = 'xbutil reset -d 0000:3b:00.1'
        found = self.tool(line)
        self.assertEqual(0, found.code)
        self.assertIn('Reset failed on Device[0000:3b:00.1]', found.output)
        self.fault(self.subject.card, 'wipe', times=1)
        self.fails(
            Cause.DEVICE_ERROR,
            'Reset failed',
            self.wipe,
            model.WipeLevel.CLEAR,
        )
        self.assertEqual(b'secret', self.memory())

    def test_without_the_tool_it_is_not_called_clear(self):
        self.host.fs.has_tool = lambda tool: tool == 'xbmgmt'
        self.fails(
            Cause.DEVICE_ERROR,
            'cannot be reset',
            self.wipe,
            model.WipeLevel.CLEAR,
        )


class Aws(Rows):
    name = 'aws_f2'

    #: Code of the tools, its name and the cause.
    CODES = (
        (3, 'busy', Cause.DEVICE_BUSY),
        (5, 'invalid-afi-id', Cause.IMAGE_UNAVAILABLE),
        (6, 'afi-load-timeout', Cause.TIMEOUT),
        (12, 'cl-id-mismatch', Cause.IMAGE_MISMATCH),
        (16, 'shell-version-not-supported', Cause.DOES_NOT_FIT),
        (17, 'afi-power-violation', Cause.DEVICE_ERROR),
        (19, 'hardware-busy', Cause.DEVICE_BUSY),
        (20, 'pci-device-missing', Cause.DEVICE_GONE),
        (24, 'software-problem', Cause.DEVICE_ERROR),
        (25, 'unresponsive', Cause.TIMEOUT),
    )

    def status(self, status):
        """Let the first slot show *status*, with all else as it is."""

        class Showing(type(self.host.fs)):
            def run(self, tool, arguments, **kwargs):
                ended = super().run(tool, arguments, **kwargs)
                line, found, rest = ended.output.partition('loaded    ')
                rest = re.sub('[0-9]+', str(status), rest, count=1)
                return ended._replace(output=line + found + rest)

        fs = copy.copy(self.host.fs)
        fs.__class__ = Showing
        self.driver = self.subject.driver(fs)

    def seen(self):
        """Health of the first card, and what it is reported to hold."""
        (card, _) = self.driver.discover()
        (region,) = card.deployables
        return card.health, region.function_id, region.readable

    def test_an_image_that_is_refused_leaves_the_old_one(self):
        self.load(OTHER)
        kept = self.identify()
        for code, words, cause in self.CODES:
            self.fault(self.subject.card, 'refuse', code=code, times=1)
            line = 'fpga-load-local-image -S 0 -I agfi-0123456789abcdef0'
            found = self.tool(line)
            self.assertEqual(
                (code, f'Error: ({code}) {words}\n'),
                (found.code, found.output),
            )
            self.fault(self.subject.card, 'refuse', code=code, times=1)
            self.fails(cause, words, self.load)
            self.assertEqual(kept, self.identify())

    def test_an_image_that_fails_leaves_a_slot_that_says_so(self):
        for code, words, cause in self.CODES:
            self.fault(self.subject.card, 'fail', code=code, times=1)
            self.fails(cause, words, self.load)
            self.assertIn(
                'load-failed          7 ',
                self.tool('fpga-describe-local-image -S 0').output,
            )
            self.fails(Cause.DEVICE_ERROR, 'status 7', self.identify)

    def test_each_status_is_busy_empty_or_an_error(self):
        self.load()
        loaded = self.identify()
        for status, cause, health in (
            (2, Cause.DEVICE_BUSY, model.Health.OK),
            # Its image is on its way into AWS's cache.
            (4, Cause.DEVICE_BUSY, model.Health.OK),
            # It is being loaded once more.
            (5, Cause.DEVICE_BUSY, model.Health.OK),
            (7, Cause.DEVICE_ERROR, model.Health.SUSPECT),
            (99, Cause.DEVICE_ERROR, model.Health.SUSPECT),
        ):
            self.status(status)
            self.fails(cause, f'status {status}', self.identify)
            self.assertEqual((health, None, False), self.seen())
        for status in (1, 3):
            self.status(status)
            self.assertIsNone(self.identify())
            self.assertEqual((model.Health.OK, None, True), self.seen())
        self.status(0)
        self.assertEqual(loaded, self.identify())
        self.assertEqual((model.Health.OK, loaded, True), self.seen())

    def test_errors_without_a_code_of_their_own_have_the_nearest(self):
        for number, code in (
            ('EBUSY', 3),
            ('ETIMEDOUT', 6),
            ('ENODEV', 20),
            ('EIO', 14),
        ):
            self.fault(self.subject.card, 'refuse', errno=number, times=1)
            line = 'fpga-load-local-image -S 0 -I agfi-0123456789abcdef0'
            self.assertEqual(code, self.tool(line).code)

    def test_headings_are_there_for_who_wants_them(self):
        device = 'Type    FpgaImageSlot  VendorId    DeviceId    DBDF\n'
        found = self.tool('fpga-describe-local-image-slots -H').output
        # One above each slot.
        self.assertEqual(2, found.count(device))
        self.assertTrue(found.startswith(device), found)
        lines = self.tool('fpga-describe-local-image -S 1 -H').output
        self.assertEqual(
            ['Type', 'AFI', 'Type', 'AFIDEVICE'],
            [line.split()[0] for line in lines.splitlines()],
        )
        self.assertIn('ShVersion', lines.splitlines()[0])

    def test_an_image_that_is_read_back_wrongly_is_told_so(self):
        self.load()
        self.fault(
            self.subject.card, 'misread', function_id=f'{"0" * 15}1{"f" * 16}'
        )
        self.assertIn(
            f'agfi-1{"f" * 16}',
            self.tool('fpga-describe-local-image -S 0').output,
        )


class Manager(Rows):
    name = 'fpga_manager'

    def test_what_the_kernel_answers_becomes_a_cause(self):
        for number, cause, words in (
            ('EBUSY', Cause.DEVICE_BUSY, 'Device or resource busy'),
            ('ETIMEDOUT', Cause.TIMEOUT, 'Connection timed out'),
            ('ENODEV', Cause.DEVICE_GONE, 'No such device'),
            ('ENXIO', Cause.DEVICE_GONE, 'No such device or address'),
            ('EIO', Cause.DEVICE_ERROR, 'Input/output error'),
            ('EINVAL', Cause.DEVICE_ERROR, 'Invalid argument'),
        ):
            self.fault(self.subject.card, 'refuse', errno=number, times=1)
            self.fails(cause, words, self.load)

    def test_each_state_is_busy_empty_or_an_error(self):
        state = self.host.sys / 'class/fpga_manager/fpga0/state'
        self.load()
        loaded = self.identify()
        for words, cause in (
            ('firmware request error', Cause.DEVICE_ERROR),
            ('parse header error', Cause.DEVICE_ERROR),
            ('write init error', Cause.DEVICE_ERROR),
            ('write error', Cause.DEVICE_ERROR),
            ('write complete error', Cause.DEVICE_ERROR),
            ('firmware request', Cause.DEVICE_BUSY),
            ('parse header', Cause.DEVICE_BUSY),
            ('write init', Cause.DEVICE_BUSY),
            ('write', Cause.DEVICE_BUSY),
            ('write complete', Cause.DEVICE_BUSY),
        ):
            state.write_text(f'{words}\n')
            self.fails(cause, words, self.identify)
        for words in ('unknown', 'power off', 'power up', 'reset'):
            state.write_text(f'{words}\n')
            self.assertIsNone(self.identify())
        state.write_text('operating\n')
        self.assertEqual(loaded, self.identify())

    def test_a_write_whose_result_is_not_told_is_found_by_the_state(self):
        class Silent(type(self.host.fs)):
            def write(self, path, text):
                try:
                    super().write(path, text)
                except OSError as exc:
                    Silent.said = exc.errno

        self.host.fs.__class__ = Silent
        self.fault(self.subject.card, 'fail', times=1)
        self.fails(Cause.DEVICE_ERROR, 'write error', self.load)
        self.assertEqual(errno.EIO, Silent.said)


class Pci(Rows):
    name = 'pci'

    def test_a_reset_that_the_kernel_refuses_becomes_a_cause(self):
        class Refusing(type(self.host.fs)):
            number = 0

            def write(self, path, text):
                raise OSError(self.number, errno.errorcode[self.number])

        self.host.fs.__class__ = Refusing
        for number, cause in (
            (errno.ENOTTY, Cause.DEVICE_ERROR),
            (errno.EAGAIN, Cause.DEVICE_ERROR),
            (errno.EACCES, Cause.DEVICE_ERROR),
            (errno.EIO, Cause.DEVICE_ERROR),
            (errno.ENODEV, Cause.DEVICE_GONE),
            (errno.ENXIO, Cause.DEVICE_GONE),
        ):
            Refusing.number = number
            self.fails(
                cause,
                errno.errorcode[number],
                self.wipe,
                model.WipeLevel.RESET,
            )

    def test_attributes_refuse_as_those_of_the_kernel(self):
        fs = self.host.fs
        path = f'bus/pci/devices/{self.subject.card}'
        for call, number in (
            (lambda: fs.write(f'{path}/vendor', '1'), errno.EACCES),
            (lambda: fs.write(f'{path}/nothing', '1'), errno.ENOENT),
            (lambda: fs.read(f'{path}/reset'), errno.EACCES),
            (lambda: fs.read(f'{path}/nothing'), errno.ENOENT),
            (lambda: fs.write(f'{path}/sriov_numvfs', 'x'), errno.EINVAL),
            (lambda: fs.write(f'{path}/sriov_numvfs', '99'), errno.ERANGE),
            (lambda: fs.write(f'{path}/sriov_numvfs', '2'), errno.EBUSY),
        ):
            exc = self.assertRaises(OSError, call)
            self.assertEqual(number, exc.errno)
        self.assertEqual('(null)', fs.read(f'{path}/driver_override'))
        self.assertEqual('-1', fs.read(f'{path}/numa_node'))


def classes(backend, module):
    """The suite on *backend*: a test class for each of the drivers."""
    return {
        f'Test{rows.__name__}': type(
            f'Test{rows.__name__}',
            (rows, backend, base.BaseTestCase),
            {
                'scenario': subjects.SUBJECTS[rows.name].scenario,
                '__module__': module,
            },
        )
        for rows in (Xrt, XrtWipe, Aws, Manager, Pci)
    }


globals().update(classes(backends.Tree, __name__))
