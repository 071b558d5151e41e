"""Signatures checked with the certificates of the key manager.

Which key manager that is, ``[key_manager] backend`` says: Barbican, Vault, or
files (:mod:`cyborg_fpga.clients.certificate_files`).
"""

import datetime
import threading
from collections.abc import Mapping
from typing import Any

import cryptography.exceptions
from castellan import key_manager
from castellan.common import exception as castellan_exc
from castellan.common import utils
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cursive import exception as cursive_exc
from cursive import signature_utils
from keystoneauth1 import exceptions as keystone_exc
from oslo_config import cfg
from oslo_context import context as oslo_context
from oslo_log import log as logging

from cyborg_fpga import errors

LOG = logging.getLogger(__name__)

# What a key manager that is away, or not set up, raises.
_AWAY = (
    castellan_exc.CastellanException,
    keystone_exc.ClientException,
    ImportError,
    OSError,
    RuntimeError,
    ValueError,
)
_SIGNING = (
    x509.oid.ExtendedKeyUsageOID.CODE_SIGNING,
    x509.oid.ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
)


class Verifier:
    """Give it all bytes of an image in order: update, then finish."""

    def __init__(self, verifier: Any, certificate_uuid: str) -> None:
        self._verifier = verifier
        self._certificate = certificate_uuid

    def update(self, piece: bytes) -> None:
        self._verifier.update(piece)

    def finish(self) -> None:
        """:raises errors.Untrusted: The signature is not theirs."""
        try:
            self._verifier.verify()
        except (cryptography.exceptions.InvalidSignature, ValueError) as exc:
            raise errors.Untrusted(
                reason='its signature does not match certificate '
                f'{self._certificate}'
            ) from exc


class Certificates:
    """May be used by any number of threads; connects when first asked."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._lock = threading.Lock()
        self._manager: Any = None

    def verifier(self, said: Mapping[str, str]) -> Verifier:
        """Begin to check a signature.

        :param said: All of Glance's properties of a signature.
        :raises errors.Untrusted: It cannot be right, whatever the bytes are:
            the certificate does not exist, does not hold now, is for
            something else or has another kind of key.
        :raises errors.ServiceUnavailable: The key manager cannot be used.
        """
        uuid = said[signature_utils.CERT_UUID]
        certificate = self._certificate(uuid)
        reason = _fault(certificate) or _other_key(
            certificate, said[signature_utils.KEY_TYPE]
        )
        if reason:
            raise errors.Untrusted(reason=f'its certificate {uuid} {reason}')
        try:
            kind = signature_utils.SignatureKeyType.lookup(
                said[signature_utils.KEY_TYPE]
            )
            verifier = kind.create_verifier(
                signature_utils.get_signature(said[signature_utils.SIGNATURE]),
                signature_utils.get_hash_method(
                    said[signature_utils.HASH_METHOD]
                ),
                certificate.public_key(),
            )
        except cursive_exc.SignatureVerificationError as exc:
            raise errors.Untrusted(reason=str(exc)) from exc
        if verifier is None:
            raise errors.Untrusted(reason='its signature is empty')
        return Verifier(verifier, uuid)

    def _certificate(self, uuid: str) -> x509.Certificate:
        """Fetched once for all that is asked of it."""
        try:
            # One at a time: backends keep their client between calls.
            with self._lock:
                if self._manager is None:
                    self._manager = key_manager.API(self._conf)
                found = self._manager.get(self._context(), uuid)
        except castellan_exc.ManagedObjectNotFoundError as exc:
            raise errors.Untrusted(
                reason=f'there is no certificate {uuid}'
            ) from exc
        except _AWAY as exc:
            LOG.warning('Certificate %s: %s', uuid, exc)
            raise errors.ServiceUnavailable(
                service='The key manager',
                reason=f'certificate {uuid} cannot be read',
            ) from exc
        try:
            return x509.load_der_x509_certificate(found.get_encoded() or b'')
        except (AttributeError, TypeError, ValueError) as exc:
            raise errors.Untrusted(
                reason=f'{uuid} in the key manager is not a certificate'
            ) from exc

    def _context(self) -> Any:
        """Who asks; a key manager that needs nobody is given nobody."""
        self._conf.register_opts(utils.credential_opts, utils.OPT_GROUP)
        if self._conf.key_manager.auth_type is None:
            return oslo_context.RequestContext()
        return utils.credential_factory(self._conf)


def _fault(certificate: x509.Certificate) -> str:
    """Why nothing that it signs counts now; '': it does."""
    now = datetime.datetime.now(datetime.UTC)
    if now < certificate.not_valid_before_utc:
        return f'is not valid before {certificate.not_valid_before_utc}'
    if now > certificate.not_valid_after_utc:
        return f'has expired at {certificate.not_valid_after_utc}'
    try:
        for extension in certificate.extensions:
            if not _signs(extension.value):
                return 'is not for signing'
    except (ValueError, x509.DuplicateExtension):
        return 'is malformed'
    return ''


def _signs(said: x509.ExtensionType) -> bool:
    """Whether an extension leaves room for signing files."""
    if isinstance(said, x509.KeyUsage):
        return said.digital_signature or said.content_commitment
    if isinstance(said, x509.ExtendedKeyUsage):
        return any(use in _SIGNING for use in said)
    return True


def _other_key(certificate: x509.Certificate, key_type: str) -> str:
    """The key's kind where it is not *key_type*, as a sentence's end."""
    try:
        wanted = signature_utils.SignatureKeyType.lookup(key_type)
        key = certificate.public_key()
    except (
        cursive_exc.SignatureVerificationError,
        cryptography.exceptions.UnsupportedAlgorithm,
        ValueError,
    ):
        return f'cannot have a key of type {key_type[:40]!r}'
    curve = ''
    if isinstance(key, ec.EllipticCurvePublicKey):
        curve = f'ECC_{key.curve.name.upper()}'
    if isinstance(key, wanted.public_key_type) and curve in ('', key_type):
        return ''
    return f'has not a key of type {key_type}'
