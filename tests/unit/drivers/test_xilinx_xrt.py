"""Alveo cards: which function is whose, and what XRT's tools are told."""

import errno
import uuid

from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.bitstream import xclbin
from cyborg_fpga.drivers import sysfs
from cyborg_fpga.drivers import xilinx_xrt
from cyborg_fpga.simulator import samples
from tests.fixtures import simulated_host

CARD = model.PciAddress.parse('0000:3b:00.0')
NAME = '0000:3b:00.0/user'
SHELL = 'f2b82d53372f41a4bbe93dfe1c0b3c8e'
FUNCTION = 'd8424dc4a4a3c413f89e433683f9040b'
OTHER = 'f7df405cbd7acf7222f144b0b93acd18'
SCENARIO = """
cards:
  - {address: '0000:3b:00.0', family: U250, numa_node: 1,
     program_fixed: 0, program_rate: 1000000000}
"""


class XrtTest(base.BaseTestCase):
    scenario = SCENARIO

    def setUp(self):
        super().setUp()
        self.host = self.useFixture(
            simulated_host.SimulatedHost(self.scenario)
        )
        test = self
        self.lines = []

        class Watched(type(self.host.fs)):
            tools = ('xbutil', 'xbmgmt')

            def has_tool(self, tool):
                return tool in self.tools

            def run(self, tool, arguments, **kwargs):
                test.lines.append(' '.join([tool, *arguments]))
                return super().run(tool, arguments, **kwargs)

        self.fs = Watched(self.host.directory)
        self.driver = xilinx_xrt.XilinxXRTDriver(self.fs)
        self.pci = self.host.directory / 'sys/bus/pci/devices'

    def image(self, function=FUNCTION):
        path = self.host.directory / function
        path.write_bytes(samples.sample_xclbin(SHELL, function))
        return path

    def load(self, image=None):
        self.driver.program(CARD, NAME, image or self.image())

    def fails(self, cause, words, *args):
        exc = self.assertRaises(errors.DeviceFailed, *args)
        self.assertEqual(cause, exc.kwargs['cause'], exc)
        self.assertIn(words, exc.kwargs['detail'])

    def report(self):
        (found,) = self.driver.discover()
        return found


class TestDiscover(XrtTest):
    def test_a_tenant_is_never_given_the_management_function(self):
        (region,) = self.report().deployables
        self.assertEqual(['0000:3b:00.1'], [str(h) for h in region.handles])
        self.assertEqual(SHELL, region.region_id)

    def test_a_card_says_what_it_is(self):
        card = self.report()
        self.assertEqual(
            ('xilinx', 'U250', '10ee', '5004', 1, CARD),
            (
                card.vendor,
                card.family,
                card.vendor_id,
                card.product_id,
                card.numa_node,
                card.pci_address,
            ),
        )
        self.assertEqual(
            {
                'iommu_group': '1',
                'physical_functions': '0000:3b:00.0 0000:3b:00.1',
                'shell': 'xilinx_u250_gen3x16_xdma_shell_4_1',
            },
            card.attributes,
        )

    def test_looking_starts_no_tool(self):
        self.report()
        self.assertEqual([], self.lines)

    def test_a_user_function_that_a_guest_has_stays_a_handle(self):
        self.load()
        user = (self.pci / '0000:3b:00.1').resolve()
        for name in ('xclbinuuid', 'kdsstat', 'interface_uuids'):
            (user / name).unlink()
        (region,) = self.report().deployables
        self.assertEqual((1, False), (len(region.handles), region.readable))
        self.assertEqual(SHELL, region.region_id)
        self.fails(
            model.Cause.DEVICE_BUSY,
            'driver',
            self.driver.identify,
            CARD,
            NAME,
        )
        self.fails(model.Cause.DEVICE_BUSY, 'driver', self.load)

    def test_a_management_function_alone_is_no_card(self):
        (self.pci / '0000:3b:00.1').unlink()
        self.assertEqual([], self.driver.discover())

    def test_a_driver_that_is_not_ready_is_a_normal_state(self):
        fault = self.host.simulator.fault
        fault(str(CARD), 'unreadable', errno='EINVAL')
        (region,) = self.report().deployables
        self.assertFalse(region.readable)

    def problems(self):
        return self.driver.readings(self.report()).problems

    def test_a_card_that_is_offline_has_a_problem(self):
        self.assertEqual((), self.problems())
        self.host.simulator.fault(str(CARD), 'errors')
        self.assertIn(f'{CARD} is offline', self.problems())

    def test_a_function_without_a_driver_makes_its_card_suspect(self):
        for function in (str(CARD), '0000:3b:00.1'):
            driver = self.pci / function / 'driver'
            target = driver.readlink()
            driver.unlink()
            card = self.report()
            self.assertIs(model.Health.SUSPECT, card.health)
            self.assertEqual(
                f'driver not bound to {function}', card.health_reason
            )
            driver.symlink_to(target)
            self.assertIs(model.Health.OK, self.report().health)


