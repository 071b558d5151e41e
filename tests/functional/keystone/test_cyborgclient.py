"""Every command of ``openstack accelerator``, against the running service.

There are two releases of them: python-cyborgclient's, and since 10.4 those of
python-openstackclient itself. A command has a test of its name. What one of
them does not do, and why, is asserted too and stands in the users'
documentation: it fails when a release can.
"""

import json
import sys
import uuid

from tests.fixtures import inprocess
from tests.functional.conformance import original
from tests.functional.keystone import cyborg_command

GROUP = {f'resources:{inprocess.PF}': '1'}


class Commands:
    """The tests that both have."""

    #: What of a device they do not have.
    missing = frozenset()

    def groups(self):
        """The words of a profile with GROUP."""
        raise NotImplementedError

    def made(self, path, body):
        """What a POST makes past the command; gone after the test."""
        token = f'admin:{self.keystone.project("admin")}:admin,member,reader'
        answer = self.service.call('POST', path, body, token=token)
        self.assertEqual(201, answer.status_int, answer.text)
        made = answer.json.get('arqs', [answer.json])[0]
        self.addCleanup(self.drop, f'{path}/{made["uuid"]}')
        return made

    def profile(self):
        body = {'name': f'p{uuid.uuid4().hex}', 'groups': [GROUP]}
        return self.made('/device_profiles', [body])

    def attribute(self):
        number = self.service.deployable()['deployable_id']
        body = {'deployable_id': number, 'key': 'rack', 'value': '7'}
        return self.made('/attributes', body)

    def arq(self):
        body = {'device_profile_name': self.profile()['name']}
        return self.made('/accelerator_requests', body)

    def drop(self, path):
        token = 'nova:service:admin,service'
        self.service.call('DELETE', path, token=token, X_Service_Token=token)

    def assert_shown(self, whole, shown):
        """*shown* is of *whole*."""
        self.assertEqual({name: whole[name] for name in shown}, shown)

    def the(self, ident, found):
        """That one of a list."""
        (one,) = (one for one in found if one['uuid'] == ident)
        return one

    def test_every_command_is_tested(self):
        done = self.openstack(
            *('command', 'list', '--group', 'openstack.accelerator.v2'),
            *('-f', 'json'),
        )
        (group,) = json.loads(done.out)
        names = [
            name.replace('accelerator', 'test').replace(' ', '_')
            for name in group['Commands']
        ]
        self.assertEqual(21, len(names))
        self.assertEqual(set(), set(names) - set(dir(self)))

    def test_device_list(self):
        card = self.service.device()
        found = self.told('device', 'list', persona='manager')
        self.assertEqual(3, len(found))
        card = {**card, **dict.fromkeys(self.missing)}
        self.assert_shown(card, self.the(card['uuid'], found))
        found = self.told('device', 'list', '--long')
        one = self.the(card['uuid'], found)
        self.assertEqual(10, len(one))
        self.assert_shown(card, one)

    def test_device_show(self):
        card = self.service.device()
        shown = self.told('device', 'show', card['uuid'])
        self.assertEqual(10, len(shown))
        card = {**card, **dict.fromkeys(self.missing)}
        self.assert_shown(card, shown)
        unknown = str(uuid.uuid4())
        self.assertIn(unknown, self.fail('device', 'show', unknown))
        said = self.fail('device', 'show', card['uuid'], persona='reader')
        self.assertIn('cyborg:device:get_one', said)

    def test_device_disable(self):
        self.addCleanup(self.service.mend)
        card = self.service.device()['uuid']
        self.succeed('device', 'disable', card)
        self.assertEqual('maintaining', self.service.device()['status'])

    def test_device_enable(self):
        self.addCleanup(self.service.mend)
        card = self.service.device()['uuid']
        self.service.call('POST', f'/devices/{card}/disable')
        self.succeed('device', 'enable', card)
        self.assertEqual('enabled', self.service.device()['status'])

    def test_refusals_of_enable_and_disable_are_not_told(self):
        """openstacksdk does not look at how these are answered."""
        card = self.service.device()['uuid']
        for word in ('disable', 'enable'):
            self.succeed('device', word, card, persona='reader')
            self.succeed('device', word, str(uuid.uuid4()))
            self.assertEqual('enabled', self.service.device()['status'])

    def test_device_attribute_create(self):
        number = self.service.deployable()['deployable_id']
        words = ('device', 'attribute', 'create', str(number), 'rack', '7')
        made = self.told(*words)
        self.addCleanup(self.drop, f'/attributes/{made["uuid"]}')
        self.assertEqual(6, len(made))
        self.assertEqual(('rack', '7'), (made['key'], made['value']))
        kept = self.service.get(f'/attributes/{made["uuid"]}')
        self.assert_shown(kept, made)

    def test_device_attribute_list(self):
        made = self.attribute()
        found = self.told('device', 'attribute', 'list')
        one = self.the(made['uuid'], found)
        self.assertEqual(4, len(one))
        self.assert_shown(made, one)
        found = self.told('device', 'attribute', 'list', '--long')
        one = self.the(made['uuid'], found)
        self.assertEqual(6, len(one))
        self.assert_shown(made, one)

    def test_device_attribute_show(self):
        made = self.attribute()
        shown = self.told('device', 'attribute', 'show', made['uuid'])
        self.assertEqual(6, len(shown))
        self.assert_shown(made, shown)

    def test_device_attribute_delete(self):
        both = [self.attribute()['uuid'], self.attribute()['uuid']]
        self.succeed('device', 'attribute', 'delete', *both)
        left = self.service.get('/attributes')['attributes']
        self.assertEqual(set(), {one['uuid'] for one in left} & {*both})
        said = self.fail('device', 'attribute', 'delete', both[0])
        self.assertIn(both[0], said)

    def test_device_profile_create(self):
        name = f'p{uuid.uuid4().hex}'
        words = ('device', 'profile', 'create', name, *self.groups())
        made = self.told(*words, '--description', 'Zwei Wörter')
        self.addCleanup(self.drop, f'/device_profiles/{made["uuid"]}')
        self.assertEqual(6, len(made))
        self.assertEqual([GROUP], made['groups'])
        self.assertEqual('Zwei Wörter', made['description'])
        said = self.fail(*words)
        wanted = f'A device_profile with name {name} already exists'
        self.assertIn(wanted, said)
        said = self.fail(*words, persona='manager')
        self.assertIn('cyborg:device_profile:create', said)

    def test_device_profile_list(self):
        made = self.profile()
        (one,) = self.told('device', 'profile', 'list', persona='reader')
        self.assertEqual(4, len(one))
        self.assert_shown(made, one)
        (one,) = self.told('device', 'profile', 'list', '--long')
        self.assertEqual(6, len(one))
        self.assert_shown(made, one)

    def test_device_profile_show(self):
        made = self.profile()
        shown = self.told('device', 'profile', 'show', made['uuid'])
        self.assertEqual(6, len(shown))
        self.assert_shown(made, shown)
        unknown = str(uuid.uuid4())
        said = self.fail('device', 'profile', 'show', unknown)
        self.assertIn(unknown, said)

    def test_device_profile_delete(self):
        both = [self.profile()['uuid'], self.profile()['uuid']]
        self.succeed('device', 'profile', 'delete', *both)
        left = self.service.get('/device_profiles')
        self.assertEqual([], left['device_profiles'])
        said = self.fail('device', 'profile', 'delete', both[0])
        self.assertIn(both[0], said)

    def test_deployable_list(self):
        region = self.service.deployable()
        found = self.told('deployable', 'list')
        self.assertEqual(3, len(found))
        one = self.the(region['uuid'], found)
        self.assertEqual(3, len(one))
        self.assert_shown(region, one)
        found = self.told('deployable', 'list', '--long')
        one = self.the(region['uuid'], found)
        self.assertEqual(8, len(one))
        self.assert_shown(region, one)

    def test_deployable_show(self):
        region = self.service.deployable()
        shown = self.told('deployable', 'show', region['uuid'])
        self.assertEqual(4, len(shown))
        self.assert_shown(region, shown)

    def test_arq_create(self):
        made = self.told('arq', 'create', self.profile()['name'])
        self.addCleanup(self.drop, f'/accelerator_requests/{made["uuid"]}')
        self.assertEqual('Initial', made['state'])
        self.assertEqual(8, len(made))
        kept = self.service.get('/accelerator_requests')['arqs']
        self.assert_shown(self.the(made['uuid'], kept), made)
        said = self.fail('arq', 'create', 'nothing')
        self.assertIn('Device Profile not found with name=nothing', said)

    def test_arq_list(self):
        made = self.arq()
        (one,) = self.told('arq', 'list')
        self.assertEqual(6, len(one))
        self.assert_shown(made, one)
        (one,) = self.told('arq', 'list', '--long')
        self.assertEqual(8, len(one))
        self.assert_shown(made, one)
        # Another project's.
        self.assertEqual([], self.told('arq', 'list', persona='member'))

    def test_arq_show(self):
        made = self.arq()
        shown = self.told('arq', 'show', made['uuid'])
        self.assertEqual(8, len(shown))
        self.assert_shown(made, shown)
        said = self.fail('arq', 'show', made['uuid'], persona='member')
        self.assertIn(made['uuid'], said)

    def test_arq_delete(self):
        made = self.arq()
        self.succeed('arq', 'delete', made['uuid'])
        left = self.service.get('/accelerator_requests')
        self.assertEqual([], left['arqs'])
        said = self.fail('arq', 'delete', made['uuid'])
        self.assertIn(made['uuid'], said)

    def test_arq_unbind(self):
        """Only Nova does: nobody has the service token that it needs."""
        said = self.fail('arq', 'unbind', self.arq()['uuid'])
        self.assertIn('This operation requires a service token', said)


