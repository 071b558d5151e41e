"""Attributes: reports keep their own and leave what was given alone."""

from cyborg_fpga import errors
from cyborg_fpga.db import attributes
from cyborg_fpga.db import deployables
from cyborg_fpga.db import models
from tests.unit.db import base


class AttributesTest(base.DatabaseTest):
    def setUp(self):
        super().setUp()
        self.region = self.stored()

    def give(self, key='trait9', value='CUSTOM_RACK', **members):
        values = {'deployable': self.region.id, 'key': key, 'value': value}
        return attributes.create(
            self.ctx, base.new_uuid(), **{**values, **members}
        )

    def tell(self, *facts):
        return attributes.report(self.ctx, {self.region.id: facts})

    def facts(self):
        found = attributes.of_deployables(self.ctx, [self.region.id])
        return found.get(self.region.id, [])

    def stale(self):
        return self.row(models.Host, hostname=base.HOST)['placement_stale']

    def test_a_report_replaces_reported_facts_alone(self):
        self.give()
        self.assertEqual(2, self.tell(('rc', 'FPGA'), ('trait0', 'A')))
        self.assertEqual(0, self.tell(('rc', 'FPGA'), ('trait0', 'A')))
        before = self.uuids()
        self.assertEqual(2, self.tell(('rc', 'FPGA'), ('trait1', 'B')))
        self.assertEqual(
            [('rc', 'FPGA'), ('trait1', 'B'), ('trait9', 'CUSTOM_RACK')],
            self.facts(),
        )
        self.assertEqual(1, self.tell(('rc', 'VGPU'), ('trait1', 'B')))
        self.assertEqual(before['rc'], self.uuids()['rc'])
        self.assertEqual(2, self.tell())
        self.assertEqual([('trait9', 'CUSTOM_RACK')], self.facts())

    def uuids(self):
        page = attributes.list_page(self.ctx, filters={}, limit=9)
        return {found.key: found.uuid for found in page}

    def test_a_report_of_the_same_writes_nothing(self):
        facts = [('rc', 'FPGA'), ('trait0', 'A')]
        self.tell(*facts)
        with self.statements() as seen:
            self.tell(*facts)
        self.assertEqual(['SELECT'] * 2, [text.split()[0] for text in seen])

    def test_given_traits_are_the_deployables_and_told(self):
        self.change(models.Host, models.Host.id > 0, placement_stale=False)
        self.give('colour', 'red')
        self.assertFalse(self.stale())
        made = self.give()
        self.assertTrue(self.stale())
        self.give('trait8', 'CUSTOM_A')
        self.tell(('trait0', 'CUSTOM_REPORTED'))
        self.assertEqual(('CUSTOM_A', 'CUSTOM_RACK'), self.added())
        self.change(models.Host, models.Host.id > 0, placement_stale=False)
        attributes.delete(self.ctx, made.uuid)
        self.assertTrue(self.stale())
        self.assertEqual(('CUSTOM_A',), self.added())

    def added(self):
        return deployables.get(self.ctx, self.region.uuid).added_traits

    def test_given_facts_survive_every_report_of_the_host(self):
        self.give()
        self.store(base.card(family='NEW'))
        self.store()
        self.assertEqual(('CUSTOM_RACK',), self.added())
        self.assertEqual([('trait9', 'CUSTOM_RACK')], self.facts())

    def test_a_deployable_is_named_by_id_or_uuid(self):
        made = self.give(deployable=self.region.uuid)
        self.assertEqual(self.region.id, made.deployable_id)
        for unknown in (999, base.new_uuid()):
            self.assertRaises(errors.NotFound, self.give, deployable=unknown)

    def test_only_what_was_given_can_be_deleted(self):
        self.tell(('rc', 'FPGA'))
        uuid = self.uuids()['rc']
        self.assertRaises(errors.WrongState, attributes.delete, self.ctx, uuid)
        self.assertRaises(
            errors.NotFound, attributes.delete, self.ctx, base.new_uuid()
        )
        self.assertRaises(
            errors.NotFound, attributes.get, self.ctx, base.new_uuid()
        )
        self.assertEqual('FPGA', attributes.get(self.ctx, uuid).value)

    def test_a_key_with_a_pattern_in_it_is_no_trait(self):
        self.give('%rait', 'CUSTOM_X')
        self.assertEqual((), self.added())
