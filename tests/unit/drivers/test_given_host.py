"""The contract on a host that the environment names, here a simulated one."""

import os
import pathlib
import re
import subprocess
import sys

import fixtures
from oslotest import base

from cyborg_fpga.simulator import samples
from tests.fixtures import simulated_host
from tests.unit.drivers import anyhost
from tests.unit.drivers import subjects

_ROOT = pathlib.Path(__file__).parents[3]
_CARD = '0000:3b:00.0'
_REGION = '69528db6eb31577a8c3668f9faa081f6'
#: How many tests there are that only look.
LOOKING = len([n for n in dir(anyhost.AnyHost) if n.startswith('test_')])


def run(**variables):
    """Its exit status and what it says; variables are without prefix."""
    own = {f'FPGA_TEST_{name}': str(v) for name, v in variables.items()}
    rest = {k: v for k, v in os.environ.items() if 'FPGA_TEST_' not in k}
    done = subprocess.run(
        [sys.executable, '-m', 'unittest', 'tests.contract.test_host'],
        cwd=_ROOT,
        env={**rest, **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


class TestGivenHost(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.host = self.useFixture(simulated_host.SimulatedHost())
        self.given = {
            'SYSROOT': self.host.directory / 'sys',
            'DEVROOT': self.host.directory / 'dev',
            'DRIVER': 'intel_dfl',
        }

    def fails(self, tests, **variables):
        status, said = run(**variables)
        self.assertEqual(1, status, said)
        self.assertEqual(
            tests, set(re.findall(r'^(?:FAIL|ERROR): (\w+)', said, re.M)), said
        )

    def test_a_good_one_passes(self):
        status, said = run(**self.given)
        self.assertIn(f'Ran {LOOKING} tests', said)
        self.assertIn('\nOK\n', said)
        self.assertEqual(0, status)

    def test_one_without_cards_fails(self):
        self.given['SYSROOT'] = self.useFixture(fixtures.TempDir()).path
        status, said = run(**self.given)
        self.assertEqual(1, status, said)
        self.assertIn('test_there_is_a_card', said)

    def test_a_region_whose_id_is_none_fails(self):
        (path,) = self.host.directory.glob(
            f'sys/bus/pci/devices/{_CARD}/fpga_region/region*/'
            'dfl-fme.*/dfl-fme-region.*/fpga_region/region*/compat_id'
        )
        path.write_text('none\n')
        self.fails({'test_ids_have_their_form'}, **self.given)

    def test_cards_that_load_nothing_fail(self):
        # A plain file answers no ioctl.
        image = self.host.directory / 'image'
        image.write_bytes(samples.sample_gbs(_REGION, subjects.FUNCTION))
        self.fails(
            {'test_an_image_is_loaded_read_back_and_wiped'},
            **self.given,
            IMAGE=image,
            DEPLOYABLE=f'{_CARD}/port0',
        )

    def test_there_are_no_tests_until_it_is_named(self):
        del self.given['DEVROOT']
        _, said = run(**self.given)
        self.assertIn('Ran 0 tests', said)

    def test_the_script_says_what_is_missing_and_fails(self):
        done = subprocess.run(
            [_ROOT / 'tools/test', 'contract'],
            env={k: v for k, v in os.environ.items() if 'FPGA_' not in k},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.assertEqual(2, done.returncode)
        self.assertIn('set FPGA_TEST_SYSROOT', done.stderr)
