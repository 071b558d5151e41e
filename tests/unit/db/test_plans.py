"""How SQLite finds what the busiest statements ask for."""

from cyborg_fpga.db import deployables
from cyborg_fpga.db import engine
from tests.unit.db import base


class TestPlan(base.DatabaseTest):
    def test_a_large_cloud_is_neither_read_nor_sorted_for_a_claim(self):
        self.store(base.card(), base.card(base.OTHER_CARD))
        with self.statements() as seen:
            deployables.claimable(
                self.ctx,
                hostname=None,
                resource_class='CUSTOM_FPGA_INTEL_PF',
                limit=1,
            )
        with engine.get_engine().connect() as connection:
            plan = connection.exec_driver_sql(
                f'EXPLAIN QUERY PLAN {seen[0]}', ('x',) * seen[0].count('?')
            )
            steps = [row.detail for row in plan]
        self.assertTrue(steps)
        self.assertEqual(
            [], [step for step in steps if 'SCAN' in step or 'TEMP' in step]
        )
