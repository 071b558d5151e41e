"""What a bind changes beside the claims that it makes."""

import sqlalchemy as sa
from sqlalchemy import event

from cyborg_fpga import errors
from cyborg_fpga.db import arqs
from cyborg_fpga.db import bindings
from cyborg_fpga.db import device_profiles
from cyborg_fpga.db import engine
from cyborg_fpga.db import hosts
from cyborg_fpga.db import models
from cyborg_fpga.db import operations
from cyborg_fpga.db import orders
from tests.unit.db import base


class BindingTest(base.DatabaseTest):
    def setUp(self):
        super().setUp()
        self.store(
            base.card(base.CARD, base.region(vfs=2)),
            base.card(base.OTHER_CARD),
        )
        self.shared, self.whole = self.regions()
        self.profile = device_profiles.create(
            self.ctx, base.new_uuid(), name='one', groups=[{}]
        )
        hosts.start_telling(self.ctx, base.HOST, 'me', 60)

    def bind(self, region, *, image=None, **options):
        (arq,) = arqs.create(self.ctx, self.profile, [0])
        place = bindings.Place(
            region_id=region.id,
            rp_uuid=base.new_uuid(),
            resource_class='CLASS',
            image_uuid=image,
        )
        bindings.bind(
            self.ctx,
            {arq.uuid: place},
            instance_uuid=base.new_uuid(),
            project_id=None,
            owner='me',
            lease=30,
            **options,
        )
        return arq.uuid

    def act(self, region, kind='program'):
        """What is to be done to it as it is now."""
        return orders.New(
            deployable_id=region.id,
            values={'uuid': base.new_uuid(), 'kind': kind},
            seconds=60,
            fence=self.again(region).fence,
        )


class TestPlacement(BindingTest):
    def test_placement_is_told_of_what_is_left_of_a_deployable(self):
        self.bind(self.whole)
        self.assertEqual([], hosts.stale(self.ctx))
        self.bind(self.shared)
        self.assertEqual([base.HOST], hosts.stale(self.ctx))


class TestGuards(BindingTest):
    def test_handle_taken_behind_our_back_is_not_taken_again(self):
        """Somebody who does not lock takes it between look and swap."""
        other = self.row(models.Claim, uuid=self.bind(self.whole))['id']
        swaps = []

        def steal(connection, cursor, statement, *rest):
            if not statement.startswith('UPDATE attach_handles'):
                return
            swaps.append(statement)
            if len(swaps) == 1:
                cursor.execute(f'UPDATE attach_handles SET claim_id = {other}')

        target = engine.get_engine()
        event.listen(target, 'before_cursor_execute', steal)
        self.addCleanup(event.remove, target, 'before_cursor_execute', steal)
        uuid = self.bind(self.shared)
        # The first attempt found itself robbed and was rolled back.
        self.assertEqual(2, len(swaps))
        self.assertIsNotNone(arqs.get(self.ctx, uuid).address)

    def test_arqs_are_locked_first_then_cards_then_deployables(self):
        with self.statements() as seen:
            self.bind(self.shared)
        places = base.order(
            seen[seen.index(next(s for s in seen if 'INSERT' in s)) + 2:],
            'SELECT claims',
            'SELECT devices',
            'SELECT deployables',
            'SELECT attach_handles',
            'UPDATE claims',
            'UPDATE attach_handles',
        )  # fmt: skip
        self.assertEqual(sorted(places), places)

    def test_function_and_its_virtual_ones_are_never_bound_together(self):
        shared = models.AttachHandle.deployable_id == self.shared.id
        first = self.shared.handles[0].uuid
        self.change(
            models.AttachHandle,
            sa.and_(shared, models.AttachHandle.uuid == first),
            kind='PF',
        )
        self.bind(self.shared)
        self.assertRaises(errors.NoCapacity, self.bind, self.shared)

    def test_what_holds_a_projects_own_function_is_for_that_project(self):
        self.change(
            models.Deployable,
            models.Deployable.id == self.shared.id,
            bitstream_private=True,
        )
        self.reserve(self.shared, project_id='other')
        self.assertRaises(errors.NoCapacity, self.bind, self.shared)

    def test_what_another_has_loaded_since_is_not_bound(self):
        self.assertRaises(
            errors.NoCapacity, self.bind, self.whole, image=base.new_uuid()
        )

    def test_what_somebody_left_since_is_not_bound(self):
        ours = models.Deployable.id == self.whole.id
        self.change(models.Deployable, ours, bitstream_private=True)
        self.assertRaises(errors.NoCapacity, self.bind, self.whole)
        self.bind(self.whole, acts=[self.act(self.whole, 'wipe')])

    def test_what_another_has_done_something_to_is_not_wiped_as_it_was(self):
        act = self.act(self.whole, 'wipe')
        self.finish(self.operation(self.whole), succeeded=True)
        self.assertRaises(errors.NoCapacity, self.bind, self.whole, acts=[act])

    def test_what_others_have_a_part_of_is_not_programmed(self):
        self.bind(self.shared)
        acts = [self.act(self.shared)]
        self.assertRaises(errors.NoCapacity, self.bind, self.shared, acts=acts)

    def test_what_is_done_is_committed_with_the_bind(self):
        act = self.act(self.shared)
        self.bind(self.shared, acts=[act])
        made = operations.get(self.ctx, act.values['uuid'])
        self.assertEqual(self.shared.fence + 1, made.fence)
        now = self.again(self.shared)
        self.assertEqual(('programming', made.fence), (now.state, now.fence))
        self.assertRaises(errors.NoCapacity, self.bind, self.shared)

    def test_nobody_joins_what_may_be_programmed_just_now(self):
        self.reserve(self.shared, image_uuid=base.new_uuid())
        self.assertRaises(errors.NoCapacity, self.bind, self.shared)
