"""What is made of Cyborg's records, and when nothing is."""

import json
import uuid

import sqlalchemy as sa

from cyborg_fpga import model
from cyborg_fpga.db import arqs
from cyborg_fpga.db import device_profiles
from cyborg_fpga.db import devices
from cyborg_fpga.db import engine
from cyborg_fpga.db import hosts
from cyborg_fpga.db import models
from cyborg_fpga.takeover import run
from cyborg_fpga.takeover import source
from tests.fixtures import cyborgs_tables
from tests.unit.db import base

HOST, PROVIDER = cyborgs_tables.HOST, cyborgs_tables.PROVIDER
FUNCTION = 'f' * 32


class ImportTest(base.DatabaseTest):
    def setUp(self):
        super().setUp()
        self.cyborg = self.useFixture(cyborgs_tables.CyborgsTables())

    def take(self, **how):
        with source.connected(self.cyborg.url) as cyborg:
            return run.run(self.ctx, cyborg, **how)

    def added(self, **how):
        return {n: c for n, c in self.take(**how).added.items() if c}

    def refused(self, pattern, **how):
        """Its only reason is like *pattern*, and nothing is kept of it."""
        before = self.counts()
        caught = self.assertRaises(run.Refused, self.take, **how)
        self.assertEqual(1, len(caught.reasons), caught.reasons)
        self.assertRegex(caught.reasons[0], pattern)
        self.assertEqual(before, self.counts())

    def counts(self):
        with engine.get_engine().connect() as connection:
            return {
                table.name: connection.execute(
                    sa.select(sa.func.count()).select_from(table)
                ).scalar_one()
                for table in models.Base.metadata.sorted_tables
            }

    def uuid_of(self, table, row):
        return self.cyborg.uuid_of(table, row)

    def arq(self, row):
        table = 'extended_accelerator_requests'
        return arqs.get(self.ctx, self.uuid_of(table, row))


class TestCards(ImportTest):
    def test_host_waits_for_its_agent(self):
        self.cyborg.card()
        self.assertEqual([HOST], self.take().hosts)
        host = hosts.get(self.ctx, HOST)
        self.assertEqual(
            (False, 0, model.Layout.REGION, HOST),
            (host.up, host.boot_id, host.layout, host.rp_name),
        )

    def test_deployable_keeps_uuid_provider_and_class(self):
        row, handles = self.cyborg.card()
        self.take()
        [found] = self.regions(HOST)
        self.assertEqual(self.uuid_of('deployables', row), found.uuid)
        self.assertEqual(
            (PROVIDER, f'{HOST}_0000:5e:00.0', 'FPGA', True),
            (
                found.rp_uuid,
                found.rp_name,
                found.resource_class,
                found.rp_fixed,
            ),
        )
        self.assertEqual(('CUSTOM_FPGA_INTEL',), found.added_traits)
        self.assertEqual(
            {self.uuid_of('attach_handles', handle) for handle in handles},
            {handle.uuid for handle in found.handles},
        )
        self.assertEqual(
            ['0000:5e:00.1', '0000:5e:00.2'],
            [str(handle.pci_address) for handle in found.handles],
        )
        self.assertEqual({'VF'}, {handle.kind for handle in found.handles})

    def test_device_keeps_its_state_and_its_ids(self):
        self.cyborg.card()
        self.cyborg.change('devices', 0, status='maintaining')
        self.take()
        [found] = devices.list_page(self.ctx, filters={}, limit=9)
        self.assertEqual(model.DeviceStatus.MAINTAINING, found.status)
        self.assertEqual('0000:5e:00.0', str(found.pci_address))
        self.assertEqual(('8086', '09c4'), (found.vendor_id, found.product_id))
        self.assertEqual('2026-01-02T03:04:05+00:00', found.created_at)

    def test_provider_that_cyborg_has_not_made_gets_the_uuid_it_would(self):
        self.cyborg.card(rp_uuid=None, name='x')
        self.take()
        [found] = self.regions(HOST)
        expected = uuid.uuid3(uuid.NAMESPACE_DNS, 'x')
        self.assertEqual(str(expected), found.rp_uuid)

    def test_address_may_be_written_short(self):
        _, [handle] = self.cyborg.card(handles=1)
        text = '{"domain": "0x0", "bus": "c", "device": "2", "function": "0"}'
        self.cyborg.change('attach_handles', handle, attach_info=text)
        self.take()
        [found] = self.regions(HOST)
        self.assertEqual('0000:0c:02.0', str(found.handles[0].pci_address))

    def test_function_that_a_trait_names_is_no_trait_for_ever(self):
        row, _ = self.cyborg.card()
        trait = f'CUSTOM_FPGA_FUNCTION_ID_INTEL_{FUNCTION.upper()}'
        self.cyborg.trait(row, trait)
        summary = self.take()
        self.assertEqual({'traits of loaded functions': 1}, summary.left_out)
        [found] = self.regions(HOST)
        self.assertEqual(FUNCTION, found.function_id)
        self.assertEqual(('CUSTOM_FPGA_INTEL',), found.added_traits)

    def test_trait_that_placement_cannot_have_is_left_out_and_told(self):
        row, _ = self.cyborg.card()
        self.cyborg.trait(row, 'CUSTOM_a-b')
        [note] = self.take().notes
        self.assertIn("'CUSTOM_a-b'", note)
        [found] = self.regions(HOST)
        self.assertEqual(('CUSTOM_FPGA_INTEL',), found.added_traits)

    def test_other_types_are_left_out_and_counted(self):
        self.cyborg.card()
        for kind in ('GPU', 'GPU', 'NIC'):
            self.cyborg.card('0000:d8:00.0', kind=kind)
        summary = self.take()
        self.assertEqual(1, summary.added['devices'])
        self.assertEqual(
            {'devices of type GPU': 2, 'devices of type NIC': 1},
            summary.left_out,
        )

    def test_handle_that_is_in_use_by_nobody_is_told(self):
        profile = self.cyborg.profile()
        _, handles = self.cyborg.card(handles=3)
        self.cyborg.bound(profile, handles[0])
        self.cyborg.change('attach_handles', handles[1], in_use=True)
        [note] = self.take().notes
        self.assertTrue(note.startswith('1 attach handles'), note)


