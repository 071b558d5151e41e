"""A configuration file with a wrong value: one line, and the exit code."""

import pathlib

import fixtures
from oslotest import base

from tests.fixtures import stack

#: Command, group, option, value.
_WRONG = (
    ('api', 'api', 'port', 'banana'),
    ('api', 'api', 'threads', '0'),
    ('api', 'api', 'auth_strategy', 'none'),
    ('api', 'DEFAULT', 'transport_url', 'pigeon://'),
    ('conductor', 'conductor', 'lease_seconds', '-1'),
    # With the lease more than the 30 s of a take-over.
    ('conductor', 'conductor', 'reconcile_interval', '19'),
    ('conductor', 'conductor', 'wipe_public', 'gently'),
    ('conductor', 'placement', 'layout', 'round'),
    ('conductor', 'DEFAULT', 'transport_url', 'pigeon://'),
    ('conductor', 'database', 'max_retries', 'often'),
    ('agent', 'agent', 'report_interval', 'now and then'),
    ('agent', 'agent', 'enabled_drivers', 'intel_dlf'),
    ('agent', 'agent', 'blank_bitstreams', 'nowhere'),
    ('agent', 'DEFAULT', 'transport_url', 'pigeon://'),
    ('manage', 'conductor', 'quarantine_after', 'many'),
    ('manage', 'database', 'connection', 'pigeon://'),
    ('conductor', 'database', 'connection', 'not a url'),
    ('api', 'database', 'connection', 'pigeon://'),
)


class WrongValueTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def run_wrong(self, command, group, option, value):
        config = self.folder / 'cyborg-fpga.conf'
        lines = [
            '[DEFAULT]',
            'transport_url = fake://',
            '[database]',
            f'connection = sqlite:///{self.folder}/fpga.db',
            '[agent]',
            f'simulator = {self.folder}',
            f'state_path = {self.folder}/state',
            f'cache_path = {self.folder}/cache',
            f'[{group}]',
            f'{option} = {value}',
        ]
        config.write_text('\n'.join(lines) + '\n')
        arguments = ('db', 'sync') if command == 'manage' else ()
        process = stack.Process(command, config, *arguments)
        self.addCleanup(process.stop)
        self.assertEqual(2, process.exit_code(), process.words())
        (line,) = process.words().splitlines()
        self.assertRegex(line, f'^cyborg-fpga-{command}: ')
        return line


def _add_tests():
    for command, group, option, value in _WRONG:

        def test(self, wrong=(command, group, option, value)):
            line = self.run_wrong(*wrong)
            # The option's name, or the words that were there.
            self.assertTrue(wrong[2] in line or wrong[3] in line, line)

        setattr(WrongValueTest, f'test_{command}_with_wrong_{option}', test)


_add_tests()
