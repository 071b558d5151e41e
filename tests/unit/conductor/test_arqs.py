"""What a bind takes and leaves, and what Nova is owed."""

from unittest import mock

import sqlalchemy as sa

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.clients import limits
from cyborg_fpga.conductor import needs
from cyborg_fpga.conductor import racing
from cyborg_fpga.db import arqs
from cyborg_fpga.db import bindings
from cyborg_fpga.db import claims
from cyborg_fpga.db import device_profiles
from cyborg_fpga.db import models
from cyborg_fpga.db import operations
from tests.unit.conductor import base
from tests.unit.conductor import standins
from tests.unit.db import base as db

PF = 'CUSTOM_FPGA_INTEL_PF'
State = model.ClaimState


class ArqTest(base.ConductorTest):
    """:ivar arqs: The part that is tested."""

    def setUp(self):
        super().setUp()
        self.arqs = self.manager._arqs
        for name in ('_PATIENCE_SECONDS', '_RACING_SECONDS'):
            patience = mock.patch.object(racing, name, 0)
            patience.start()
            self.addCleanup(patience.stop)

    def limit(self):
        """Have Keystone's limits on; what they say from now on."""
        allowance = mock.create_autospec(
            limits.Allowance, instance=True, limited=True
        )
        asked = mock.patch.object(
            limits.Limits, 'of', autospec=True, return_value=allowance
        )
        asked.start()
        self.addCleanup(asked.stop)
        return allowance

    def request(self, *groups, ctx=base.ALICE):
        """New ARQs, one for each unit of each group; their uuids."""
        profile = device_profiles.create(
            self.ctx,
            db.new_uuid(),
            name=f'p{db.new_uuid()}',
            groups=groups or [{f'resources:{PF}': '1'}],
        )
        indexes = [
            index
            for index, group in enumerate(profile.groups)
            for _ in range(int(next(iter(group.values()))))
        ]
        return [arq.uuid for arq in arqs.create(ctx, profile, indexes)]

    def group(self, amount=1, **accel):
        words = {f'accel:{key}': value for key, value in accel.items()}
        return {f'resources:{PF}': str(amount), **words}

    def wish(self, uuids, instance=None, **members):
        provider = self.regions()[0].rp_uuid
        return {
            'arqs': dict.fromkeys(uuids, provider),
            'hostname': db.HOST,
            'instance_uuid': instance or db.new_uuid(),
            'project_id': None,
            'visible_to': 'alice',
            **members,
        }

    def bind(self, uuids, instance=None, *, ctx=base.ALICE, **members):
        """The operations that a bind has committed."""
        return self.arqs.bind(ctx, self.wish(uuids, instance, **members))

    def states(self, uuids):
        return [arq.state for arq in arqs.some(self.ctx, uuids)]

    def assert_initial(self, uuids):
        self.assertEqual([State.INITIAL] * len(uuids), self.states(uuids))
        self.assertEqual(0, self.held())
        instances = {arq.instance_uuid for arq in arqs.some(self.ctx, uuids)}
        self.assertEqual({None}, instances)

    def refused(self, error, uuids, **members):
        """The sentence of a refusal that leaves nothing behind."""
        exc = self.assertRaises(error, self.bind, uuids, **members)
        self.assert_initial(uuids)
        return exc.message

    def unfinished(self):
        return [
            operation
            for operation in operations.list_page(
                self.ctx, filters={}, limit=9
            )
            if operation.state in model.OPERATION_UNFINISHED
        ]

    def deliver(self):
        """What Nova is told now."""
        del self.nova.told[:]
        self.manager.events.send(self.ctx)
        return self.nova.told


