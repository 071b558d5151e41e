"""openstacksdk's calls for accelerator requests.

It finds an ARQ's state and takes lists from ``arqs``; what it sends for bind
and unbind is a PATCH of one ARQ's URL.
"""

import ast
import inspect
import uuid

from openstack import exceptions
from openstack.accelerator.v2 import _proxy
from oslotest import base

from tests.functional.service import test_sdk

PF = 'CUSTOM_FPGA_INTEL_PF'


class TestArqs(test_sdk.SDKTest):
    def setUp(self):
        super().setUp()
        self.user = self.connect('alice:demo:member,reader', '2.3')
        name = f'p{uuid.uuid4().hex}'
        groups = [{f'resources:{PF}': '1'}]
        profile = self.sdk.create_device_profile(name=name, groups=groups)
        self.addCleanup(self.sdk.delete_device_profile, profile.uuid)
        self.user.create_accelerator_request(device_profile_name=name)
        (self.arq,) = self.user.accelerator_requests()
        self.addCleanup(self.drop)

    def drop(self):
        token = {'X-Service-Token': 'nova:service:service'}
        path = f'/accelerator_requests?arqs={self.arq.id}'
        self.user.delete(path, headers=token)

    def operations(self, op, **values):
        return [
            {'path': f'/{name}', 'op': op, 'value': value}
            for name, value in values.items()
        ]

    def test_what_is_made_is_listed_and_shown(self):
        self.assertEqual('Initial', self.arq.state)
        self.assertIsNone(self.arq.instance_uuid)
        shown = self.user.get_accelerator_request(self.arq.id)
        self.assertEqual(self.arq.id, shown.uuid)
        self.assertEqual(self.arq.state, shown.state)

    def test_a_user_is_refused_what_is_novas(self):
        values = {
            'hostname': self.service.hostname,
            'device_rp_uuid': self.service.deployable()['rp_uuid'],
            'instance_uuid': str(uuid.uuid4()),
        }
        for patch in (
            self.user.patch_accelerator_request,
            # The same under its old name.
            self.user.update_accelerator_request,
        ):
            exc = self.assertRaises(
                exceptions.ForbiddenException,
                patch,
                self.arq.id,
                self.operations('add', **values),
            )
            self.assertIn('requires a service token', str(exc))

    def test_one_is_deleted(self):
        self.user.delete_accelerator_request(self.arq.id)
        self.user.wait_for_delete(self.arq, interval=0, wait=60)
        self.assertEqual([], list(self.user.accelerator_requests()))
        self.assertRaises(
            exceptions.NotFoundException,
            self.user.delete_accelerator_request,
            self.arq.id,
            ignore_missing=False,
        )


class TestAll(base.BaseTestCase):
    def test_every_call_is_made(self):
        calls = {name for name in vars(_proxy.Proxy) if name[0] != '_'}
        made = {
            node.attr
            for tests in (test_sdk.TestSDK, TestArqs)
            for node in ast.walk(ast.parse(inspect.getsource(tests)))
            if isinstance(node, ast.Attribute)
        }
        self.assertEqual(set(), calls - made - {'api_version'})