class TestProfiles(ImportTest):
    def test_profile_stays_as_it_is(self):
        groups = [
            {'resources:FPGA': '1', 'accel:bitstream_id': str(uuid.uuid4())},
            {'resources:FPGA': '2', 'accel:function_id': FUNCTION},
        ]
        row = self.cyborg.profile(
            'a', profile_json=json.dumps({'groups': groups}), description='d'
        )
        self.take()
        found = device_profiles.by_name(self.ctx, 'a')
        self.assertEqual(self.uuid_of('device_profiles', row), found.uuid)
        self.assertEqual(('d', groups), (found.description, [*found.groups]))

    def test_profile_that_makes_no_sense_here_is_kept_and_told(self):
        groups = json.dumps({'groups': [{'resources:FPGA': '-3'}]})
        self.cyborg.profile('odd', profile_json=groups)
        [note] = self.take().notes
        self.assertIn('device profile odd', note)
        device_profiles.by_name(self.ctx, 'odd')


class TestRequests(ImportTest):
    def setUp(self):
        super().setUp()
        self.profile = self.cyborg.profile()
        _, self.handles = self.cyborg.card(handles=4)

    def test_bound_one_stays_bound(self):
        row = self.cyborg.bound(self.profile, self.handles[1])
        self.take()
        found = self.arq(row)
        self.assertEqual(model.ClaimState.READY, found.state)
        self.assertIsNone(found.updated_at)
        self.assertEqual(
            ('0000:5e:00.2', 'VF', HOST, PROVIDER, 'b' * 32),
            (
                str(found.address),
                found.kind,
                found.hostname,
                found.device_rp_uuid,
                found.project_id,
            ),
        )

    def test_others_hold_nothing(self):
        rows = {}
        for state, expected in (
            ('Initial', model.ClaimState.INITIAL),
            ('Unbound', model.ClaimState.UNBOUND),
            ('BindFailed', model.ClaimState.FAILED),
            ('BindStarted', model.ClaimState.FAILED),
            ('Deleting', model.ClaimState.FAILED),
        ):
            row = self.cyborg.arq(self.profile, state)
            self.cyborg.change(
                'extended_accelerator_requests',
                row,
                attach_handle_id=self.handles[0],
                instance_uuid=str(uuid.uuid4()),
            )
            rows[row] = expected
        self.take()
        for row, expected in rows.items():
            found = self.arq(row)
            self.assertEqual(expected, found.state)
            self.assertIsNone(found.address)
            failed = expected is model.ClaimState.FAILED
            self.assertEqual(failed, found.instance_uuid is not None)

    def test_nova_is_owed_only_what_cyborg_was_amid(self):
        instance = str(uuid.uuid4())
        for state in ('BindStarted', 'BindFailed', 'Deleting'):
            self.cyborg.arq(self.profile, state, instance_uuid=instance)
        self.cyborg.bound(self.profile, self.handles[0])
        self.take()
        [event] = arqs.take_events(self.ctx, 9, 1.0)
        self.assertEqual((instance, False), (event.instance_uuid, event.bound))

    def test_first_of_an_instance_guards_it(self):
        instance = str(uuid.uuid4())
        for handle in self.handles[:2]:
            self.cyborg.bound(self.profile, handle, instance_uuid=instance)
        self.take()
        with engine.get_engine().connect() as connection:
            guards = connection.execute(
                sa.select(models.Claim.instance_guard).order_by(
                    models.Claim.id
                )
            ).scalars()
            self.assertEqual([instance, None], [*guards])

    def test_those_bound_to_other_devices_must_be_left_out_on_purpose(self):
        _, [handle] = self.cyborg.card('0000:d8:00.0', handles=1, kind='GPU')
        self.cyborg.bound(self.profile, handle)
        self.refused('1 accelerator requests are bound .* no FPGAs')
        summary = self.take(skip_other_types=True)
        self.assertEqual(0, summary.added['accelerator requests'])
        self.assertEqual(
            1, summary.left_out['accelerator requests bound to other devices']
        )


