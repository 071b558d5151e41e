"""Servers that are rebooted, rebuilt, shelved and moved keep a card."""

import contextlib

from keystoneauth1 import exceptions

from tests.fixtures import openstack
from tests.functional.nova import base

_HOST = 'OS-EXT-SRV-ATTR:host'


class MovesTest(base.CloudTest):
    """:ivar server: What moves."""

    def act(self, action, **members):
        """Have it done, and wait until Nova says that it is over."""
        self.cloud.act(self.server, action, **members)
        path = f'/servers/{self.server}/os-instance-actions'

        def over():
            found = self.cloud.admin.compute.get(path).json()
            last = found['instanceActions'][0]
            shown = self.cloud.show(self.server)
            return (
                last['action'] == action.lower()
                and shown['OS-EXT-STS:task_state'] is None
                and last['updated_at'] is not None
            )

        self.cloud.until(f'{action} is over', over)

    def evacuate(self, host):
        """Have it rebuilt elsewhere, as *host* is said to be down."""
        self.force_down(host, True)
        self.act('evacuate')

        # Nova says where it is only after it has said that it is at rest.
        def moved():
            return self.cloud.show(self.server)[_HOST] != host

        self.cloud.until(f'it has left {host}', moved)

    def force_down(self, host, down):
        service = self.compute(host)
        self.cloud.admin.compute.put(
            f'/os-services/{service["id"]}', json={'forced_down': down}
        )

    def compute(self, host):
        path = f'/os-services?binary=nova-compute&host={host}'
        (found,) = self.cloud.admin.compute.get(path).json()['services']
        return found

    def bring_back(self, host):
        """It cleans up when it starts; before that Nova does not let it."""
        last = self.compute(host)['updated_at']
        self.cloud.nova.kill(host)

        def back():
            with contextlib.suppress(exceptions.HttpError):
                self.force_down(host, False)
                return True

        self.cloud.until(f'{host} may come back', back)

        def up():
            found = self.compute(host)
            return found['state'] == 'up' and found['updated_at'] > last

        self.cloud.until(f'{host} is back', up)


class TestMoves(MovesTest):
    def setUp(self):
        super().setUp()
        image, self.function = self.new_function()
        self.server = self.cloud.boot(self.profile(image))
        self.first = self.assert_has(self.server, self.function)

    def test_hard_reboot_keeps_it(self):
        self.act('reboot', type='HARD')
        arqs = self.assert_has(self.server, self.function)
        self.assertEqual(self.first, arqs)

    def test_rebuild_keeps_it(self):
        self.act('rebuild', imageRef=self.cloud.disk)
        arqs = self.assert_has(self.server, self.function)
        self.assertEqual(self.first, arqs)

    def test_shelved_server_gives_it_back_and_gets_one_again(self):
        self.cloud.act(self.server, 'shelve')
        self.cloud.settled(self.server, 'SHELVED_OFFLOADED')
        self.assert_all_free()
        self.cloud.act(self.server, 'unshelve')
        self.cloud.settled(self.server, 'ACTIVE', 'ERROR')
        arqs = self.assert_has(self.server, self.function)
        self.assertNotEqual(self.first[0]['uuid'], arqs[0]['uuid'])

    def test_evacuated_server_gets_one_on_the_other_host(self):
        (lost,) = {arq['hostname'] for arq in self.first}
        self.evacuate(lost)
        self.addCleanup(self.bring_back, lost)
        (arq,) = self.assert_has(self.server, self.function)
        self.assertNotEqual(lost, arq['hostname'])
        self.cloud.delete(self.server)
        self.assert_all_free()


class TestClaimsOfServers(MovesTest):
    """Servers whose flavors ask for the cards themselves."""

    def test_evacuated_one_has_its_card_claimed_on_the_other_host(self):
        wanted = {
            f'resources:{openstack.PF}': '1',
            f'trait:{openstack.A10}': 'required',
        }
        self.server = self.cloud.boot(self.cloud.flavor(wanted))
        shown = self.cloud.settled(self.server)
        self.assertEqual('ACTIVE', shown['status'], shown.get('fault'))
        before = self.claimed(self.server)
        lost = before['hostname']
        self.evacuate(lost)
        try:
            shown = self.cloud.settled(self.server)
            after = self.claimed(self.server)
            self.assertEqual(shown['OS-EXT-SRV-ATTR:host'], after['hostname'])
            self.assertNotEqual(lost, after['hostname'])
        finally:
            # What the server had there Nova gives back now.
            self.bring_back(lost)
        self.cloud.until('the first ends', lambda: not self.is_there(before))
        self.assertTrue(self.is_there(after))
        self.cloud.delete(self.server)
        self.assert_all_free()

    def is_there(self, claim):
        path = f'/claims/{claim["uuid"]}'
        answer = self.cloud.admin.accelerator.get(path, raise_exc=False)
        self.assertIn(answer.status_code, (200, 404), answer.text)
        return answer.status_code == 200
