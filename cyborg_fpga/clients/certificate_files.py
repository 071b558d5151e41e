"""Certificates in a directory, for clouds without a key manager.

A backend of castellan: ``[key_manager] backend = certificate_files`` finds
certificate ``<uuid>`` in ``<uuid>.pem``. It only reads.
"""

import pathlib
import uuid
from typing import Any
from typing import NoReturn

from castellan.common import exception
from castellan.common.objects import x_509
from castellan.key_manager import key_manager
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from oslo_config import cfg

GROUP = 'certificate_files'
OPTS: list[cfg.Opt] = [
    cfg.StrOpt(
        'path',
        default='/etc/cyborg-fpga/certificates',
        help="""
Directory of the certificates that bitstreams are signed with, one in each file
``<uuid>.pem``, where ``[key_manager] backend`` is ``certificate_files``. Only
administrators should be able to write there.
""",
    ),
]


class CertificateFiles(key_manager.KeyManager):
    """May be used by any number of threads: it keeps nothing open."""

    def __init__(self, configuration: cfg.ConfigOpts | None = None) -> None:
        self._conf = cfg.CONF if configuration is None else configuration
        self._conf.register_opts(OPTS, group=GROUP)

    def get(
        self, context: Any, managed_object_id: str, metadata_only: bool = False
    ) -> x_509.X509:
        """Read a certificate.

        :raises exception.ManagedObjectNotFoundError: There is none.
        :raises exception.KeyManagerError: It cannot be read.
        """
        try:
            # No other name is ever part of a path.
            name = str(uuid.UUID(managed_object_id))
        except ValueError as exc:
            raise exception.ManagedObjectNotFoundError(
                uuid=managed_object_id
            ) from exc
        path = pathlib.Path(self._conf[GROUP].path) / f'{name}.pem'
        try:
            found = x509.load_pem_x509_certificate(path.read_bytes())
        except FileNotFoundError as exc:
            raise exception.ManagedObjectNotFoundError(uuid=name) from exc
        except (OSError, ValueError) as exc:
            raise exception.KeyManagerError(reason=f'{path}: {exc}') from exc
        der = found.public_bytes(serialization.Encoding.DER)
        return x_509.X509(der)

    def list_options_for_discovery(
        self,
    ) -> list[tuple[str | None, list[cfg.Opt]]]:
        return [(GROUP, OPTS)]

    def create_key(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise _only_reads()

    def create_key_pair(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise _only_reads()

    def store(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise _only_reads()

    def delete(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise _only_reads()

    def add_consumer(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise _only_reads()

    def remove_consumer(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise _only_reads()


def _only_reads() -> exception.KeyManagerError:
    return exception.KeyManagerError(
        reason='certificates are put into the directory by hand'
    )
