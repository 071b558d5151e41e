"""What is sent to an agent, after what, and how deep a wipe goes."""

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.db import bitstreams
from cyborg_fpga.db import operations
from tests.unit.conductor import base
from tests.unit.conductor import standins
from tests.unit.db import base as db


class TestProgram(base.ConductorTest):
    def program(self, image, claim=None, **arguments):
        region = arguments.pop('region', self.regions()[0])
        return self.ask(
            'program',
            deployable_uuid=region.uuid,
            image_uuid=image,
            claim_uuid=claim,
            **arguments,
        )

    def test_image_for_another_region_is_refused(self):
        image = self.image(region='b' * 32)
        exc = self.assertRaises(errors.DoesNotFit, self.program, image)
        self.assertIn('b' * 32, exc.message)
        self.assertEqual([], self.agents.taken)
        self.assertEqual(model.DeployableState.IDLE, self.regions()[0].state)

    def test_card_that_cannot_be_cleared_takes_no_private_image(self):
        self.ask('report', report=self.only_resetting().to_wire())
        image = self.image(visibility='private', owner='alice')
        self.assertRaises(
            errors.BitstreamUnusable, self.program, image, ctx=base.ALICE
        )
        self.assertEqual([], self.agents.taken)

    def test_claim_that_is_not_ready_is_not_programmed(self):
        image = self.image()
        claim = self.programmed(image_uuid=image)
        region = next(r for r in self.regions() if r.handles[0].claim_uuid)
        self.ask('release', uuid=claim, force=False)
        sent = len(self.agents.taken)
        self.assertRaises(
            errors.WrongState, self.program, image, claim, region=region
        )
        self.assertEqual(sent, len(self.agents.taken))

    def test_image_is_asked_for_with_the_callers_token(self):
        image = self.image(visibility='private', owner='bob')
        self.assertRaises(errors.NotFound, self.program, image, ctx=base.ALICE)
        self.assertEqual([], self.agents.taken)

    def test_operation_is_committed_before_it_is_sent(self):
        seen = []
        run = self.agents.run

        def peeked(ctx, operation):
            seen.append(operations.get(self.ctx, operation.uuid).state)
            return run(ctx, operation)

        self.agents.run = peeked
        self.program(self.image())
        self.assertEqual([model.OperationState.PENDING], seen)

    def test_placement_is_told_before_the_card_is_touched(self):
        image = self.image()
        self.program(image)
        self.end(self.agents.taken[0])
        self.tell_placement()
        trait = f'CUSTOM_FPGA_FUNCTION_ID_INTEL_{base.FUNCTION.upper()}'
        self.assertIn(trait, self.rooms.traits)
        seen = []
        run = self.agents.run

        def peeked(ctx, operation):
            seen.append((trait in self.rooms.traits, self.rooms.reserved))
            return run(ctx, operation)

        self.agents.run = peeked
        regions = self.regions()
        loaded = next(r for r in regions if r.bitstream_id == image)
        self.program(self.image(), region=loaded)
        self.assertEqual([(False, 1)], seen)

    def test_without_placement_no_card_is_touched(self):
        self.rooms.refuses['sync_tree'] = standins.AWAY
        self.program(self.image())
        self.assertEqual([], self.agents.taken)
        self.assertNotIn('run', self.methods())


class TestWipeLevel(base.ConductorTest):
    def level(self, **image):
        """How a card is wiped that somebody had with such an image."""
        claim = self.programmed(image_uuid=self.image(**image))
        self.ask('release', uuid=claim, force=False)
        return self.agents.taken[-1].wipe_level

    def test_public_function_stays(self):
        self.assertEqual(model.WipeLevel.RESET, self.level())

    def test_private_function_goes(self):
        level = self.level(visibility='private', owner='alice')
        self.assertEqual(model.WipeLevel.CLEAR, level)

    def test_reset_says_what_to_load_again(self):
        image = self.image(size=30_000_000_000)
        claim = self.programmed(image_uuid=image)
        loading = self.agents.taken[-1]
        self.ask('release', uuid=claim, force=False)
        wipe = self.agents.taken[-1]
        self.assertEqual(
            (image, loading.image_hash_value, loading.image_size),
            (wipe.image_uuid, wipe.image_hash_value, wipe.image_size),
        )
        # It has the time for that, the download included.
        self.assertGreater(loading.seconds_left, 600)
        self.assertGreater(wipe.seconds_left, 600)

    def test_reset_of_what_was_deleted_says_none(self):
        image = self.image()
        claim = self.programmed(image_uuid=image)
        bitstreams.forget(self.ctx, [image])
        self.ask('release', uuid=claim, force=False)
        self.assertIsNone(self.agents.taken[-1].image_uuid)

    def test_what_is_cleared_is_not_loaded_again(self):
        self.level(visibility='private', owner='alice')
        self.assertIsNone(self.agents.taken[-1].image_uuid)

    def at_least(self, **levels):
        self.database.conf.set_override('wipe_at_least', levels, 'conductor')

    def test_host_can_ask_for_more(self):
        self.at_least(**{db.HOST: 'clear'})
        self.assertEqual(model.WipeLevel.CLEAR, self.level())

    def test_all_other_hosts_can(self):
        self.at_least(**{'*': 'blank', 'elsewhere': 'none'})
        self.assertEqual(model.WipeLevel.BLANK, self.level())

    def test_host_cannot_ask_for_less(self):
        self.at_least(**{'*': 'none', db.HOST: 'reset'})
        self.assertEqual(model.WipeLevel.RESET, self.level())
        level = self.level(visibility='private', owner='alice')
        self.assertEqual(model.WipeLevel.CLEAR, level)

    def test_card_that_cannot_reset_is_cleared(self):
        cards = [
            db.card(
                card, db.region(card, wipe_levels=(model.WipeLevel.CLEAR,))
            )
            for card in base.CARDS
        ]
        self.ask('report', report=self.report(*cards).to_wire())
        self.assertEqual(model.WipeLevel.CLEAR, self.level())
