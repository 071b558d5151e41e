"""What a report makes of deployables that were imported."""

import sqlalchemy as sa

from cyborg_fpga import model
from cyborg_fpga.db import engine
from cyborg_fpga.db import hosts
from cyborg_fpga.db import models
from tests.unit.db import base

VF = model.HandleKind.VF
FUNCTION, OTHER = 'f' * 32, 'e' * 32


class MatchingTest(base.DatabaseTest):
    def imported(self, *functions, held=(), **members):
        """Store a deployable as an import does, with these functions."""
        row = {
            'uuid': base.new_uuid(),
            'name': 'other_name',
            'rp_name': 'other_name',
            'rp_uuid': base.new_uuid(),
            'resource_class': 'FPGA',
            'rp_fixed': True,
            'added_traits': 'CUSTOM_X',
            **members,
        }
        with engine.get_engine().begin() as connection:
            self.connection = connection
            host = self.insert(
                models.Host,
                hostname=base.HOST,
                layout='region',
                rp_name=base.HOST,
                up=False,
            )
            card = self.insert(
                models.Device,
                host_id=host,
                pci_address=base.CARD,
                driver='other',
                vendor='0x8086',
                vendor_id='8086',
                product_id='09c4',
                family='',
            )
            region = self.insert(
                models.Deployable, host_id=host, device_id=card, **row
            )
            for address in base.addresses(base.CARD, *functions):
                claim = None
                if int(address.function) in held:
                    claim = self.insert(
                        models.Claim, origin='nova', state='ready'
                    )
                self.insert(
                    models.AttachHandle,
                    host_id=host,
                    deployable_id=region,
                    pci_address=str(address),
                    kind='VF',
                    claim_id=claim,
                )
        return row

    def insert(self, table, **values):
        values.setdefault('uuid', base.new_uuid())
        done = self.connection.execute(sa.insert(table).values(**values))
        return done.inserted_primary_key[0]

    def vfs(self, *functions, name='port0', **members):
        return base.region(
            name=f'{base.CARD}/{name}',
            handles=base.addresses(base.CARD, *functions),
            handle_kind=VF,
            **members,
        )

    def handles(self):
        return {
            str(handle.pci_address)[-1]: (
                region.name.rpartition('/')[2],
                handle.kind,
                handle.present,
                handle.claim_uuid is not None,
            )
            for region in self.regions()
            for handle in region.handles
        }


class TestMatching(MatchingTest):
    def test_imported_deployable_is_the_one_that_has_its_handles(self):
        row = self.imported(1, 2)
        self.store(base.card(base.CARD, self.vfs(1, 2)))
        [found] = self.regions()
        self.assertEqual(
            (row['uuid'], f'{base.CARD}/port0', row['rp_uuid'], 'other_name'),
            (found.uuid, found.name, found.rp_uuid, found.rp_name),
        )
        self.assertTrue(found.rp_fixed)
        self.assertEqual('intel', found.vendor)
        kept = ('port0', VF, True, False)
        self.assertEqual({'1': kept, '2': kept}, self.handles())

    def test_kind_of_a_handle_is_what_the_agent_says(self):
        self.imported(0, held=[0])
        self.store(base.card(base.CARD, base.region(name='x/port0')))
        self.assertEqual(
            {'0': ('port0', model.HandleKind.PF, True, True)}, self.handles()
        )

    def test_claimed_handle_stays_with_its_claim_in_a_part(self):
        row = self.imported(1, 2, 3, held=[2])
        self.store(
            base.card(
                base.CARD,
                self.vfs(1, name='port0'),
                self.vfs(2, name='port1'),
                self.vfs(3, name='port2'),
            )
        )
        self.assertEqual(
            {
                '1': ('port0', VF, True, False),
                '2': ('port1', VF, True, True),
                '3': ('port2', VF, True, False),
            },
            self.handles(),
        )
        found = self.regions()
        self.assertEqual({row['rp_uuid']}, {r.rp_uuid for r in found})
        self.assertEqual({('CUSTOM_X',)}, {r.added_traits for r in found})
        self.assertTrue(all(region.rp_fixed for region in found))

    def test_only_deployable_of_a_card_is_its_only_one(self):
        row = self.imported(0)
        self.store(base.card(base.CARD, self.vfs(1, 2)))
        [found] = self.regions()
        self.assertEqual(row['uuid'], found.uuid)
        self.assertEqual(['1', '2'], sorted(self.handles()))

    def test_card_that_is_not_reported_is_lost_and_kept(self):
        row = self.imported(1, held=[1])
        self.store(base.card(base.OTHER_CARD))
        found = {region.name: region for region in self.regions()}
        self.assertEqual(model.Health.LOST, found['other_name'].health)
        self.assertEqual(row['uuid'], found['other_name'].uuid)

    def test_later_report_changes_nothing_of_that(self):
        self.imported(1, 2, held=[1])
        for _ in range(2):
            self.store(base.card(base.CARD, self.vfs(1, 2)))
        self.assertEqual(1, len(self.regions()))


class TestFunction(MatchingTest):
    def seen(self, **members):
        self.store(base.card(base.CARD, self.vfs(1, 2, **members)))
        [found] = self.regions()
        return found.function_id, found.wipe_pending, found.bitstream_private

    def test_what_nobody_holds_is_wiped_before_it_is_offered(self):
        self.imported(1, 2)
        self.assertEqual(
            (FUNCTION, True, False), self.seen(function_id=FUNCTION)
        )

    def test_what_somebody_holds_is_not(self):
        self.imported(1, 2, held=[2])
        self.assertEqual(
            (FUNCTION, False, False), self.seen(function_id=FUNCTION)
        )

    def test_card_is_believed_and_not_the_record(self):
        self.imported(1, 2, held=[2], function_id=OTHER)
        self.assertEqual(
            (FUNCTION, False, False), self.seen(function_id=FUNCTION)
        )

    def test_record_stays_where_the_card_cannot_be_read(self):
        self.imported(1, 2, held=[2], function_id=OTHER)
        self.assertEqual((OTHER, False, False), self.seen(readable=False))


class TestHost(MatchingTest):
    def test_host_imported_by_its_providers_name_gets_the_agents(self):
        self.imported(1)
        self.store(
            base.card(base.CARD, self.vfs(1)),
            hostname='node1',
            resource_provider_name=base.HOST,
        )
        host = hosts.get(self.ctx, 'node1')
        self.assertEqual(model.Layout.REGION, host.layout)
        self.assertTrue(host.up)
        self.assertEqual(1, len(self.regions('node1')))

    def test_host_that_has_reported_keeps_its_name(self):
        self.store()
        self.store(
            base.card(), hostname='node1', resource_provider_name=base.HOST
        )
        self.assertEqual(base.HOST, hosts.get(self.ctx, base.HOST).hostname)
