"""``openstack fpga deployable run``: bytes from a file to a file."""

import pathlib

import fixtures
from osc_lib import exceptions

from cyborg_fpga.osc import deployable
from tests.unit.osc import base

UUID = '11111111-1111-1111-1111-111111111111'
PATH = f'/v2/deployables/{UUID}/run'
DATA = bytes(range(256)) * 3


class TestRun(base.CommandTest):
    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.given, self.answer = folder / 'given', folder / 'answer'
        self.given.write_bytes(DATA)

    def run_it(self):
        return self.run_command(
            deployable.RunDeployable,
            *(UUID, '--in', str(self.given), '--out', str(self.answer)),
        )

    def refused(self):
        exc = self.assertRaises(exceptions.CommandError, self.run_it)
        return str(exc)

    def test_what_comes_back_is_written_as_it_is(self):
        for answer in (DATA[::-1], b''):
            self.server.answers('POST', PATH, answer)
        for answer in (DATA[::-1], b''):
            self.assertEqual('', self.run_it())
            self.assertEqual(answer, self.answer.read_bytes())
        self.assertEqual(('POST', PATH, {}, DATA), self.server.requests[0])

    def test_a_refusal_writes_nothing(self):
        self.server.refuses('POST', PATH, 409, 'Not claimed by you.')
        self.assertIn('Not claimed by you.', self.refused())
        self.assertFalse(self.answer.exists())

    def test_files_that_cannot_be_used_are_named(self):
        self.given.unlink()
        self.assertIn(f'{self.given}: No such file', self.refused())
        self.assertEqual([], self.server.requests)

    def test_both_files_must_be_said(self):
        said = self.refused_options(deployable.RunDeployable, UUID)
        self.assertIn('--in, --out', said)