class TestAllOrNothing(ImportTest):
    def setUp(self):
        super().setUp()
        self.profile = self.cyborg.profile()
        self.region, self.handles = self.cyborg.card()
        self.row = self.cyborg.bound(self.profile, self.handles[0])

    def test_dry_run_counts_the_same_and_keeps_nothing(self):
        before = self.counts()
        planned = self.added(dry_run=True)
        self.assertEqual(before, self.counts())
        self.assertEqual(planned, self.added())

    def test_second_run_changes_nothing(self):
        self.take()
        before = self.counts()
        summary = self.take()
        self.assertEqual(before, self.counts())
        self.assertEqual(
            {
                'device profiles': 1,
                'devices': 1,
                'accelerator requests': 1,
            },
            summary.there,
        )
        self.assertEqual({0}, set(summary.added.values()))

    def test_what_was_given_back_since_does_not_come_again(self):
        self.take()
        with engine.get_engine().begin() as connection:
            connection.execute(
                sa.update(models.AttachHandle).values(claim_id=None)
            )
            connection.execute(sa.delete(models.Claim))
        caught = self.assertRaises(run.Refused, self.take)
        self.assertIn('into an empty database', caught.reasons[-1])
        self.assertEqual(0, self.counts()['claims'])

    def test_host_that_reports_to_us_is_in_the_way(self):
        self.store(hostname=HOST)
        self.refused(f'host {HOST} is here already')

    def test_host_whose_provider_has_the_name_is_in_the_way(self):
        self.store(hostname='node1', resource_provider_name=HOST)
        self.refused(f'host {HOST} is here already')

    def test_profile_of_the_same_name_is_in_the_way(self):
        device_profiles.create(
            self.ctx,
            base.new_uuid(),
            name='p',
            groups=[{'resources:FPGA': '1'}],
        )
        self.refused('another device profile p is here already')

    def test_every_reason_is_told_but_not_without_end(self):
        for number in range(30):
            self.cyborg.profile(f'p{number}', profile_json='{')
        caught = self.assertRaises(run.Refused, self.take)
        self.assertEqual(21, len(caught.reasons))
        self.assertEqual('and 10 more', caught.reasons[-1])