class TestGuest(XrtTest):
    """In a guest there is the user function alone."""

    scenario = SCENARIO.replace('U250,', 'U250, management: false,')
    card = model.PciAddress.parse('0000:3b:00.1')

    def test_it_is_found_and_programmed(self):
        (card,) = self.driver.discover()
        self.assertEqual(self.card, card.pci_address)
        name = card.deployables[0].name
        self.driver.program(self.card, name, self.image())
        self.assertEqual(FUNCTION, self.driver.identify(self.card, name))

    def test_without_the_user_tool_there_is_no_way(self):
        self.fs.tools = ('xbmgmt',)
        (card,) = self.driver.discover()
        self.fails(
            model.Cause.DEVICE_ERROR,
            'installed',
            self.driver.program,
            self.card,
            card.deployables[0].name,
            self.image(),
        )


class TestTwoSlots(XrtTest):
    """A card whose lanes are shared out between two slots."""

    scenario = """
    cards:
      - {address: '0000:3b:00.0', family: U250, program_fixed: 0}
      - {address: '0000:5e:00.0', family: U250, program_fixed: 0}
      - {address: '0000:86:00.0', family: U250, program_fixed: 0}
    """
    NAMES = ('0000:3b:00.0/user', '0000:86:00.0/user')

    def setUp(self):
        super().setUp()
        for slot, serial in (('3b', 'A'), ('5e', 'B'), ('86', 'A')):
            board = self.pci / f'0000:{slot}:00.1/xmc.u.7340032'
            board.mkdir()
            (board / 'serial_num').write_text(f'XFL1{serial}0123456\n')

    def report(self):
        first, _ = self.driver.discover()
        return first

    def test_it_is_one_card_with_a_region_for_each(self):
        before = [r.pci_address for r in self.driver.discover()]
        self.assertEqual(['0000:3b:00.0', '0000:5e:00.0'], [*map(str, before)])
        card = self.report()
        self.assertEqual('XFL1A0123456', card.serial)
        self.assertEqual(self.NAMES, tuple(d.name for d in card.deployables))
        self.assertEqual(
            '0000:3b:00.0 0000:3b:00.1 0000:86:00.0 0000:86:00.1',
            card.attributes['physical_functions'],
        )
        self.assertEqual('1,5', card.attributes['iommu_group'])

    def test_each_region_is_loaded_by_itself(self):
        self.driver.program(CARD, self.NAMES[1], self.image())
        self.assertIsNone(self.driver.identify(CARD, self.NAMES[0]))
        self.assertEqual(FUNCTION, self.driver.identify(CARD, self.NAMES[1]))
        self.assertIn('-d 0000:86:00.1', self.lines[-1])
        self.fails(
            model.Cause.DEVICE_GONE,
            'no such region',
            self.driver.identify,
            model.PciAddress.parse('0000:5e:00.0'),
            self.NAMES[1],
        )

    def test_what_is_wrong_in_any_slot_is_of_the_card(self):
        self.host.simulator.fault('0000:86:00.0', 'errors')
        problems = self.driver.readings(self.report()).problems
        self.assertIn('0000:86:00.1 is offline', problems)
        (self.pci / '0000:86:00.0/driver').unlink()
        self.assertEqual(
            'driver not bound to 0000:86:00.0', self.report().health_reason
        )

    def test_what_the_board_does_not_say_leaves_a_card_for_each_slot(self):
        for path in self.pci.glob('*/xmc.*/serial_num'):
            path.write_text('\n')
        self.assertEqual(3, len(self.driver.discover()))