class TestBind(ArqTest):
    def test_nothing_to_program_is_bound_at_once(self):
        uuids, instance = self.request(self.group(2)), db.new_uuid()
        self.assertEqual([], self.bind(uuids, instance))
        self.assertEqual([State.READY] * 2, self.states(uuids))
        self.assertEqual(2, self.held())
        self.assertEqual([], self.asked)
        self.assertEqual(
            sorted((instance, uuid, True) for uuid in uuids),
            sorted(self.deliver()),
        )
        self.assertEqual([], self.deliver())

    def test_it_has_what_it_asked_for(self):
        image = self.image()
        (uuid,) = self.request(self.group(bitstream_id=image))
        (operation,) = self.bind([uuid])
        self.assertEqual(image, operation.image_uuid)
        self.assertEqual('alice', operation.project_id)
        self.assertEqual([State.PROGRAMMING], self.states([uuid]))
        self.assertEqual([], self.deliver())
        self.end(operation)
        self.assertEqual([State.READY], self.states([uuid]))
        self.assertEqual([True], [bound for _, _, bound in self.deliver()])

    def test_what_needs_nothing_does_not_wait_for_what_does(self):
        image = self.image()
        uuids = self.request(self.group(), self.group(bitstream_id=image))
        self.bind(uuids)
        self.assertEqual([State.READY, State.PROGRAMMING], self.states(uuids))

    def test_loaded_card_goes_to_who_wants_it(self):
        image = self.image()
        first = self.request(self.group(bitstream_id=image))
        (operation,) = self.bind(first)
        self.end(operation)
        warm = operation.deployable_uuid
        self.arqs.delete(self.ctx, first, None, bound=True)
        self.wiped()
        uuids = self.request(self.group(), self.group(bitstream_id=image))
        self.assertEqual([], self.bind(uuids))
        claim = claims.get(self.ctx, uuids[1])
        self.assertEqual((warm,), claim.deployable_uuids)

    def wiped(self):
        self.change(models.Deployable, sa.true(), wipe_pending=False)

    def test_function_that_is_loaded_is_not_loaded_again(self):
        region = self.regions()[0]
        self.change(
            models.Deployable,
            models.Deployable.id == region.id,
            function_id=base.FUNCTION,
        )
        for group in (
            self.group(function_id=base.FUNCTION),
            {
                f'resources:{PF}': '1',
                f'trait:CUSTOM_FPGA_FUNCTION_ID_INTEL_{base.FUNCTION.upper()}':
                    'required',
            },
        ):  # fmt: skip
            uuids = self.request(group)
            self.assertEqual([], self.bind(uuids))
            claim = claims.get(self.ctx, uuids[0])
            self.assertEqual((region.uuid,), claim.deployable_uuids)
            self.arqs.delete(self.ctx, uuids, None, bound=True)
            self.wiped()

    def test_one_region_is_programmed_once_for_all_of_it(self):
        self.ask('report', report=self.shared_card().to_wire())
        shared = next(r for r in self.regions() if len(r.handles) == 2)
        image = self.image()
        uuids = self.request(
            {'resources:CUSTOM_FPGA_INTEL_VF': '2', 'accel:type': 'crypto'}
        )
        self.refused(errors.NoCapacity, uuids)  # not known yet
        self.manager._catalogue.lookup(self.ctx, image)
        providers = dict.fromkeys(uuids, shared.rp_uuid)
        (operation,) = self.bind(uuids, arqs=providers)
        self.assertEqual([State.PROGRAMMING] * 2, self.states(uuids))
        self.end(operation)
        self.assertEqual([State.READY] * 2, self.states(uuids))
        self.assertEqual(2, len(self.deliver()))

    def test_what_somebody_left_is_wiped_first(self):
        image = self.image(visibility='private', owner='bob')
        self.manager._catalogue.refresh(self.ctx, image)
        left = self.regions()[0]
        self.change(
            models.Deployable,
            models.Deployable.id == left.id,
            bitstream_id=image,
            function_id=base.FUNCTION,
            bitstream_private=True,
        )
        uuids = self.request(self.group(2))
        (operation,) = self.bind(uuids)
        self.assertEqual(left.uuid, operation.deployable_uuid)
        self.assertEqual(model.WipeLevel.CLEAR, operation.wipe_level)
        states = self.states(uuids)
        self.assertEqual({State.PROGRAMMING, State.READY}, set(states))
        self.assertEqual(1, len(self.deliver()))
        self.end(operation)
        self.assertEqual([State.READY] * 2, self.states(uuids))
        self.assertEqual(1, len(self.deliver()))

    def test_placement_is_told_of_what_is_left_before_the_answer(self):
        self.ask('report', report=self.shared_card().to_wire())
        self.image()
        self.manager._catalogue.cycle(self.ctx)
        self.tell_placement()
        kinds = 'CUSTOM_ACCELERATOR_CRYPTO'
        self.assertIn(kinds, self.rooms.tree[self.shared().rp_name].traits)
        uuids = self.request({'resources:CUSTOM_FPGA_INTEL_VF': '1'})
        self.bind(uuids, arqs=dict.fromkeys(uuids, self.shared().rp_uuid))
        self.assertNotIn(kinds, self.rooms.tree[self.shared().rp_name].traits)

    def shared(self):
        return next(r for r in self.regions() if len(r.handles) == 2)


