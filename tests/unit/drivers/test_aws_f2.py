"""AWS's local image slots: what the tools are told and what they say."""

import threading

from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.bitstream import afi
from cyborg_fpga.drivers import aws_f2
from cyborg_fpga.drivers import sysfs
from tests.fixtures import simulated_host
from tests.unit.agent import fakes

SLOT0 = model.PciAddress.parse('0000:34:00.0')
SLOT1 = model.PciAddress.parse('0000:5e:00.0')
NAME = '0000:5e:00.0/slot1'
AFI = 'agfi-0123456789abcdef0'
FUNCTION = '0000000000000000123456789abcdef0'
SHELL = 0x10212415
REGION = '1d0f0000000000000000000010212415'
SCENARIO = """
cards:
  - {address: '0000:34:00.0', family: F2, program_fixed: 0}
  - {address: '0000:5e:00.0', family: F2, numa_node: 1, program_fixed: 0}
"""


class AwsTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.host = self.useFixture(simulated_host.SimulatedHost(SCENARIO))
        test = self
        self.lines = []

        class Watched(type(self.host.fs)):
            answers = None

            def run(self, tool, arguments, **kwargs):
                test.lines.append(' '.join([tool, *arguments]))
                said = (self.answers or {}).get(tool)
                return said or super().run(tool, arguments, **kwargs)

        self.fs = Watched(self.host.directory)
        self.driver = aws_f2.AWSF2Driver(self.fs)

    def image(self, name=AFI, shell=SHELL):
        path = self.host.directory / name
        path.write_bytes(afi.build(name, shell))
        return path

    def load(self, *image):
        self.driver.program(SLOT1, NAME, self.image(*image))

    def identify(self):
        return self.driver.identify(SLOT1, NAME)

    def describe(self, slot=1):
        tool = 'fpga-describe-local-image'
        return self.fs.run(tool, ('-S', str(slot)), seconds=60)

    def says(self, tool, code, output):
        self.fs.answers = {tool: sysfs.Ended(code, output, '')}

    def fails(self, cause, words, *args):
        exc = self.assertRaises(errors.DeviceFailed, *args)
        self.assertEqual(cause, exc.kwargs['cause'], exc)
        self.assertIn(words, exc.kwargs['detail'])


class TestDiscover(AwsTest):
    def test_a_slot_says_what_it_is(self):
        _, found = self.driver.discover()
        (region,) = found.deployables
        self.assertEqual(
            ('aws', 'F2', '1d0f', '9248', 1, SLOT1),
            (
                found.vendor,
                found.family,
                found.vendor_id,
                found.product_id,
                found.numa_node,
                found.pci_address,
            ),
        )
        self.assertEqual((REGION, NAME), (region.region_id, region.name))

    def test_a_host_without_such_cards_is_asked_nothing(self):
        text = "cards: [{address: '0000:3b:00.0'}]"
        host = self.useFixture(simulated_host.SimulatedHost(text))
        self.fs._sysroot = str(host.directory / 'sys')
        self.assertEqual([], self.driver.discover())
        self.assertEqual([], self.lines)

    def test_one_look_asks_for_the_slots_and_for_each_of_them(self):
        self.driver.discover()
        self.assertEqual(
            [
                'fpga-describe-local-image-slots',
                'fpga-describe-local-image -S 0',
                'fpga-describe-local-image -S 1',
            ],
            self.lines,
        )

    def test_the_next_looks_ask_about_one_slot_each_in_turn(self):
        self.driver.discover()
        first = self.driver.discover()
        del self.lines[:]
        for _ in range(4):
            self.assertEqual(first, self.driver.discover())
        self.assertEqual(
            [
                'fpga-describe-local-image -S 1',
                'fpga-describe-local-image -S 0',
            ]
            * 2,
            self.lines,
        )

    def test_however_many_slots_there_are_a_look_runs_one_tool(self):
        text = """
        cards: [{address: '0000:10:00.0', family: F2, count: 8}]
        """
        host = self.useFixture(simulated_host.SimulatedHost(text))
        self.fs.__init__(host.directory)
        self.assertEqual(8, len(self.driver.discover()))
        del self.lines[:]
        for count in range(1, 9):
            self.assertEqual(8, len(self.driver.discover()))
            self.assertEqual(count, len(self.lines))
        self.assertEqual(8, len(set(self.lines)))

    def test_what_somebody_else_loads_is_seen_with_the_next_look(self):
        for image in ('agfi-0000000000000000a', 'agfi-0000000000000000b'):
            self.driver.discover()
            # It is not this slot's turn.
            while not self.lines or not self.lines[-1].endswith('-S 1'):
                self.driver.discover()
            words = ('-S', '1', '-I', image)
            self.fs.run('fpga-load-local-image', words, seconds=60)
            (region,) = self.driver.discover()[1].deployables
            self.assertEqual(f'{image[5:]:0>32}', region.function_id)

    def test_what_we_load_is_seen_even_where_nothing_is_found_again(self):
        self.fs.instance = lambda path: 1
        self.load()
        self.driver.discover()
        self.load('agfi-0000000000000000b')
        (region,) = self.driver.discover()[1].deployables
        self.assertEqual(f'{"b":0>32}', region.function_id)
        self.driver.wipe(SLOT1, NAME, model.WipeLevel.CLEAR)
        (region,) = self.driver.discover()[1].deployables
        self.assertIsNone(region.function_id)

    def test_a_look_that_a_load_overtakes_is_not_remembered(self):
        self.driver.discover()
        self.load('agfi-0000000000000000a')
        test = self

        class Overtaken(type(self.fs)):
            def run(self, tool, arguments, **kwargs):
                ended = super().run(tool, arguments, **kwargs)
                if 'describe-local-image' in tool and '1' in arguments:
                    self.__class__ = type(self).__mro__[1]
                    test.load('agfi-0000000000000000b')
                return ended

        self.fs.instance = lambda path: 1
        self.fs.__class__ = Overtaken
        self.driver.discover()
        (region,) = self.driver.discover()[1].deployables
        self.assertEqual(f'{"b":0>32}', region.function_id)

    def test_a_slot_whose_function_is_gone_is_left_out_until_it_is_back(self):
        self.driver.discover()
        self.host.simulator.fault(str(SLOT1), 'vanish')
        for _ in range(3):
            (found,) = self.driver.discover()
            self.assertEqual(SLOT0, found.pci_address)
        self.host.simulator.clear(str(SLOT1))
        self.assertEqual(2, len(self.driver.discover()))

    def test_a_card_stays_the_same_while_its_ids_change(self):
        before = self.driver.discover()[1]
        path = 'bus/pci/devices/0000:5e:00.0/device'
        self.assertEqual('0x9048', self.fs.read(path))
        self.load()
        self.assertEqual('0xf010', self.fs.read(path))
        after = self.driver.discover()[1]
        self.assertEqual(before.product_id, after.product_id)
        self.assertEqual(before.pci_address, after.pci_address)
        self.driver.wipe(SLOT1, NAME, model.WipeLevel.CLEAR)
        self.assertEqual('0x9048', self.fs.read(path))

    def test_tools_that_fail_are_no_missing_cards(self):
        for tool in (
            'fpga-describe-local-image-slots',
            'fpga-describe-local-image',
        ):
            self.says(tool, 25, 'Error: (25) unresponsive\n')
            self.assertRaises(OSError, self.driver.discover)
        self.says('fpga-describe-local-image', 0, 'what?')
        self.assertRaises(OSError, self.driver.discover)


