"""Heartbeats, silence and what Placement must be told."""

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.db import deployables
from cyborg_fpga.db import devices
from cyborg_fpga.db import hosts
from cyborg_fpga.db import models
from cyborg_fpga.db import reports
from tests.unit.db import base


class TestHeartbeat(base.DatabaseTest):
    def setUp(self):
        super().setUp()
        self.first = self.report(*(base.card() for _ in range(1)))
        reports.store(self.ctx, self.first, model.Layout.POOL)

    def test_unchanged_report_is_one_statement(self):
        with self.statements() as seen:
            known = hosts.heartbeat(self.ctx, base.later(self.first))
        self.assertTrue(known)
        self.assertEqual(1, len(seen), seen)
        self.assertTrue(seen[0].startswith('UPDATE hosts'))

    def test_heartbeat_is_remembered(self):
        self.change(models.Host, models.Host.id > 0, last_seen=1.0)
        hosts.heartbeat(self.ctx, base.later(self.first))
        host = hosts.get(self.ctx, base.HOST)
        self.assertEqual(self.first.sequence + 1, host.report_sequence)
        self.assertGreater(host.last_seen, 1e9)

    def test_heartbeat_leaves_placement_alone(self):
        hosts.start_telling(self.ctx, base.HOST, 'me', 60)
        hosts.heartbeat(self.ctx, base.later(self.first))
        self.assertEqual([], hosts.stale(self.ctx))

    def test_other_content_is_not_a_heartbeat(self):
        changed = base.later(self.first, digest='other')
        self.assertFalse(hosts.heartbeat(self.ctx, changed))

    def test_same_report_twice_is_not_a_heartbeat(self):
        self.assertFalse(hosts.heartbeat(self.ctx, self.first))

    def test_other_boot_is_not_a_heartbeat(self):
        rebooted = base.later(self.first, boot_id=2)
        self.assertFalse(hosts.heartbeat(self.ctx, rebooted))

    def test_unknown_host_is_not_a_heartbeat(self):
        other = base.later(self.first, hostname='other')
        self.assertFalse(hosts.heartbeat(self.ctx, other))

    def test_host_that_was_down_must_be_read_whole(self):
        self.assertEqual(1, hosts.mark_silent(self.ctx, -1))
        self.assertFalse(hosts.heartbeat(self.ctx, base.later(self.first)))


class TestSilence(base.DatabaseTest):
    def test_silent_host_goes_down_once(self):
        self.store()
        hosts.start_telling(self.ctx, base.HOST, 'me', 60)
        self.assertEqual(0, hosts.mark_silent(self.ctx, 60))
        self.assertEqual(1, hosts.mark_silent(self.ctx, -1))
        self.assertEqual(0, hosts.mark_silent(self.ctx, -1))
        self.assertFalse(hosts.get(self.ctx, base.HOST).up)
        self.assertEqual([base.HOST], hosts.stale(self.ctx))

    def test_next_report_brings_it_up(self):
        self.store()
        hosts.mark_silent(self.ctx, -1)
        self.store()
        self.assertTrue(hosts.get(self.ctx, base.HOST).up)

    def test_silence_is_measured_by_the_databases_clock(self):
        self.store()
        self.change(
            models.Host,
            models.Host.hostname == base.HOST,
            last_seen=models.Host.last_seen - 100,
        )
        self.assertEqual(0, hosts.mark_silent(self.ctx, 110))
        self.assertEqual(1, hosts.mark_silent(self.ctx, 90))


class TestOperatorsWord(base.DatabaseTest):
    def test_disabling_keeps_the_reason(self):
        self.store()
        hosts.start_telling(self.ctx, base.HOST, 'me', 60)
        hosts.set_status(
            self.ctx, base.HOST, model.HostStatus.DISABLED, 'new fan'
        )
        host = hosts.get(self.ctx, base.HOST)
        self.assertIs(model.HostStatus.DISABLED, host.status)
        self.assertEqual('new fan', host.disabled_reason)
        self.assertEqual([base.HOST], hosts.stale(self.ctx))

    def test_enabling_forgets_the_reason(self):
        self.store()
        hosts.set_status(
            self.ctx, base.HOST, model.HostStatus.DISABLED, 'new fan'
        )
        hosts.set_status(self.ctx, base.HOST, model.HostStatus.ENABLED, 'x')
        self.assertIsNone(hosts.get(self.ctx, base.HOST).disabled_reason)

    def test_disabled_host_stays_so_through_reports(self):
        self.store()
        hosts.set_status(self.ctx, base.HOST, model.HostStatus.DISABLED, 'x')
        self.store()
        self.assertIs(
            model.HostStatus.DISABLED, hosts.get(self.ctx, base.HOST).status
        )

    def test_unknown_host_is_said_to_be_unknown(self):
        self.assertRaises(errors.NotFound, hosts.get, self.ctx, 'x')
        self.assertRaises(
            errors.NotFound,
            hosts.set_status,
            self.ctx,
            'x',
            model.HostStatus.ENABLED,
            None,
        )