class TestRefusal(ArqTest):
    def test_instance_that_has_some_gets_no_more(self):
        instance = db.new_uuid()
        self.bind(self.request(), instance)
        others = self.request()
        exc = self.assertRaises(
            errors.InvalidInput, self.bind, others, instance
        )
        self.assertIn('already has accelerator requests', exc.message)
        self.assertEqual([State.INITIAL], self.states(others))

    def test_too_few_leave_all_unbound(self):
        uuids = self.request(self.group(3))
        self.refused(errors.NoCapacity, uuids)

    def test_one_that_is_not_there_leaves_all_unbound(self):
        uuids = self.request()
        provider = self.regions()[0].rp_uuid
        both = dict.fromkeys([*uuids, db.new_uuid()], provider)
        self.refused(errors.NotFound, uuids, arqs=both)

    def test_another_projects_is_not_there(self):
        uuids = self.request()
        self.refused(errors.NotFound, uuids, visible_to='bob')

    def test_bound_one_is_not_bound_again(self):
        uuids = self.request()
        self.bind(uuids)
        exc = self.assertRaises(errors.WrongState, self.bind, uuids)
        # Cyborg's word, since it is Nova's that reads it.
        self.assertIn(f'ARQ {uuids[0]} is Bound; ', exc.message)

    def test_provider_that_is_none_of_ours(self):
        uuids = self.request()
        other = dict.fromkeys(uuids, db.new_uuid())
        self.refused(errors.InvalidInput, uuids, arqs=other)

    def test_provider_of_another_host(self):
        uuids = self.request()
        self.refused(errors.InvalidInput, uuids, hostname='elsewhere')

    def test_host_is_known_by_its_providers_name_too(self):
        self.change(models.Host, sa.true(), rp_name='Node1.Other')
        self.assertEqual([], self.bind(self.request(), hostname='node1.other'))

    def test_host_that_is_down(self):
        self.change(models.Host, sa.true(), up=False)
        self.refused(errors.HostUnavailable, self.request())

    def test_image_of_somebody_else(self):
        image = self.image(visibility='private', owner='bob')
        uuids = self.request(self.group(bitstream_id=image))
        self.refused(errors.BitstreamUnusable, uuids)
        self.assertEqual('token of alice', self.images.askers[-1])

    def test_image_that_glance_hides_meanwhile(self):
        image = self.image()
        self.manager._catalogue.lookup(self.ctx, image)
        uuids = self.request(self.group(type='crypto'))
        self.images.images.clear()
        self.refused(errors.NoCapacity, uuids)

    def test_image_that_is_for_other_cards_meanwhile(self):
        image = self.image()
        self.manager._catalogue.lookup(self.ctx, image)
        uuids = self.request(self.group(type='crypto'))
        self.images.add(
            image,
            properties={
                **self.images.images[image].properties,
                'board': 'U50',
            },
        )
        self.refused(errors.NoCapacity, uuids)

    def test_image_for_another_region(self):
        image = self.image(region='b' * 32)
        uuids = self.request(self.group(bitstream_id=image))
        self.refused(errors.DoesNotFit, uuids)

    def test_nothing_is_there_just_now(self):
        """It may be free the next moment, whatever it is."""
        table = models.Deployable.__table__
        self.change(table, sa.true(), wipe_pending=True)
        image = self.image()
        uuids = self.request(self.group(bitstream_id=image))
        self.refused(errors.NoCapacity, uuids)

    def test_glance_that_is_away(self):
        uuids = self.request(self.group(bitstream_id=self.image()))
        with mock.patch.object(
            self.images, 'get', autospec=True, side_effect=standins.AWAY
        ):
            self.refused(errors.ServiceUnavailable, uuids)

    def test_card_that_is_not_to_be_had_any_more(self):
        for table, values in (
            (models.Device, {'status': 'maintaining'}),
            (models.Device, {'health': 'quarantined'}),
            (models.Deployable, {'state': 'unknown'}),
            (models.Deployable, {'wipe_pending': True}),
            (models.Host, {'status': 'disabled'}),
        ):
            with self.subTest(values):
                uuids = self.request(self.group(2))
                wish = self.wish(uuids)
                found, said = arqs.to_bind(
                    self.ctx, uuids, wish['instance_uuid']
                )
                wanted = needs.Needs(
                    base.ALICE, self.manager._catalogue, 'alice'
                )
                wanted.read(found, said)
                plan = self.arqs._plan(
                    base.ALICE, wish, found, wanted, 'alice'
                )
                before = self.row(table, id=1)
                self.change(table, table.id == 1, **values)
                self.assertRaises(
                    errors.NoCapacity,
                    self.arqs._hold,
                    base.ALICE,
                    wish,
                    plan,
                    settled=True,
                )
                self.assert_initial(uuids)
                old = {name: before[name] for name in values}
                self.change(table, table.id == 1, **old)

    def test_who_was_not_entitled_to_it_leaves_all_as_it_was(self):
        images = [self.image(), self.image()]
        uuids = self.request(
            *(self.group(bitstream_id=image) for image in images)
        )
        self.limit().confirm.side_effect = errors.OverQuota(
            limit=1, held=0, wanted=2
        )
        self.refused(errors.OverQuota, uuids)
        self.assertFalse(any(r.wipe_pending for r in self.regions()))
        self.assertEqual([], self.deliver())
        self.assertEqual([], self.unfinished())

    def test_nobody_is_told_before_they_are_entitled_to_it(self):
        image = self.image()
        uuids = self.request(self.group(), self.group(bitstream_id=image))
        told = []
        self.limit().confirm.side_effect = lambda _: told.append(
            (self.deliver(), self.states(uuids))
        )
        (operation,) = self.bind(uuids)
        self.assertEqual([([], [State.CLAIMING] * 2)], told)
        self.assertEqual([State.READY, State.PROGRAMMING], self.states(uuids))
        self.assertEqual(1, len(self.deliver()))
        self.end(operation)
        self.assertEqual(1, len(self.deliver()))


