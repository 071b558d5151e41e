"""What a report changes, and what it must leave alone."""

import sqlalchemy as sa
from sqlalchemy import event

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.db import claims
from cyborg_fpga.db import deployables
from cyborg_fpga.db import devices
from cyborg_fpga.db import engine
from cyborg_fpga.db import hosts
from cyborg_fpga.db import models
from cyborg_fpga.db import offers
from cyborg_fpga.db import reports
from tests.unit.db import base

VF, PF = model.HandleKind.VF, model.HandleKind.PF


def _shown(found):
    """Address, kind and presence of a deployable's handles."""
    return [(str(h.pci_address), h.kind, h.present) for h in found.handles]


class TestOrder(base.DatabaseTest):
    def _store(self, boot_id, sequence):
        reports.store(
            self.ctx,
            self.report(base.card(), boot_id=boot_id, sequence=sequence),
            model.Layout.POOL,
        )

    def _refused(self, boot_id, sequence):
        self.assertRaises(errors.StaleReport, self._store, boot_id, sequence)

    def test_older_report_is_refused(self):
        self._store(1, 7)
        self._refused(1, 6)
        self._refused(1, 7)

    def test_report_of_an_older_boot_is_refused(self):
        self._store(2, 1)
        self._refused(1, 99)

    def test_new_boot_counts_from_one(self):
        self._store(1, 99)
        self._store(2, 1)
        host = hosts.get(self.ctx, base.HOST)
        self.assertEqual((2, 1), (host.boot_id, host.report_sequence))

    def test_report_that_is_overtaken_is_refused_as_a_whole(self):
        self._store(1, 1)
        target = engine.get_engine()

        def overtake(connection, cursor, statement, *rest):
            if statement.startswith('SELECT devices'):
                cursor.execute('UPDATE hosts SET report_sequence = 9')

        event.listen(target, 'before_cursor_execute', overtake)
        self.addCleanup(
            event.remove, target, 'before_cursor_execute', overtake
        )
        self.assertRaises(
            errors.StaleReport,
            reports.store,
            self.ctx,
            self.report(boot_id=1, sequence=5),
            model.Layout.POOL,
        )
        self.assertIs(model.Health.OK, self.regions()[0].health)

    def test_refused_report_changes_nothing(self):
        self._store(2, 1)
        self.assertRaises(
            errors.StaleReport,
            reports.store,
            self.ctx,
            self.report(boot_id=1, sequence=5),
            model.Layout.POOL,
        )
        self.assertIs(
            model.Health.OK,
            devices.get(self.ctx, self.regions()[0].device_uuid).health,
        )


class TestContents(base.DatabaseTest):
    def test_everything_reported_is_found_again(self):
        found = self.stored(
            base.card(
                base.CARD,
                base.region(function_id=base.FUNCTION, fence=4),
                serial='S1',
                numa_node=1,
                model='A10 GX',
                attributes={'bmc': '1.2'},
            )
        )
        self.assertEqual(base.FUNCTION, found.function_id)
        self.assertEqual(4, found.fence)
        self.assertEqual(base.REGION_ID, found.region_id)
        self.assertEqual([(base.CARD, PF, True)], _shown(found))
        device = devices.get(self.ctx, found.device_uuid)
        self.assertEqual('S1', device.serial)
        self.assertEqual({'bmc': '1.2'}, device.attributes)
        self.assertEqual('A10 GX', device.model)

    def test_function_that_somebody_left_is_wiped_before_it_is_offered(self):
        found = self.stored(
            base.card(base.CARD, base.region(function_id=base.FUNCTION))
        )
        self.assertTrue(found.wipe_pending)
        self.assertEqual(
            [],
            offers.claimable(
                self.ctx, hostname=None, resource_class=None, limit=9
            ),
        )

    def test_corrected_provider_name_is_looked_up_anew(self):
        self.store()
        hosts.set_root(self.ctx, base.HOST, base.new_uuid())
        self.store(resource_provider_name='right.example.com')
        host = hosts.get(self.ctx, base.HOST)
        self.assertEqual('right.example.com', host.rp_name)
        self.assertIsNone(host.rp_uuid)

    def test_new_host_gets_the_layout_and_keeps_it(self):
        reports.store(self.ctx, self.report(), model.Layout.REGION)
        reports.store(self.ctx, self.report(), model.Layout.POOL)
        self.assertIs(
            model.Layout.REGION, hosts.get(self.ctx, base.HOST).layout
        )

    def test_records_keep_their_uuids(self):
        before = self.stored()
        after = self.stored(base.card(model='renamed'))
        self.assertEqual(before.uuid, after.uuid)
        self.assertEqual(before.device_uuid, after.device_uuid)
        self.assertEqual(before.handles[0].uuid, after.handles[0].uuid)

    def test_hosts_do_not_mix(self):
        self.store()
        self.store(hostname='other')
        self.assertNotEqual(
            self.regions()[0].uuid, self.regions('other')[0].uuid
        )

    def test_statements_do_not_grow_with_unchanged_cards(self):
        counts = []
        for number in (8, 32):
            cards = [
                base.card(f'0000:{bus:02x}:00.0') for bus in range(number)
            ]
            self.store(*cards)
            with self.statements() as seen:
                self.store(*cards)
            counts.append(len(seen))
        self.assertEqual(counts[0], counts[1])
        self.assertLessEqual(counts[0], 5, seen)

    def test_changed_card_costs_its_own_write_only(self):
        cards = [base.card(f'0000:{bus:02x}:00.0') for bus in range(8)]
        self.store(*cards)
        cards[3] = base.card('0000:03:00.0', model='renamed')
        with self.statements() as seen:
            self.store(*cards)
        writes = [s for s in seen if s.startswith('UPDATE devices')]
        self.assertEqual(1, len(writes), seen)