class TestRecords(base.DatabaseTest):
    def test_host_and_all_that_is_on_it_are_read_at_once(self):
        self.store(base.card(), base.card(base.OTHER_CARD))
        self.store(
            base.card(base.CARD, base.region(vfs=3)),
            base.card(base.OTHER_CARD),
        )
        self.reserve(self.regions()[0])
        self.store(hostname='other')
        with self.statements() as seen:
            host, told, regions = deployables.on_host(self.ctx, base.HOST)
        self.assertEqual(1, len(seen), seen)
        self.assertEqual(hosts.get(self.ctx, base.HOST), host)
        self.assertIsNone(told)
        self.assertEqual(self.regions(), regions)
        self.assertEqual([3, 1], [len(r.handles) for r in regions])

    def test_there_may_be_nothing_on_it(self):
        self.store()
        self.store(base.card(base.CARD, base.region(handles=())))
        _, _, (region,) = deployables.on_host(self.ctx, base.HOST)
        self.assertEqual((), region.handles)
        for table in (models.Deployable, models.Device):
            self.delete(table)
        host, _, regions = deployables.on_host(self.ctx, base.HOST)
        self.assertEqual((base.HOST, []), (host.hostname, regions))

    def test_unknown_host_has_none(self):
        self.assertRaises(errors.NotFound, deployables.on_host, self.ctx, 'x')


class TestPlacementMarks(base.DatabaseTest):
    def setUp(self):
        super().setUp()
        self.store()
        self.store(hostname='other')
        for name in (base.HOST, 'other'):
            hosts.start_telling(self.ctx, name, 'me', 60)

    def test_one_host_or_all_can_be_marked(self):
        hosts.mark_stale(self.ctx, 'other')
        self.assertEqual(['other'], hosts.stale(self.ctx))
        hosts.mark_stale(self.ctx)
        self.assertEqual([base.HOST, 'other'], hosts.stale(self.ctx))

    def test_what_placement_was_told_is_kept_per_host(self):
        self.assertTrue(self._finish('me', 'abc'))
        self.assertEqual('abc', hosts.placement_digest(self.ctx, base.HOST))
        self.assertIsNone(hosts.placement_digest(self.ctx, 'other'))
        self.assertEqual('abc', self._start('me'))
        self.assertIsNone(hosts.placement_digest(self.ctx, base.HOST))

    def test_one_conductor_at_a_time_tells_placement(self):
        self.assertRaises(errors.InUse, self._start, 'you')
        hosts.stop_telling(self.ctx, base.HOST, 'you')
        self.assertRaises(errors.InUse, self._start, 'you')
        self._start('me')
        hosts.stop_telling(self.ctx, base.HOST, 'me')
        self._start('you')
        self._finish('you', 'abc')
        self._start('me')
        self._expire_turn()
        self._start('you')

    def test_nobody_tells_of_an_unknown_host(self):
        self.assertRaises(
            errors.NotFound, hosts.start_telling, self.ctx, 'x', 'me', 60
        )

    def test_what_is_marked_meanwhile_is_told_again(self):
        hosts.mark_stale(self.ctx, base.HOST)
        self.assertFalse(self._finish('me', 'abc'))
        self.assertEqual([base.HOST], hosts.stale(self.ctx))
        self.assertEqual('abc', self._start('you'))
        self.assertTrue(self._finish('you', 'abc'))
        self.assertEqual([], hosts.stale(self.ctx))

    def test_who_was_overtaken_does_not_say_what_placement_holds(self):
        self._expire_turn()
        self._start('you')
        self._finish('you', 'newer')
        self.assertFalse(self._finish('me', 'older'))
        self.assertIsNone(hosts.placement_digest(self.ctx, base.HOST))
        self.assertEqual([base.HOST], hosts.stale(self.ctx))

    def test_nor_does_who_overtook_and_has_not_ended(self):
        self._expire_turn()
        self._start('you')
        self.assertFalse(self._finish('me', 'older'))
        self.assertRaises(errors.InUse, self._start, 'me')
        self.assertFalse(self._finish('you', 'newer'))
        self._expire_turn()
        self.assertIsNone(self._start('me'))

    def test_what_one_that_never_ended_has_told_nobody_knows(self):
        self._finish('me', 'abc')
        self._start('me')
        self._expire_turn()
        self.assertIsNone(self._start('you'))

    def test_what_one_that_failed_has_told_nobody_knows(self):
        self._finish('me', 'abc')
        self._start('me')
        hosts.stop_telling(self.ctx, base.HOST, 'me')
        self.assertEqual([base.HOST], hosts.stale(self.ctx))
        self.assertIsNone(self._start('you'))

    def test_what_nobody_finished_is_stale(self):
        self.assertEqual([], hosts.stale(self.ctx))
        self._expire_turn()
        self.assertEqual([base.HOST], hosts.stale(self.ctx))
        self._finish('me', 'abc')
        self.assertEqual([], hosts.stale(self.ctx))

    def _start(self, teller):
        hosts.start_telling(self.ctx, base.HOST, teller, 60)
        _, told, _ = deployables.on_host(self.ctx, base.HOST)
        return told

    def _finish(self, teller, digest):
        return hosts.finish_telling(self.ctx, base.HOST, teller, digest)

    def _expire_turn(self):
        here = models.Host.hostname == base.HOST
        self.change(models.Host, here, placement_teller_until=1.0)

    def test_root_provider_is_kept_and_forgotten(self):
        hosts.set_root(self.ctx, base.HOST, 'some-uuid')
        self.assertEqual('some-uuid', hosts.get(self.ctx, base.HOST).rp_uuid)
        self.store()
        self.assertEqual('some-uuid', hosts.get(self.ctx, base.HOST).rp_uuid)
        hosts.set_root(self.ctx, base.HOST, None)
        self.assertIsNone(hosts.get(self.ctx, base.HOST).rp_uuid)

    def test_card_taken_out_of_use_marks_its_host_only(self):
        uuid = self.regions()[0].device_uuid
        devices.update(self.ctx, uuid, status=model.DeviceStatus.MAINTAINING)
        self.assertEqual([base.HOST], hosts.stale(self.ctx))