class TestRaces(ArqTest):
    def test_who_loses_one_tries_for_another_however_often(self):
        bind, lost = bindings.bind, []

        def lose(*args, **kwargs):
            if len(lost) < 5:
                lost.append(1)
                raise errors.NoCapacity(reason='one was taken')
            return bind(*args, **kwargs)

        uuids = self.request()
        with (
            mock.patch.object(racing, '_RACING_SECONDS', 60),
            mock.patch.object(
                bindings, 'bind', autospec=True, side_effect=lose
            ),
        ):
            self.bind(uuids)
        self.assertEqual([State.READY], self.states(uuids))

    def test_instance_that_another_takes_meanwhile(self):
        """Both have seen that it has none."""
        instance = db.new_uuid()
        first, second = self.request(), self.request()
        look = bindings._lock_claims
        blind = [True]

        def lock(ctx, uuids, instance_uuid, project_id):
            seen = db.new_uuid() if blind else instance_uuid
            blind.clear()
            return look(ctx, uuids, seen, project_id)

        look_first = arqs.to_bind
        with mock.patch.object(arqs, 'to_bind', autospec=True) as seen:
            seen.side_effect = lambda ctx, uuids, *_: look_first(
                ctx, uuids, db.new_uuid()
            )
            self.bind(first, instance)
            with mock.patch.object(
                bindings, '_lock_claims', autospec=True, side_effect=lock
            ):
                self.assertRaises(
                    errors.InvalidInput, self.bind, second, instance
                )
        self.assertEqual([State.INITIAL], self.states(second))
        self.assertEqual(1, self.held())

    def test_arqs_that_are_deleted_while_they_are_bound(self):
        self.limit()
        uuids = self.request(self.group(bitstream_id=self.image()))
        settle = bindings.settle

        def late(ctx, *args, **kwargs):
            self.arqs.delete(self.ctx, uuids, None, bound=True)
            settle(ctx, *args, **kwargs)

        with mock.patch.object(
            bindings, 'settle', autospec=True, side_effect=late
        ):
            self.assertRaises(errors.WrongState, self.bind, uuids)
        self.assertEqual([], self.states(uuids))
        self.assertEqual(0, self.held())
        self.assertEqual([], self.unfinished())


