"""Eight processes at once, on every database: who wins, and that one does."""

import collections

import sqlalchemy as sa
from testtools import content

from cyborg_fpga import model
from cyborg_fpga.db import claims
from cyborg_fpga.db import devices
from cyborg_fpga.db import hosts
from cyborg_fpga.db import models
from cyborg_fpga.db import operations
from cyborg_fpga.db import reservations
from tests.functional.db import racing
from tests.unit.db import base
from tests.unit.db import test_bitstreams

ROUNDS = 500
FEWER = 40
#: Rounds in which two contenders must really have met.
MET = 0.3


class RaceTest(base.DatabaseTest):
    def setUp(self):
        super().setUp()
        self.race = self.useFixture(racing.Race(self.database.url))

    def run_all(self, task, arguments, *, losers=()):
        """One task, eight arguments; only *losers* may be raised."""
        return self.run_mixed([(task, a) for a in arguments], losers=losers)

    def run_mixed(self, work, *, losers=()):
        idle = [('nothing', {})] * (racing.WORKERS - len(work))
        outcomes = self.race.run([*work, *idle])[: len(work)]
        raised = {o.error for o in outcomes if o.error}
        self.assertLessEqual(raised, set(losers))
        return outcomes

    def holders(self, found):
        """Claims of a deployable's handles, by state; None is free."""
        uuids = [h.claim_uuid for h in self.again(found).handles]
        return [
            claims.get(self.ctx, uuid).state if uuid else None
            for uuid in uuids
        ]

    def clear(self):
        """Nobody holds anything, and nothing is left to do."""
        self.change(
            models.AttachHandle, sa.true(), claim_id=None, present=True
        )
        self.change(
            models.Deployable, sa.true(), wipe_pending=False, state='idle'
        )
        for table in (models.Operation, models.Claim):
            self.delete(table)


