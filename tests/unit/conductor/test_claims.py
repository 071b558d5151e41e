"""What is taken for a claim, in which order, and how it is given back."""

import dataclasses
from unittest import mock

import sqlalchemy as sa

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.db import claims
from cyborg_fpga.db import models
from cyborg_fpga.db import reservations
from tests.unit.conductor import base
from tests.unit.conductor import standins
from tests.unit.db import base as db


class TestRefusal(base.ConductorTest):
    def refused(self, error, **wanted):
        """The refusal of a claim of which nothing may stay."""
        uuid = db.new_uuid()
        exc = self.assertRaises(
            error, self.ask, 'claim', ctx=base.ALICE, uuid=uuid, request=wanted
        )
        self.assert_nothing_held(uuid)
        return exc.message

    def test_type_and_image_must_agree(self):
        image = self.image()
        self.assertIn(
            'crypto',
            self.refused(
                errors.InvalidInput, image_uuid=image, type='compression'
            ),
        )
        self.assertNotIn('allocate', self.methods())
        self.claim(image_uuid=image, type='crypto')

    def test_host_that_is_down_is_named_so(self):
        self.change(models.Host, sa.true(), up=False)
        sentence = self.refused(errors.HostUnavailable, hostname=db.HOST)
        self.assertIn('down', sentence)

    def test_host_that_is_disabled_is_named_so(self):
        self.change(models.Host, sa.true(), status='disabled')
        sentence = self.refused(errors.HostUnavailable, hostname=db.HOST)
        self.assertIn('disabled', sentence)

    def test_image_that_is_for_other_cards_meanwhile(self):
        image = self.image()
        self.manager._catalogue.lookup(self.ctx, image)
        said = {**self.images.images[image].properties, 'board': 'U50'}
        self.images.add(image, properties=said)
        self.refused(errors.NoCapacity, type='crypto')

    def test_placement_has_the_last_word(self):
        self.rooms.refuses['allocate'] = errors.NoCapacity(reason='used up')
        sentence = self.refused(errors.NoCapacity)
        self.assertIn('used up', sentence)

    def test_lost_answer_of_placement_is_undone(self):
        self.rooms.refuses['allocate'] = standins.AWAY
        self.refused(errors.ServiceUnavailable)
        self.assertEqual('deallocate', self.methods()[-1])

    def test_lost_answer_that_cannot_be_undone_now_is_undone_later(self):
        self.rooms.refuses['allocate'] = standins.AWAY
        self.rooms.refuses['deallocate'] = standins.AWAY
        uuid = db.new_uuid()
        self.assertRaises(
            errors.ServiceUnavailable,
            self.ask,
            'claim',
            ctx=base.ALICE,
            uuid=uuid,
            request={},
        )
        self.assertEqual(model.ClaimState.RELEASING, self.state(uuid))
        self.assertEqual(1, self.held())

    def test_image_is_asked_for_with_the_claimers_own_token(self):
        image = self.image(visibility='private', owner='bob')
        self.refused(errors.NotFound, image_uuid=image)
        self.claim(ctx=base.BOB, image_uuid=image)
        self.assertEqual(
            ['token of alice', 'token of bob'], self.images.askers
        )

    def test_catalogue_is_not_believed_for_a_type_either(self):
        image = self.image()
        self.manager._catalogue.cycle(self.ctx)
        self.images.add(
            image,
            owner='bob',
            visibility='private',
            properties=self.images.images[image].properties,
        )
        self.refused(errors.NoCapacity, type='crypto')
        self.assertIn('token of alice', self.images.askers)

    def test_card_that_cannot_be_cleared_takes_no_private_image(self):
        self.ask('report', report=self.only_resetting().to_wire())
        image = self.image(visibility='private', owner='alice')
        sentence = self.refused(errors.NoCapacity, image_uuid=image)
        self.assertIn('wiped', sentence)
        self.claim(image_uuid=self.image())

    def test_region_that_another_came_to_is_not_programmed(self):
        self.ask('report', report=self.shared_card().to_wire())
        region = next(r for r in self.regions() if len(r.handles) == 2)
        reserve = reservations.reserve

        def overtaken(*args, **kwargs):
            rivals.pop()() if rivals else None
            return reserve(*args, **kwargs)

        rivals = [
            lambda: reserve(
                self.ctx,
                {'uuid': db.new_uuid(), 'origin': 'api', 'project_id': 'x'},
                {region.id: 1},
            )
        ]
        # Between the look and the taking there is no place to interfere.
        with mock.patch.object(
            reservations, 'reserve', autospec=True, side_effect=overtaken
        ):
            self.assertRaises(
                errors.NoCapacity,
                self.claim,
                image_uuid=self.image(),
                resource_class=base.VF,
            )
        self.assertEqual(1, self.held())
        self.assertEqual([], self.agents.taken)

    def test_operation_that_cannot_be_made_leaves_nothing(self):
        image = self.image()

        def programmed_by_another():
            for region in self.regions():
                self.change(
                    models.Deployable,
                    models.Deployable.id == region.id,
                    state='programming',
                )

        self.rooms.before['allocate'] = programmed_by_another
        uuid = db.new_uuid()
        self.assertRaises(
            errors.InUse,
            self.ask,
            'claim',
            ctx=base.ALICE,
            uuid=uuid,
            request={'image_uuid': image},
        )
        self.assertEqual(model.ClaimState.RELEASING, self.state(uuid))
        self.assertEqual([], self.agents.taken)


