"""What a ready claim says after its owner has programmed its cards."""

from cyborg_fpga import model
from cyborg_fpga.db import claims
from cyborg_fpga.db import outcomes
from cyborg_fpga.db import reservations
from tests.unit.db import base

State = model.ClaimState


class TestReprogramming(base.DatabaseTest):
    def setUp(self):
        super().setUp()
        self.store(base.card(base.CARD), base.card(base.OTHER_CARD))
        first, second = self.regions()
        self.uuid = base.new_uuid()
        reservations.reserve(
            self.ctx,
            {
                'uuid': self.uuid,
                'origin': 'api',
                'project_id': 'p',
                'image_uuid': 'old',
            },
            {first.id: 1, second.id: 1},
        )
        claims.set_state(self.ctx, self.uuid, [State.CLAIMING], State.READY)
        self.before = self.claim()

    def claim(self):
        return claims.get(self.ctx, self.uuid)

    def program(self, number=0, image='new', **members):
        """Load an image for the claim; the outcome's operation."""
        region = self.regions()[number]
        if region.state is model.DeployableState.UNKNOWN:
            self.store(
                *(
                    base.card(card, base.region(card, fence=found.fence))
                    for card, found in zip(
                        (base.CARD, base.OTHER_CARD),
                        self.regions(),
                        strict=True,
                    )
                )
            )
        mine = self.operation(
            self.again(region), image_uuid=image, claim_uuid=self.uuid
        )
        return self.finish(mine, **members)

    def assert_held(self):
        now = self.claim()
        self.assertIs(State.READY, now.state)
        self.assertEqual(self.before.addresses, now.addresses)
        return now

    def test_failure_on_the_card_is_shown_and_the_claim_stays(self):
        self.program(cause=model.Cause.DEVICE_ERROR, detail='CRC of frame 7')
        now = self.assert_held()
        self.assertEqual('device_error', now.fault_code)
        self.assertIn('CRC of frame 7', now.fault_message)
        self.assertIsNone(now.image_uuid)
        region = self.regions()[0]
        self.assertIs(model.DeployableState.UNKNOWN, region.state)
        self.assertIsNone(region.bitstream_id)

    def test_failure_before_the_first_byte_changes_nothing(self):
        self.program(touched=False, cause=model.Cause.IMAGE_UNAVAILABLE)
        now = self.assert_held()
        self.assertEqual(
            ('old', None, None),
            (now.image_uuid, now.fault_code, now.fault_message),
        )
        self.assertIs(model.DeployableState.IDLE, self.regions()[0].state)

    def test_failure_before_the_first_byte_hides_no_earlier_one(self):
        self.program(cause=model.Cause.DEVICE_ERROR)
        self.program(touched=False, cause=model.Cause.IMAGE_UNAVAILABLE)
        self.assertEqual('device_error', self.assert_held().fault_code)

    def test_success_makes_it_good(self):
        self.program(cause=model.Cause.DEVICE_ERROR)
        self.program(succeeded=True, function_id=base.FUNCTION)
        now = self.assert_held()
        self.assertEqual(
            ('new', None, None),
            (now.image_uuid, now.fault_code, now.fault_message),
        )

    def test_success_on_one_card_does_not_make_the_other_good(self):
        self.program(0, cause=model.Cause.DEVICE_ERROR)
        self.program(1, succeeded=True, function_id=base.FUNCTION)
        now = self.assert_held()
        self.assertEqual('device_error', now.fault_code)
        self.assertIsNone(now.image_uuid)
        self.program(0, succeeded=True, function_id=base.FUNCTION)
        self.assertIsNone(self.assert_held().fault_code)

    def test_each_card_that_failed_must_be_made_good(self):
        self.program(0, cause=model.Cause.DEVICE_ERROR)
        self.program(1, cause=model.Cause.TIMEOUT)
        self.assertEqual('timeout', self.claim().fault_code)
        self.program(1, succeeded=True, function_id=base.FUNCTION)
        now = self.assert_held()
        self.assertEqual('device_error', now.fault_code)
        self.assertIn(self.regions()[0].name, now.fault_message)

    def test_agent_that_is_lost_is_a_fault_too(self):
        region = self.regions()[0]
        mine = self.operation(region, image_uuid='x', claim_uuid=self.uuid)
        outcomes.give_up(
            self.ctx,
            mine,
            model.Cause.AGENT_LOST,
            'it is silent',
            quarantine_after=3,
        )
        now = self.assert_held()
        self.assertEqual('agent_lost', now.fault_code)
        self.assertIn('it is silent', now.fault_message)

    def test_released_claim_has_not_failed(self):
        self.program(cause=model.Cause.DEVICE_ERROR)
        claims.start_release(self.ctx, self.uuid)
        self.assertIsNone(self.claim().fault_code)
        claims.finish_release(self.ctx, self.uuid)
        self.assertFalse(claims.exists(self.ctx, self.uuid))

    def test_outcome_after_the_release_leaves_it_alone(self):
        region = self.regions()[0]
        mine = self.operation(region, image_uuid='x', claim_uuid=self.uuid)
        claims.start_release(self.ctx, self.uuid)
        self.finish(mine, cause=model.Cause.DEVICE_ERROR)
        self.assertIsNone(self.claim().fault_code)

    def test_failed_claim_keeps_its_fault_whatever_ends_later(self):
        region = self.regions()[0]
        mine = self.operation(region, image_uuid='x', claim_uuid=self.uuid)
        fault = ('device_error', 'no')
        claims.start_release(self.ctx, self.uuid, fault=fault)
        self.finish(mine, succeeded=True, function_id=base.FUNCTION)
        now = self.claim()
        self.assertEqual(fault, (now.fault_code, now.fault_message))
