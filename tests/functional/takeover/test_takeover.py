"""Take a cloud over from Cyborg, and give it back."""

import copy
import pathlib
import subprocess
import sys
import uuid
from collections.abc import Callable

import fixtures
from oslotest import base

from tests.fixtures import database
from tests.fixtures import inprocess
from tests.functional.conformance import original
from tests.functional.takeover import old_cloud

GPU, PULLED = '0000:d8:00.0', '0000:b1:00.0'
CARD, VF_CARD = inprocess.CARDS[0], inprocess.VF_CARD
LOADED = f'CUSTOM_FPGA_FUNCTION_ID_INTEL_{old_cloud.FUNCTION.upper()}'
TRAITS = (
    'CUSTOM_FPGA_INTEL',
    'CUSTOM_FPGA_INTEL_PAC_ARRIA10',
    f'CUSTOM_FPGA_REGION_INTEL_{inprocess.REGION.upper()}',
    LOADED,
)
#: What Cyborg's states are here.
STATES = {'BindStarted': 'BindFailed', 'Deleting': 'BindFailed'}
#: Of an accelerator request, what must not change.
SAME = (
    *('device_profile_name', 'device_profile_group_id', 'device_rp_uuid'),
    *('instance_uuid', 'project_id', 'attach_handle_type'),
    *('attach_handle_uuid', 'hostname'),
)
SERVICE = 'nova:service:service'


class NewService(inprocess.InProcess):
    """This service, in a cloud in which *before* was done before."""

    def __init__(self, before: Callable[['NewService'], None]) -> None:
        drivers = {'enabled_drivers': ['fake', 'intel_dfl']}
        super().__init__(settings={'agent': drivers})
        self._before = [before]

    def start_conductor(self) -> None:
        while self._before:
            self._before.pop()(self)
        super().start_conductor()


