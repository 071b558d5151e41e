"""Binds of accelerator requests, when many come at once."""

from cyborg_fpga import model
from cyborg_fpga.db import arqs
from cyborg_fpga.db import device_profiles
from tests.functional.db import racing
from tests.functional.db import tasks
from tests.functional.db import test_races
from tests.unit.db import base

ROUNDS = 20
_VFS = 7
_LOSES = {'InvalidInput', 'NoCapacity'}


class OnSQLite(test_races.RaceTest):
    def setUp(self):
        super().setUp()
        self.profile = device_profiles.create(
            self.ctx, base.new_uuid(), name='one', groups=[{}]
        )

    def arqs(self, count=racing.WORKERS):
        made = arqs.create(self.ctx, self.profile, [0] * count)
        return [arq.uuid for arq in made]

    def bound(self):
        listed = arqs.list_page(self.ctx, filters={}, limit=1000)
        ready = model.ClaimState.READY
        return {arq.uuid for arq in listed if arq.state is ready}

    def handles(self):
        return [
            handle.claim_uuid
            for region in self.regions()
            for handle in region.handles
            if handle.claim_uuid
        ]

    def test_an_instance_is_bound_once(self):
        self.store(base.card(base.CARD, base.region(vfs=_VFS)))
        (region,) = self.regions()
        for _ in range(ROUNDS):
            instance = base.new_uuid()
            work = [
                {'places': {uuid: region.id}, 'instance_uuid': instance}
                for uuid in self.arqs()
            ]
            outcomes = self.run_all('bind_arqs', work, losers=_LOSES)
            won = [o for o in outcomes if o.error is None]
            self.assertEqual(1, len(won))
            self.assertEqual(1, len(self.bound()))
            self.assertEqual(self.bound(), set(self.handles()))
            self.clear()

    def test_last_handle_goes_to_one_instance(self):
        region = self.stored()
        for _ in range(ROUNDS):
            work = [
                {'places': {uuid: region.id}, 'instance_uuid': base.new_uuid()}
                for uuid in self.arqs()
            ]
            outcomes = self.run_all('bind_arqs', work, losers={'NoCapacity'})
            self.assertEqual(1, sum(o.error is None for o in outcomes))
            self.assertEqual(self.bound(), set(self.handles()))
            self.clear()

    def test_all_of_an_instance_or_none(self):
        self.store(*(base.card(f'0000:{bus:02x}:00.0') for bus in range(4)))
        ids = [region.id for region in self.regions()]
        for _ in range(ROUNDS):
            work = []
            for turn in range(racing.WORKERS):
                places = {
                    uuid: ids[(turn + place) % 4]
                    for place, uuid in enumerate(self.arqs(3))
                }
                work.append(
                    {'places': places, 'instance_uuid': base.new_uuid()}
                )
            outcomes = self.run_all('bind_arqs', work, losers={'NoCapacity'})
            won = sum(o.error is None for o in outcomes)
            self.assertEqual(1, won)
            self.assertEqual(3, len(self.bound()))
            self.assertEqual(self.bound(), set(self.handles()))
            self.clear()

    def test_deleted_one_holds_nothing(self):
        self.store(base.card(base.CARD, base.region(vfs=_VFS)))
        (region,) = self.regions()
        for _ in range(ROUNDS):
            work = []
            for uuid in self.arqs(racing.WORKERS // 2):
                bind = {
                    'places': {uuid: region.id},
                    'instance_uuid': base.new_uuid(),
                }
                work.append(('bind_arqs', bind))
                work.append(('delete_arqs', {'uuids': [uuid]}))
            outcomes = self.run_mixed(work, losers={'NotFound', 'NoCapacity'})
            deleted = [o.value for o in outcomes[1::2]]
            self.assertEqual([1] * len(deleted), deleted)
            self.assertEqual([], self.handles())
            self.clear()

    def test_when_all_leave_at_once_the_last_one_has_it_wiped(self):
        self.store(base.card(base.CARD, base.region(vfs=_VFS)))
        (region,) = self.regions()
        for _ in range(ROUNDS // 2):
            uuids = self.arqs(_VFS)
            for uuid in uuids:
                tasks.bind_arqs(self.ctx, {uuid: region.id}, base.new_uuid())
            work = [{'uuids': [uuid]} for uuid in uuids]
            outcomes = self.run_all('delete_arqs', work)
            self.assertEqual([1] * _VFS, [o.value for o in outcomes])
            self.assertEqual([], self.handles())
            self.assertTrue(self.again(region).wipe_pending)
            self.clear()

    def test_who_joins_and_who_leaves_agree_on_the_wipe(self):
        self.store(base.card(base.CARD, base.region(vfs=_VFS)))
        (region,) = self.regions()
        half = racing.WORKERS // 2
        for _ in range(ROUNDS // 2):
            here, coming = self.arqs(half), self.arqs(half)
            for uuid in here:
                tasks.bind_arqs(self.ctx, {uuid: region.id}, base.new_uuid())
            work = [('delete_arqs', {'uuids': [uuid]}) for uuid in here] + [
                (
                    'bind_arqs',
                    {
                        'places': {uuid: region.id},
                        'instance_uuid': base.new_uuid(),
                    },
                )
                for uuid in coming
            ]
            self.run_mixed(work, losers={'NoCapacity'})
            self.assertEqual(self.bound(), set(self.handles()))
            dirty = self.again(region).wipe_pending
            self.assertEqual(not self.handles(), dirty)
            self.clear()

    def test_an_event_is_given_to_one(self):
        self.store(base.card(base.CARD, base.region(vfs=_VFS)))
        (region,) = self.regions()
        for _ in range(ROUNDS):
            uuids = self.arqs(_VFS)
            for uuid in uuids:
                tasks.bind_arqs(self.ctx, {uuid: region.id}, base.new_uuid())
            outcomes = self.run_all('take_events', [{}] * racing.WORKERS)
            taken = [uuid for o in outcomes for uuid in o.value]
            self.assertEqual(sorted(uuids), sorted(taken))
            self.clear()


class OnMariaDB(OnSQLite):
    backend = 'mariadb'


class OnPostgreSQL(OnSQLite):
    backend = 'postgresql'
