"""The nouns of the service: plain, immutable, free of I/O.

This module imports nothing from the package, so every layer may import it.
Whatever crosses RPC derives from :class:`Wire`: new members need a default,
so that either side may be the older one.
"""

import dataclasses
import enum
import functools
import re
import types
import typing
from collections.abc import Mapping
from typing import Any
from typing import Self

_BDF = re.compile(
    r'(?P<domain>[0-9a-f]{4,8}):(?P<bus>[0-9a-f]{2}):'
    r'(?P<device>[0-9a-f]{2})\.(?P<function>[0-7])'
)


class Wire:
    """A frozen dataclass that can be written as plain JSON and read back."""

    __slots__ = ()

    def to_wire(self) -> dict[str, Any]:
        return {
            field.name: _plain(getattr(self, field.name))
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
        }

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild from :meth:`to_wire`'s dict; unknown members are ignored.

        :raises ValueError: A member has a value that its type refuses.
        """
        hints = _hints(cls)  # type: ignore[arg-type]
        return cls(
            **{k: _typed(hints[k], v) for k, v in data.items() if k in hints}
        )


@functools.cache
def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _plain(value: Any) -> Any:
    if isinstance(value, Wire):
        return value.to_wire()
    if isinstance(value, PciAddress):
        return str(value)
    if isinstance(value, enum.StrEnum):
        return value.value
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _typed(hint: Any, value: Any) -> Any:
    if isinstance(hint, types.UnionType):
        if value is None:
            return None
        hint = next(a for a in hint.__args__ if a is not types.NoneType)
    origin = typing.get_origin(hint)
    if origin in (tuple, frozenset):
        inner = typing.get_args(hint)[0]
        return origin(_typed(inner, item) for item in value)
    if hint is PciAddress:
        return PciAddress.parse(value)
    if isinstance(hint, type) and issubclass(hint, Wire):
        return hint.from_wire(value)
    if isinstance(hint, type) and issubclass(hint, enum.StrEnum):
        return hint(value)
    return value


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class PciAddress:
    """A PCI function, e.g. ``0000:5e:00.1``."""

    domain: str
    bus: str
    device: str
    function: str

    @classmethod
    @functools.lru_cache(4096)
    def parse(cls, text: str) -> Self:
        """Read ``domain:bus:device.function``.

        :raises ValueError: *text* is not a full PCI address.
        """
        match = _BDF.fullmatch(text.lower())
        if match is None:
            raise ValueError(f'not a PCI address: {text!r}')
        return cls(**match.groupdict())

    def __str__(self) -> str:
        return f'{self.domain}:{self.bus}:{self.device}.{self.function}'


class HandleKind(enum.StrEnum):
    """What a handle is: the whole function or one of its virtual ones.

    ``TEST_PCI``: neither, but an address that is not there.
    """

    PF = 'PF'
    VF = 'VF'
    TEST_PCI = 'TEST_PCI'


class HostStatus(enum.StrEnum):
    """The operator's word about a host."""

    ENABLED = 'enabled'
    DISABLED = 'disabled'


class Layout(enum.StrEnum):
    """How a host's deployables are grouped into Placement providers."""

    POOL = 'pool'
    REGION = 'region'


class DeviceStatus(enum.StrEnum):
    """The operator's word about a card."""

    ENABLED = 'enabled'
    MAINTAINING = 'maintaining'


class Health(enum.StrEnum):
    """What we saw of a card; only an operator ends ``quarantined``."""

    OK = 'ok'
    SUSPECT = 'suspect'
    QUARANTINED = 'quarantined'
    LOST = 'lost'


class DeployableState(enum.StrEnum):
    """``programming`` while an operation owns it, wipes included."""

    IDLE = 'idle'
    PROGRAMMING = 'programming'
    UNKNOWN = 'unknown'


class ClaimState(enum.StrEnum):
    """``initial`` and ``unbound`` hold nothing, and only Nova's are so."""

    INITIAL = 'initial'
    UNBOUND = 'unbound'
    CLAIMING = 'claiming'
    PROGRAMMING = 'programming'
    READY = 'ready'
    FAILED = 'failed'
    RELEASING = 'releasing'


class Origin(enum.StrEnum):
    """The door a claim came through."""

    NOVA = 'nova'
    API = 'api'


class OperationKind(enum.StrEnum):
    PROGRAM = 'program'
    WIPE = 'wipe'


class OperationState(enum.StrEnum):
    """``pending`` until the agent's ``begin``; then nothing can recall it."""

    PENDING = 'pending'
    RUNNING = 'running'
    SUCCEEDED = 'succeeded'
    FAILED = 'failed'
    CANCELLED = 'cancelled'


OPERATION_UNFINISHED = (OperationState.PENDING, OperationState.RUNNING)


class WipeLevel(enum.StrEnum):
    """How much of the last user is removed, the least first.

    ``reset``: all state of the user's logic and its memories; the function
    is loaded afterwards as before. ``clear``: the function too. ``blank``: a
    configured image is loaded. ``none``: nothing is done.
    """

    NONE = 'none'
    RESET = 'reset'
    CLEAR = 'clear'
    BLANK = 'blank'


