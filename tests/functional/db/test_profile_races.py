"""Device profiles and attributes, when many write at once."""

from cyborg_fpga.db import attributes
from cyborg_fpga.db import deployables
from cyborg_fpga.db import device_profiles
from tests.functional.db import racing
from tests.functional.db import test_races
from tests.unit.db import base


class OnSQLite(test_races.RaceTest):
    def test_a_name_is_given_once(self):
        for turn in range(3):
            name = f'name{turn}'
            outcomes = self.run_all(
                'create_profile',
                [
                    {'uuid': base.new_uuid(), 'name': name}
                    for _ in range(racing.WORKERS)
                ],
                losers={'Duplicate'},
            )
            made = device_profiles.by_name(self.ctx, name)
            won = [done.value for done in outcomes if not done.error]
            self.assertEqual([made.uuid], won)

    def test_a_fact_that_all_report_is_there_once(self):
        region = self.stored()
        for turn in range(3):
            facts = [('rc', 'FPGA'), ('trait0', f'CUSTOM_{turn}')]
            self.run_all(
                'report_attributes',
                [{'wanted': {region.id: facts}}] * racing.WORKERS,
            )
            found = attributes.of_deployables(self.ctx, [region.id])
            self.assertEqual({region.id: facts}, found)

    def test_every_given_trait_counts(self):
        region = self.stored()
        names = [f'CUSTOM_{n}' for n in range(racing.WORKERS)]
        self.run_all(
            'give_trait',
            [
                {
                    'deployable': region.id,
                    'uuid': base.new_uuid(),
                    'value': name,
                }
                for name in names
            ],
        )
        found = deployables.get(self.ctx, region.uuid)
        self.assertEqual(tuple(names), found.added_traits)


class OnMariaDB(OnSQLite):
    backend = 'mariadb'


class OnPostgreSQL(OnSQLite):
    backend = 'postgresql'
