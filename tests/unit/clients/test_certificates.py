"""What castellan's key managers give, and what is made of it."""

import pathlib
import threading

import fixtures
from barbicanclient import exceptions as barbican_exc
from castellan import options
from castellan.common import exception
from castellan.common.objects import opaque_data
from castellan.key_manager import key_manager
from cryptography import x509
from oslo_config import cfg
from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga.clients import certificate_files
from cyborg_fpga.clients import certificates
from tests.fixtures import signing

CONTENT = b'all bytes of a bitstream' * 1000


class Opaque(certificate_files.CertificateFiles):
    """A key manager that has something else under every name."""

    def get(self, context, managed_object_id, metadata_only=False):
        return opaque_data.OpaqueData(b'a password')


class Text(certificate_files.CertificateFiles):
    """Has text where castellan's Barbican expects bytes."""

    def get(self, context, managed_object_id, metadata_only=False):
        found = super().get(context, managed_object_id)
        if metadata_only:
            return found
        raise TypeError('a str and no bytes')


class Nonsense(certificate_files.CertificateFiles):
    """Answers nothing that its client understands."""

    def get(self, context, managed_object_id, metadata_only=False):
        raise KeyError('title')


class Refusing(certificate_files.CertificateFiles):
    """As Barbican, of what others keep in it for themselves."""

    def get(self, context, managed_object_id, metadata_only=False):
        try:
            raise barbican_exc.HTTPClientError('Forbidden', 403)
        except barbican_exc.HTTPClientError as exc:
            raise exception.KeyManagerError(reason=exc) from exc


class Restarting(certificate_files.CertificateFiles):
    """Is there again when it is asked for the third time."""

    asked = 0

    def get(self, context, managed_object_id, metadata_only=False):
        self.asked += 1
        if self.asked < 3:
            raise exception.KeyManagerError(reason='connection refused')
        return super().get(context, managed_object_id)


class Stuck(certificate_files.CertificateFiles):
    """Answers the first of its clients when *end* is set, or very late."""

    end = threading.Event()
    clients = 0

    def __init__(self, configuration):
        super().__init__(configuration)
        Stuck.clients += 1
        self.first = Stuck.clients == 1

    def get(self, context, managed_object_id, metadata_only=False):
        if self.first:
            self.end.wait(90)
        return super().get(context, managed_object_id)


class CertificatesTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.certificates = self.backed_by('certificate_files')

    def backed_by(self, backend, **times):
        if isinstance(backend, type):
            backend = f'{backend.__module__}.{backend.__name__}'
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[])
        options.set_defaults(conf, backend=backend)
        conf.register_opts(
            certificate_files.OPTS, group=certificate_files.GROUP
        )
        conf.set_override('path', str(self.path), 'certificate_files')
        return certificates.Certificates(conf, **{'pause': 0, **times})

    def signer(self, **values):
        return signing.Signer(self.path, **values)

    def verify(self, said, content=CONTENT):
        verifier = self.certificates.verifier(said)
        for start in range(0, len(content), 1000):
            verifier.update(content[start : start + 1000])
        verifier.finish()

    def refused(self, said, words, content=CONTENT):
        refusal = self.assertRaises(
            errors.Untrusted, self.verify, said, content
        )
        self.assertIn(words, refusal.message)

    def unavailable(self, said):
        self.assertRaises(
            errors.ServiceUnavailable, self.certificates.verifier, said
        )

    def test_every_type_of_key_and_hash_that_glance_has_is_checked(self):
        for key_type in ('RSA-PSS', 'ECC_SECP384R1', 'ECC_SECP521R1', 'DSA'):
            signer = self.signer(key_type=key_type)
            for method in ('SHA-256', 'SHA-512'):
                said = signer.properties(CONTENT, method)
                self.verify(said)
                self.refused(said, 'does not match', CONTENT[:-1] + b'!')

    def test_the_signature_of_another_file_is_refused(self):
        self.refused(self.signer().properties(b'other'), 'does not match')

    def test_somebody_elses_certificate_is_refused(self):
        said = self.signer().properties(CONTENT)
        said['img_signature_certificate_uuid'] = self.signer().uuid
        self.refused(said, 'does not match')

    def test_a_certificate_counts_only_while_it_is_valid(self):
        for since, until, words in (
            (-2, -1, 'has expired'),
            (1, 2, 'is not valid before'),
        ):
            signer = self.signer(since=since, until=until)
            self.refused(signer.properties(CONTENT), words)

    def test_a_certificate_for_something_else_is_refused(self):
        uses = x509.oid.ExtendedKeyUsageOID
        for values in (
            {'usage': 'crl_sign'},
            {'usage': 'key_cert_sign'},
            {'extended': uses.SERVER_AUTH},
        ):
            signer = self.signer(**values)
            self.refused(signer.properties(CONTENT), 'is not for signing')

    def test_a_certificate_that_says_nothing_or_this_is_for_signing(self):
        uses = x509.oid.ExtendedKeyUsageOID
        for values in (
            {'usage': None},
            {'usage': 'content_commitment'},
            {'extended': uses.CODE_SIGNING},
        ):
            self.verify(self.signer(**values).properties(CONTENT))

    def test_another_type_of_key_is_refused(self):
        said = self.signer().properties(CONTENT)
        for key_type in ('RSA-PSS', 'DSA', 'ECC_SECP521R1', 'ECC_X', 'x'):
            said['img_signature_key_type'] = key_type
            self.refused(said, 'a key of type')

    def test_a_certificate_that_is_not_there_is_refused(self):
        said = self.signer().properties(CONTENT)
        (self.path / f'{said["img_signature_certificate_uuid"]}.pem').unlink()
        self.refused(said, 'there is no certificate')

    def test_what_is_no_certificate_is_refused(self):
        for backend in (Opaque, Text):
            self.certificates = self.backed_by(backend)
            said = self.signer().properties(CONTENT)
            self.refused(said, 'is not a certificate, or not stored as one')

    def test_what_the_key_manager_keeps_for_others_is_refused(self):
        self.certificates = self.backed_by(Refusing)
        said = self.signer().properties(CONTENT)
        self.refused(said, 'does not let this service read certificate')

    def test_a_key_manager_that_is_restarted_is_asked_again(self):
        self.certificates = self.backed_by(Restarting)
        self.verify(self.signer().properties(CONTENT))

    def test_a_key_manager_that_does_not_answer_is_not_waited_for(self):
        self.addCleanup(Stuck.end.set)
        self.certificates = self.backed_by(Stuck, seconds=0.1)
        said = self.signer().properties(CONTENT)
        self.unavailable(said)
        # With a client of its own, and what is ample for reading a file.
        self.certificates._seconds = 60
        self.verify(said)

    def test_a_key_manager_that_cannot_be_used_is_not_taken_for_a_verdict(
        self,
    ):
        said = self.signer().properties(CONTENT)
        (
            self.path / f'{said["img_signature_certificate_uuid"]}.pem'
        ).write_text('damaged')
        self.unavailable(said)
        for backend in (
            'no_such_backend',
            'no.such.Class',
            'barbican',
            Nonsense,
        ):
            self.certificates = self.backed_by(backend)
            self.unavailable(said)


class TestFiles(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[])
        self.files = certificate_files.CertificateFiles(conf)
        conf.set_override('path', str(self.path / 'in'), 'certificate_files')
        (self.path / 'in').mkdir()

    def test_a_certificate_is_found_however_its_uuid_is_written(self):
        signer = signing.Signer(self.path / 'in')
        ident = signer.uuid.replace('-', '').upper()
        found = self.files.get(None, ident)
        self.assertEqual('X.509', found.format)

    def test_nothing_outside_the_directory_is_found(self):
        signer = signing.Signer(self.path)
        for ident in (signer.uuid, f'../{signer.uuid}', '', '/etc/passwd'):
            self.assertRaises(
                exception.ManagedObjectNotFoundError,
                self.files.get,
                None,
                ident,
            )

    def test_it_only_reads(self):
        self.assertIsInstance(self.files, key_manager.KeyManager)
        for method in ('create_key', 'create_key_pair', 'store', 'delete'):
            self.assertRaises(
                exception.KeyManagerError, getattr(self.files, method), None
            )
        for method in ('add_consumer', 'remove_consumer'):
            self.assertRaises(
                exception.KeyManagerError, getattr(self.files, method), None
            )