class TestEnds(ArqTest):
    def failed(self, **members):
        uuids = self.request(self.group(bitstream_id=self.image()))
        (operation,) = self.bind(uuids)
        self.end(operation, cause=model.Cause.DEVICE_ERROR, **members)
        return uuids

    def test_failed_programming_holds_nothing_and_nova_is_told(self):
        uuids = self.failed()
        self.assertEqual([State.FAILED], self.states(uuids))
        self.assertEqual(0, self.held())
        self.assertEqual([False], [bound for _, _, bound in self.deliver()])
        claim = claims.get(self.ctx, uuids[0])
        self.assertEqual('device_error', claim.fault_code)
        # Before Nova lets go of its allocation.
        self.assertEqual(1, self.rooms.reserved)

    def test_nova_is_told_of_a_failure_after_placement(self):
        told = []
        self.rooms.before['sync_tree'] = lambda: told.extend(self.deliver())
        self.failed()
        self.assertIn('sync_tree', self.methods())
        self.assertEqual([], told)
        self.assertEqual(1, len(self.deliver()))

    def test_what_it_used_is_wiped_before_it_is_offered(self):
        uuids = self.request(self.group(2))
        self.bind(uuids)
        self.arqs.delete(self.ctx, uuids, None, bound=True)
        self.assertTrue(all(r.wipe_pending for r in self.regions()))
        self.assertEqual(2, self.rooms.reserved)
        self.assertEqual(0, self.held())
        self.assertEqual([], self.states(uuids))

    def test_placement_that_is_away_does_not_keep_it(self):
        uuids = self.request()
        self.bind(uuids)
        self.rooms.refuses['sync_tree'] = standins.AWAY
        self.arqs.delete(self.ctx, uuids, None, bound=True)
        self.assertEqual([], self.states(uuids))

    def test_region_is_not_wiped_under_who_is_left(self):
        self.ask('report', report=self.shared_card().to_wire())
        shared = next(r for r in self.regions() if len(r.handles) == 2)
        both = [
            self.request({'resources:CUSTOM_FPGA_INTEL_VF': '1'})
            for _ in range(2)
        ]
        for uuids in both:
            self.bind(uuids, arqs=dict.fromkeys(uuids, shared.rp_uuid))
        self.arqs.delete(self.ctx, both[0], None, bound=True)
        self.assertFalse(self.again(shared).wipe_pending)
        self.arqs.delete(self.ctx, both[1], None, bound=True)
        self.assertTrue(self.again(shared).wipe_pending)

    def test_what_went_while_it_was_held_is_forgotten_when_it_is_not(self):
        self.ask('report', report=self.shared_card().to_wire())
        (shared,) = self.shared()
        uuids = self.request({'resources:CUSTOM_FPGA_INTEL_VF': '2'})
        self.bind(uuids, arqs=dict.fromkeys(uuids, shared.rp_uuid))
        report = self.shared_card(1)
        self.ask('report', report=report.to_wire())
        self.arqs.delete(self.ctx, uuids, None, bound=True)
        self.assertEqual(1, len(self.shared()))
        # Like the last one: it would not be read but for that.
        report = db.later(report)
        self.ask('report', report=report.to_wire())
        self.assertEqual([], self.shared())
        with self.statements() as seen:
            self.ask('report', report=db.later(report).to_wire())
        self.assertEqual(1, len(seen), seen)

    def shared(self):
        return [r for r in self.regions() if len(r.handles) == 2]

    def test_unbound_one_can_be_bound_again(self):
        uuids = self.request()
        self.bind(uuids)
        self.arqs.unbind(self.ctx, uuids, None)
        self.assertEqual([State.UNBOUND], self.states(uuids))
        self.assertEqual([], self.deliver())
        self.assertEqual(0, self.held())
        self.bind(uuids)
        self.assertEqual([State.READY], self.states(uuids))
        self.assertEqual(1, len(self.deliver()))

    def test_pending_programming_of_what_is_deleted_is_recalled(self):
        group = self.group(bitstream_id=self.image())
        mine, others = self.request(group), self.request(group)
        (recalled,), (kept,) = self.bind(mine), self.bind(others)
        self.ask('delete_arqs', uuids=mine, visible_to=None, bound=True)
        reconciler = self.manager.reconciler
        self.assertTrue(reconciler._woken.is_set())
        reconciler.cycle()
        reconciler.stop()
        states = {
            operation: operations.get(self.ctx, operation.uuid).state
            for operation in (recalled, kept)
        }
        self.assertEqual(model.OperationState.CANCELLED, states[recalled])
        self.assertEqual(model.OperationState.PENDING, states[kept])

    def test_programming_that_another_waits_for_is_not_recalled(self):
        self.ask('report', report=self.shared_card().to_wire())
        shared = next(r for r in self.regions() if len(r.handles) == 2)
        group = {
            'resources:CUSTOM_FPGA_INTEL_VF': '2',
            'accel:bitstream_id': self.image(),
        }
        uuids = self.request(group)
        (one,) = self.bind(uuids, arqs=dict.fromkeys(uuids, shared.rp_uuid))
        uuids.remove(one.claim_uuid)
        self.arqs.delete(self.ctx, [one.claim_uuid], None, bound=True)
        self.assertEqual([], operations.unneeded(self.ctx))
        self.end(one)
        self.assertEqual([State.READY], self.states(uuids))

    def test_the_rest_is_deleted_when_one_is_missing(self):
        uuids = self.request(self.group(2))
        self.assertRaises(
            errors.NotFound,
            self.arqs.delete,
            self.ctx,
            [uuids[0], db.new_uuid(), uuids[1]],
            None,
            bound=False,
        )
        self.assertEqual([], self.states(uuids))

    def test_bound_one_is_not_deleted_as_an_unbound_one(self):
        uuids = self.request()
        self.bind(uuids)
        for bound, project in ((False, 'alice'), (True, 'bob')):
            self.assertRaises(
                errors.NotFound,
                self.arqs.delete,
                self.ctx,
                uuids,
                project,
                bound=bound,
            )
        self.assertEqual([State.READY], self.states(uuids))