class TestDamage(ImportTest):
    """Each row of this is refused, by its uuid."""

    def setUp(self):
        super().setUp()
        self.profile = self.cyborg.profile()
        self.region, self.handles = self.cyborg.card()
        self.row = self.cyborg.bound(self.profile, self.handles[0])

    def damaged(self, table, row, words, **values):
        self.cyborg.change(table, row, **values)
        self.refused(f'{self.uuid_of(table, row)}.*{words}')

    def test_profile_without_groups(self):
        self.damaged(
            'device_profiles', self.profile, 'groups', profile_json='{}'
        )

    def test_profile_that_is_no_json(self):
        self.damaged(
            'device_profiles', self.profile, 'groups', profile_json='[{'
        )

    def test_groups_that_are_no_texts(self):
        self.damaged(
            'device_profiles',
            self.profile,
            'texts',
            profile_json='{"groups": [{"resources:FPGA": {}}]}',
        )

    def test_uuid_that_is_none(self):
        self.cyborg.change('devices', 0, uuid='x')
        self.refused('device x .*no uuid')

    def test_address_of_a_card(self):
        self.cyborg.change('controlpath_ids', 0, cpid_info='{"bus": 1}')
        caught = self.assertRaises(run.Refused, self.take)
        self.assertIn('no PCI address', caught.reasons[0])
        self.assertEqual(0, self.counts()['devices'])

    def test_card_without_an_address(self):
        self.cyborg.execute('DELETE FROM controlpath_ids')
        caught = self.assertRaises(run.Refused, self.take)
        self.assertIn('0 control path ids', caught.reasons[0])

    def test_address_of_a_handle(self):
        self.cyborg.change('attach_handles', self.handles[1], attach_info='5')
        caught = self.assertRaises(run.Refused, self.take)
        self.assertIn('no PCI address', caught.reasons[0])

    def test_handle_of_a_kind_that_fpgas_have_not(self):
        self.cyborg.change(
            'attach_handles', self.handles[1], attach_type='MDEV'
        )
        caught = self.assertRaises(run.Refused, self.take)
        self.assertIn("'MDEV'", caught.reasons[0])

    def test_card_that_is_there_twice(self):
        self.cyborg.card(name='other', handles=0)
        self.refused('devices: .* has the pci_address 0000:5e:00.0')

    def test_deployable_that_is_there_twice(self):
        self.cyborg.card('0000:86:00.0', name=f'{HOST}_0000:5e:00.0')
        caught = self.assertRaises(run.Refused, self.take)
        self.assertIn('has the name', caught.reasons[0])

    def test_handle_that_is_there_twice(self):
        self.cyborg.change(
            'attach_handles',
            self.handles[1],
            attach_info=cyborgs_tables.pci('0000:5e:00.1'),
        )
        self.refused('attach handles: .* has the pci_address')

    def test_two_resource_classes(self):
        self.cyborg.add(
            'attributes', deployable_id=self.region, key='rc', value='PGPU'
        )
        caught = self.assertRaises(run.Refused, self.take)
        self.assertIn('the classes FPGA, PGPU', caught.reasons[0])

    def test_resource_class_that_is_none(self):
        self.cyborg.execute("UPDATE attributes SET value = 'x' WHERE id = 1")
        caught = self.assertRaises(run.Refused, self.take)
        self.assertIn("its class is 'x'", caught.reasons[0])

    def test_bound_request_without_a_handle(self):
        self.damaged(
            'extended_accelerator_requests',
            self.row,
            'attach handle is not there',
            attach_handle_id=None,
        )

    def test_bound_request_without_an_instance(self):
        self.damaged(
            'extended_accelerator_requests',
            self.row,
            'no instance',
            instance_uuid=None,
        )

    def test_request_of_another_provider_than_its_handle(self):
        self.damaged(
            'extended_accelerator_requests',
            self.row,
            'provider',
            device_rp_uuid=str(uuid.uuid4()),
        )

    def test_request_in_a_state_that_nobody_knows(self):
        self.damaged(
            'extended_accelerator_requests', self.row, "'X'", state='X'
        )

    def test_request_without_a_profile(self):
        self.damaged(
            'extended_accelerator_requests',
            self.row,
            'device profile is not there',
            device_profile_id=99,
        )

    def test_handle_that_two_requests_have(self):
        second = self.cyborg.bound(self.profile, self.handles[0])
        uuid_of = self.uuid_of('extended_accelerator_requests', second)
        self.refused(f'{uuid_of}: another one has attach handle')

    def test_handle_that_two_requests_far_apart_have(self):
        for _ in range(run._ROWS):
            self.cyborg.arq(self.profile)
        second = self.cyborg.bound(self.profile, self.handles[0])
        uuid_of = self.uuid_of('extended_accelerator_requests', second)
        self.refused(f'{uuid_of}: another one has attach handle')


class TestSize(ImportTest):
    def test_pages_add_up(self):
        profile = self.cyborg.profile()
        number = run._DEVICES + 3
        for card in range(number):
            self.cyborg.card(f'0000:{card:02x}:00.0', handles=1, rp_uuid=None)
        self.cyborg.arq(profile)
        added = self.added()
        self.assertEqual(number, added['devices'])
        self.assertEqual(number, added['attach handles'])
        self.assertEqual(1, added['hosts'])

    def test_statements_do_not_grow_with_the_rows_of_a_page(self):
        def statements(cards):
            profile = self.cyborg.profile()
            for card in range(cards):
                _, handles = self.cyborg.card(f'0000:{card:02x}:00.0')
                self.cyborg.bound(profile, handles[0])
            with self.statements() as seen:
                self.take()
            return len(seen)

        few = statements(1)
        for table in cyborgs_tables._COLUMNS:
            self.cyborg.execute(f'DELETE FROM {table}')
        with engine.get_engine().begin() as connection:
            for table in reversed(models.Base.metadata.sorted_tables):
                connection.execute(table.delete())
        self.assertEqual(few, statements(20))