class Cause(enum.StrEnum):
    """Why an operation failed. Stable; clients may switch on it."""

    IMAGE_UNAVAILABLE = 'image_unavailable'
    IMAGE_CORRUPT = 'image_corrupt'
    IMAGE_MISMATCH = 'image_mismatch'
    IMAGE_UNTRUSTED = 'image_untrusted'
    DOES_NOT_FIT = 'does_not_fit'
    DEVICE_BUSY = 'device_busy'
    DEVICE_ERROR = 'device_error'
    DEVICE_GONE = 'device_gone'
    NO_SPACE = 'no_space'
    TIMEOUT = 'timeout'
    READBACK_MISMATCH = 'readback_mismatch'
    INTERRUPTED = 'interrupted'
    AGENT_LOST = 'agent_lost'
    STALE = 'stale'
    CANCELLED = 'cancelled'
    INTERNAL = 'internal'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DeployableReport(Wire):
    """One reconfigurable region as its driver and agent see it now.

    Drivers fill everything but *fence* and *busy*, which are the agent's.

    :ivar name: Unique and stable within its host across reboots.
    :ivar region_id: The vendor's interface (shell) id, 32 lower-case hex
        digits; None where the card has none.
    :ivar handles: What a guest can be given, lowest address first; all of
        one kind.
    :ivar function_id: Loaded function, 32 lower-case hex digits; None when
        blank or not readable now.
    :ivar readable: False when *function_id* could not be read (a guest has
        the function, or the port is in reset): the record then stays.
    :ivar program_fixed: Seconds that programming takes whatever the size.
    :ivar program_rate: Bytes per second once it runs.
    :ivar wipe_levels: Levels the driver can do, weakest first.
    :ivar fence: Highest fence the agent has persisted for it.
    :ivar busy: An operation ran while the report was taken, so what it says
        of the loaded function may be out of date.
    """

    name: str
    handles: tuple[PciAddress, ...]
    handle_kind: HandleKind = HandleKind.PF
    region_id: str | None = None
    function_id: str | None = None
    readable: bool = True
    program_fixed: float = 1.0
    program_rate: float = 50e6
    wipe_levels: tuple[WipeLevel, ...] = ()
    fence: int = 0
    busy: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DeviceReport(Wire):
    """One card as a driver sees it now.

    :ivar pci_address: Its first function: with the host, the card's key.
    :ivar vendor: Lower-case word used in traits and classes, ``intel``.
    :ivar family: Upper-case word used in traits, ``PAC_D5005``.
    :ivar vendor_id: Four hex digits without ``0x``; likewise *product_id*.
    :ivar health: ``ok`` or ``suspect``, from what the kernel shows;
        ``quarantined`` once that has been bad for too long.
    :ivar health_reason: Why it is not ``ok``, in words that stay the same
        from one report to the next.
    :ivar traits: Placement's, besides those that follow from the rest.
    """

    driver: str
    pci_address: PciAddress
    vendor: str
    family: str
    vendor_id: str
    product_id: str
    deployables: tuple[DeployableReport, ...]
    model: str = ''
    serial: str | None = None
    numa_node: int | None = None
    health: Health = Health.OK
    health_reason: str = ''
    attributes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    traits: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HostReport(Wire):
    """All that an agent knows of its host.

    :ivar boot_id: Grows with every start of the agent.
    :ivar sequence: Grows with every report of one boot.
    :ivar digest: Hash over everything but boot_id and sequence.
    :ivar cache: Figures of its bitstream cache; empty: not told.
    :ivar cached: What that holds, in order (see ``nouns.content_name``); not
        all where that were too many.
    """

    hostname: str
    boot_id: int
    sequence: int
    digest: str
    resource_provider_name: str
    devices: tuple[DeviceReport, ...]
    cache: Mapping[str, int] = dataclasses.field(default_factory=dict)
    cached: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Wire):
    """One durable act on one deployable.

    Times are seconds since 1970 by the database's clock. *driver*, *device*
    and *deployable* (its report name) say where; *image_uuid* to
    *image_size* say what; of a wipe, what is loaded once more by a reset.

    :ivar seconds_left: Until the deadline, when it was sent to the agent.
    :ivar expected_function: What must be read back afterwards; None when
        only the file itself says it.
    :ivar image_signature: Glance's properties of it; None: it has none.
    :ivar detail: The kernel's or tool's own words about a failure.
    """

    uuid: str
    kind: OperationKind
    deployable_uuid: str
    deployable: str
    device: PciAddress
    driver: str
    hostname: str
    fence: int
    state: OperationState = OperationState.PENDING
    claim_uuid: str | None = None
    project_id: str | None = None
    user_id: str | None = None
    image_uuid: str | None = None
    image_hash_algo: str | None = None
    image_hash_value: str | None = None
    image_size: int | None = None
    image_private: bool = False
    image_signature: Mapping[str, str] | None = None
    expected_function: str | None = None
    wipe_level: WipeLevel | None = None
    progress: int = 0
    step: str = ''
    cause: Cause | None = None
    detail: str = ''
    deadline: float = 0.0
    seconds_left: float = 0.0
    lease_owner: str | None = None
    lease_expires: float = 0.0
    created_at: str | None = None
    updated_at: str | None = None
    started_at: float | None = None
    finished_at: float | None = None

    def fault(self) -> tuple[str, str]:
        """Code and sentence of its failure, for its claim."""
        cause = self.cause or Cause.INTERNAL
        return (
            cause.value,
            f'Programming {self.deployable} failed ({cause}): {self.detail}',
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OperationStatus(Wire):
    """What an agent answers about an operation: running or its outcome.

    :ivar done: The rest is final.
    :ivar succeeded: Read-back equals what was wanted.
    :ivar function_id: Read back from the card afterwards; None when blank.
    :ivar touched: The card was written to, so its contents are *function_id*
        and nothing else; False leaves the deployable's record as it was.
    """

    uuid: str
    fence: int
    done: bool = False
    progress: int = 0
    step: str = ''
    succeeded: bool = False
    touched: bool = False
    function_id: str | None = None
    cause: Cause | None = None
    detail: str = ''
