import base64

from oslotest import base

from cyborg_fpga.bitstream import properties
from cyborg_fpga.bitstream import signature

MINE = '7b2f0c7e-5a7c-4e3b-8a7e-0d2f5a1c9e01'
OTHER = '11111111-5a7c-4e3b-8a7e-0d2f5a1c9e02'
PROJECT = 'c0ffee00c0ffee00c0ffee00c0ffee00'

SIGNED = {
    'img_signature': base64.b64encode(b'signature').decode(),
    'img_signature_hash_method': 'SHA-256',
    'img_signature_key_type': 'RSA-PSS',
    'img_signature_certificate_uuid': MINE,
}


def rules(wanted='if_present', *allowed):
    return signature.Rules.read(wanted, allowed or ['*:*'])


class TestRules(base.BaseTestCase):
    def test_what_is_not_signed_is_refused_only_where_that_is_required(self):
        for wanted, reason in (
            ('required', 'it is not signed, and signatures are required'),
            ('if_present', ''),
            ('off', ''),
        ):
            self.assertEqual(reason, rules(wanted).refusal({}, PROJECT))

    def test_what_is_whole_may_go_on_to_be_checked(self):
        for wanted in ('required', 'if_present'):
            self.assertEqual('', rules(wanted).refusal(SIGNED, PROJECT))
            self.assertTrue(rules(wanted).checked(SIGNED))

    def test_nothing_is_looked_at_where_signatures_are_off(self):
        self.assertEqual('', rules('off').refusal({'img_signature': ''}, None))
        self.assertFalse(rules('off').checked(SIGNED))

    def test_a_signature_that_is_not_complete_is_refused(self):
        for name in SIGNED:
            for said in (
                {k: v for k, v in SIGNED.items() if k != name},
                {**SIGNED, name: ''},
            ):
                self.assertIn(name, rules().refusal(said, PROJECT))

    def test_a_signature_that_is_malformed_is_refused(self):
        for name, value in (
            ('img_signature', 'not base64!'),
            ('img_signature', 'A' * 8192),
            ('img_signature_hash_method', 'MD5'),
            ('img_signature_hash_method', 'SHA-1'),
            ('img_signature_certificate_uuid', '../secrets'),
        ):
            said = {**SIGNED, name: value}
            self.assertIn(name, rules().refusal(said, PROJECT), value)

    def test_lines_in_base64_do_not_matter(self):
        text = base64.encodebytes(b's' * 256).decode()
        said = {**SIGNED, 'img_signature': text}
        self.assertEqual('', rules().refusal(said, PROJECT))
        self.assertEqual(b's' * 256, signature.decoded(said))

    def test_a_certificate_counts_only_for_whom_it_is_allowed(self):
        for allowed, project, fine in (
            (f'*:{MINE}', PROJECT, True),
            (f'*:{MINE}', None, True),
            (f'*:{MINE.replace("-", "").upper()}', PROJECT, True),
            (f'*:{OTHER}', PROJECT, False),
            (f'{PROJECT}:{MINE}', PROJECT, True),
            (f'{PROJECT}:*', PROJECT, True),
            (f'{PROJECT}:{MINE}', 'another', False),
            (f'{PROJECT}:*', 'another', False),
            (f'{PROJECT}:*', None, False),
            (f'{PROJECT}:{OTHER}', PROJECT, False),
        ):
            found = rules('required', allowed).refusal(SIGNED, project)
            self.assertEqual(fine, not found, (allowed, project, found))
            self.assertEqual(not fine, 'is not allowed' in found)

    def test_two_halves_of_the_list_do_not_make_one(self):
        mixed = rules('required', f'{PROJECT}:{OTHER}', f'another:{MINE}')
        self.assertIn(
            f'is not allowed for project {PROJECT}',
            mixed.refusal(SIGNED, PROJECT),
        )

    def test_what_counts_for_nobody_is_known_without_a_project(self):
        self.assertEqual('', rules('required', f'x:{MINE}').fault(SIGNED))
        self.assertIn(
            'not allowed for any project',
            rules('required', f'*:{OTHER}').fault(SIGNED),
        )


class TestSaid(base.BaseTestCase):
    def test_only_what_is_about_the_signature_is_kept(self):
        self.assertEqual(SIGNED, signature.said({**SIGNED, 'type': 'crypto'}))
        self.assertEqual({}, signature.said({'type': 'crypto'}))

    def test_its_properties_have_no_other_names(self):
        for name in signature.PROPERTIES:
            keys = [*signature.PROPERTIES, 'type', 'signature']
            self.assertEqual([name], properties.meaning(name, keys))