class TestTakeOver(ArqTest):
    def recover(self):
        """What the next conductor does once the leases are over."""
        self.expire_leases()
        successor = self.conductor()
        for claim in successor._claims.unfinished(self.ctx):
            successor._claims.recover(self.ctx, claim)
        successor.events.send(self.ctx)

    def test_bind_that_was_cut_short_fails(self):
        self.limit()
        uuids = self.request(self.group(bitstream_id=self.image()))
        with mock.patch.object(
            bindings, 'settle', autospec=True, side_effect=KeyboardInterrupt
        ):
            self.assertRaises(KeyboardInterrupt, self.bind, uuids)
        self.assertEqual([State.CLAIMING], self.states(uuids))
        self.recover()
        self.assertEqual([State.FAILED], self.states(uuids))
        self.assertEqual(0, self.held())
        self.assertEqual([False], [bound for _, _, bound in self.nova.told])
        (unneeded,) = operations.unneeded(self.ctx)
        self.assertEqual(uuids[0], unneeded.claim_uuid)

    def test_bind_that_goes_on_is_left_alone(self):
        self.limit()
        uuids = self.request(self.group(bitstream_id=self.image()))
        settle = bindings.settle

        def meanwhile(ctx, *args, **kwargs):
            for claim in self.manager._claims.unfinished(self.ctx):
                self.manager._claims.recover(self.ctx, claim)
            settle(ctx, *args, **kwargs)

        with mock.patch.object(
            bindings, 'settle', autospec=True, side_effect=meanwhile
        ):
            self.bind(uuids)
        self.assertEqual([State.PROGRAMMING], self.states(uuids))

    def test_end_that_nobody_drew_conclusions_from(self):
        uuids = self.request(self.group(bitstream_id=self.image()))
        (operation,) = self.bind(uuids)
        self.finish(operation, succeeded=True, function_id=base.FUNCTION)
        self.assertEqual([State.PROGRAMMING], self.states(uuids))
        self.recover()
        self.assertEqual([State.READY], self.states(uuids))
        self.assertEqual([True], [bound for _, _, bound in self.nova.told])


