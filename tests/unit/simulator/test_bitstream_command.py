import contextlib
import io
import pathlib

from oslotest import base

from cyborg_fpga.bitstream import formats
from cyborg_fpga.cmd import simulator
from cyborg_fpga.simulator import families
from cyborg_fpga.simulator import samples


class TestBitstreamCommand(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.file = pathlib.Path(self.create_tempfiles([('x', '')])[0])

    def test_it_makes_a_file_for_the_default_cards(self):
        self.assertEqual(0, simulator.main(['bitstream', str(self.file)]))
        made = formats.parse(self.file)
        self.assertEqual(samples.EXAMPLE_REGION, made.region_id)
        self.assertEqual(samples.EXAMPLE_FUNCTION, made.function_id)

    def test_ids_may_be_written_as_uuids(self):
        function = 'F7DF405C-BD7A-CF72-22F1-44B0B93ACD18'
        arguments = ['--function', function, '--size', '100']
        simulator.main(['bitstream', str(self.file), *arguments])
        self.assertEqual(
            'f7df405cbd7acf7222f144b0b93acd18',
            formats.parse(self.file).function_id,
        )

    def test_what_is_no_id_is_refused(self):
        with contextlib.redirect_stderr(io.StringIO()) as said:
            self.assertRaises(
                SystemExit,
                simulator.main,
                ['bitstream', str(self.file), '--region', 'x'],
            )
        self.assertIn('not 32 hex digits', said.getvalue())

    def test_a_file_that_cannot_be_written_is_a_sentence(self):
        with contextlib.redirect_stderr(io.StringIO()) as said:
            code = simulator.main(['bitstream', f'{self.file}/none'])
        self.assertEqual(1, code)
        self.assertIn('Not a directory', said.getvalue())

    def test_it_makes_a_file_for_every_family_that_loads_any(self):
        made = {}
        for family in families.FAMILIES:
            if family == 'SRIOV':
                continue
            arguments = ['--family', family, '--size', '100']
            simulator.main(['bitstream', str(self.file), *arguments])
            made[family] = formats.parse(self.file)
        self.assertEqual('xclbin', made['U250'].format)
        self.assertEqual(0x03727093, made['ZYNQ7000'].idcode)
        self.assertEqual('afi', made['F2'].format)
        self.assertEqual(
            families.FAMILIES['N6001']['region_id'], made['N6001'].region_id
        )

    def test_a_family_that_loads_none_is_a_sentence(self):
        with contextlib.redirect_stderr(io.StringIO()) as said:
            code = simulator.main(
                ['bitstream', str(self.file), '--family', 'SRIOV']
            )
        self.assertEqual(1, code)
        self.assertIn('SRIOV load no images', said.getvalue())