class TestLosses(base.DatabaseTest):
    def test_lost_card_is_kept_and_marked(self):
        found = self.stored(base.card(), base.card(base.OTHER_CARD))
        self.store(base.card(base.OTHER_CARD))
        self.assertIs(model.Health.LOST, self.again(found).health)
        self.assertIs(model.Health.OK, self.regions()[1].health)

    def test_lost_card_cannot_be_claimed(self):
        found = self.stored()
        self.store(base.card(base.OTHER_CARD))
        self.assertRaises(errors.NoCapacity, self.reserve, found)

    def test_card_that_comes_back_is_well_again(self):
        found = self.stored()
        self.store(base.card(base.OTHER_CARD))
        self.store()
        self.assertIs(model.Health.OK, self.again(found).health)

    def test_claim_on_a_lost_card_is_kept(self):
        found = self.stored()
        uuid = self.reserve(found)
        self.store(base.card(base.OTHER_CARD))
        self.assertEqual((base.CARD,), claims.get(self.ctx, uuid).addresses)

    def test_free_handle_that_is_gone_is_dropped(self):
        found = self.stored(base.card(base.CARD, base.region(vfs=3)))
        self.store(base.card(base.CARD, base.region(vfs=2)))
        self.assertEqual(2, len(self.again(found).handles))

    def test_claimed_handle_that_is_gone_is_kept_and_marked(self):
        found = self.stored(base.card(base.CARD, base.region(vfs=2)))
        uuid = self.reserve(found)
        held = claims.get(self.ctx, uuid).addresses[0]
        left = base.addresses(base.CARD, 2)
        self.store(base.card(base.CARD, base.region(vfs=2, handles=left)))
        self.assertEqual(
            [(held, VF, False), (str(left[0]), VF, True)],
            _shown(self.again(found)),
        )

    def test_absent_handle_is_not_given_to_anybody(self):
        found = self.stored(base.card(base.CARD, base.region(vfs=1)))
        uuid = self.reserve(found)
        self.store(base.card(base.CARD, base.region(vfs=1, handles=())))
        claims.start_release(self.ctx, uuid)
        claims.finish_release(self.ctx, uuid)
        self.change(
            models.Deployable,
            models.Deployable.id == found.id,
            wipe_pending=False,
        )
        self.assertRaises(errors.NoCapacity, self.reserve, found)
        self.assertEqual(
            [],
            offers.claimable(
                self.ctx, hostname=None, resource_class=None, limit=9
            ),
        )

    def test_region_that_is_gone_loses_its_free_handles(self):
        self.store(
            base.card(
                base.CARD,
                base.region(name='a'),
                base.region(name='b', handles=base.addresses(base.CARD, 1)),
            )
        )
        self.store(base.card(base.CARD, base.region(name='a')))
        self.assertEqual([1, 0], [len(r.handles) for r in self.regions()])