class TestTakeover(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        original.python()
        # What its own migrations make: they know no SQLite.
        self.database = database.create('mariadb')
        self.config = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path, 'fpga.conf'
        )

    def manage(self, url, *words):
        """What a command says, and whether it did it."""
        self.config.write_text(f'[database]\nconnection = {url}\n')
        command = [sys.executable, '-m', 'cyborg_fpga.cmd.manage']
        done = subprocess.run(
            [*command, '--config-file', str(self.config), *words],
            input=f'{self.old.database}\n',
            capture_output=True,
            check=False,
            text=True,
            timeout=300,
        )
        return done.returncode, done.stdout + done.stderr

    def imported(self, url, *words):
        code, said = self.manage(url, 'import-cyborg', '--from=-', *words)
        self.assertEqual(0, code, said)
        return said

    def test_cloud_is_taken_over_and_given_back(self):
        service = self.useFixture(NewService(self.take_over))
        after = self.tree(service)
        self.check_placement(after)
        self.check_requests(service)
        self.check_cards(service)
        self.check_audit(service)
        self.nova_is_told(service)
        service.stop_agent()
        service.stop_conductor()
        self.give_back(service, after)
        service.start_conductor()
        service.start_agent()
        self.live_on(service)

    # -- the cloud as it was -------------------------------------------

    def take_over(self, service):
        service.rooms.create_root(service.hostname)
        endpoint = service.cloud.endpoints['placement']
        self.old = self.useFixture(
            old_cloud.OldCloud(
                service.hostname,
                self.cards(service),
                service.rooms,
                database=self.database,
                placement=endpoint,
                nova=service.nova.url,
            )
        )
        self.providers = {
            one['name']: one['rp_uuid']
            for one in self.old.listed('deployables').values()
        }
        self.fill()
        self.old_devices = self.old.listed('devices')
        self.old_requests = self.old.listed('accelerator_requests')
        self.old_profiles = self.old.listed('device_profiles')
        self.old_attributes = self.old.listed('attributes')
        self.old.stop()
        self.before = self.tree(service)
        self.rows = self.old.rows()
        self.import_it(service.conf.database.connection)

    def cards(self, service):
        self.vfs = next(
            card['functions']
            for card in service.simulator.cards()
            if card['address'] == VF_CARD
        )
        card = old_cloud.card
        return [
            card(CARD, traits=TRAITS),
            card(VF_CARD, *self.vfs, traits=TRAITS[:2]),
            card(PULLED, traits=TRAITS[:2]),
            card(GPU, resource_class='PGPU', kind='GPU'),
        ]

    def provider(self, end):
        return next(
            uuid for name, uuid in self.providers.items() if name.endswith(end)
        )

    def bound(self, profile, end, resource_class='FPGA'):
        """The instance that has new requests of a provider, and they."""
        arqs = self.old.request(profile)
        provider = self.provider(end)
        return self.old.bind(arqs, provider, resource_class), arqs

    def fill(self):
        self.old.make_profiles()
        self.instance, self.arqs = self.bound('two', 'FakeDevice')
        self.bound('intel', CARD)
        self.bound('intel', self.vfs[-1])
        _, [self.gpu] = self.bound('gpu', GPU, 'PGPU')
        _, [unbound] = self.bound('one', 'FakeDevice')
        self.old.unbind(unbound)
        self.old.request('image')
        self.old.request('function')
        for state in ('BindFailed', 'Deleting', 'BindStarted'):
            self.failing, [arq] = self.bound('one', 'FakeDevice')
            self.old.set_state(arq, state)

    def import_it(self, url):
        code, said = self.manage(url, 'import-cyborg', '--from=-')
        self.assertEqual(1, code, said)
        self.assertIn('1 accelerator requests are bound to devices', said)
        skip = '--skip-other-types'
        planned = self.imported(url, skip, '--dry-run')
        done = self.imported(url, skip)
        self.assertEqual(
            done, planned.replace('would be imported', 'imported')
        )
        for line in (
            'hosts +1',
            'devices +4',
            'deployables +4',
            'attach handles +22',
            'device profiles +6',
            'accelerator requests +10',
            'devices of type GPU +1',
            'traits of loaded functions +1',
            'Bound +4',
        ):
            self.assertRegex(done, f'(?m)^  {line}$')
        self.assertIn('3 attach handles were marked in use', done)
        again = self.imported(url, skip)
        self.assertIn('imported before', again)

    # -- what it is now ------------------------------------------------

    def tree(self, service):
        """All of the host in Placement, by name."""
        get = service.rooms._http.get
        root = service.rooms.find_provider(service.hostname)
        found = {}
        for one in get(f'/resource_providers?in_tree={root}')[
            'resource_providers'
        ]:
            path = f'/resource_providers/{one["uuid"]}'
            found[one['name']] = {
                'uuid': one['uuid'],
                'parent': one['parent_provider_uuid'],
                **{
                    what: get(f'{path}/{what}')[what]
                    for what in ('inventories', 'traits', 'allocations')
                },
            }
        return found

    def without_traits(self, tree):
        return {
            name: {**one, 'traits': None, 'allocations': self.held(one)}
            for name, one in tree.items()
        }

    def held(self, provider):
        return {
            consumer: held['resources']
            for consumer, held in provider['allocations'].items()
        }

    def check_placement(self, after):
        expected = copy.deepcopy(self.before)
        # Nobody can have what is not there.
        pulled = next(n for n in expected if n.endswith(PULLED))
        expected[pulled]['inventories']['FPGA']['reserved'] = 1
        # The host's other Intel card is new.
        new = set(after) - set(expected)
        self.assertEqual(1, len(new), new)
        self.assertIn(inprocess.CARDS[1], new.pop())
        self.assertEqual(
            self.without_traits(expected),
            self.without_traits({name: after[name] for name in expected}),
        )
        for name, one in self.before.items():
            self.assertLessEqual(
                set(one['traits']) - {LOADED}, set(after[name]['traits'])
            )
            self.assertNotIn(LOADED, after[name]['traits'])

    def check_requests(self, service):
        found = {
            one['uuid']: one
            for one in service.get('/accelerator_requests')['arqs']
        }
        del self.old_requests[self.gpu]
        self.assertEqual(self.old_requests.keys(), found.keys())
        for key, old in self.old_requests.items():
            new = found[key]
            self.assertEqual(
                STATES.get(old['state'], old['state']), new['state']
            )
            self.assertEqual(
                {name: old[name] for name in SAME},
                {name: new[name] for name in SAME},
            )
            self.assertEqual(self.numbers(old), self.numbers(new))
            self.assertEqual(old['created_at'][:19], new['created_at'][:19])

    def check_audit(self, service):
        """What the servers brought along is not taken for forgotten."""
        books = service.conductor._manager.reconciler._audit
        findings = books._look(inprocess.CTX, service.hostname)
        self.assertFalse(findings, findings)

    def numbers(self, arq):
        info = arq['attach_handle_info']
        return {name: int(text, 16) for name, text in info.items()}

    def check_cards(self, service):
        new = {d['uuid']: d for d in service.get('/devices')['devices']}
        for key, old in self.old_devices.items():
            if old['type'] == 'FPGA':
                self.assertEqual(old['hostname'], new[key]['hostname'])
                self.assertEqual(old['status'], new[key]['status'])
        health = {d['pci_address']: d['health'] for d in new.values()}
        self.assertEqual('lost', health.pop(PULLED))
        self.assertEqual({'ok'}, set(health.values()))
        profiles = service.get('/device_profiles')['device_profiles']
        self.assertEqual(
            {key: old['groups'] for key, old in self.old_profiles.items()},
            {one['uuid']: one['groups'] for one in profiles},
        )
        facts = service.get('/attributes?limit=1000')['attributes']
        kept = {one['uuid']: (one['key'], one['value']) for one in facts}
        for key, old in self.old_attributes.items():
            if old['value'] not in (LOADED, 'PGPU'):
                self.assertEqual((old['key'], old['value']), kept[key])

    def nova_is_told(self, service):
        """Cyborg had told it otherwise, before it came to where it was."""
        service.until(
            'Nova is told of what Cyborg left',
            lambda: any(
                'failed' in statuses
                for statuses in service.nova.told(self.failing).values()
            ),
            60,
        )

    # -- the way back --------------------------------------------------

    def give_back(self, service, after):
        self.assertEqual(self.rows, self.old.rows())
        self.old.start()
        listed = self.old.listed('accelerator_requests')
        del listed[self.gpu]
        self.assertEqual(self.old_requests, listed)
        self.assertEqual(after, self.tree(service))
        self.old.stop()

    # -- and on --------------------------------------------------------

    def live_on(self, service):
        region = next(
            one
            for one in service.get('/deployables')['deployables']
            if one['rp_name'].endswith('FakeDevice')
        )
        self.assertEqual(2, sum(h['claimed'] for h in region['handles']))
        path = f'/accelerator_requests?instance={self.instance}'
        headers = {'token': inprocess.ADMIN, 'X_Service_Token': SERVICE}
        answer = service.call('DELETE', path, **headers)
        self.assertEqual(204, answer.status_int, answer.text)
        service.rooms.release(self.instance)
        name = f'/deployables/{region["uuid"]}'
        service.until(
            'it is offered again',
            lambda: not service.get(name)['wipe_pending'],
            60,
        )
        body = {'device_profile_name': 'two'}
        answer = service.call('POST', '/accelerator_requests', body)
        self.assertEqual(201, answer.status_int, answer.text)
        instance = str(uuid.uuid4())
        values = {
            'hostname': service.hostname,
            'device_rp_uuid': region['rp_uuid'],
            'instance_uuid': instance,
        }
        patch = [
            {'path': f'/{name}', 'op': 'add', 'value': value}
            for name, value in values.items()
        ]
        body = {arq['uuid']: patch for arq in answer.json['arqs']}
        answer = service.call(
            'PATCH', '/accelerator_requests', body, **headers
        )
        self.assertEqual(202, answer.status_int, answer.text)
        path = f'/accelerator_requests?instance={instance}'
        found = service.get(path)['arqs']
        self.assertEqual(['Bound'] * 2, [arq['state'] for arq in found])
