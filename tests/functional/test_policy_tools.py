"""oslo.policy's own commands, with our rules."""

import pathlib
import subprocess
import sys

import fixtures
import yaml
from oslotest import base

from cyborg_fpga import policies

ROOT = pathlib.Path(__file__).parents[2]


class TestTools(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def run_tool(self, name, *arguments):
        done = subprocess.run(
            [pathlib.Path(sys.executable).with_name(name), *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        self.assertEqual(0, done.returncode, done.stderr)
        return done.stdout

    def test_the_sample_has_every_rule_and_changes_none(self):
        path = self.folder / 'policy.yaml'
        self.run_tool(
            'oslopolicy-sample-generator',
            '--config-file',
            'etc/cyborg_fpga/cyborg-fpga-policy-generator.conf',
            '--output-file',
            str(path),
        )
        text = path.read_text()
        self.assertIsNone(yaml.safe_load(text))
        written = yaml.safe_load(text.replace('#"', '"'))
        for rule in policies.list_rules():
            self.assertEqual(rule.check_str, written[rule.name])

    def test_an_override_is_in_force_and_whole(self):
        # As one would be that came with a cloud from Cyborg.
        override = {'cyborg:device:get_all': 'rule:project_reader_or_admin'}
        (self.folder / 'policy.yaml').write_text(yaml.safe_dump(override))
        conf = self.folder / 'fpga.conf'
        conf.write_text(
            f'[oslo_policy]\npolicy_file = {self.folder}/policy.yaml\n'
        )
        in_force = yaml.safe_load(
            self.run_tool(
                'oslopolicy-policy-generator',
                '--namespace',
                'cyborg_fpga',
                '--config-file',
                str(conf),
            )
        )
        self.assertEqual(
            override['cyborg:device:get_all'],
            in_force['cyborg:device:get_all'],
        )
        self.assertEqual(
            'rule:admin_api', in_force['cyborg:deployable:program']
        )
        self.run_tool(
            'oslopolicy-validator',
            '--namespace',
            'cyborg_fpga',
            '--config-file',
            str(conf),
        )
