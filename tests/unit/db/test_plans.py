"""How SQLite finds what the busiest statements ask for."""

from cyborg_fpga.db import engine
from cyborg_fpga.db import offers
from cyborg_fpga.db import popularity
from tests.unit.db import base
from tests.unit.db import test_bitstreams


class TestPlan(base.DatabaseTest):
    """A large cloud is neither read nor sorted for a claim."""

    def setUp(self):
        super().setUp()
        self.store()
        # So that there are no handles to be looked up.
        self.reserve(*self.regions())
        self.wish = test_bitstreams._image(region_id=base.REGION_ID)

    def steps(self, statement):
        with engine.get_engine().connect() as connection:
            plan = connection.exec_driver_sql(
                f'EXPLAIN QUERY PLAN {statement}',
                ('x',) * statement.count('?'),
            )
            return [row.detail for row in plan]

    def assert_direct(self, statements):
        """They read no table whole, nor more than they answer."""
        for statement in statements:
            steps = self.steps(statement)
            self.assertTrue(steps)
            self.assertEqual(
                [], [s for s in steps if 'SCAN' in s or 'TEMP' in s]
            )

    def claimable(self, **how):
        values = {'hostname': None, 'resource_class': None, 'limit': 8, **how}
        with self.statements() as seen:
            offers.claimable(self.ctx, **values)
        return seen

    def test_what_there_is_of_a_class(self):
        seen = self.claimable(resource_class='CUSTOM_FPGA_INTEL_PF')
        self.assertEqual(2, len(seen))
        self.assert_direct(seen)

    def test_whatever_there_is(self):
        seen = self.claimable()
        self.assertEqual(3, len(seen))
        self.assert_direct(seen[1:])

    def test_what_a_bitstream_fits(self):
        for resource_class in (None, 'CUSTOM_FPGA_INTEL_PF'):
            seen = self.claimable(
                resource_class=resource_class,
                wishes=[self.wish],
                near=['far.example.com'],
                spared=[99],
            )
            self.assertEqual(5, len(seen))
            # The second are those of few hosts, and may be sorted.
            self.assert_direct([seen[0], *seen[2:]])
            self.assertNotIn('SCAN', ' '.join(self.steps(seen[1])))

    def test_what_was_loaded_lately(self):
        with self.statements() as seen:
            popularity.most_loaded(self.ctx, 86400, 10)
        (statement,) = seen
        steps = ' '.join(self.steps(statement))
        self.assertIn('SEARCH operations USING COVERING INDEX', steps)

    def test_what_holds_a_bitstream(self):
        with self.statements() as seen:
            offers.holding(self.ctx, [self.wish], resource_class=None, limit=8)
            offers.warm(self.ctx, [self.wish.uuid])
        self.assert_direct(seen)
