"""Bitstreams signed with certificates that lie in a real Barbican.

The agent's side is real from the download to the card, and logs in to a real
Keystone to read them.
"""

from cyborg_fpga import model
from tests.fixtures import barbican
from tests.fixtures import handing
from tests.fixtures import keystone
from tests.fixtures import signing
from tests.functional.agent import test_tampering

#: Whose certificates they are, and who checks signatures with them.
OWNER, SERVICE = 'member', 'cyborg'


class TestBarbican(test_tampering.TamperingTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.keystone = keystone.Keystone()
        cls.keystone.setUp()
        cls.addClassCleanup(cls.keystone.cleanUp)
        cls.barbican = barbican.Barbican(cls.keystone)
        cls.addClassCleanup(cls.barbican.cleanUp)
        cls.barbican.setUp()

    def new_signer(self):
        """One whose certificate the service may read in Barbican."""
        signer = self.new_secret()
        self.barbican.allow(OWNER, signer.uuid, SERVICE)
        return signer

    def new_secret(self, **said):
        """One whose certificate its owner keeps for himself."""
        signer = signing.Signer(self.keys)
        pem = (self.keys / f'{signer.uuid}.pem').read_bytes()
        signer.uuid = self.barbican.store(OWNER, pem, **said)
        return signer

    def certificates(self):
        return handing.certificates_as(
            {
                **self.keystone.credentials(SERVICE),
                'auth_type': 'keystone_password',
            }
        )

    def allowed(self):
        # What Barbican lets the service read.
        return '*:*'

    def refused_for(self, words, given, cause=model.Cause.IMAGE_UNTRUSTED):
        outcome, arrived = self.run_to_end(given)
        self.assertIsNone(arrived, self.words(given, outcome))
        self.assertEqual(cause, outcome.cause, self.words(given, outcome))
        self.assertIn(words, outcome.detail)

    def test_what_is_signed_with_a_certificate_in_it_is_loaded(self):
        content = self.file()
        self.twin_loads(content)
        given = self.given(content, signer=self.strangers)
        given.signed(img_signature_certificate_uuid=self.signer.uuid)
        self.refused_for('does not match certificate', given)
        self.twin_loads(content)

    def test_a_certificate_counts_once_its_owner_lets_the_service_read_it(
        self,
    ):
        self.signer = self.new_secret()
        content = self.file()
        self.refused_for(
            'the key manager does not let this service read certificate '
            f'{self.signer.uuid}',
            self.given(content),
        )
        self.barbican.allow(OWNER, self.signer.uuid, SERVICE)
        self.twin_loads(content)

    def test_one_that_was_deleted_there_does_not_count_any_more(self):
        content = self.file()
        self.twin_loads(content)
        self.barbican.delete(OWNER, self.signer.uuid)
        self.refused_for(
            f'there is no certificate {self.signer.uuid}', self.given(content)
        )

    def test_one_that_was_stored_as_text_is_told_of(self):
        self.signer = self.new_secret(text=True)
        self.barbican.allow(OWNER, self.signer.uuid, SERVICE)
        self.refused_for(
            f'{self.signer.uuid} in the key manager is not a certificate, or '
            'not stored as one',
            self.given(),
        )

    def test_without_barbican_nothing_signed_is_loaded_until_it_is_back(self):
        content = self.file()
        self.barbican.stop()
        self.addCleanup(self.barbican.start)
        self.refused_for(
            'The key manager cannot be used now',
            self.given(content),
            model.Cause.IMAGE_UNAVAILABLE,
        )
        self.barbican.start()
        self.twin_loads(content)