class OnSQLite(RaceTest):
    def test_last_handle_goes_to_exactly_one(self):
        found = self.stored()
        met = 0
        for _ in range(ROUNDS):
            asked = [
                {'uuid': base.new_uuid(), 'picks': {found.id: 1}}
                for _ in range(racing.WORKERS)
            ]
            outcomes = self.run_all('reserve', asked, losers={'NoCapacity'})
            winners = [o for o in outcomes if o.error is None]
            self.assertEqual(1, len(winners))
            handle = self.again(found).handles[0]
            self.assertEqual(winners[0].value, handle.claim_uuid)
            self.assertEqual(
                [handle.claim_uuid],
                [c.uuid for c in claims.list_page(
                    self.ctx, filters={}, limit=9
                )],
            )  # fmt: skip
            met += racing.contenders(outcomes, winners[0]) >= 2
            reservations.drop(self.ctx, handle.claim_uuid)
        self.addDetail(
            'contested',
            content.text_content(f'{met} of {ROUNDS} rounds were contested'),
        )
        self.assertGreaterEqual(met, MET * ROUNDS)

    def test_there_is_one_for_each(self):
        found = self.stored(
            base.card(base.CARD, base.region(vfs=7)),
        )
        for _ in range(FEWER):
            asked = [
                {'uuid': base.new_uuid(), 'picks': {found.id: 1}}
                for _ in range(racing.WORKERS)
            ]
            outcomes = self.run_all('reserve', asked, losers={'NoCapacity'})
            won = [o.value for o in outcomes if o.error is None]
            held = [h.claim_uuid for h in self.again(found).handles]
            self.assertEqual(sorted(won), sorted(held))
            self.assertEqual(7, len(set(held)))
            self.clear()

    def test_requests_that_overlap_get_all_or_nothing(self):
        self.store(*(base.card(f'0000:{bus:02x}:00.0') for bus in range(4)))
        ids = [found.id for found in self.regions()]
        for _ in range(FEWER):
            asked = [
                {
                    'uuid': base.new_uuid(),
                    'picks': {
                        ids[n % 4]: 1,
                        ids[(n + 1) % 4]: 1,
                        ids[(n + 2) % 4]: 1,
                    },
                }
                for n in range(racing.WORKERS)
            ]
            outcomes = self.run_all('reserve', asked, losers={'NoCapacity'})
            won = [o.value for o in outcomes if o.error is None]
            self.assertEqual(1, len(won))
            held = [f.handles[0].claim_uuid for f in self.regions()]
            self.assertEqual(3, held.count(won[0]))
            self.clear()

    def test_one_claim_sent_eight_times_is_one(self):
        found = self.stored(base.card(base.CARD, base.region(vfs=7)))
        for _ in range(FEWER):
            asked = [{'uuid': base.new_uuid(), 'picks': {found.id: 1}}]
            outcomes = self.run_all(
                'reserve', asked * racing.WORKERS, losers={'Duplicate'}
            )
            won = [o for o in outcomes if o.error is None]
            self.assertEqual(1, len(won))
            free = [h for h in self.again(found).handles if not h.claim_uuid]
            self.assertEqual(6, len(free))
            self.clear()

    def test_physical_and_virtual_functions_are_never_held_together(self):
        self.store(
            base.card(
                base.CARD,
                base.region(name='pf'),
                base.region(name='vf', vfs=7),
            )
        )
        pf, vf = self.regions()
        seen = collections.Counter()
        for _ in range(FEWER):
            asked = [
                {
                    'uuid': base.new_uuid(),
                    'picks': {(vf if n % 2 else pf).id: 1},
                }
                for n in range(racing.WORKERS)
            ]
            self.run_all('reserve', asked, losers={'NoCapacity'})
            kinds = {
                handle.kind
                for found in self.regions()
                for handle in found.handles
                if handle.claim_uuid
            }
            self.assertEqual(1, len(kinds))
            seen.update(kinds)
            self.clear()

    def test_report_brings_no_vfs_onto_a_claimed_pf(self):
        found = self.stored()
        other = self.report(base.card(base.CARD, base.region(vfs=2)))
        seen = collections.Counter()
        for _ in range(FEWER):
            other = self.report(*other.devices)
            outcomes = self.run_mixed(
                [
                    ('report', {'report': other}),
                    (
                        'reserve',
                        {'uuid': base.new_uuid(), 'picks': {found.id: 1}},
                    ),
                ],
                losers={'NoCapacity'},
            )
            handles = self.again(found).handles
            held = {h.kind for h in handles if h.claim_uuid}
            kinds = {h.kind for h in handles}
            # Whoever came second found what the first had left.
            self.assertEqual(1, len(kinds), handles)
            if outcomes[1].error is None:
                self.assertEqual(kinds, held)
            seen.update(kinds)
            self.clear()
            self.store()
        # Otherwise the two never met in either order.
        self.addDetail('order', content.text_content(str(seen)))

    def test_releases_and_claims_agree_on_the_wipe(self):
        found = self.stored(base.card(base.CARD, base.region(vfs=7)))
        for _ in range(FEWER):
            leaving = [self.reserve(found) for _ in range(3)]
            asked = [('release', {'uuid': uuid}) for uuid in leaving]
            asked += [
                (
                    'reserve',
                    {'uuid': base.new_uuid(), 'picks': {found.id: 1}},
                )
            ]
            self.run_mixed(asked, losers={'NoCapacity'})
            stay = [
                state
                for state in self.holders(found)
                if state not in (None, model.ClaimState.RELEASING)
            ]
            self.assertEqual(not stay, self.again(found).wipe_pending)
            self.clear()

    def test_when_all_leave_at_once_the_last_one_has_it_wiped(self):
        found = self.stored(base.card(base.CARD, base.region(vfs=7)))
        for _ in range(FEWER):
            leaving = [self.reserve(found) for _ in range(7)]
            outcomes = self.run_all(
                'release', [{'uuid': uuid} for uuid in leaving]
            )
            self.assertEqual([True] * 7, [o.value for o in outcomes])
            self.assertTrue(self.again(found).wipe_pending)
            self.clear()

    def test_release_sent_eight_times_begins_once_and_ends_once(self):
        found = self.stored()
        for _ in range(FEWER):
            uuid = self.reserve(found)
            asked = [{'uuid': uuid}] * racing.WORKERS
            outcomes = self.run_all('release', asked)
            self.assertEqual(1, sum(o.value for o in outcomes))
            self.run_all('finish_release', asked)
            self.assertEqual([None], self.holders(found))
            self.assertEqual(
                [], claims.list_page(self.ctx, filters={}, limit=9)
            )
            self.clear()

    def test_deployable_has_one_operation(self):
        found = self.stored()
        for _ in range(FEWER):
            asked = [
                {'deployable_id': found.id, 'uuid': base.new_uuid()}
                for _ in range(racing.WORKERS)
            ]
            outcomes = self.run_all('create', asked, losers={'InUse'})
            won = [o.value for o in outcomes if o.error is None]
            self.assertEqual([self.again(found).fence], won)
            self.clear()

    def test_programming_and_claims_do_not_meet(self):
        found = self.stored(base.card(base.CARD, base.region(vfs=7)))
        seen = collections.Counter()
        for _ in range(FEWER):
            asked = [
                (
                    'create',
                    {'deployable_id': found.id, 'uuid': base.new_uuid()},
                ),
                (
                    'reserve',
                    {'uuid': base.new_uuid(), 'picks': {found.id: 1}},
                ),
            ]
            outcomes = self.run_mixed(asked, losers={'InUse', 'NoCapacity'})
            winners = [o.error is None for o in outcomes]
            self.assertEqual(1, sum(winners), outcomes)
            seen.update(['create' if winners[0] else 'reserve'])
            self.clear()
        self.addDetail('order', content.text_content(str(seen)))

    def test_operation_begins_once(self):
        found = self.stored()
        for _ in range(FEWER):
            mine = self.operation(found)
            asked = [{'uuid': mine.uuid, 'fence': mine.fence}]
            outcomes = self.run_all(
                'begin', asked * racing.WORKERS, losers={'StaleFence'}
            )
            won = [o for o in outcomes if o.error is None]
            self.assertEqual(1, len(won))
            self.clear()

    def test_operation_ends_once(self):
        found = self.stored()
        for _ in range(FEWER):
            mine = self.operation(found)
            status = model.OperationStatus(
                uuid=mine.uuid, fence=mine.fence, done=True, touched=True
            )
            before = devices.get(self.ctx, found.device_uuid).failures
            outcomes = self.run_all(
                'finish', [{'status': status}] * racing.WORKERS
            )
            self.assertEqual(1, sum(o.value for o in outcomes))
            after = devices.get(self.ctx, found.device_uuid).failures
            self.assertEqual(before + 1, after)
            self.clear()

    def test_begun_operation_is_not_given_up_and_the_reverse(self):
        found = self.stored()
        for _ in range(FEWER):
            mine = self.operation(found)
            status = model.OperationStatus(
                uuid=mine.uuid,
                fence=mine.fence,
                done=True,
                cause=model.Cause.CANCELLED,
            )
            outcomes = self.run_mixed(
                [
                    ('begin', {'uuid': mine.uuid, 'fence': mine.fence}),
                    ('finish', {'status': status}),
                ],
                losers={'StaleFence'},
            )
            self.assertTrue(outcomes[1].value)
            ended = operations.get(self.ctx, mine.uuid)
            self.assertIs(model.OperationState.CANCELLED, ended.state)
            began = ended.started_at is not None
            self.assertEqual(outcomes[0].error is None, began)
            self.clear()

    def test_forgotten_work_is_taken_by_one_conductor_each(self):
        self.store(*(base.card(f'0000:{bus:02x}:00.0') for bus in range(16)))
        regions = self.regions()
        for _ in range(FEWER // 2):
            mine = set()
            for found in regions:
                uuid = self.reserve(found)
                mine |= {uuid, self.operation(found, claim_uuid=uuid).uuid}
            self.expire_leases()
            for task in ('take_operations', 'take_claims'):
                owners = [{'owner': f'{n}'} for n in range(racing.WORKERS)]
                outcomes = self.run_all(task, owners)
                taken = [uuid for o in outcomes for uuid in o.value]
                self.assertEqual(len(regions), len(taken))
                self.assertEqual(len(set(taken)), len(taken))
                mine -= set(taken)
            self.assertEqual(set(), mine)
            self.clear()

    def test_report_does_not_undo_what_an_operation_recorded(self):
        found = self.stored()
        for n in range(FEWER):
            function = f'{n + 1:032x}'
            now = self.again(found)
            # As the agent saw it before the operation.
            old = self.report(
                base.card(
                    base.CARD,
                    base.region(
                        function_id='e' * 32 if n % 2 else None,
                        fence=now.fence,
                    ),
                )
            )
            self.run_mixed(
                [
                    ('report', {'report': old}),
                    (
                        'program',
                        {
                            'deployable_id': found.id,
                            'uuid': base.new_uuid(),
                            'function': function,
                        },
                    ),
                ],
            )
            after = self.again(found)
            self.assertEqual(function, after.function_id)
            self.assertIs(model.DeployableState.IDLE, after.state)

    def test_first_report_of_a_host_makes_one_host(self):
        for n in range(FEWER // 2):
            name = f'host{n}'
            asked = [
                {
                    'report': self.report(
                        base.card(base.CARD, base.region(vfs=4)),
                        base.card(base.OTHER_CARD),
                        hostname=name,
                    )
                }
                for _ in range(racing.WORKERS)
            ]
            outcomes = self.run_all('report', asked, losers={'StaleReport'})
            host = hosts.get(self.ctx, name)
            self.assertEqual(self._sequence, host.report_sequence)
            self.assertIsNone(outcomes[-1].error)
            found = self.regions(name)
            self.assertEqual([4, 1], [len(f.handles) for f in found])

    def test_turn_is_taken_by_one(self):
        for n in range(FEWER):
            asked = [
                {'name': f'work {n}', 'owner': f'{owner}'}
                for owner in range(racing.WORKERS)
            ]
            outcomes = self.run_all('take_turn', asked)
            self.assertEqual(1, sum(o.value for o in outcomes))

    def test_catalogue_may_be_brought_up_to_date_by_all(self):
        for _ in range(FEWER // 2):
            rows = [test_bitstreams._image() for _ in range(5)]
            outcomes = self.run_all(
                'upsert', [{'rows': rows}] * racing.WORKERS
            )
            self.assertEqual(5, sum(o.value for o in outcomes))


class OnMariaDB(OnSQLite):
    backend = 'mariadb'


class OnPostgreSQL(OnSQLite):
    backend = 'postgresql'
