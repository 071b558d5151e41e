"""``cyborg-fpga-agent`` as a process: how it starts, ends, and refuses to."""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from oslotest import base

_CONFIG = """\
[DEFAULT]
host = node1
transport_url = fake://
log_file = {path}/agent.log
debug = true
[agent]
enabled_drivers = {drivers}
simulator = {path}/host
state_path = {state}
cache_path = {path}/cache
report_interval = {interval}
"""


class ProcessTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = pathlib.Path(directory.name)
        self.log = self.path / 'agent.log'

    def agent(self, **values):
        config = self.path / 'agent.conf'
        config.write_text(
            _CONFIG.format(
                **{
                    'path': self.path,
                    'drivers': 'intel_dfl',
                    'state': self.path / 'state',
                    'interval': 30,
                    **values,
                }
            )
        )
        return self.spawn('--config-file', str(config))

    def spawn(self, *args):
        process = subprocess.Popen(
            [
                sys.executable,
                '-W',
                'ignore',
                '-m',
                'cyborg_fpga.cmd.agent',
                *args,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(os.environ),
        )

        def end():
            process.kill()
            process.communicate()

        self.addCleanup(end)
        return process

    def started(self, **values):
        process = self.agent(**values)
        give_up = time.monotonic() + 20
        while not self.log.exists() or 'started' not in self.log.read_text():
            self.assertIsNone(process.poll(), process.returncode)
            self.assertLess(time.monotonic(), give_up)
            time.sleep(0.05)
        return process

    def assert_refused(self, process, code, words):
        out, err = process.communicate(timeout=30)
        self.assertEqual(code, process.returncode, err)
        self.assertEqual('', out)
        [line] = err.splitlines()
        self.assertIn('cyborg-fpga-agent: ', line)
        self.assertIn(words, line)

    def test_signal_ends_it_cleanly(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            process = self.started()
            process.send_signal(number)
            _out, err = process.communicate(timeout=20)
            self.assertEqual(0, process.returncode, err)
            self.assertEqual('', err)
            self.log.unlink()

    def test_wrong_value_is_named(self):
        process = self.agent(interval='soon')
        self.assert_refused(process, 2, 'report_interval')

    def test_value_out_of_range_is_named(self):
        process = self.agent(interval='-1')
        self.assert_refused(process, 2, 'report_interval')

    def test_missing_file_is_named(self):
        process = self.spawn('--config-file', '/nonexistent/agent.conf')
        self.assert_refused(process, 2, '/nonexistent/agent.conf')

    def test_file_that_is_no_configuration_is_named(self):
        config = self.path / 'agent.conf'
        config.write_text('what is this')
        process = self.spawn('--config-file', str(config))
        _out, err = process.communicate(timeout=30)
        self.assertEqual(2, process.returncode)
        self.assertIn('agent.conf', err)
        self.assertNotIn('Traceback', err)

    def test_missing_driver_is_named(self):
        process = self.agent(drivers='intel_dlf')
        self.assert_refused(process, 2, 'intel_dlf')

    def test_unusable_state_directory_is_named(self):
        state = self.path / 'file'
        state.write_text('not a directory')
        self.assert_refused(self.agent(state=state), 1, str(state))

    def test_second_agent_with_the_same_state_is_refused(self):
        self.started()
        second = self.agent()
        self.assert_refused(second, 1, 'another agent')