class TestCyborgclient(Commands, cyborg_command.CommandTest):
    """python-cyborgclient 3.0.0, with an openstackclient before 10.4."""

    python = staticmethod(original.python)

    def groups(self):
        return [json.dumps([GROUP])]

    def test_profile_can_be_shown_by_its_name(self):
        made = self.profile()
        shown = self.told('device', 'profile', 'show', made['name'])
        self.assertEqual(made['uuid'], shown['uuid'])

    def test_options_of_arq_create_are_accepted(self):
        image, name = str(uuid.uuid4()), self.profile()['name']
        options = ('--group-id', '0', '--image-uuid', image)
        made = self.told('arq', 'create', name, *options)
        self.addCleanup(self.drop, f'/accelerator_requests/{made["uuid"]}')
        self.assertEqual('Initial', made['state'])

    def test_deployable_program(self):
        """openstacksdk's ``update_deployable`` calls itself for ever."""
        region, image = self.service.deployable(), self.service.known_image()
        said = self.fail('deployable', 'program', region['uuid'], image)
        self.assertIn('maximum recursion depth exceeded', said)

    def test_arq_bind(self):
        """As unbind."""
        words = ('arq', 'bind', self.arq()['uuid'], self.service.hostname)
        provider = self.service.deployable()['rp_uuid']
        project = self.keystone.project('admin')
        said = self.fail(*words, str(uuid.uuid4()), provider, project)
        self.assertIn('This operation requires a service token', said)


