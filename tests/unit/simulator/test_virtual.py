"""What a virtual FPGA takes, and how what computes is found."""

import dataclasses
import hashlib
import pathlib
import stat

import fixtures
from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga.bitstream import formats
from cyborg_fpga.bitstream import gbs
from cyborg_fpga.bitstream import header
from cyborg_fpga.bitstream import ice40
from cyborg_fpga.drivers import intel_dfl
from cyborg_fpga.model import PciAddress
from cyborg_fpga.simulator import functions
from cyborg_fpga.simulator import models
from cyborg_fpga.simulator import payload
from cyborg_fpga.simulator import samples
from cyborg_fpga.simulator import scenario
from cyborg_fpga.simulator import virtual
from tests.fixtures import simulated_host

CARD = '0000:3b:00.0'
PORT = f'{CARD}/port0'
SCENARIO = f"""
cards:
  - {{address: '{CARD}', family: VIRTUAL, program_fixed: 0}}
  - {{address: '0000:5e:00.0', family: PAC_A10, program_fixed: 0}}
"""
SPEC = scenario.Card(address=CARD, family='VIRTUAL', region_id=virtual.REGION)
FUNCTION = 'f' * 31 + '1'


class TestShipped(base.BaseTestCase):
    def test_each_is_a_whole_bitstream_for_the_virtual_region(self):
        for name, function_id in functions.FUNCTIONS.items():
            with self.subTest(name):
                found = functions.load(name)
                said = formats.parse(found.image)
                self.assertEqual(header.Format.ICE40, said.format)
                self.assertEqual('iCE40-8k', said.part)
                formats.verify(found.image)
                self.assertEqual(
                    function_id, virtual.decode(found.image, SPEC)
                )

    def test_the_file_around_it_is_a_gbs_that_says_the_same(self):
        found = functions.load('crc32')
        said = formats.parse(found.gbs())
        self.assertEqual(header.Format.GBS, said.format)
        self.assertEqual(virtual.REGION, said.region_id)
        self.assertEqual(found.function_id, said.function_id)
        self.assertEqual('crc32', said.name)
        self.assertEqual(found.image, found.gbs()[said.payload_offset :])

    def test_there_is_no_other(self):
        self.assertRaises(KeyError, functions.load, 'md5')