class TestEvents(ArqTest):
    def setUp(self):
        super().setUp()
        self.uuids = self.request()
        self.bind(self.uuids)

    def due(self):
        self.change(
            models.Claim,
            models.Claim.event_due.is_not(None),
            event_due=1.0,
        )

    def test_nova_that_is_away_is_told_later(self):
        self.nova.away = True
        self.assertEqual([], self.deliver())
        self.nova.away = False
        self.assertEqual([], self.deliver())  # not before a pause
        self.due()
        self.assertEqual(1, len(self.deliver()))
        self.due()
        self.assertEqual([], self.deliver())

    def test_pauses_grow(self):
        self.nova.away = True
        pauses = []
        with mock.patch.object(arqs, 'postpone', autospec=True) as postpone:
            for _ in range(8):
                self.due()
                self.manager.events.send(self.ctx)
                pauses.append(postpone.call_args.args[2])
        self.assertEqual([1, 2, 4, 8, 16, 32, 60, 60], pauses)

    def test_who_dies_amid_it_leaves_it_to_others(self):
        with mock.patch.object(
            self.nova, 'tell_bound', autospec=True, side_effect=SystemExit
        ):
            self.assertRaises(SystemExit, self.deliver)
        self.assertEqual([], self.deliver())
        self.due()
        self.assertEqual(1, len(self.deliver()))

    def test_late_answer_does_not_cross_off_what_is_owed_since(self):
        (old,) = arqs.take_events(self.ctx, 9, 0)
        self.due()
        arqs.take_events(self.ctx, 9, 0)
        arqs.told(self.ctx, [old])
        self.due()
        self.assertEqual(1, len(self.deliver()))

    def test_deleted_one_is_not_told_of(self):
        self.arqs.delete(self.ctx, self.uuids, None, bound=True)
        self.assertEqual([], self.deliver())