class TestTools(XrtTest):
    def test_the_user_function_is_named_and_the_flash_is_not_touched(self):
        self.load()
        self.assertEqual(
            [
                'xbutil examine -d 0000:3b:00.1 -r platform -f JSON '
                '-o {report}',
                'xbutil program -d 0000:3b:00.1 -u {image}',
            ],
            self.lines,
        )

    def test_the_tool_may_go_by_its_newer_name(self):
        self.fs.tools = ('xrt-smi',)
        self.load()
        self.assertEqual(FUNCTION, self.driver.identify(CARD, NAME))
        self.assertIn('xrt-smi program', self.lines[-1])

    def test_the_management_tool_loads_through_its_function(self):
        self.fs.tools = ('xbmgmt',)
        self.load()
        self.assertEqual(FUNCTION, self.driver.identify(CARD, NAME))
        self.assertEqual(
            ['xbmgmt program -d 0000:3b:00.0 --user {image}'], self.lines
        )

    def test_what_a_tool_says_is_the_detail(self):
        for tools, words in (
            (('xbutil',), 'Could not program device 0000:3b:00.1: Input/outp'),
            (('xbmgmt',), 'ERROR: Input/output error'),
        ):
            self.fs.tools = tools
            self.host.simulator.fault(str(CARD), 'fail', times=1)
            self.fails(model.Cause.DEVICE_ERROR, words, self.load)

    def test_an_exit_code_is_an_error_whatever_is_said(self):
        self.fs.run = lambda *args, **kwargs: sysfs.Ended(1, 'fine', '')
        self.fails(model.Cause.DEVICE_ERROR, 'ended with 1', self.load)

    def test_a_report_that_says_nothing_good_stops_the_load(self):
        for report in ('', '{', '[]', '{"devices": [{}]}', '{"devices": 1}'):
            lines = []

            def run(tool, arguments, *, said=report, seen=lines, **kwargs):
                seen.append(arguments[0])
                return sysfs.Ended(0, '', said)

            self.fs.run = run
            self.fails(model.Cause.DEVICE_ERROR, 'calibrated', self.load)
            self.assertEqual(['examine'], lines)

    def test_a_card_that_programs_use_is_not_programmed(self):
        self.load()
        self.host.simulator.fault(str(CARD), 'held', contexts=2)
        self.lines.clear()
        self.fails(
            model.Cause.DEVICE_BUSY,
            '2 programs',
            self.load,
            self.image(OTHER),
        )
        self.assertEqual([], self.lines)
        self.assertEqual(FUNCTION, self.driver.identify(CARD, NAME))

    def test_a_tool_that_does_not_end_is_told(self):
        def run(*args, **kwargs):
            raise OSError(errno.ETIMEDOUT, 'has not ended')

        self.fs.run = run
        self.fails(model.Cause.TIMEOUT, 'has not ended', self.load)

    def test_an_xclbin_for_an_older_shell_is_told_by_its_platform(self):
        for function in ('0000:3b:00.0', '0000:3b:00.1'):
            (self.pci / function / 'interface_uuids').unlink()
        image = self.host.directory / 'old'
        data = xclbin.build(None, FUNCTION, b'x', platform='xilinx_u50_x_1')
        image.write_bytes(data)
        exc = self.assertRaises(errors.DoesNotFit, self.load, image)
        self.assertIn('xilinx_u50_x_1', str(exc))


class TestStandIns(XrtTest):
    """The simulated tools, asked by hand."""

    def run_tool(self, line, image=None):
        tool, *words = line.split()
        return self.fs.run(tool, words, image=image, seconds=60)

    def test_words_and_codes_are_those_of_the_real_ones(self):
        image = self.image()
        junk = self.host.directory / 'junk'
        junk.write_bytes(b'#!/bin/sh')
        user, mgmt = '0000:3b:00.1', '0000:3b:00.0'
        for line, file, code, words in (
            (f'xbutil program -d {user} -u {{image}}', image, 0,
             f'INFO: xbutil program succeeded on {user}\n'),
            (f'xbutil program -d {user} -u {{image}}', junk, 1,
             "Bad binary version '#!/bin/'"),
            (f'xbutil program -d {mgmt} -u {{image}}', image, 1,
             f"Specified device BDF '{mgmt}' not found"),
            (f'xbutil program -d {user}', None, 1,
             'Missing program operation. No action taken.'),
            (f'xbutil program -d {user} -u /nonexistent', None, 1,
             'Could not open /nonexistent for reading'),
            (f'xbutil examine -d {user} -r platform -f JSON', None, 1,
             'Please specify an output file'),
            (f'xbutil examine -d {user} -f JSON -o /dev/null', None, 1,
             "The output file '/dev/null' already exists."),
            ('xbutil frob', None, 1, 'Unknown command'),
            (f'xbmgmt program -d {mgmt} --base', None, 1,
             "unrecognised option '--base'"),
            (f'xbmgmt program -d {mgmt} --user {{image}}', image, 0,
             'INFO: Successfully downloaded xclbin'),
            (f'xbmgmt program -d {user} --user {{image}}', image, 1,
             'not found'),
        ):  # fmt: skip
            found = self.run_tool(line, file)
            self.assertEqual(code, found.code, line)
            self.assertIn(words, found.output)

    def test_a_damaged_file_leaves_the_old_function_where_the_driver_does(
        self,
    ):
        self.load()
        image = self.host.directory / 'bad'
        data = samples.sample_xclbin(SHELL, OTHER)
        line = 'xbutil program -d 0000:3b:00.1 -u {image}'
        # Found by the driver before it begins.
        image.write_bytes(data.replace(SHELL.encode(), b'0' * 32))
        found = self.run_tool(line, image)
        self.assertIn('Invalid argument', found.output)
        self.assertEqual(FUNCTION, self.driver.identify(CARD, NAME))
        # Found by the card when it is too late.
        where = data.index(b'FPGASIM1') + 200
        image.write_bytes(data[:where] + b'?' + data[where + 1 :])
        self.assertEqual(1, self.run_tool(line, image).code)
        self.assertIsNone(self.driver.identify(CARD, NAME))

    def test_the_uuid_is_shown_as_the_kernel_writes_it(self):
        shown = self.pci / '0000:3b:00.1/xclbinuuid'
        self.assertEqual('', shown.read_text())
        self.load()
        self.assertEqual(f'{uuid.UUID(FUNCTION)}\n', shown.read_text())
