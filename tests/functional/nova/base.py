"""What the tests with a real Nova share."""

import itertools
import uuid
from typing import ClassVar

from oslotest import base
from testtools import content

from tests.fixtures import openstack

_COUNTER = itertools.count()


class CloudTest(base.BaseTestCase):
    """All share a cloud: it costs half a minute.

    Each finds it without servers, and every card free and well.
    """

    cloud: ClassVar[openstack.OpenStack]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cloud = openstack.shared()

    def setUp(self):
        super().setUp()
        self.addOnException(self._show_logs)
        self.addCleanup(self._tidy)

    def new_function(self, **how):
        """A bitstream with a function that no card has yet; both ids."""
        function = uuid.uuid4().hex
        return self.cloud.bitstream(function, **how), function

    def profile(self, image=None, *, amount=1, family=openstack.A10, **extra):
        """A flavor with cards of one family, and *image* on them."""
        group = {
            f'resources:{openstack.PF}': str(amount),
            f'trait:{family}': 'required',
            **extra,
        }
        if image is not None:
            group['accel:bitstream_id'] = image
        return self.cloud.profile(group)

    def assert_has(self, server, function, *, amount=1):
        """It is ACTIVE, and its cards show *function*; its ARQs."""
        shown = self.cloud.settled(server)
        self.assertEqual('ACTIVE', shown['status'], shown.get('fault'))
        arqs = self.cloud.arqs(server)
        self.assertEqual(['Bound'] * amount, [arq['state'] for arq in arqs])
        hosts = {arq['hostname'] for arq in arqs}
        self.assertEqual({shown['OS-EXT-SRV-ATTR:host']}, hosts)
        shows = {self.cloud.function(arq) for arq in arqs}
        self.assertEqual({function}, shows)
        return arqs

    def ask(self, server, **wanted):
        return self.cloud.user('member').accelerator.post(
            '/claims',
            json={'instance_uuid': server, **wanted},
            raise_exc=False,
        )

    def claimed(self, server, **wanted):
        """What a member of the server's project claims of it, once ready."""
        answer = self.ask(server, **wanted)
        self.assertIn(answer.status_code, (201, 202), answer.text)
        path = f'/claims/{answer.json()["uuid"]}'

        def ready():
            now = self.cloud.user('member').accelerator.get(path).json()
            self.assertNotEqual('failed', now['state'], now['fault'])
            return now if now['state'] == 'ready' else None

        return self.cloud.until(f'{path} is ready', ready)

    def assert_failed(self, server):
        """It is in ERROR, and holds no card."""
        shown = self.cloud.settled(server)
        self.assertEqual('ERROR', shown['status'])
        states = {arq['state'] for arq in self.cloud.arqs(server)}
        self.assertLessEqual(states, {'BindFailed'})
        return shown

    def operations(self, image):
        """All by which *image* was to be loaded."""
        path = '/operations?kind=program'
        found = self.cloud.admin.accelerator.get(path).json()['operations']
        return [one for one in found if one['image_uuid'] == image]

    def assert_all_free(self):
        self.cloud.empty('all is free', self.cloud.left_over)

    def _tidy(self):
        """Whatever failed, the next test finds everything free."""
        if not self.cloud.conductor.alive:
            self.cloud.start_conductor()
        self.cloud.clear()
        path = '/servers?all_tenants=true'
        servers = self.cloud.admin.compute.get(path).json()['servers']
        self.cloud.delete(*(server['id'] for server in servers))
        try:
            self.assert_all_free()
        except AssertionError:
            # It is this test's fault and not the next one's.
            self.cloud.release_all()
            raise

    def _show_logs(self, exc_info):
        logs = [
            (process.name, process.words()) for process in self.cloud.processes
        ]
        for name, words in [*logs, ('nova', self.cloud.nova.words())]:
            self.addDetail(
                f'{name}-{next(_COUNTER)}',
                content.text_content(words[-30000:]),
            )
