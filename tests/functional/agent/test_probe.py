"""``cyborg-fpga-agent --probe`` and ``tools/bug-report``, as commands."""

import json
import os
import pathlib
import subprocess
import sys
import tarfile

import fixtures
from oslotest import base

from tests.fixtures import simulated_host

ROOT = pathlib.Path(__file__).parents[3]
_CONFIG = """\
[DEFAULT]
transport_url = rabbit://cyborg:hush@nowhere.invalid:5672/
log_file = {path}/agent.log
[database]
connection = mysql+pymysql://cyborg:hush@nowhere.invalid/cyborg
[agent]
simulator = {host}
state_path = {path}/state
"""


class CommandTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        host = self.useFixture(simulated_host.SimulatedHost())
        self.config = self.path / 'agent.conf'
        self.config.write_text(
            _CONFIG.format(path=self.path, host=host.directory)
        )
        self.agent = self.path / 'cyborg-fpga-agent'
        self.agent.write_text(
            f'#!/bin/sh\nexec {sys.executable} -m cyborg_fpga.cmd.agent "$@"\n'
        )
        self.agent.chmod(0o755)

    def run_command(self, *words):
        return subprocess.run(
            words,
            cwd=self.path,
            env={
                **os.environ,
                'PYTHONPATH': str(ROOT),
                'CYBORG_FPGA_AGENT': str(self.agent),
            },
            capture_output=True,
            text=True,
        )

    def test_probe_tells_what_is_there_and_touches_nothing(self):
        ended = self.run_command(
            self.agent, '--config-file', self.config, '--probe'
        )
        self.assertEqual(0, ended.returncode, ended.stderr)
        cards = json.loads(ended.stdout)['drivers']['intel_dfl']['cards']
        self.assertEqual(3, len(cards))
        # Neither a log nor a journal was begun.
        self.assertEqual(
            {'agent.conf', 'cyborg-fpga-agent'},
            {path.name for path in self.path.iterdir()},
        )

    def test_probe_needs_no_configuration(self):
        ended = self.run_command(self.agent, '--probe')
        self.assertEqual(0, ended.returncode, ended.stderr)
        self.assertIn('intel_dfl', json.loads(ended.stdout)['drivers'])

    def test_a_report_has_the_probe_and_no_secret(self):
        ended = self.run_command(
            ROOT / 'tools' / 'bug-report', '--config-file', self.config
        )
        self.assertEqual(0, ended.returncode, ended.stderr)
        with tarfile.open(ended.stdout.strip()) as archive:
            texts = {
                member.name.rpartition('/')[2]: archive.extractfile(member)
                .read()
                .decode(errors='replace')
                for member in archive
                if member.isfile()
            }
        self.assertEqual(
            {'probe.json', 'kernel.txt', 'versions.txt', 'lspci.txt'},
            set(texts),
        )
        probed = json.loads(texts['probe.json'])
        self.assertEqual(3, len(probed['drivers']['intel_dfl']['cards']))
        self.assertFalse([n for n, text in texts.items() if 'hush' in text])
