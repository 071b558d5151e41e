"""Servers that are rebooted, rebuilt, shelved and moved keep a card."""

import contextlib

from keystoneauth1 import exceptions

from tests.functional.nova import base


class TestMoves(base.CloudTest):
    def setUp(self):
        super().setUp()
        image, self.function = self.new_function()
        self.server = self.cloud.boot(self.profile(image))
        self.first = self.assert_has(self.server, self.function)

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
        self.force_down(lost, True)
        self.addCleanup(self.bring_back, lost)
        self.act('evacuate')
        (arq,) = self.assert_has(self.server, self.function)
        self.assertNotEqual(lost, arq['hostname'])
        self.cloud.delete(self.server)
        self.assert_all_free()

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
