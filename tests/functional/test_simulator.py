"""The card process as users run it: started, killed and disturbed."""

import json
import os
import signal
import subprocess
import sys
import time

from oslotest import base

from cyborg_fpga.simulator import samples
from tests.fixtures import simulated_host

PF = '0000:3b:00.0'
REGION = '69528db6eb31577a8c3668f9faa081f6'
FUNCTION = 'd8424dc4a4a3c413f89e433683f9040b'

AGENT = """
import pathlib, sys
from cyborg_fpga import model
from cyborg_fpga.drivers import registry
from cyborg_fpga.simulator import accessor
fs = accessor.SimulatedSysfs(sys.argv[1])
driver = registry.load(['intel_dfl'], fs)['intel_dfl']
card = model.PciAddress.parse('0000:3b:00.0')
driver.program(card, f'{card}/port0', pathlib.Path(sys.argv[2]))
print(driver.identify(card, f'{card}/port0'))
"""


class TestProcess(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.host = self.useFixture(simulated_host.SimulatorProcess())
        self.simulator = self.host.simulator
        self.image = self.host.directory / 'afu.gbs'
        self.image.write_bytes(
            samples.sample_gbs(REGION, FUNCTION, size=100000)
        )

    def test_a_driver_in_another_process_programs_a_card(self):
        agent = self._agent()
        out, _ = agent.communicate(timeout=30)
        self.assertEqual(FUNCTION, out.decode().strip())
        self.assertEqual(FUNCTION, self._port()['function_id'])

    def test_a_load_goes_on_when_its_caller_is_killed(self):
        self.simulator.fault(PF, 'hang')
        agent = self._agent()
        self._until(lambda: self._port()['loading'] is not None)
        os.kill(agent.pid, signal.SIGKILL)
        self.assertEqual(-signal.SIGKILL, agent.wait(10))
        self.assertIsNotNone(self._port()['loading'])
        self.simulator.clear(PF)
        self._until(lambda: self._port()['loading'] is None)
        self.assertEqual(FUNCTION, self._port()['function_id'])

    def test_a_killed_card_process_leaves_half_an_image(self):
        self.simulator.fault(PF, 'slow', seconds=5)
        agent = self._agent()
        self._until(lambda: (self._port()['written'] or 0) > 0)
        self.host.kill()
        self.assertNotEqual(0, agent.wait(10))
        self.host.start()
        self.assertTrue(self._port()['broken'])
        image = self.host.directory / f'state/{PF}.port0.image'
        self.assertTrue(0 < image.stat().st_size < 100000)

    def test_hosts_may_be_more_than_files_that_a_shell_allows(self):
        scenario = self.host.directory / 'many.yaml'
        scenario.write_text(
            "hosts: [{count: 40, cards: [{address: '0000:3b:00.0'}]}]"
        )
        many = self.host.directory / 'many'
        process = subprocess.Popen(
            [
                *('sh', '-c', 'ulimit -S -n 64 && exec "$@"', 'sh'),
                *(sys.executable, '-m', 'cyborg_fpga.cmd.simulator', 'run'),
                *(str(many), '--scenario', str(scenario)),
                f'--parent={os.getpid()}',
            ],
            stdout=subprocess.PIPE,
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.terminate)
        self.assertEqual(b'ready\n', process.stdout.readline())
        self.assertEqual(40, len([*many.glob('*/scenario.yaml')]))

    def test_sigterm_ends_it_cleanly(self):
        self.host.stop()
        self.assertEqual(0, self.host.process.returncode)

    def test_the_command_disturbs_and_shows(self):
        directory = str(self.host.directory)
        said = self._command(
            'tool',
            directory,
            *('xbutil', 'program', '-d', '0000:3b:00.1', '-u', '/dev/null'),
            status=1,
        )
        self.assertIn('ERROR: No devices found', said)
        self._command('fault', directory, PF, 'slow', 'seconds=7', 'times=1')
        cards = json.loads(self._command('show', directory))
        self.assertEqual(
            {'slow': {'seconds': 7.0, 'times': 1}}, cards[0]['faults']
        )
        self._command('clear', directory, PF)
        cards = json.loads(self._command('show', directory))
        self.assertEqual({}, cards[0]['faults'])

    def test_mistakes_end_with_a_sentence_and_no_traceback(self):
        directory = str(self.host.directory)
        for words, arguments in (
            ('served by another', ('run', directory)),
            ('smoke', ('fault', directory, PF, 'smoke')),
            ('NAME=VALUE', ('fault', directory, PF, 'slow', 'x')),
            ('no simulated cards', ('show', '/tmp')),
            ('cannot be read', ('run', directory, '--scenario', '/none')),
        ):
            text = self._command(*arguments, status=1)
            self.assertIn(words, text)
            self.assertNotIn('Traceback', text)

    def _agent(self):
        agent = subprocess.Popen(
            [
                sys.executable,
                '-c',
                AGENT,
                str(self.host.directory),
                str(self.image),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.addCleanup(agent.stdout.close)
        self.addCleanup(agent.wait, 10)
        self.addCleanup(agent.kill)
        return agent

    def _command(self, *arguments, status=0):
        done = subprocess.run(
            [sys.executable, '-m', 'cyborg_fpga.cmd.simulator', *arguments],
            capture_output=True,
            text=True,
            timeout=30,
        )
        self.assertEqual(status, done.returncode, done.stderr)
        return done.stdout + done.stderr if status else done.stdout

    def _port(self):
        return self.simulator.cards()[0]['ports'][0]

    def _until(self, condition):
        end = time.monotonic() + 20
        while not condition():
            self.assertLess(time.monotonic(), end, 'waited in vain')
            time.sleep(0.02)
