"""Clients find the API in the catalogue and log in for it."""

import os
import pathlib
import subprocess
import sys

import openstack

from tests.fixtures import keystone
from tests.functional.keystone import base


class TestClients(base.ServedTest):
    def setUp(self):
        super().setUp()
        self.keystone.register('accelerator', 'cyborg', f'{self.url}/v2')

    def login(self, persona):
        return {
            'auth_url': self.keystone.url,
            'username': persona,
            'password': persona,
            'project_name': keystone.PERSONAS[persona].project,
            'user_domain_id': 'default',
            'project_domain_id': 'default',
        }

    def test_openstacksdk_does(self):
        cloud = openstack.connect(
            auth=self.login('manager'),
            region_name=keystone.REGION,
            load_envvars=False,
            load_yaml_config=False,
        )
        self.addCleanup(cloud.close)
        self.assertEqual(2, len(list(cloud.accelerator.devices())))
        self.assertEqual([], list(cloud.accelerator.device_profiles()))

    def test_the_command_does_and_says_what_is_refused(self):
        done = self.command('manager', 'fpga', 'device', 'list')
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn('0000:3b:00.0', done.stdout)
        done = self.command('reader', 'fpga', 'device', 'list')
        self.assertEqual(1, done.returncode)
        self.assertIn('cyborg:device:get_all', done.stderr)

    def command(self, persona, *arguments):
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith('OS_')
        }
        for name, value in self.login(persona).items():
            environment[f'OS_{name.upper()}'] = value
        environment['OS_REGION_NAME'] = keystone.REGION
        environment['OS_IDENTITY_API_VERSION'] = '3'
        return subprocess.run(
            [pathlib.Path(sys.executable).with_name('openstack'), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
