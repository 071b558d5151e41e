"""The table of families, and a site's own lines before it."""

import pathlib

import fixtures
from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga.drivers import families


class TestTable(base.BaseTestCase):
    def test_a_subsystem_tells_cards_with_one_id_apart(self):
        table = families.shipped()
        for subsystem, name in (
            ('1771', 'N6001'),
            ('17d4', 'F2000X'),
            ('138d', 'PAC_D5005'),
            ('9999', 'OFS'),
            ('', 'OFS'),
        ):
            found = table.find('intel_dfl', '8086', 'bcce', subsystem)
            self.assertEqual(name, found.name)

    def test_a_card_belongs_to_one_driver_only(self):
        table = families.shipped()
        self.assertIsNotNone(table.find('intel_dfl', '8086', '09c4'))
        self.assertIsNone(table.find('pci', '8086', '09c4'))

    def test_a_card_that_is_not_listed_is_named_by_its_vendor(self):
        table = families.shipped()
        found = table.unlisted('intel_dfl', '1c2c', '10ff', 'DFL')
        self.assertEqual(('silicom', 'DFL_10FF'), (found.vendor, found.name))
        self.assertIsNone(table.unlisted('intel_dfl', 'ffff', '10ff', 'DFL'))

    def test_all_functions_of_a_card_are_known(self):
        found = families.shipped().products('8086', '09c4')
        self.assertEqual({'09c4', '09c5'}, found)
        self.assertEqual({'1234'}, families.shipped().products('1', '1234'))

    def test_no_two_entries_of_a_driver_have_one_id(self):
        seen = set()
        for family in families.shipped().families:
            for key in (*family.ids, *family.managers):
                self.assertNotIn((family.driver, key), seen)
                seen.add((family.driver, key))


class TestSite(base.BaseTestCase):
    def read(self, text):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        path = folder / 'site.yaml'
        path.write_text(text)
        return families.Table.read(path)

    def test_a_site_adds_cards_and_replaces_ours(self):
        table = self.read("""
        vendors: {'1172': altera}
        families:
          - {driver: pci, vendor: acme, name: X1, ids: ['1172/e001']}
          - {driver: intel_dfl, vendor: intel, name: OWN, ids: ['8086/09c4'],
             program_fixed: 9}
        """)
        self.assertEqual('X1', table.find('pci', '1172', 'e001').name)
        own = table.find('intel_dfl', '8086', '09c4')
        self.assertEqual(('OWN', 9), (own.name, own.program_fixed))
        self.assertEqual(
            'altera', table.unlisted('a', '1172', 'b', 'X').vendor
        )
        self.assertIsNotNone(table.find('intel_dfl', '8086', '0b2b'))

    def test_an_empty_file_adds_nothing(self):
        self.assertIsNotNone(self.read('{}').find('intel_dfl', '8086', '0b2b'))

    def test_each_mistake_is_named_with_its_place(self):
        good = "driver: pci, vendor: v, name: N, ids: ['1172/e001']"
        for words, text in (
            ('cannot be read', 'a: ['),
            ('its members are', '[]'),
            ('its members are', 'family: []'),
            ('must be a list', 'families: {a: 1}'),
            ('vendors', 'vendors: {8086: intel}'),
            ('vendors', 'vendors: [1]'),
            (r'families\[0\]: must be', 'families: [1]'),
            ('unknown member', f'families: [{{{good}, colour: red}}]'),
            ('driver: is missing', 'families: [{vendor: v, name: N}]'),
            ('neither', 'families: [{driver: d, vendor: v, name: N}]'),
            ('ids', f'families: [{{{good}, ids: ["1172:e001"]}}]'),
            ('name', f'families: [{{{good}, name: lower}}]'),
            ('vf', f'families: [{{{good}, vf: 1}}]'),
            ('program_rate', f'families: [{{{good}, program_rate: 0}}]'),
            ('program_fixed', f'families: [{{{good}, program_fixed: x}}]'),
        ):
            exc = self.assertRaises(errors.InvalidInput, self.read, text)
            self.assertRegex(str(exc), words)
            self.assertIn('site.yaml', str(exc))

    def test_a_file_that_is_missing_is_named(self):
        exc = self.assertRaises(
            errors.InvalidInput,
            families.Table.read,
            pathlib.Path('/nonexistent.yaml'),
        )
        self.assertIn('/nonexistent.yaml', str(exc))
