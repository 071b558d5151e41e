"""Whether a bitstream's signature is the one that is wanted.

Glance has its words for signatures: four properties of the image, of which
one names the certificate, by its uuid in the key manager. What is said here
follows from these alone; whether the signature is one of the image's bytes
shows with the bytes, see :mod:`cyborg_fpga.clients.certificates`.
"""

import base64
import binascii
import dataclasses
import enum
import re
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Self

SIGNATURE = 'img_signature'
HASH_METHOD = 'img_signature_hash_method'
KEY_TYPE = 'img_signature_key_type'
CERTIFICATE = 'img_signature_certificate_uuid'
PROPERTIES = (SIGNATURE, HASH_METHOD, KEY_TYPE, CERTIFICATE)

#: What Glance's specification has.
HASH_METHODS = ('SHA-224', 'SHA-256', 'SHA-384', 'SHA-512')

ANY = '*'
_UUID = re.compile('[0-9a-f]{32}')
#: Longer than any of a key that somebody uses: 16384 bits in base64.
_LONGEST = 4096


class Wanted(enum.StrEnum):
    """``[bitstream] signature``."""

    REQUIRED = 'required'
    IF_PRESENT = 'if_present'
    OFF = 'off'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the operator wants of signatures.

    :ivar allowed: Projects and the certificates that count for them; either
        may be :data:`ANY`.
    """

    wanted: Wanted
    allowed: frozenset[tuple[str, str]]

    @classmethod
    def read(cls, wanted: str, allowed: Iterable[str]) -> Self:
        """Read the options' values.

        :param allowed: As ``<project>:<certificate>``.
        """
        pairs = (pair.partition(':') for pair in allowed)
        return cls(
            wanted=Wanted(wanted),
            allowed=frozenset(
                (_plain(project), _plain(certificate))
                for project, _, certificate in pairs
            ),
        )

    def fault(self, said: Mapping[str, str]) -> str:
        """Why nobody may load an image, in a sentence; '': some may.

        :param said: What :func:`said` found.
        """
        if self.wanted is Wanted.OFF:
            return ''
        if not said:
            return self._missing()
        reason = _malformed(said)
        if reason:
            return reason
        certificate = _plain(said[CERTIFICATE])
        if {certificate, ANY} & {allowed for _, allowed in self.allowed}:
            return ''
        return _not_allowed(said, 'for any project')

    def refusal(self, said: Mapping[str, str], project_id: str | None) -> str:
        """Why an image must not be loaded for a project; '': it may.

        :param project_id: None: it is loaded for nobody.
        """
        reason = self.fault(said)
        if reason or not said or self.wanted is Wanted.OFF:
            return reason
        whose = {_plain(project_id or ''), ANY}
        which = {_plain(said[CERTIFICATE]), ANY}
        if any(p in whose and c in which for p, c in self.allowed):
            return ''
        return _not_allowed(said, f'for project {project_id}')

    def checked(self, said: Mapping[str, str]) -> bool:
        """There is a signature, and it counts."""
        return bool(said) and self.wanted is not Wanted.OFF

    @property
    def selective(self) -> bool:
        """What is loaded for one may be nothing for another."""
        if self.wanted is Wanted.IF_PRESENT:
            return (ANY, ANY) not in self.allowed
        return self.wanted is Wanted.REQUIRED

    def _missing(self) -> str:
        if self.wanted is Wanted.REQUIRED:
            return 'it is not signed, and signatures are required'
        return ''


def said(properties: Mapping[str, str]) -> dict[str, str]:
    """Those of an image's properties that are about its signature."""
    return {
        name: properties[name] for name in PROPERTIES if name in properties
    }


def decoded(said: Mapping[str, str]) -> bytes:
    """The signature itself.

    :raises ValueError: It is not in base64.
    """
    text = ''.join(said[SIGNATURE].split())
    return base64.b64decode(text, validate=True)


def _malformed(said: Mapping[str, str]) -> str:
    missing = [name for name in PROPERTIES if not said.get(name)]
    if missing:
        return f'its signature is not complete: it has no {missing[0]}'
    if said[HASH_METHOD] not in HASH_METHODS:
        method = said[HASH_METHOD][:40]
        return f'its {HASH_METHOD} {method!r} is not one'
    if not _UUID.fullmatch(_plain(said[CERTIFICATE])):
        return f'its {CERTIFICATE} is not a UUID'
    if len(said[SIGNATURE]) > _LONGEST:
        return f'its {SIGNATURE} is too long'
    try:
        decoded(said)
    except (binascii.Error, ValueError):
        return f'its {SIGNATURE} is not in base64'
    return ''


def _not_allowed(said: Mapping[str, str], whom: str) -> str:
    return (
        f'it is signed with certificate {said[CERTIFICATE][:40]}, which is '
        f'not allowed {whom}'
    )


def _plain(ident: str) -> str:
    """Ids are written with hyphens and without."""
    return ident.strip().replace('-', '').lower()
