"""What was imported, as the API shows it before any agent has reported."""

from cyborg_fpga import context
from cyborg_fpga.takeover import run
from cyborg_fpga.takeover import source
from tests.fixtures import cyborgs_tables
from tests.unit.api import base

HOST = 'old1.example.com'


class TestShown(base.ApiTest):
    def setUp(self):
        super().setUp()
        cyborg = self.useFixture(cyborgs_tables.CyborgsTables())
        profile = cyborg.profile()
        _, [handle] = cyborg.card(handles=1, hostname=HOST)
        cyborg.bound(profile, handle, hostname=HOST)
        for state in ('Initial', 'Unbound', 'BindFailed', 'BindStarted'):
            cyborg.arq(profile, state, hostname=HOST)
        with source.connected(cyborg.url) as opened:
            run.run(context.service(), opened)

    def listed(self, path, name):
        # The fixture compares every answer with its schema.
        answer = self.call('GET', f'/v2/{path}')
        self.assertEqual(200, answer.status_int, answer.text)
        return answer.json[name]

    def test_every_list_has_what_was_imported(self):
        [host] = [h for h in self.listed('hosts', 'hosts') if not h['up']]
        self.assertEqual(
            (HOST, False, None, 'region'),
            (host['hostname'], host['up'], host['last_seen'], host['layout']),
        )
        [device] = self.listed(f'devices?hostname={HOST}', 'devices')
        self.assertEqual('0x8086', device['vendor'])
        [region] = self.listed(f'deployables?hostname={HOST}', 'deployables')
        self.assertEqual(cyborgs_tables.PROVIDER, region['rp_uuid'])
        self.assertEqual(
            '[{"rc": "FPGA"}, {"trait0": "CUSTOM_FPGA_INTEL"}]',
            region['attributes_list'],
        )
        path = f'attributes?deployable_id={region["deployable_id"]}'
        self.assertEqual(2, len(self.listed(path, 'attributes')))
        found = self.listed('accelerator_requests', 'arqs')
        self.assertEqual(
            ['BindFailed', 'BindFailed', 'Bound', 'Initial', 'Unbound'],
            sorted(arq['state'] for arq in found),
        )
        self.assertEqual(5, len(self.listed('claims', 'claims')))

    def test_bound_request_shows_where_nova_finds_its_function(self):
        found = self.listed('accelerator_requests', 'arqs')
        [bound] = [arq for arq in found if arq['state'] == 'Bound']
        self.assertEqual('PCI', bound['attach_handle_type'])
        self.assertEqual(
            {'domain': '0000', 'bus': '5e', 'device': '00', 'function': '1'},
            bound['attach_handle_info'],
        )
