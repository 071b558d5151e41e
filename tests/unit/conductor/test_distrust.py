"""What a card holds goes where it does not count for who gets the card."""

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.db import bitstreams
from tests.unit.conductor import base
from tests.unit.conductor import test_arqs
from tests.unit.conductor import test_trust

CERTIFICATE, OTHER = test_trust.CERTIFICATE, test_trust.OTHER
#: Bob trusts what is loaded, Alice does not.
FOR_BOB = (f'bob:{CERTIFICATE}', f'alice:{OTHER}')
Level, State = model.WipeLevel, model.ClaimState


class DistrustTest(test_trust.TrustTest):
    def loaded_for_bob(self, image=None):
        """Every card holds the same public function, signed; its image."""
        image = image or self.signed()
        self.load_everywhere(image, base.BOB)
        del self.agents.taken[:]
        return image

    def assert_loaded(self):
        held = {region.function_id for region in self.regions()}
        self.assertEqual({base.FUNCTION}, held)


class TestClaims(DistrustTest):
    def test_a_function_goes_that_does_not_count_for_who_names_none(self):
        self.rule('if_present', *FOR_BOB)
        self.loaded_for_bob()
        claim = self.claim()
        (wipe,) = self.agents.taken
        self.assertEqual(
            (model.OperationKind.WIPE, Level.CLEAR, None),
            (wipe.kind, wipe.wipe_level, wipe.image_uuid),
        )
        self.assertEqual(State.PROGRAMMING, self.state(claim))
        self.end(wipe)
        self.assertEqual(State.READY, self.state(claim))
        self.assertIn(None, [r.function_id for r in self.regions()])

    def test_it_stays_for_whom_it_counts(self):
        self.rule('if_present', *FOR_BOB)
        self.loaded_for_bob()
        claim = self.claim(ctx=base.BOB)
        self.assertEqual(State.READY, self.state(claim))
        self.assertEqual([], self.agents.taken)
        self.assert_loaded()

    def test_what_is_not_signed_goes_once_signatures_are_required(self):
        self.rule('if_present')
        self.loaded_for_bob(self.image())
        self.rule('required')
        claim = self.claim()
        self.assertEqual(Level.CLEAR, self.agents.taken[-1].wipe_level)
        self.assertEqual(State.PROGRAMMING, self.state(claim))

    def test_what_the_catalogue_has_lost_is_not_trusted(self):
        self.rule('if_present', *FOR_BOB)
        bitstreams.forget(self.ctx, [self.loaded_for_bob()])
        self.claim(ctx=base.BOB)
        self.assertEqual(Level.CLEAR, self.agents.taken[-1].wipe_level)

    def test_all_stays_where_everything_counts_for_everybody(self):
        self.rule('if_present')
        self.loaded_for_bob()
        self.assertEqual(State.READY, self.state(self.claim()))
        self.assertEqual([], self.agents.taken)

    def test_a_card_that_cannot_be_cleared_is_not_given_with_it(self):
        self.ask('report', report=self.only_resetting().to_wire())
        self.rule('if_present', *FOR_BOB)
        self.loaded_for_bob()
        exc = self.assertRaises(errors.BitstreamUnusable, self.claim)
        self.assertIn('cannot be cleared, and it is signed', exc.message)
        # It was given back as any other, and nothing was taken from it.
        (wipe,) = self.agents.taken
        self.assertEqual(Level.RESET, wipe.wipe_level)
        self.end(wipe)
        self.assertEqual(0, self.held())
        self.assert_loaded()

    def test_a_card_of_which_another_has_a_part_is_not_given_with_it(self):
        self.ask('report', report=self.shared_card().to_wire())
        self.rule('if_present', *FOR_BOB)
        self.loaded_for_bob()
        self.claim(ctx=base.BOB, resource_class=base.VF)
        self.assertRaises(
            errors.NoCapacity, self.claim, resource_class=base.VF
        )
        self.assert_loaded()
        # Another one will do: it is cleared.
        self.claim()
        (wipe,) = self.agents.taken
        self.assertEqual(Level.CLEAR, wipe.wipe_level)

    def test_a_function_that_is_named_by_its_trait_must_count_too(self):
        self.rule('if_present', *FOR_BOB)
        self.loaded_for_bob()
        trait = f'CUSTOM_FPGA_FUNCTION_ID_INTEL_{base.FUNCTION.upper()}'
        self.refused('has fewer free', traits=[trait])
        self.claim(ctx=base.BOB, traits=[trait])
        self.assertEqual([], self.agents.taken)


class TestServers(DistrustTest, test_arqs.ArqTest):
    def rule(self, wanted, *allowed):
        super().rule(wanted, *allowed)
        self.arqs = self.manager._arqs

    def test_a_function_goes_that_does_not_count_for_who_names_none(self):
        self.rule('if_present', *FOR_BOB)
        self.loaded_for_bob()
        uuids = self.request()
        (wipe,) = self.bind(uuids)
        self.assertEqual(
            (model.OperationKind.WIPE, Level.CLEAR),
            (wipe.kind, wipe.wipe_level),
        )
        self.assertEqual([State.PROGRAMMING], self.states(uuids))

    def test_it_stays_for_whom_it_counts(self):
        self.rule('if_present', *FOR_BOB)
        self.loaded_for_bob()
        uuids = self.request(ctx=base.BOB)
        self.assertEqual([], self.bind(uuids, ctx=base.BOB, visible_to='bob'))
        self.assertEqual([State.READY], self.states(uuids))
        self.assert_loaded()

    def test_a_function_that_is_named_must_count_too(self):
        self.rule('if_present', *FOR_BOB)
        self.loaded_for_bob()
        group = self.group(function_id=base.FUNCTION)
        self.refused_bind(self.request(group))
        self.assertEqual([], self.agents.taken)
        uuids = self.request(group, ctx=base.BOB)
        self.assertEqual([], self.bind(uuids, ctx=base.BOB, visible_to='bob'))
        self.assertEqual([State.READY], self.states(uuids))

    def refused_bind(self, uuids):
        self.assertRaises(errors.FPGAError, self.bind, uuids)
        self.assert_initial(uuids)
