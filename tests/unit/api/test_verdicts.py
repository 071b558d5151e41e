"""What verify says of a signature, whatever the bytes come from."""

import pathlib

import fixtures
from oslotest import base

from cyborg_fpga.api import verdicts
from cyborg_fpga.bitstream import signature
from tests.fixtures import handing
from tests.fixtures import signing

CONTENT = b'all bytes of a bitstream'


class TestCheck(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.signer = signing.Signer(self.path)

    def check(self, said, wanted='if_present', allowed='*:*'):
        """A check through which CONTENT has passed."""
        check = verdicts.Check(
            said,
            signature.Rules.read(wanted, [allowed]),
            handing.certificates_in(self.path),
        )
        check.begin()
        check.update(CONTENT[:5])
        check.update(CONTENT[5:])
        check.finish()
        return check

    def test_what_is_signed_right_is_verified_by_its_signer(self):
        check = self.check(self.signer.properties(CONTENT))
        self.assertEqual((verdicts.State.VERIFIED, ''), self.said(check))
        self.assertEqual(f'CN={self.signer.uuid}', check.signer.subject)

    def test_what_is_not_signed_is_only_wrong_where_it_must_be(self):
        self.assertEqual((verdicts.State.NONE, ''), self.said(self.check({})))
        state, reason = self.said(self.check({}, 'required'))
        self.assertEqual(verdicts.State.NONE, state)
        self.assertIn('it is not signed', reason)

    def test_what_the_cloud_does_not_look_at_is_not_judged(self):
        check = self.check(self.signer.properties(b'other'), 'off')
        self.assertEqual((verdicts.State.IGNORED, ''), self.said(check))

    def test_a_certificate_that_counts_for_nobody_is_invalid(self):
        check = self.check(
            self.signer.properties(CONTENT), allowed=f'*:{"1" * 32}'
        )
        state, reason = self.said(check)
        self.assertEqual(verdicts.State.INVALID, state)
        self.assertIn('not allowed for any project', reason)

    def test_what_cannot_be_checked_is_not_taken_for_good(self):
        (self.path / f'{self.signer.uuid}.pem').write_text('damaged')
        state, reason = self.said(self.check(self.signer.properties(CONTENT)))
        self.assertEqual(verdicts.State.UNCHECKED, state)
        self.assertIn('the API cannot check its signature', reason)

    def said(self, check):
        self.assertEqual(
            check.state is verdicts.State.VERIFIED, check.signer is not None
        )
        return check.state, check.reason
