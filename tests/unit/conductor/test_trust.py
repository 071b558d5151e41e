"""Which bytes a claim means, and whose signature on them will do."""

import base64

from cyborg_fpga import errors
from cyborg_fpga.db import bitstreams
from cyborg_fpga.db import operations
from tests.unit.conductor import base
from tests.unit.conductor import test_arqs
from tests.unit.db import base as db

CERTIFICATE = '5f0b8f1e-3c1d-4d62-9e3f-7d1f0d8a2c11'
OTHER = '9a3d6c52-0c1e-4b7e-8a55-1b0f3e5d7c21'
PROPERTIES = {
    'region_id': db.REGION_ID,
    'function_id': base.FUNCTION,
    'type': 'crypto',
}
SIGNED = {
    'img_signature': base64.b64encode(b'signature' * 80).decode(),
    'img_signature_hash_method': 'SHA-256',
    'img_signature_key_type': 'RSA-PSS',
    'img_signature_certificate_uuid': CERTIFICATE,
}


class TrustTest(base.ConductorTest):
    def rule(self, wanted, *allowed):
        """Let the conductors begin anew with these options."""
        conf = self.database.conf
        conf.set_override('signature', wanted, 'bitstream')
        conf.set_override(
            'allowed_certificates', allowed or ['*:*'], 'bitstream'
        )
        self.addCleanup(conf.clear_override, 'signature', 'bitstream')
        self.addCleanup(
            conf.clear_override, 'allowed_certificates', 'bitstream'
        )
        self.manager = self.conductor()
        self.addCleanup(self.manager.reconciler.stop)

    def signed(self, ident=None, **changes):
        said = {**PROPERTIES, **SIGNED, **changes}
        return self.images.add(
            ident or db.new_uuid(),
            properties={k: v for k, v in said.items() if v is not None},
        )

    def cycle(self):
        self.manager._catalogue.cycle(self.ctx)

    def reason(self, image):
        self.cycle()
        row = bitstreams.get(self.ctx, image)
        self.assertEqual(not row.reason, row.usable)
        return row.reason

    def refused(self, words, **wanted):
        uuid = db.new_uuid()
        exc = self.assertRaises(
            errors.FPGAError,
            self.ask,
            'claim',
            ctx=base.ALICE,
            uuid=uuid,
            request=wanted,
        )
        self.assertIn(words, exc.message)
        self.assert_nothing_held(uuid)
        return exc


class TestSignatures(TrustTest):
    def test_what_is_not_signed_is_offered_to_nobody_where_that_is_required(
        self,
    ):
        self.rule('required')
        image = self.image()
        self.assertIn('it is not signed', self.reason(image))
        exc = self.refused('it is not signed', image_uuid=image)
        self.assertIsInstance(exc, errors.BitstreamUnusable)
        self.refused('no usable bitstream', type='crypto')
        self.assertEqual([], bitstreams.public(self.ctx))

    def test_the_agent_is_told_of_the_signature(self):
        self.rule('required')
        claim = self.claim(image_uuid=self.signed())
        (operation,) = operations.of_claim(self.ctx, claim)
        self.assertEqual(SIGNED, operation.image_signature)

    def test_a_part_of_a_signature_is_told_too(self):
        self.rule('off')
        claim = self.claim(image_uuid=self.signed(img_signature=None))
        (operation,) = operations.of_claim(self.ctx, claim)
        said = {k: v for k, v in SIGNED.items() if k != 'img_signature'}
        self.assertEqual(said, operation.image_signature)

    def test_a_part_of_a_signature_is_refused(self):
        image = self.signed(img_signature_key_type=None)
        self.assertIn('is not complete', self.reason(image))
        self.refused('is not complete', image_uuid=image)

    def test_a_certificate_that_counts_for_nobody_is_known_at_once(self):
        self.rule('if_present', f'*:{OTHER}')
        self.assertIn('not allowed for any', self.reason(self.signed()))

    def test_a_certificate_counts_only_for_whom_it_is_allowed(self):
        self.rule('if_present', f'bob:{CERTIFICATE}', f'alice:{OTHER}')
        image = self.signed()
        self.assertEqual('', self.reason(image))
        self.refused('not allowed for project alice', image_uuid=image)
        self.claim(ctx=base.BOB, image_uuid=image)

    def test_what_is_loaded_already_is_for_whom_its_certificate_counts(self):
        self.rule('if_present', f'bob:{CERTIFICATE}')
        image = self.signed()
        claim = self.programmed(ctx=base.BOB, image_uuid=image)
        self.ask('release', uuid=claim, force=True)
        self.refused('not allowed for project alice', image_uuid=image)
        self.refused('no usable bitstream', type='crypto')

    def test_new_rules_reach_what_is_known_already(self):
        image = self.image()
        self.assertEqual('', self.reason(image))
        self.rule('required')
        self.assertIn('it is not signed', self.reason(image))
        self.rule('if_present')
        self.assertEqual('', self.reason(image))


class TestDigest(TrustTest):
    """An operation has the hash that Glance had when the claim was made."""

    def altered(self, image):
        """Glance says otherwise, and the catalogue has not heard of it."""
        self.images.add(
            image, properties=PROPERTIES | SIGNED, os_hash_value='b' * 128
        )

    def test_of_an_image(self):
        image = self.signed()
        self.cycle()
        self.altered(image)
        claim = self.claim(image_uuid=image)
        (operation,) = operations.of_claim(self.ctx, claim)
        self.assertEqual('b' * 128, operation.image_hash_value)

    def test_of_a_type_that_the_catalogue_knows(self):
        image = self.image()
        self.cycle()
        self.altered(image)
        claim = self.claim(type='crypto')
        (operation,) = operations.of_claim(self.ctx, claim)
        self.assertEqual('b' * 128, operation.image_hash_value)
        self.assertEqual(SIGNED, operation.image_signature)

    def test_it_stays_whatever_glance_says_later(self):
        image = self.signed()
        claim = self.claim(image_uuid=image)
        self.altered(image)
        self.cycle()
        # Whichever conductor goes on with it.
        self.manager = self.conductor()
        self.addCleanup(self.manager.reconciler.stop)
        (operation,) = operations.of_claim(self.ctx, claim)
        self.assertEqual('0' * 128, operation.image_hash_value)
        self.assertEqual(SIGNED, operation.image_signature)


class TestDigestOfServers(test_arqs.ArqTest):
    def test_of_a_profiles_type(self):
        image = self.image()
        self.manager._catalogue.cycle(self.ctx)
        self.images.add(
            image, properties=PROPERTIES | SIGNED, os_hash_value='b' * 128
        )
        group = {**self.group(), 'trait:CUSTOM_ACCELERATOR_CRYPTO': 'required'}
        (operation,) = self.bind(self.request(group))
        self.assertEqual(image, operation.image_uuid)
        self.assertEqual('b' * 128, operation.image_hash_value)
        self.assertEqual(SIGNED, operation.image_signature)
