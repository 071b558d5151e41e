"""The table of the rules in the administrator guide is true and whole."""

import importlib.util
import pathlib

from oslotest import base

from cyborg_fpga import policies

ROOT = pathlib.Path(__file__).parents[2]


class TestTable(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        spec = importlib.util.spec_from_file_location(
            'tables', ROOT / 'doc' / 'ext' / 'tables.py'
        )
        tables = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tables)
        directive = tables.PolicyRules.__new__(tables.PolicyRules)
        self.rows = {rule: (who, does) for rule, who, does in directive.rows()}

    def test_it_has_every_rule_with_what_it_is_asked_for(self):
        rules = {rule.name: rule for rule in policies.list_rules()}
        self.assertEqual({f'``{name}``' for name in rules}, set(self.rows))
        for name, rule in rules.items():
            for operation in getattr(rule, 'operations', ()):
                self.assertIn(
                    f'``{operation["method"]} {operation["path"]}``',
                    self.rows[f'``{name}``'][1],
                )

    def test_it_tells_who_passes(self):
        for rule, who in (
            ('fpga:claim:get_all', 'reader, member, manager, admin'),
            ('fpga:claim:create', 'member, manager, admin'),
            ('cyborg:device:get_all', 'manager, admin'),
            ('cyborg:deployable:program', 'admin'),
            ('fpga:deployable:run', 'member, manager, admin'),
        ):
            self.assertEqual(who, self.rows[f'``{rule}``'][0])

    def test_the_guide_shows_it(self):
        page = ROOT / 'doc' / 'source' / 'admin' / 'policies.rst'
        self.assertIn('.. policy-rules::', page.read_text())