class TestLoad(AwsTest):
    def test_the_image_is_named_to_the_slot(self):
        self.load()
        self.assertEqual(
            f'fpga-load-local-image -S 1 -I {AFI}', self.lines[-1]
        )
        self.assertEqual(FUNCTION, self.identify())
        self.assertIsNone(self.driver.identify(SLOT0, f'{SLOT0}/slot0'))

    def test_the_tools_codes_become_causes(self):
        for code, cause in (
            (3, model.Cause.DEVICE_BUSY),
            (5, model.Cause.IMAGE_UNAVAILABLE),
            (16, model.Cause.DOES_NOT_FIT),
            (20, model.Cause.DEVICE_GONE),
            (25, model.Cause.TIMEOUT),
            (14, model.Cause.DEVICE_ERROR),
        ):
            # sudo and the like have codes of their own.
            for ended in (code, 1):
                self.says(
                    'fpga-load-local-image', ended, f'Error: ({code}) words\n'
                )
                self.fails(cause, 'words', self.load)

    def test_a_slot_at_another_place_is_not_the_one(self):
        self.fails(
            model.Cause.DEVICE_GONE,
            'no such slot',
            self.driver.program,
            SLOT0,
            '0000:34:00.0/slot1',
            self.image(),
        )
        self.assertNotIn('fpga-load-local-image', ''.join(self.lines))

    def test_while_it_is_loaded_it_is_busy(self):
        self.host.simulator.fault(str(SLOT1), 'hang')
        thread = threading.Thread(target=self.load)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.host.simulator.clear, str(SLOT1))
        self.assertTrue(
            fakes.wait_for(
                lambda: 'busy' in self.describe().output, seconds=60
            )
        )
        self.fails(model.Cause.DEVICE_BUSY, 'status 2', self.identify)
        self.assertFalse(self.driver.discover()[1].deployables[0].readable)

    def test_after_a_load_that_failed_the_card_is_suspect(self):
        self.host.simulator.fault(str(SLOT1), 'fail', times=1)
        self.fails(model.Cause.DEVICE_ERROR, 'unspecified-error', self.load)
        self.fails(model.Cause.DEVICE_ERROR, 'status 7', self.identify)
        card = self.driver.discover()[1]
        self.assertEqual(model.Health.SUSPECT, card.health)
        self.assertEqual('its last load: status 7', card.health_reason)
        self.driver.wipe(SLOT1, NAME, model.WipeLevel.CLEAR)
        self.assertIsNone(self.identify())


class TestStandIns(AwsTest):
    """The simulated tools, asked by hand."""

    def test_columns_are_those_of_the_real_ones(self):
        self.assertEqual(
            'AFI          1       none                    cleared           1'
            '        ok               0       0x10212415\n'
            'AFIDEVICE    1       0x1d0f      0x9048      0000:5e:00.0\n',
            self.describe().output,
        )
        self.load()
        self.assertIn(
            'AFI          1       agfi-0123456789abcdef0  loaded            0'
            '        ok               0       0x10212415\n',
            self.describe().output,
        )

    def test_an_error_is_the_exit_code_too(self):
        for line, code, words in (
            ('fpga-describe-local-image -S 2', 22, 'Error: (22)'),
            ('fpga-describe-local-image', 22, 'Error: (22)'),
            ('fpga-load-local-image -S 0', 22, 'Error: (22)'),
            ('fpga-load-local-image -S 0 -X y', 22, 'Error: (22)'),
            ('fpga-load-local-image -S 0 -I afi-1', 5, 'invalid-afi-id'),
        ):
            tool, *words_of = line.split()
            ended = self.fs.run(tool, words_of, seconds=60)
            self.assertEqual(code, ended.code, line)
            self.assertIn(words, ended.output)
