"""Scenario files: what they build, and what is refused with which words."""

import pathlib
import re
import textwrap

from oslotest import base

from cyborg_fpga.simulator import families
from cyborg_fpga.simulator import faults
from cyborg_fpga.simulator import kinds
from cyborg_fpga.simulator import scenario

ROOT = pathlib.Path(__file__).parents[3]


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
        _, hosts, cards = scenario.__doc__.split('::\n')
        (card,) = scenario.parse(cards).cards
        self.assertEqual('0123456789abcdef', card.serial)
        self.assertEqual(
            {'rack1-1', 'rack1-2', 'rack1-3', 'rack1-4', 'edge1'},
            {
                host.name
                for host in scenario.parse_hosts(hosts.split('\n\nA')[0])
            },
        )

    def test_vfs_run_over_the_end_of_a_bus(self):
        (card,) = self._parse("{address: '0000:3b:1f.0', vfs: 1}").cards
        self.assertEqual(['0000:3c:0f.0'], card.vf_addresses)

    def test_each_mistake_is_named_with_its_place(self):
        good = "{address: '0000:3b:00.0'}"
        for words, text in (
            ('not YAML', 'cards: ['),
            ('the one member', 'card: []'),
            ('the one member', 'cards: []\nhosts: []'),
            ('at least one', 'hosts: []'),
            ('at least one', 'hosts: {}'),
            (r'hosts\[0\]', 'hosts: [1]'),
            ('unknown member', 'hosts: [{card: []}]'),
            ('name', 'hosts: [{name: _, cards: []}]'),
            (r'hosts\[0\].cards: must', 'hosts: [{name: a}]'),
            ('two hosts', 'hosts: [{cards: []}, {cards: []}]'),
            ('describes 2 hosts', 'hosts: [{count: 2, cards: []}]'),
            ('count', 'hosts: [{count: 0, cards: []}]'),
            ('count', self._card('count: true')),
            ('count: ends beyond', self._card('count: 200')),
            ('faults', self._card('faults: [slow]')),
            ('faults', self._card('faults: {sloth: {}}')),
            ('faults', self._card('faults: {slow: {second: 1}}')),
            ('5 is no mapping', self._card('faults: {slow: 5}')),
            (
                "faults: nothing of such a card can show 'hot'",
                self._card('family: F2, faults: {hot: {}}'),
            ),
            (
                'is not for this family',
                self._card(f'family: SRIOV, region_id: {"a" * 32}'),
            ),
            ('without a bus', self._card('family: ZYNQ7000')),
            ('without a bus', "cards: [{address: 'ffffffff:ff:00.0'}]"),
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
            *self._not_of_its_family(),
            (r'cards\[0\].address', self._at('0000:3b:20.0', 'PAC_A10')),
            (r'cards\[0\].address', self._at('0000:3b:3f.0', 'PAC_A10')),
            (r'cards\[0\].address', self._at('ffffffff:ff:3f.7', 'ZYNQMP')),
            (
                '0000:3b:00.1: two functions',
                "cards: [{address: '0000:3b:00.0', family: F2}, "
                "{address: '0000:3b:00.1', family: F2}]",
            ),
            (
                '0000:3b:00.2: two',
                self._card('ofs: true, vfs: 2, vf_offset: 2'),
            ),
            ('bus 00', "cards: [{address: '0000:00:01.0'}]"),
            ('beyond', "cards: [{address: '0000:ff:1f.0', vfs: 9}]"),
        ):
            exc = self.assertRaises(
                scenario.ScenarioError, scenario.parse, text
            )
            self.assertRegex(str(exc), words)

    def _not_of_its_family(self):
        """Members that cards have, but not such a card."""
        for family in ('U250', 'F2'):
            for member in ('vfs: 2', 'total_vfs: 2', 'ports: 2'):
                text = self._card(f'family: {family}, {member}')
                yield rf'cards\[0\].{member[:-3]}: not for', text
            # Its other function would be the eighth.
            for address in ('0000:3b:00.7', '0000:3b:1f.7'):
                yield 'address: such a card', self._at(address, family)
        for family in ('[U250]', '{a: 1}', '1', 'null'):
            yield (
                r'cards\[0\].family: must be one of',
                self._card(f'family: {family}'),
            )
        for version in ("''", 'zz', "'1021241'", "'0x102124'"):
            text = self._card(f'family: F2, platform: {version}')
            yield r'cards\[0\].platform: .* 8 hex digits', text
        for member in (
            'family: U250, user_device: null',
            "user_device: '1a2b'",
        ):
            yield r'cards\[0\].user_device: .* family', self._card(member)

    def test_faults_that_no_card_can_have_are_named_with_their_place(self):
        for words, text in (
            (
                '.guest: no guest can have nonsense',
                '{guest: {function: nonsense}}',
            ),
            ('.guest: no guest can have None', '{guest: {function: null}}'),
            ('.guest: .* 0000:3b:00.1', "{guest: {function: '0000:3b:00.1'}}"),
            (': seconds: nan', '{slow: {seconds: .nan}}'),
            (': seconds: inf', '{slow: {seconds: .inf}}'),
            (': percent: -inf', '{fail: {percent: -.inf}}'),
            (': percent: nan', '{drop: {percent: .nan}}'),
            (': times: inf', '{hang: {times: .inf}}'),
            (': times: nan', '{hang: {times: .nan}}'),
        ):
            exc = self.assertRaises(
                scenario.ScenarioError,
                scenario.parse,
                self._card(f'faults: {text}'),
            )
            self.assertRegex(str(exc), rf'^cards\[0\]\.faults{words}')

    def test_a_guest_of_one_card_is_none_of_those_like_it(self):
        told = "faults: {guest: {function: '0000:3b:00.0'}}"
        self.assertEqual(1, len(scenario.parse(self._card(told)).cards))
        exc = self.assertRaises(
            scenario.ScenarioError,
            scenario.parse,
            self._card(f'count: 2, {told}'),
        )
        self.assertIn('0000:3b:00.0 of card 0000:3d:00.0', str(exc))
        free = scenario.parse(self._card('count: 2, faults: {guest: {}}'))
        self.assertEqual(2, len(free.cards))

    def test_cards_that_are_alike_are_two_buses_apart(self):
        found = self._parse("{address: '0000:3b:00.0', count: 3, vfs: 1}")
        self.assertEqual(
            ['0000:3b:00.0', '0000:3d:00.0', '0000:3f:00.0'],
            [card.address for card in found.cards],
        )
        self.assertEqual(['0000:3f:10.0'], found.cards[2].vf_addresses)

    def test_a_thousand_hosts_are_a_line(self):
        text = """
        hosts:
          - {count: 1000, cards: [{address: '0000:3b:00.0', vfs: 8, count: 8}]}
        """
        found = scenario.parse_hosts(text)
        self.assertEqual(1000, len({host.name for host in found}))
        self.assertEqual('node1000', found[-1].name)
        functions = [f for c in found[-1].cards for f in c.guest_addresses]
        self.assertEqual(64, len(set(functions)))

    def test_every_family_can_be_described(self):
        for name, family in families.FAMILIES.items():
            chip = family['kind'] == 'zynq'
            address = 'ffffffff:ff:00.0' if chip else '0000:3b:00.0'
            (card,) = self._parse(
                f"{{address: '{address}', family: {name}}}"
            ).cards
            self.assertIn(card.kind, kinds.KINDS)
            again = scenario.parse(scenario.Scenario((card,)).dump())
            self.assertEqual((card,), again.cards)

    def test_the_example_of_the_guide_is_valid_and_its_faults_are_all(self):
        text = (ROOT / 'doc/source/user/scenarios.rst').read_text()
        example = text.split('.. code-block:: yaml\n\n')[1]
        example = example.split('\n\nEach card')[0]
        found = scenario.parse_hosts(textwrap.dedent(example))
        self.assertEqual(
            ['rack1-1', 'rack1-2', 'edge1'], [host.name for host in found]
        )
        told = re.findall(r'^   \* - ``([a-z]+)', text, re.M)
        self.assertEqual(set(faults.KINDS), set(told))

    def test_a_missing_file_is_named(self):
        exc = self.assertRaises(
            scenario.ScenarioError,
            scenario.load,
            pathlib.Path('/nonexistent.yaml'),
        )
        self.assertIn('/nonexistent.yaml', str(exc))

    def _at(self, address, family):
        return f"cards: [{{address: '{address}', family: {family}}}]"

    def _card(self, members):
        return f"cards: [{{address: '0000:3b:00.0', {members}}}]"

    def _parse(self, card):
        return scenario.parse(f'cards: [{card}]')