class TestProgramming(base.ConductorTest):
    def test_claim_of_two_is_ready_when_both_are_programmed(self):
        claim = self.claim(image_uuid=self.image(), count=2)
        first, second = self.agents.taken
        self.end(first)
        self.assertEqual(model.ClaimState.PROGRAMMING, self.state(claim))
        self.end(second)
        self.assertEqual(model.ClaimState.READY, self.state(claim))

    def test_failed_claim_holds_nothing_and_says_why(self):
        claim = self.claim(image_uuid=self.image())
        (operation,) = self.agents.taken
        self.end(
            operation, cause=model.Cause.IMAGE_CORRUPT, detail='hash',
            touched=False,
        )  # fmt: skip
        # Nothing came to the card, but nobody knows what was there before.
        self.end(self.agents.taken[-1])
        found = claims.get(self.ctx, claim)
        self.assertEqual(model.ClaimState.FAILED, found.state)
        self.assertEqual('image_corrupt', found.fault_code)
        self.assertIn('hash', found.fault_message)
        self.assertEqual(0, self.held())
        self.assertEqual({}, self.rooms.held)
        self.ask('release', uuid=claim, force=False)
        self.assert_nothing_held(claim)

    def test_private_function_is_wiped_before_somebody_else_has_it(self):
        image = self.image(visibility='private', owner='alice')
        self.load_everywhere(image, base.ALICE)
        claim = self.claim(ctx=base.BOB)
        wipe = self.agents.taken[-1]
        self.assertEqual(model.WipeLevel.CLEAR, wipe.wipe_level)
        self.assertEqual(model.ClaimState.PROGRAMMING, self.state(claim))
        self.end(wipe)
        self.assertEqual(model.ClaimState.READY, self.state(claim))

    def test_claim_that_was_finished_meanwhile_is_not_taken_back(self):
        claim = self.claim()
        seen = dataclasses.replace(
            claims.get(self.ctx, claim), state=model.ClaimState.CLAIMING
        )
        self.manager._claims.recover(self.ctx, seen)
        self.assertEqual(model.ClaimState.READY, self.state(claim))

    def test_one_failure_of_two_fails_the_claim(self):
        claim = self.claim(image_uuid=self.image(), count=2)
        first, second = self.agents.taken
        self.end(first)
        self.end(second, cause=model.Cause.DEVICE_ERROR)
        self.assertEqual(model.ClaimState.RELEASING, self.state(claim))


