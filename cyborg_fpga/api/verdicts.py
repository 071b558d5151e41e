"""What reading all of a bitstream shows: of its bytes, and who signed them."""

import dataclasses
import enum
from collections.abc import Mapping

from cyborg_fpga import errors
from cyborg_fpga.bitstream import signature
from cyborg_fpga.clients import certificates
from cyborg_fpga.clients import glance


class State(enum.StrEnum):
    """What is known of an image's signature."""

    NONE = 'none'
    VERIFIED = 'verified'
    INVALID = 'invalid'
    UNCHECKED = 'unchecked'
    IGNORED = 'ignored'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What all of an image has shown; *reason* '': an agent would load it.

    :ivar signer: Whose signature it is; None: it is not verified.
    """

    image: glance.Image
    format: str | None
    reason: str
    signature: State
    certificate_uuid: str | None
    signer: certificates.Verifier | None


class Check:
    """A signature looked at as an agent does, while the bytes pass.

    :meth:`begin`, then :meth:`update` with all of them, then :meth:`finish`.

    :ivar state: Known to be right only at the end.
    :ivar reason: Why no agent would load it; '': it would.
    :ivar certificate_uuid: As the image names it; None: it does not.
    :ivar signer: As in :class:`Verdict`.
    """

    def __init__(
        self,
        said: Mapping[str, str],
        rules: signature.Rules,
        keys: certificates.Certificates,
    ) -> None:
        self._said = said
        self._keys = keys
        self._verifier: certificates.Verifier | None = None
        self.certificate_uuid = said.get(signature.CERTIFICATE)
        self.signer: certificates.Verifier | None = None
        self.reason = rules.fault(said)
        if not said:
            self.state = State.NONE
        elif not rules.checked(said):
            self.state = State.IGNORED
        else:
            self.state = State.INVALID if self.reason else State.UNCHECKED

    def begin(self) -> None:
        """Ask the key manager, where there is something to check."""
        if self.state is not State.UNCHECKED:
            return
        try:
            self._verifier = self._keys.verifier(self._said)
        except errors.Untrusted as exc:
            self._refuse(exc)
        except errors.ServiceUnavailable as exc:
            self.reason = f'the API cannot check its signature: {exc.message}'

    def update(self, piece: bytes) -> None:
        if self._verifier is not None:
            self._verifier.update(piece)

    def finish(self) -> None:
        if self._verifier is None:
            return
        try:
            self._verifier.finish()
        except errors.Untrusted as exc:
            self._refuse(exc)
        else:
            self.state = State.VERIFIED
            self.signer = self._verifier

    def _refuse(self, exc: errors.Untrusted) -> None:
        self.state = State.INVALID
        self.reason = str(exc.kwargs['reason'])
