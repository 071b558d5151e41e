"""How far a claim looks for what it wants."""

import sqlalchemy as sa

from cyborg_fpga import errors
from cyborg_fpga.conductor import search
from cyborg_fpga.db import models
from tests.unit.conductor import base
from tests.unit.db import base as db


class TestSearch(base.ConductorTest):
    def test_ever_more_is_looked_at_where_the_first_will_not_do(self):
        """Every provider but one refuses, and that one comes last."""
        self.store(
            *(db.card(f'0000:{bus:02x}:00.0') for bus in range(0x10, 0x60))
        )
        every = models.Deployable.uuid
        self.change(models.Deployable, sa.true(), rp_uuid=every)
        ways = search.Search(base.ALICE, self.database.conf, {}, [])
        seen = set()
        while (pick := ways.next()) is not None:
            self.assertNotIn(pick.rp_uuid, seen)
            seen.add(pick.rp_uuid)
            ways.full(pick, errors.NoCapacity(reason='used up'))
        self.assertEqual(len(self.regions()), len(seen))
        self.assertEqual('used up', ways.refusal().kwargs['reason'])
