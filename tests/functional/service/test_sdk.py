"""Every call that openstacksdk can make, on a service at /accelerator.

It does not look at the status of what ``enable_device`` and
``disable_device`` are answered.
"""

import openstack
from cheroot import wsgi
from openstack import exceptions
from oslo_utils.fixture import uuidsentinel as uuids

from cyborg_fpga.cmd import http
from tests.functional.service import base

GROUPS = [{'resources:FPGA': '1', 'trait:CUSTOM_FPGA_INTEL': 'required'}]


class SDKTest(base.ServiceTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        app = wsgi.PathInfoDispatcher({'/accelerator': cls.service.web.app})
        server = http.serve(app, '127.0.0.1', 0, 2)
        cls.addClassCleanup(server.stop)
        cls.url = f'http://127.0.0.1:{server.bind_addr[1]}/accelerator/v2'

    def setUp(self):
        super().setUp()
        self.sdk = self.connect('admin', '2.3')

    def connect(self, token, version=None):
        cloud = openstack.connect(
            load_yaml_config=False,
            load_envvars=False,
            auth_type='admin_token',
            auth={'token': token, 'endpoint': 'http://127.0.0.1:1'},
            accelerator_endpoint_override=self.url,
            accelerator_default_microversion=version,
        )
        self.addCleanup(cloud.close)
        return cloud.accelerator


class TestSDK(SDKTest):
    def profile(self, name='crypto', **attrs):
        made = self.sdk.create_device_profile(
            name=name, groups=GROUPS, **attrs
        )
        self.addCleanup(self.sdk.delete_device_profile, made.uuid)
        return made

    def test_devices(self):
        found = list(self.sdk.devices())
        self.assertEqual(3, len(found))
        self.assertEqual({'enabled'}, {device.status for device in found})
        # One page follows the other.
        self.assertEqual(found, list(self.sdk.devices(limit=1)))
        self.assertEqual(found[1:], list(self.sdk.devices(marker=found[0].id)))
        card = self.sdk.get_device(found[0].uuid)
        self.assertEqual(found[0].to_dict(), card.to_dict())
        where = f'{self.url}/devices/{card.uuid}'
        self.assertEqual(where, self.links(f'/devices/{card.uuid}')['self'])
        mine = {'hostname': self.service.hostname, 'vendor': 'intel'}
        self.assertEqual(3, len(list(self.sdk.devices(**mine))))
        self.assertEqual([], list(self.sdk.devices(vendor='nobody')))
        self.assertRaises(
            exceptions.NotFoundException, self.sdk.get_device, uuids.nothing
        )
        nobody = self.connect('alice').devices()
        self.assertRaises(exceptions.ForbiddenException, list, nobody)

    def links(self, path):
        found = self.sdk.get(path).json()['links']
        return {link['rel']: link['href'] for link in found}

    def test_a_device_is_disabled_and_enabled(self):
        card = next(iter(self.sdk.devices()))
        self.sdk.disable_device(card)
        self.addCleanup(self.sdk.enable_device, card.uuid)
        self.assertEqual('maintaining', self.sdk.get_device(card).status)
        self.sdk.enable_device(card.uuid)
        self.assertEqual('enabled', self.sdk.get_device(card.uuid).status)
        self.sdk.wait_for_status(card, 'enabled', interval=0, wait=60)
        self.connect('alice').disable_device(card.uuid)
        self.assertEqual('enabled', self.sdk.get_device(card.uuid).status)

    def test_a_status_is_shown_since_2_3(self):
        for version, status in (
            ('2.2', None),
            (None, None),
            ('2.3', 'enabled'),
        ):
            sdk = self.connect('admin', version)
            with self.subTest(version):
                self.assertEqual(status, next(iter(sdk.devices())).status)

    def test_deployables(self):
        found = list(self.sdk.deployables())
        self.assertEqual(3, len(found))
        self.assertEqual(found, list(self.sdk.deployables(limit=2)))
        one = self.sdk.get_deployable(found[0].id)
        self.assertEqual(found[0].to_dict(), one.to_dict())
        self.assertEqual(1, one.num_accelerators)
        self.assertIsInstance(one.device_id, int)
        self.assertEqual((None, None), (one.parent_id, one.root_id))
        links = self.links(f'/deployables/{one.id}')
        self.assertEqual(f'{self.url}/deployables/{one.id}', links['self'])
        self.assertEqual(links['self'].replace('/v2/', '/'), links['bookmark'])

    def test_a_deployable_is_programmed(self):
        one = self.sdk.get_deployable(self.service.deployable()['uuid'])
        image = self.service.known_image()
        patch = [
            {
                'path': '/program',
                'op': 'replace',
                'value': [{'image_uuid': image}],
            }
        ]
        self.sdk.patch_deployable(one, patch)
        self.service.until(
            'the bitstream is loaded',
            lambda: self.service.deployable()['bitstream_id'] == image,
        )

    def test_the_old_name_of_that_calls_itself_for_ever(self):
        """In openstacksdk 4.22; no request is made."""
        self.assertRaises(
            RecursionError, self.sdk.update_deployable, uuids.region, []
        )

    def test_device_profiles(self):
        made = self.profile(description='AES')
        self.assertEqual(GROUPS, made.groups)
        for ident in (made, made.uuid, 'crypto'):
            found = self.sdk.get_device_profile(ident)
            self.assertEqual(made.uuid, found.uuid)
            self.assertEqual('AES', found.description)
        self.profile('other')
        names = [found.name for found in self.sdk.device_profiles()]
        self.assertEqual(['crypto', 'other'], names)
        one = self.sdk.device_profiles(name='other')
        self.assertEqual(['other'], [found.name for found in one])
        self.sdk.delete_device_profile(made.uuid, ignore_missing=False)
        self.assertRaises(
            exceptions.NotFoundException,
            self.sdk.delete_device_profile,
            made.uuid,
            ignore_missing=False,
        )
        self.sdk.delete_device_profile(made.uuid)
        self.sdk.delete_device_profile('other')
        self.assertEqual([], list(self.sdk.device_profiles()))

    def test_mistakes_in_a_profile_are_told(self):
        self.profile()
        exc = self.assertRaises(exceptions.ConflictException, self.profile)
        self.assertIn('A device_profile with name crypto', str(exc))
        for attrs in (
            {'name': ''},
            {'name': 'x' * 256},
            {'name': 'x', 'groups': [{}]},
        ):
            with self.subTest(attrs):
                self.assertRaises(
                    exceptions.BadRequestException,
                    self.sdk.create_device_profile,
                    **{'groups': GROUPS, **attrs},
                )

    def test_attributes(self):
        region = self.service.deployable()
        number = region['deployable_id']
        reported = [
            found
            for found in self.sdk.attributes()
            if found.deployable_id == number
        ]
        self.assertEqual('rc', reported[0].key)
        self.assertEqual(region['resource_class'], reported[0].value)
        made = self.sdk.create_attribute(
            deployable_id=number, key='rack', value='7'
        )
        self.assertEqual(number, made.deployable_id)
        found = self.sdk.get_attribute(made.uuid)
        self.assertEqual(('rack', '7'), (found.key, found.value))
        self.sdk.delete_attribute(made, ignore_missing=False)
        self.assertRaises(
            exceptions.NotFoundException, self.sdk.get_attribute, made.uuid
        )
        self.sdk.delete_attribute(made.uuid)

    def test_a_given_trait_gets_to_placement_and_survives_reports(self):
        made = self.sdk.create_attribute(
            deployable_id=self.service.deployable()['deployable_id'],
            key='trait77',
            value='CUSTOM_RACK_7',
        )
        told = 'CUSTOM_RACK_7'
        self.service.until(
            'Placement knows the trait', lambda: told in self.traits()
        )
        self.service.stop_agent()
        self.service.start_agent()
        self.service.until('it is told', self.service.told)
        self.assertIn(told, self.traits())
        self.sdk.delete_attribute(made)
        self.service.until(
            'Placement knows it no more', lambda: told not in self.traits()
        )

    def traits(self):
        return {
            name
            for provider in self.service.providers()
            for name in provider['traits']
        }
