"""Scenario files: what they build, and what is refused with which words."""

import pathlib

from oslotest import base

from cyborg_fpga.simulator import scenario


class TestScenario(base.BaseTestCase):
    def test_the_default_has_two_poolable_pfs_and_a_card_with_vfs(self):
        first, second, third = scenario.parse(scenario.DEFAULT).cards
        self.assertEqual(first.region_id, second.region_id)
        self.assertEqual(first.device, second.device)
        self.assertNotEqual(first.numa_node, second.numa_node)
        self.assertEqual('PAC_D5005', third.family)
        self.assertEqual(
            ['0000:86:10.0', '0000:86:10.2', '0000:86:10.4', '0000:86:10.6'],
            third.vf_addresses,
        )

    def test_what_is_dumped_is_what_was_read(self):
        found = scenario.parse(scenario.DEFAULT)
        self.assertEqual(found, scenario.parse(found.dump()))

    def test_the_documented_example_is_valid(self):
        (card,) = scenario.parse(scenario.__doc__.split('::\n')[1]).cards
        self.assertEqual('0123456789abcdef', card.serial)

    def test_vfs_run_over_the_end_of_a_bus(self):
        (card,) = self._parse("{address: '0000:3b:1f.0', vfs: 1}").cards
        self.assertEqual(['0000:3c:0f.0'], card.vf_addresses)

    def test_each_mistake_is_named_with_its_place(self):
        good = "{address: '0000:3b:00.0'}"
        for words, text in (
            ('not YAML', 'cards: ['),
            ('the one member', 'card: []'),
            ('the one member', '- 1'),
            ('must be a list', 'cards: {}'),
            ('must be a mapping', 'cards: [1]'),
            ('address: is missing', 'cards: [{}]'),
            ('unknown member', "cards: [{address: '0000:3b:00.0', x: 1}]"),
            (r'cards\[1\]', f'cards: [{good}, 1]'),
            ('two functions', f'cards: [{good}, {good}]'),
            ('address', "cards: [{address: '3b:00.0'}]"),
            ('family', self._card('family: GPU')),
            ('vfs', self._card('vfs: -1')),
            ('vfs', self._card('vfs: true')),
            ('vfs', self._card('vfs: 1.5')),
            ('fewer', self._card('vfs: 1, ports: 2')),
            ('region_id', self._card('region_id: null')),
            ('region_id', self._card('region_id: 69528DB6')),
            ('program_rate', self._card('program_rate: 0')),
            ('program_fixed', self._card('program_fixed: .nan')),
            ('bus 00', "cards: [{address: '0000:00:01.0'}]"),
            ('beyond', "cards: [{address: '0000:ff:1f.0', vfs: 9}]"),
        ):
            exc = self.assertRaises(
                scenario.ScenarioError, scenario.parse, text
            )
            self.assertRegex(str(exc), words)

    def test_a_missing_file_is_named(self):
        exc = self.assertRaises(
            scenario.ScenarioError,
            scenario.load,
            pathlib.Path('/nonexistent.yaml'),
        )
        self.assertIn('/nonexistent.yaml', str(exc))

    def _card(self, members):
        return f"cards: [{{address: '0000:3b:00.0', {members}}}]"

    def _parse(self, card):
        return scenario.parse(f'cards: [{card}]')