class TestVirtualFunctions(base.DatabaseTest):
    def test_what_a_guest_hides_is_still_known(self):
        self.store()
        hidden = base.region(
            region_id=None,
            readable=False,
            wipe_levels=(model.WipeLevel.RESET,),
        )
        found = self.stored(base.card(base.CARD, hidden))
        self.assertEqual(base.REGION_ID, found.region_id)
        self.assertIn(model.WipeLevel.CLEAR, found.wipe_levels)
        # A card that can be read and has no region id has none.
        found = self.stored(base.card(base.CARD, base.region(region_id=None)))
        self.assertIsNone(found.region_id)

    def test_vfs_replace_a_free_pf(self):
        found = self.stored()
        self.store(base.card(base.CARD, base.region(vfs=2)))
        self.assertEqual({VF}, {h.kind for h in self.again(found).handles})
        self.assertEqual(2, len(self.again(found).handles))

    def test_vfs_on_a_claimed_pf_are_not_taken_up(self):
        found = self.stored()
        uuid = self.reserve(found)
        self.store(base.card(base.CARD, base.region(vfs=2)))
        self.assertEqual([(base.CARD, PF, False)], _shown(self.again(found)))
        self.assertEqual((base.CARD,), claims.get(self.ctx, uuid).addresses)

    def test_pf_on_claimed_vfs_is_not_taken_up(self):
        found = self.stored(base.card(base.CARD, base.region(vfs=2)))
        self.reserve(found)
        self.store()
        kinds = {h.kind for h in self.again(found).handles}
        self.assertEqual({VF}, kinds)

    def test_the_rest_of_such_a_report_is_applied(self):
        found = self.stored()
        self.reserve(found)
        self.store(
            base.card(base.CARD, base.region(vfs=2), model='renamed'),
            base.card(base.OTHER_CARD),
        )
        self.assertEqual(2, len(self.regions()))
        self.assertEqual(
            'renamed', devices.get(self.ctx, found.device_uuid).model
        )

    def test_vfs_are_taken_up_once_the_pf_is_free(self):
        found = self.stored()
        uuid = self.reserve(found)
        last = self.report(base.card(base.CARD, base.region(vfs=2)))
        reports.store(self.ctx, last, model.Layout.POOL)
        claims.start_release(self.ctx, uuid)
        claims.finish_release(self.ctx, uuid)
        # Nothing changes on the card itself: the same report comes again.
        again = base.later(last)
        self.assertFalse(hosts.heartbeat(self.ctx, again))
        reports.store(self.ctx, again, model.Layout.POOL)
        self.assertEqual({VF}, {h.kind for h in self.again(found).handles})

    def test_release_of_a_present_handle_needs_no_report(self):
        found = self.stored()
        uuid = self.reserve(found)
        claims.start_release(self.ctx, uuid)
        claims.finish_release(self.ctx, uuid)
        last = self.report(base.card(), digest='digest 1')
        self.assertTrue(hosts.heartbeat(self.ctx, last))

    def test_vfs_are_not_taken_up_while_another_region_is_held_whole(self):
        self.store(
            base.card(
                base.CARD,
                base.region(name='a'),
                base.region(name='b', handles=base.addresses(base.CARD, 1)),
            )
        )
        a, b = self.regions()
        self.reserve(a)
        vf = base.region(name='b', vfs=1, handles=base.addresses(base.CARD, 2))
        self.store(base.card(base.CARD, base.region(name='a'), vf))
        self.assertRaises(errors.NoCapacity, self.reserve, b)


class TestMovedFunctions(base.DatabaseTest):
    """An address is one handle, whatever region a report puts it into."""

    def test_free_function_moves_to_the_region_that_has_it_now(self):
        self.store(base.card(base.CARD, base.region(name='old')))
        self.store(base.card(base.CARD, base.region(name='new')))
        held = {r.name: len(r.handles) for r in self.regions()}
        self.assertEqual({'old': 0, 'new': 1}, held)

    def test_regions_may_swap_their_functions(self):
        one, two = (base.addresses(base.CARD, n) for n in (1, 2))
        self.store(
            base.card(
                base.CARD,
                base.region(name='a', handles=one),
                base.region(name='b', handles=two),
            )
        )
        self.store(
            base.card(
                base.CARD,
                base.region(name='a', handles=two),
                base.region(name='b', handles=one),
            )
        )
        found = {r.name: r.handles[0].pci_address for r in self.regions()}
        self.assertEqual({'a': two[0], 'b': one[0]}, found)

    def test_claimed_function_stays_and_the_report_is_stored(self):
        found = self.stored(base.card(base.CARD, base.region(name='old')))
        uuid = self.reserve(found)
        self.store(
            base.card(base.CARD, base.region(name='new'), model='renamed')
        )
        self.assertEqual((base.CARD,), claims.get(self.ctx, uuid).addresses)
        self.assertEqual(
            'renamed', devices.get(self.ctx, found.device_uuid).model
        )
        new = next(r for r in self.regions() if r.name == 'new')
        self.assertEqual((), new.handles)

    def test_function_of_a_lost_card_may_come_back_on_another(self):
        self.store(base.card(base.CARD))
        moved = base.region(name='x', handles=base.addresses(base.CARD, 0))
        self.store(base.card(base.OTHER_CARD, moved))
        new = next(r for r in self.regions() if r.name == 'x')
        self.assertEqual(1, len(new.handles))


