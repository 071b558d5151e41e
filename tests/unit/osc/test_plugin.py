import configparser
import importlib
import pathlib
import types

from keystoneauth1 import token_endpoint
from openstack.config import cloud_region
from oslotest import base

from cyborg_fpga.osc import plugin

ROOT = pathlib.Path(__file__).parents[3]


class TestPlugin(base.BaseTestCase):
    def test_the_commands_are_those_of_the_plugin_and_all_load(self):
        setup = configparser.ConfigParser()
        setup.read(ROOT / 'setup.cfg')
        group = f'openstack.{plugin.API_NAME}.v{plugin.DEFAULT_API_VERSION}'
        lines = setup['entry_points'][group].strip().splitlines()
        self.assertGreater(len(lines), 15)
        for line in lines:
            name, _, target = line.partition(' = ')
            module, _, cls = target.partition(':')
            found = getattr(importlib.import_module(module), cls)
            self.assertTrue(name.startswith('fpga_'), name)
            # Shown by "openstack help fpga".
            self.assertTrue(found.__doc__, cls)

    def test_it_does_not_clash_with_the_commands_of_cyborg(self):
        self.assertNotEqual('accelerator', plugin.API_NAME)

    def test_the_endpoint_override_of_clouds_yaml_is_used(self):
        region = cloud_region.CloudRegion(
            name='x',
            config={'accelerator_endpoint_override': 'http://here:1/v2'},
            auth_plugin=token_endpoint.Token('http://placement', 'token'),
        )
        manager = types.SimpleNamespace(
            sdk_connection=types.SimpleNamespace(config=region)
        )
        api = plugin.make_client(manager)
        self.assertEqual('http://here:1/v2/hosts', api._url('/hosts'))
