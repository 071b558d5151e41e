"""How far a claim looks for what it wants."""

import sqlalchemy as sa

from cyborg_fpga import errors
from cyborg_fpga.conductor import search
from cyborg_fpga.db import models
from tests.unit.conductor import base
from tests.unit.db import base as db
from tests.unit.db import test_bitstreams as bitstreams_build


class TestSearch(base.ConductorTest):
    def search(self, *wishes, **wanted):
        return search.Search(
            base.ALICE, self.database.conf, wanted, list(wishes)
        )

    def wish(self, **values):
        return bitstreams_build._image(region_id=db.REGION_ID, **values)

    def many(self):
        """Eighty cards more on the host, each of a provider of its own."""
        self.store(
            *(db.card(f'0000:{bus:02x}:00.0') for bus in range(0x10, 0x60))
        )
        every = models.Deployable.uuid
        self.change(models.Deployable, sa.true(), rp_uuid=every)
        return self.regions()

    def test_where_the_file_is_decides_before_use(self):
        wish = self.wish()
        self.store(db.card(), hostname='far', cached=(wish.content,))
        self.change(models.Deployable, sa.true(), last_used=1.0)
        (far,) = self.regions('far')
        this = models.Deployable.id == far.id
        self.change(models.Deployable, this, last_used=2.0)
        self.assertEqual('far', self.search(wish).next().hostname)
        self.assertEqual(db.HOST, self.search().next().hostname)

    def test_few_statements_find_one_of_many(self):
        wish, regions = self.wish(), self.many()
        self.change(models.Deployable, sa.true(), bitstream_id='another')
        with self.statements() as seen:
            self.assertTrue(self.search(wish).next().cold)
        self.assertLessEqual(len(seen), 7, seen)
        this = models.Deployable.id == regions[-1].id
        self.change(
            models.Deployable, this,
            bitstream_id=wish.uuid, function_id=wish.function_id or 'f',
        )  # fmt: skip
        with self.statements() as seen:
            self.assertEqual(
                {regions[-1].id: 1}, self.search(wish).next().handles
            )
        self.assertLessEqual(len(seen), 2, seen)

    def test_what_holds_it_no_more_is_not_taken_for_warm(self):
        wish = self.wish(function_id='a' * 32)
        one, other = self.regions()
        this = models.Deployable.id == one.id
        self.change(
            models.Deployable, this,
            bitstream_id=wish.uuid, function_id='b' * 32,
        )  # fmt: skip
        self.assertEqual({other.id: 1}, self.search(wish).next().handles)

    def test_several_are_looked_for_in_whole_providers(self):
        regions = self.many()
        last = [regions[-1].id, regions[-3].id]
        there = models.Deployable.id.in_(last)
        self.change(models.Deployable, there, rp_uuid='pool', last_used=9e9)
        pick = self.search(count=2).next()
        self.assertEqual(set(last), set(pick.handles))

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