class TestHealth(base.DatabaseTest):
    def _health(self, found):
        return devices.get(self.ctx, found.device_uuid).health

    def _reason(self, found):
        return devices.get(self.ctx, found.device_uuid).health_reason

    def test_reported_health_is_taken(self):
        found = self.stored(base.card(health=model.Health.SUSPECT))
        self.assertIs(model.Health.SUSPECT, self._health(found))
        self.store()
        self.assertIs(model.Health.OK, self._health(found))

    def test_quarantine_survives_every_report(self):
        found = self.stored()
        devices.update(
            self.ctx, found.device_uuid, health=model.Health.QUARANTINED
        )
        self.store()
        self.assertIs(model.Health.QUARANTINED, self._health(found))
        self.store(base.card(base.OTHER_CARD))
        self.assertIs(model.Health.QUARANTINED, self._health(found))
        self.store()
        self.assertIs(model.Health.QUARANTINED, self._health(found))

    def test_operators_word_survives_every_report(self):
        found = self.stored()
        devices.update(
            self.ctx,
            found.device_uuid,
            status=model.DeviceStatus.MAINTAINING,
        )
        self.store()
        self.assertIs(
            model.DeviceStatus.MAINTAINING, self.again(found).device_status
        )

    def test_failed_card_stays_suspect_through_a_report(self):
        found = self.stored()
        self.finish(self.operation(found))
        self.store()
        self.assertIs(model.Health.SUSPECT, self._health(found))

    def test_failed_card_that_was_away_comes_back_suspect(self):
        found = self.stored()
        self.finish(self.operation(found))
        self.store(base.card(base.OTHER_CARD))
        self.store()
        self.assertIs(model.Health.SUSPECT, self._health(found))
        self.assertEqual('an operation on it failed', self._reason(found))

    def test_what_the_agent_quarantines_stays_so(self):
        found = self.stored()
        self.store(
            base.card(health=model.Health.QUARANTINED, health_reason='too hot')
        )
        for _ in range(2):
            self.assertIs(model.Health.QUARANTINED, self._health(found))
            self.assertEqual('too hot', self._reason(found))
            self.store()

    def test_a_failed_card_can_be_quarantined_by_its_agent(self):
        found = self.stored()
        self.finish(self.operation(found))
        self.store(base.card(health=model.Health.QUARANTINED))
        self.assertIs(model.Health.QUARANTINED, self._health(found))

    def test_the_reason_comes_and_goes_with_the_health(self):
        found = self.stored(
            base.card(health=model.Health.SUSPECT, health_reason='x' * 2000)
        )
        self.assertEqual('x' * 1024, self._reason(found))
        self.store()
        self.assertEqual('', self._reason(found))
        self.store(
            base.card(health=model.Health.SUSPECT, health_reason='too hot')
        )
        self.assertEqual('too hot', self.again(found).health_reason)
        self.store(base.card(base.OTHER_CARD))
        self.assertIn('does not have it', self._reason(found))

    def test_the_reason_of_a_failure_outlives_reports(self):
        found = self.stored()
        mine = self.operation(found)
        self.finish(mine)
        for _ in range(2):
            self.assertIn(mine.uuid, self._reason(found))
            self.store()

    def test_an_operators_word_is_followed_by_the_agents(self):
        found = self.stored()
        last = self.report(base.card(health=model.Health.QUARANTINED))
        reports.store(self.ctx, last, model.Layout.POOL)
        devices.update(self.ctx, found.device_uuid, health=model.Health.OK)
        self.assertIs(model.Health.OK, self._health(found))
        self.assertFalse(hosts.heartbeat(self.ctx, last))
        self.store(base.card(health=model.Health.QUARANTINED))
        self.assertIs(model.Health.QUARANTINED, self._health(found))