class TestDecode(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.image = samples.sample_virtual(virtual.REGION, FUNCTION)

    def refused(self, image, spec=SPEC):
        exc = self.assertRaises(payload.BadImage, virtual.decode, image, spec)
        return str(exc)

    def test_a_good_image_is_its_function(self):
        self.assertEqual(FUNCTION, virtual.decode(self.image, SPEC))

    def test_another_interface_is_incompatible_whatever_the_crc(self):
        other = dataclasses.replace(SPEC, region_id='ab' * 16)
        damaged = self.image[:-300] + b'\1' + self.image[-299:]
        for image in (self.image, damaged):
            self.assertEqual(
                'reconfig incompatible image', self.refused(image, other)
            )

    def test_a_bit_that_is_wrong_anywhere_behind_the_comment_is_found(self):
        begin = len(self.image) - len(ice40.with_comment(self.image, ''))
        for at in (begin + 40, len(self.image) // 2, len(self.image) - 6):
            with self.subTest(at):
                damaged = bytearray(self.image)
                damaged[at] ^= 4
                self.assertEqual(
                    'reconfig CRC error', self.refused(bytes(damaged))
                )

    def test_what_is_cut_off_or_no_bitstream_is_refused(self):
        self.assertEqual('reconfig CRC error', self.refused(self.image[:5000]))
        for image in (b'', b'FPGASIM1' * 20):
            self.assertEqual(
                'reconfig incompatible image', self.refused(image)
            )

    def test_another_chip_is_incompatible(self):
        small = ice40.build(332, 144, [bytes(332 * 144 // 8)])
        image = samples.virtual_image(small, virtual.REGION, FUNCTION)
        self.assertEqual('reconfig incompatible image', self.refused(image))

    def test_only_an_ice40_bitstream_can_be_given_a_comment(self):
        self.assertRaises(
            errors.BadBitstream,
            samples.virtual_image,
            b'x',
            virtual.REGION,
            FUNCTION,
        )


class TestCard(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.host = self.useFixture(simulated_host.SimulatedHost(SCENARIO))
        self.driver = intel_dfl.IntelDFLDriver(self.host.fs)
        self.card = PciAddress.parse(CARD)
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def program(self, image, function_id=FUNCTION):
        path = self.folder / 'afu.gbs'
        path.write_bytes(gbs.build(virtual.REGION, function_id, image))
        self.driver.program(self.card, PORT, path)

    def refused(self, address=CARD):
        exc = self.assertRaises(
            errors.CannotRun, self.host.fs.run_function, address, b'abc'
        )
        return exc.message

    def compiler(self, *, exit_code=0, without=()):
        """Have no tools but stand-ins, whose models answer their source."""
        tools = self.folder / 'bin'
        tools.mkdir()
        script = (
            '#!/bin/bash\nwhile [ $# -gt 0 ]; do case $1 in\n'
            '--Mdir) out=$2;; *.v) source=$1;; esac; shift; done\n'
            'printf "%s\\n" "$out" >>"$0.log"\n'
            "printf \"#!/bin/bash\\nread -r -N 3 x\\nprintf '%%s ' $x\\n"
            'while read -r y; do echo \\"\\$y\\"; done <$source\\n" '
            '>"$out/model"\n'
            f'chmod +x "$out/model" 2>/dev/null; exit {exit_code}\n'
        )
        for name in {'verilator', 'g++', 'make', 'chmod'} - {*without}:
            path = tools / name
            if name == 'chmod':
                path.symlink_to('/bin/chmod')
                continue
            path.write_text(script)
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        self.useFixture(fixtures.EnvironmentVariable('PATH', str(tools)))
        return tools / 'verilator.log'

    def test_it_is_found_as_a_card_of_its_own_family(self):
        found, _ = self.driver.discover()
        self.assertEqual('VIRTUAL', found.family)
        self.assertEqual(virtual.REGION, found.deployables[0].region_id)

    def test_it_shows_the_function_that_it_was_loaded_with(self):
        image = functions.load('crc32').image
        self.program(image, functions.FUNCTIONS['crc32'])
        self.assertEqual(
            functions.FUNCTIONS['crc32'],
            self.driver.identify(self.card, PORT),
        )

    def test_another_name_on_the_container_does_not_change_it(self):
        self.program(
            functions.load('crc32').image, functions.FUNCTIONS['aes128']
        )
        self.assertEqual(
            functions.FUNCTIONS['crc32'],
            self.driver.identify(self.card, PORT),
        )

    def test_a_damaged_image_leaves_nothing_that_runs(self):
        image = bytearray(samples.sample_virtual(virtual.REGION, FUNCTION))
        image[70000] ^= 1
        exc = self.assertRaises(
            errors.DeviceFailed, self.program, bytes(image)
        )
        self.assertIn('CRC error', exc.message)
        self.assertIn('nothing is programmed', self.refused())

    def test_the_host_has_a_blank_image_for_it(self):
        blank = self.host.directory / f'blank/{virtual.REGION}.gbs'
        self.program(functions.load('crc32').image)
        self.driver.program(self.card, PORT, blank)
        self.assertIsNone(self.driver.identify(self.card, PORT))
        self.assertIn('nothing is programmed', self.refused())

    def test_what_was_never_programmed_does_not_run(self):
        self.assertIn('nothing is programmed', self.refused())

    def test_a_function_that_is_not_there_does_not_run(self):
        self.assertIn('No such device', self.refused('0000:99:00.0'))

    def test_a_bitstream_whose_source_nobody_knows_is_named_by_its_hash(self):
        image = samples.sample_virtual(virtual.REGION, FUNCTION)
        self.program(image)
        self.assertIn(hashlib.sha256(image).hexdigest(), self.refused())

    def test_the_source_is_found_by_the_hash_of_what_was_loaded(self):
        self.compiler()
        mine = samples.sample_virtual(virtual.REGION, FUNCTION)
        models.keep(self.host.directory, mine, b'my own source\n')
        # The same function id in another bitstream is not the same.
        crc = samples.virtual_image(
            functions.load('crc32').image, virtual.REGION, FUNCTION
        )
        self.program(mine)
        answer = self.host.fs.run_function(CARD, b'abc')
        self.assertIn(b'my own source', answer)
        self.program(crc)
        self.assertIn('no source is known', self.refused())

    def test_the_model_is_made_once_for_each_bitstream(self):
        made = self.compiler()
        self.program(functions.load('crc32').image)
        for _ in range(2):
            answer = self.host.fs.run_function(CARD, b'abc')
            self.assertIn(b'The CRC-32 of all that comes in', answer)
        self.assertEqual(1, len(made.read_text().splitlines()))

    def test_where_a_program_is_missing_its_package_is_named(self):
        self.compiler(without={'verilator', 'g++'})
        self.program(functions.load('crc32').image)
        self.assertIn('apt-get install verilator g++', self.refused())

    def test_what_verilator_refuses_leaves_no_model(self):
        self.compiler(exit_code=1)
        self.program(functions.load('crc32').image)
        for _ in range(2):
            self.assertIn('Verilator failed', self.refused())
        left = list((self.host.directory / 'models').iterdir())
        self.assertEqual([], left)

    def test_cards_of_other_families_do_not_compute(self):
        path = self.folder / 'a10.gbs'
        path.write_bytes(samples.sample_gbs(samples.EXAMPLE_REGION, FUNCTION))
        other = PciAddress.parse('0000:5e:00.0')
        self.driver.program(other, '0000:5e:00.0/port0', path)
        self.assertIn('no source is known', self.refused('0000:5e:00.0'))

    def test_nothing_runs_while_it_is_programmed(self):
        self.host.simulator.fault(CARD, 'fail', percent=50)
        self.assertRaises(
            errors.DeviceFailed, self.program, functions.load('crc32').image
        )
        self.assertIn('nothing is programmed', self.refused())