class TestOpenstackclient(Commands, cyborg_command.CommandTest):
    """python-openstackclient 10.5.0, which has them itself."""

    python = staticmethod(lambda: sys.executable)
    #: It knows of version 2.3 and asks for none, which is for 2.0.
    missing = frozenset(['status'])

    def groups(self):
        return ['--group', ','.join(f'{k}={v}' for k, v in GROUP.items())]

    def test_profile_cannot_be_shown_by_its_name(self):
        """For the same reason."""
        said = self.fail('device', 'profile', 'show', self.profile()['name'])
        self.assertIn('minimal required API version should be 2.2', said)

    def test_deployable_program(self):
        region, image = self.service.deployable(), self.service.known_image()
        words = ('deployable', 'program', region['uuid'], image)
        self.assertEqual(region['name'], self.told(*words)['name'])
        self.addCleanup(self.service.mend)
        self.service.until(
            'the bitstream is loaded',
            lambda: self.service.deployable()['bitstream_id'] == image,
            60,
        )

    def test_arq_bind(self):
        """As unbind, and here is no Nova that it could ask of the server."""
        words = ('arq', 'bind', self.arq()['uuid'], self.service.hostname)
        provider = self.service.deployable()['rp_uuid']
        said = self.fail(*words, str(uuid.uuid4()), provider)
        self.assertIn('compute', said)