class TestLoaded(base.DatabaseTest):
    def _report(self, **members):
        return self.store(base.card(base.CARD, base.region(**members)))

    def _programmed(self):
        """A deployable that holds a function which we loaded."""
        found = self.stored()
        self.finish(
            self.operation(found, image_uuid='image'),
            succeeded=True,
            function_id=base.FUNCTION,
        )
        return self.again(found)

    def test_same_function_changes_nothing(self):
        found = self._programmed()
        self._report(function_id=base.FUNCTION, fence=found.fence)
        self.assertEqual('image', self.again(found).bitstream_id)

    def test_foreign_function_is_recorded_as_nobodys_image(self):
        found = self._programmed()
        self._report(function_id='e' * 32, fence=found.fence)
        now = self.again(found)
        self.assertEqual('e' * 32, now.function_id)
        self.assertIsNone(now.bitstream_id)
        self.assertTrue(now.bitstream_private)

    def test_report_from_before_the_operation_is_not_believed(self):
        found = self._programmed()
        fences = self._report(function_id=None, fence=found.fence - 1)
        self.assertEqual(base.FUNCTION, self.again(found).function_id)
        self.assertEqual({found.name: found.fence}, fences)

    def test_report_from_amid_an_operation_is_not_believed(self):
        found = self._programmed()
        self._report(function_id=None, fence=found.fence, busy=True)
        self.assertEqual(base.FUNCTION, self.again(found).function_id)

    def test_function_that_cannot_be_read_keeps_its_record(self):
        found = self._programmed()
        self._report(function_id=None, readable=False, fence=found.fence)
        self.assertEqual(base.FUNCTION, self.again(found).function_id)
        self.assertEqual('image', self.again(found).bitstream_id)

    def test_programming_region_is_left_to_its_operation(self):
        found = self._programmed()
        operation = self.operation(found, image_uuid='other')
        self._report(function_id=None, fence=operation.fence)
        now = self.again(found)
        self.assertEqual(base.FUNCTION, now.function_id)
        self.assertIs(model.DeployableState.PROGRAMMING, now.state)

    def test_agent_with_a_higher_fence_is_caught_up_with(self):
        found = self.stored()
        self._report(fence=9)
        self.assertEqual(9, self.again(found).fence)
        self.assertEqual(10, self.operation(found).fence)

    def test_higher_fence_does_not_orphan_a_running_operation(self):
        # The agent will refuse it, and then the region must be free again.
        found = self.stored()
        operation = self.operation(found)
        self._report(fence=9)
        self.finish(operation, touched=False, cause=model.Cause.STALE)
        self.assertIs(model.DeployableState.IDLE, self.again(found).state)
        self._report(fence=9)
        self.assertEqual(10, self.operation(found).fence)


class TestUnknown(base.DatabaseTest):
    def setUp(self):
        super().setUp()
        self.found = self.stored()
        self.finish(self.operation(self.found))
        self.fence = self.again(self.found).fence

    def _state(self, **members):
        self.store(base.card(base.CARD, base.region(**members)))
        return self.again(self.found).state

    def test_only_the_raised_fence_ends_it(self):
        unknown = model.DeployableState.UNKNOWN
        self.assertIs(unknown, self.again(self.found).state)
        self.assertIs(unknown, self._state(fence=0))
        self.assertIs(unknown, self._state(fence=self.fence - 1))
        self.assertIs(
            model.DeployableState.IDLE, self._state(fence=self.fence)
        )

    def test_report_is_told_which_fence_is_wanted(self):
        self.assertEqual({self.found.name: self.fence}, self.store())

    def test_read_back_says_what_is_there(self):
        self._state(fence=self.fence, function_id=base.FUNCTION)
        now = self.again(self.found)
        self.assertEqual(base.FUNCTION, now.function_id)
        self.assertTrue(now.bitstream_private)

    def test_it_is_wiped_before_it_is_offered(self):
        self._state(fence=self.fence, function_id=base.FUNCTION)
        self.assertRaises(errors.NoCapacity, self.reserve, self.found)
        pending = deployables.wipes_pending(self.ctx)
        self.assertEqual([self.found.uuid], [r.uuid for r in pending])

    def test_busy_report_does_not_end_it(self):
        self.assertIs(
            model.DeployableState.UNKNOWN,
            self._state(fence=self.fence, busy=True),
        )

    def test_unreadable_region_is_to_be_wiped(self):
        self.change(models.Deployable, sa.true(), wipe_pending=False)
        self.assertIs(
            model.DeployableState.IDLE,
            self._state(fence=self.fence, readable=False),
        )
        now = self.again(self.found)
        self.assertTrue(now.wipe_pending)
        self.assertIsNone(now.function_id)
