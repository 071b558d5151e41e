"""Claims of what an instance holds, when many come at once."""

from cyborg_fpga.db import adoptions
from cyborg_fpga.db import arqs
from cyborg_fpga.db import device_profiles
from tests.functional.db import racing
from tests.functional.db import test_races
from tests.unit.db import base

ROUNDS = 10
_VFS = 7


class OnSQLite(test_races.RaceTest):
    def setUp(self):
        super().setUp()
        self.store(
            *(
                base.card(card, base.region(card, vfs=_VFS))
                for card in (base.CARD, base.OTHER_CARD)
            )
        )
        self.profile = device_profiles.create(
            self.ctx, base.new_uuid(), name='one', groups=[{}]
        )

    def adopt(self, instance, region):
        return {
            'uuid': base.new_uuid(),
            'picks': {region.id: 1},
            'instance_uuid': instance,
            'allocation': 'adopted',
            'rp_uuid': f'provider {region.id}',
        }

    def holders(self):
        return {
            handle.claim_uuid
            for region in self.regions()
            for handle in region.handles
            if handle.claim_uuid
        }

    def test_one_claim_of_each_of_its_providers(self):
        regions = self.regions()
        for _ in range(ROUNDS):
            instance = base.new_uuid()
            work = [
                self.adopt(instance, regions[turn % 2])
                for turn in range(racing.WORKERS)
            ]
            outcomes = self.run_all('reserve', work, losers={'Duplicate'})
            won = {o.value for o in outcomes if o.error is None}
            self.assertEqual(2, len(won))
            found = adoptions.of_instance(self.ctx, instance)
            self.assertEqual(won, set(found.values()))
            self.clear()

    def test_requests_are_bound_or_it_is_claimed_never_both(self):
        claimed, bound = self.regions()
        for _ in range(ROUNDS):
            instance = base.new_uuid()
            made = arqs.create(self.ctx, self.profile, [0] * racing.WORKERS)
            work = []
            for arq in made[: racing.WORKERS // 2]:
                bind = {
                    'places': {arq.uuid: bound.id},
                    'instance_uuid': instance,
                }
                work.append(('bind_arqs', bind))
                work.append(('reserve', self.adopt(instance, claimed)))
            outcomes = self.run_mixed(
                work, losers={'Duplicate', 'InUse', 'InvalidInput'}
            )
            won = [n % 2 for n, o in enumerate(outcomes) if o.error is None]
            self.assertEqual(1, len(won), won)
            self.assertEqual(1, len(self.holders()))
            self.clear()


class OnMariaDB(OnSQLite):
    backend = 'mariadb'


class OnPostgreSQL(OnSQLite):
    backend = 'postgresql'
