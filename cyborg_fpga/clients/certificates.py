"""Signatures checked with the certificates of the key manager.

Which key manager that is, ``[key_manager] backend`` says: Barbican, Vault, or
files (:mod:`cyborg_fpga.clients.certificate_files`).
"""

import datetime
import http
import threading
import time
from collections.abc import Callable
from collections.abc import Mapping
from concurrent import futures
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
)
# And one that gives what its client can make nothing of: castellan expects
# PEM in bytes of what Barbican calls a certificate, and is given text.
_STRANGE = (AttributeError, LookupError, TypeError, ValueError)
# None of castellan's clients ever gives up waiting.
_SECONDS = 15.0
# It may just be restarted.
_TRIES = 3
_PAUSE_SECONDS = 1.0
_SIGNING = (
    x509.oid.ExtendedKeyUsageOID.CODE_SIGNING,
    x509.oid.ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
)


class Verifier:
    """Give it all bytes of an image in order: update, then finish.

    :ivar subject: Whose certificate it is, as in RFC 4514.
    :ivar expires_at: When that does not hold any more.
    """

    def __init__(
        self,
        verifier: Any,
        certificate_uuid: str,
        certificate: x509.Certificate,
    ) -> None:
        self._verifier = verifier
        self._certificate = certificate_uuid
        self.subject = certificate.subject.rfc4514_string()
        self.expires_at = certificate.not_valid_after_utc

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
    """May be used by any number of threads; connects when first asked.

    :param seconds: How long an answer of the key manager is waited for.
    :param pause: Seconds until it is asked again when it cannot be used.
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        *,
        seconds: float = _SECONDS,
        pause: float = _PAUSE_SECONDS,
    ) -> None:
        self._conf = conf
        self._seconds = seconds
        self._pause = pause
        self._lock = threading.Lock()
        self._manager: Any = None

    def verifier(self, said: Mapping[str, str]) -> Verifier:
        """Begin to check a signature.

        :param said: All of Glance's properties of a signature.
        :raises errors.Untrusted: It cannot be right, whatever the bytes are:
            the certificate does not exist, is not for our eyes, does not
            hold now, is for something else or has another kind of key.
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
        return Verifier(verifier, uuid, certificate)

    def _certificate(self, uuid: str) -> x509.Certificate:
        """Fetched once for all that is asked of it."""
        found = self._fetch(uuid)
        try:
            return x509.load_der_x509_certificate(found.get_encoded() or b'')
        except (AttributeError, TypeError, ValueError) as exc:
            raise _no_certificate(uuid) from exc

    def _fetch(self, uuid: str) -> Any:
        tries = _TRIES
        while True:
            tries -= 1
            try:
                return self._ask(uuid)
            except castellan_exc.ManagedObjectNotFoundError as exc:
                raise errors.Untrusted(
                    reason=f'there is no certificate {uuid}'
                ) from exc
            except _STRANGE as exc:
                LOG.warning('Certificate %s: %r', uuid, exc)
                if self._is_there(uuid):
                    raise _no_certificate(uuid) from exc
                raise _unavailable(uuid) from exc
            except _AWAY as exc:
                LOG.warning('Certificate %s: %s', uuid, exc)
                if _is_refused(exc):
                    raise errors.Untrusted(
                        reason='the key manager does not let this service '
                        f'read certificate {uuid}'
                    ) from exc
                if not tries or isinstance(exc, TimeoutError):
                    raise _unavailable(uuid) from exc
            time.sleep(self._pause)

    def _is_there(self, uuid: str) -> bool:
        """The key manager works, and has something of that name."""
        try:
            self._ask(uuid, metadata_only=True)
        except (*_AWAY, *_STRANGE) as exc:
            LOG.debug('Nothing is known of certificate %s: %s', uuid, exc)
            return False
        return True

    def _ask(self, uuid: str, *, metadata_only: bool = False) -> Any:
        """:raises TimeoutError: There is no answer."""
        # One at a time: backends keep their client between calls.
        with self._lock:
            if self._manager is None:
                self._manager = key_manager.API(self._conf)
            manager, context = self._manager, self._context()
            try:
                return _within(
                    self._seconds,
                    lambda: manager.get(
                        context, uuid, metadata_only=metadata_only
                    ),
                )
            except TimeoutError:
                # It is left to the thread that is still in it.
                self._manager = None
                raise

    def _context(self) -> Any:
        """Who asks; a key manager that needs nobody is given nobody."""
        self._conf.register_opts(utils.credential_opts, utils.OPT_GROUP)
        if self._conf.key_manager.auth_type is None:
            return oslo_context.RequestContext()
        return utils.credential_factory(self._conf)


def _within(seconds: float, ask: Callable[[], Any]) -> Any:
    """What *ask* gives or raises, if it does in time.

    :raises TimeoutError: It goes on, for nobody.
    """
    answer: futures.Future[Any] = futures.Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except Exception as exc:
            # The top of a thread: who waits is told.
            answer.set_exception(exc)

    # It must not keep the process from ending.
    threading.Thread(target=run, daemon=True).start()
    return answer.result(seconds)


def _is_refused(exc: Exception) -> bool:
    """It is known who asks, and that he may not have it."""
    # castellan tells nobody what Barbican's client has told it.
    status = getattr(exc.__context__, 'status_code', None)
    return status == http.HTTPStatus.FORBIDDEN


def _no_certificate(uuid: str) -> errors.Untrusted:
    return errors.Untrusted(
        reason=f'{uuid} in the key manager is not a certificate, or not '
        'stored as one (in PEM, as application/octet-stream)'
    )


def _unavailable(uuid: str) -> errors.ServiceUnavailable:
    return errors.ServiceUnavailable(
        service='The key manager',
        reason=f'certificate {uuid} cannot be read',
    )


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
