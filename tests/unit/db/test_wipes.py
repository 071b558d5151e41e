"""What is asked for of wipes stands with the deployable until it was wiped."""

from cyborg_fpga import model
from cyborg_fpga.db import arqs
from cyborg_fpga.db import bindings
from cyborg_fpga.db import claims
from cyborg_fpga.db import device_profiles
from cyborg_fpga.db import reservations
from cyborg_fpga.db import unbindings
from tests.unit.db import base

NONE, BLANK = model.WipeLevel.NONE, model.WipeLevel.BLANK
CLEAR, RESET = model.WipeLevel.CLEAR, model.WipeLevel.RESET


class TestAsked(base.DatabaseTest):
    def setUp(self):
        super().setUp()
        self.store(
            base.card(base.CARD, base.region(vfs=4)),
            base.card(base.OTHER_CARD),
        )
        self.shared, self.whole = self.regions()

    def asked(self, region):
        return self.again(region).wipe_at_least

    def wipe(self, region):
        operation = self.operation(region, kind='wipe', wipe_level='blank')
        self.finish(operation, succeeded=True)

    def bind(self, *wanted):
        """Bind an ARQ for each (deployable, level); their uuids."""
        profile = device_profiles.create(
            self.ctx, base.new_uuid(), name=base.new_uuid(), groups=[{}]
        )
        made = arqs.create(self.ctx, profile, [0] * len(wanted))
        bindings.bind(
            self.ctx,
            {
                arq.uuid: bindings.Place(
                    region_id=region.id,
                    rp_uuid=base.new_uuid(),
                    resource_class='CLASS',
                    image_uuid=None,
                    wipe_level=level,
                )
                for arq, (region, level) in zip(made, wanted, strict=True)
            },
            instance_uuid=base.new_uuid(),
            project_id=None,
            owner='me',
            lease=30,
        )
        return [arq.uuid for arq in made]

    def test_strongest_of_those_who_share_it_stays(self):
        for level, strongest in (
            (None, NONE),
            ('clear', CLEAR),
            ('reset', CLEAR),
            ('blank', BLANK),
        ):
            self.reserve(self.shared, wipe_level=level)
            self.assertIs(strongest, self.asked(self.shared), level)
        self.assertIs(NONE, self.asked(self.whole))

    def test_it_ends_with_the_wipe(self):
        claim = self.reserve(self.whole, wipe_level='blank')
        claims.start_release(self.ctx, claim)
        self.wipe(self.whole)
        self.assertIs(NONE, self.asked(self.whole))

    def test_wipe_for_who_is_about_to_have_it_leaves_what_he_asks_for(self):
        claim = self.reserve(self.whole, wipe_level='blank')
        operation = self.operation(
            self.whole, kind='wipe', wipe_level='blank', claim_uuid=claim
        )
        self.finish(operation, succeeded=True)
        self.assertIs(BLANK, self.asked(self.whole))

    def test_wipe_that_fails_leaves_it(self):
        claim = self.reserve(self.whole, wipe_level='blank')
        claims.start_release(self.ctx, claim)
        operation = self.operation(self.whole, kind='wipe', wipe_level='blank')
        self.finish(operation, cause=model.Cause.DEVICE_ERROR)
        self.assertIs(BLANK, self.asked(self.whole))

    def test_claim_that_never_got_further_takes_it_back(self):
        claim = self.reserve(self.whole, wipe_level='blank')
        reservations.drop(self.ctx, claim)
        self.assertIs(NONE, self.asked(self.whole))

    def test_what_others_may_have_asked_for_is_not_taken_back(self):
        self.reserve(self.shared, wipe_level='clear')
        claim = self.reserve(self.shared, wipe_level='blank')
        reservations.drop(self.ctx, claim)
        self.assertIs(BLANK, self.asked(self.shared))

    def test_every_arq_has_its_own_groups(self):
        uuids = self.bind(
            (self.whole, None), (self.shared, 'reset'), (self.shared, 'clear')
        )
        self.assertIs(NONE, self.asked(self.whole))
        self.assertIs(CLEAR, self.asked(self.shared))
        shown = [claims.get(self.ctx, uuid).wipe_level for uuid in uuids]
        self.assertEqual([None, RESET, CLEAR], shown)
        unbindings.delete(self.ctx, uuids, bound=True)
        self.assertIs(CLEAR, self.asked(self.shared))

    def test_bind_that_is_undone_takes_it_back(self):
        uuids = self.bind((self.whole, 'clear'), (self.shared, 'blank'))
        unbindings.unbind(self.ctx, uuids, dirty=False)
        self.assertIs(NONE, self.asked(self.whole))
        self.assertIs(NONE, self.asked(self.shared))