class TestRelease(base.ConductorTest):
    def wipe(self):
        operation = self.agents.taken[-1]
        self.assertEqual(model.OperationKind.WIPE, operation.kind)
        return operation

    def test_handles_are_held_until_the_wipe_has_ended(self):
        claim = self.programmed(image_uuid=self.image())
        self.ask('release', uuid=claim, force=False)
        self.assertEqual(model.ClaimState.RELEASING, self.state(claim))
        self.assertEqual(1, self.held())
        self.assertIn(claim, self.rooms.held)
        self.end(self.wipe())
        self.assert_nothing_held(claim)

    def test_claim_of_two_waits_for_both_wipes(self):
        claim = self.programmed(image_uuid=self.image(), count=2)
        self.ask('release', uuid=claim, force=False)
        first, second = self.agents.taken[-2:]
        self.end(first)
        self.assertEqual(2, self.held())
        self.end(second)
        self.assert_nothing_held(claim)

    def test_placement_is_told_before_the_allocation_goes(self):
        self.ask('report', report=self.shared_card().to_wire())
        claim = self.programmed(
            image_uuid=self.image(), resource_class=base.VF
        )
        self.tell_placement()
        self.assertEqual(0, self.rooms.reserved)
        seen = []
        self.rooms.before['deallocate'] = lambda: seen.append(
            (self.rooms.reserved, self.held())
        )
        self.ask('release', uuid=claim, force=True)
        # What is not wiped yet is not offered, the claim's own part of it
        # included, and the handle is nobody else's until Placement has
        # forgotten the claim.
        self.assertEqual([(2, 1)], seen)

    def test_card_that_failed_its_wipe_is_not_offered_by_anybody(self):
        claim = self.programmed(image_uuid=self.image())
        self.ask('release', uuid=claim, force=False)
        seen = []

        def meanwhile():
            # As at a report of its host, or by another conductor.
            self.tell_placement()
            seen.append((self.rooms.reserved, self.held()))

        self.rooms.before['deallocate'] = meanwhile
        self.end(self.wipe(), cause=model.Cause.DEVICE_ERROR)
        self.assertEqual([(1, 1)], seen)
        self.tell_placement()
        self.assertEqual((1, 0), (self.rooms.reserved, self.held()))

    def test_force_does_not_wait_for_placement_to_be_told(self):
        claim = self.programmed(image_uuid=self.image())
        self.rooms.refuses['sync_tree'] = standins.AWAY
        self.ask('release', uuid=claim, force=True)
        self.assert_nothing_held(claim)

    def test_placement_that_is_away_keeps_the_claim(self):
        claim = self.programmed(image_uuid=self.image())
        self.rooms.refuses['deallocate'] = standins.AWAY
        self.ask('release', uuid=claim, force=False)
        self.end(self.wipe())
        self.assertEqual(model.ClaimState.RELEASING, self.state(claim))
        self.assertEqual(1, self.held())

    def test_programming_that_has_not_begun_is_recalled(self):
        claim = self.claim(image_uuid=self.image())
        (operation,) = self.agents.taken
        self.ask('release', uuid=claim, force=False)
        self.assertIn(('cancel', operation.uuid), self.asked)
        self.assertRaises(
            errors.StaleFence,
            self.ask,
            'begin',
            uuid=operation.uuid,
            fence=operation.fence,
        )

    def test_programming_that_runs_is_waited_for(self):
        claim = self.claim(image_uuid=self.image())
        (operation,) = self.agents.taken
        self.ask('begin', uuid=operation.uuid, fence=operation.fence)
        self.ask('release', uuid=claim, force=False)
        self.assertEqual(1, self.held())
        self.assertEqual([operation], self.agents.taken)

    def test_programming_that_runs_on_a_lost_card_is_waited_for(self):
        """There is no wipe that would be waited for instead."""
        claim = self.claim(image_uuid=self.image())
        (operation,) = self.agents.taken
        self.ask('begin', uuid=operation.uuid, fence=operation.fence)
        self.change(models.Device, sa.true(), health='lost')
        self.ask('release', uuid=claim, force=False)
        self.assertEqual(1, self.held())
        self.end_only(operation)
        self.assert_nothing_held(claim)

    def end_only(self, operation):
        """Have the agent tell of a failure of what has begun before."""
        status = model.OperationStatus(
            uuid=operation.uuid,
            fence=operation.fence,
            done=True,
            touched=True,
            cause=model.Cause.DEVICE_GONE,
        )
        self.ask('finish', status=status.to_wire())
