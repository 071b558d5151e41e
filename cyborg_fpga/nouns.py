"""The nouns as the database holds them and the API shows them.

What crosses RPC is in :mod:`model`; these are what db functions return.
Times are ISO 8601 strings in UTC; ``*_id`` of Glance and Keystone are as
those services write them.
"""

import dataclasses
from collections.abc import Mapping

from cyborg_fpga import model

#: What Cyborg and Nova call the states of accelerator requests.
ARQ_STATES: Mapping[model.ClaimState, str] = {
    model.ClaimState.INITIAL: 'Initial',
    model.ClaimState.UNBOUND: 'Unbound',
    model.ClaimState.CLAIMING: 'BindStarted',
    model.ClaimState.PROGRAMMING: 'BindStarted',
    model.ClaimState.READY: 'Bound',
    model.ClaimState.FAILED: 'BindFailed',
    model.ClaimState.RELEASING: 'Deleting',
}


#: Those that an image's property ``driver`` may bind it to.
DRIVERS = frozenset(
    ('aws_f2', 'fake', 'fpga_manager', 'intel_dfl', 'pci', 'xilinx_xrt')
)


def content_name(algo: str, value: str) -> str:
    """What a host's cache calls the bytes that have this hash."""
    return f'{algo}-{value}'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """An agent's node.

    :ivar up: Its agent reported within ``[conductor] host_down_after``.
    :ivar last_seen: Seconds since 1970 by the database's clock.
    :ivar rp_uuid: Root provider in Placement, None until it is known.
    :ivar cache: Figures of its bitstream cache, as its agent told them last.
    """

    uuid: str
    hostname: str
    status: model.HostStatus
    disabled_reason: str | None
    up: bool
    layout: model.Layout
    rp_name: str
    rp_uuid: str | None
    boot_id: int
    report_sequence: int
    last_seen: float | None
    created_at: str | None
    updated_at: str | None
    cache: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A card."""

    uuid: str
    hostname: str
    pci_address: model.PciAddress
    driver: str
    type: str
    vendor: str
    vendor_id: str
    product_id: str
    family: str
    serial: str | None
    numa_node: int | None
    status: model.DeviceStatus
    health: model.Health
    failures: int
    health_reason: str
    attributes: Mapping[str, str]
    created_at: str | None
    updated_at: str | None
    model: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AttachHandle:
    """One PCI function of a deployable; free while *claim_uuid* is None.

    :ivar present: The last report had it.
    :ivar project_id: Whose claim has it.
    :ivar covered: False: it is held, but by no allocation in Placement.
    :ivar leaving: The claim that holds it is being released.
    """

    uuid: str
    pci_address: model.PciAddress
    kind: model.HandleKind
    claim_uuid: str | None
    present: bool = True
    project_id: str | None = None
    covered: bool = True
    leaving: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Deployable:
    """A reconfigurable region with its card's facts beside it.

    :ivar rp_fixed: Provider and class never change: it was imported with
        them.
    :ivar bitstream_id: Image that is loaded, where we loaded it.
    :ivar bitstream_private: It belongs to one project alone.
    :ivar wipe_pending: Must be wiped before it is offered again.
    :ivar wipe_at_least: Those want it so who had it since the last wipe.
    :ivar added_traits: What administrators say of it in Placement's words;
        *driver_traits* is what its driver says.
    """

    id: int
    uuid: str
    name: str
    hostname: str
    device_id: int
    device_uuid: str
    device_address: model.PciAddress
    driver: str
    vendor: str
    family: str
    vendor_id: str
    product_id: str
    device_status: model.DeviceStatus
    health: model.Health
    numa_node: int | None
    region_id: str | None
    resource_class: str
    rp_name: str
    rp_uuid: str
    state: model.DeployableState
    function_id: str | None
    bitstream_id: str | None
    bitstream_private: bool
    wipe_pending: bool
    wipe_levels: tuple[model.WipeLevel, ...]
    fence: int
    program_fixed: float
    program_rate: float
    last_used: float
    handles: tuple[AttachHandle, ...]
    created_at: str | None
    updated_at: str | None
    added_traits: tuple[str, ...] = ()
    driver_traits: tuple[str, ...] = ()
    health_reason: str = ''
    rp_fixed: bool = False
    wipe_at_least: model.WipeLevel = model.WipeLevel.NONE


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One fact about a deployable, under Cyborg's names.

    :ivar key: ``rc``: its resource class; ``trait…``: one of its traits;
        anything else means nothing to us.
    :ivar reported: It follows from our records; else an administrator's.
    """

    uuid: str
    deployable_id: int
    key: str
    value: str
    reported: bool
    created_at: str | None
    updated_at: str | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProfile:
    """What an instance asks for by a name.

    :ivar groups: Each is for one provider: see :mod:`cyborg_fpga.profiles`.
    """

    uuid: str
    name: str
    description: str | None
    groups: tuple[Mapping[str, str], ...]
    created_at: str | None
    updated_at: str | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RegionKind:
    """What decides which bitstreams fit a region."""

    region_id: str | None
    vendor: str
    family: str = ''
    driver: str = ''


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bitstream:
    """What the catalogue knows of a Glance image with the tag ``FPGA``.

    :ivar uuid: The image's.
    :ivar family: The only cards that it is for; *shell* is for people.
    :ivar driver: As its property says; see :attr:`handled_by`.
    :ivar signature: Glance's properties of it; None: it has none.
    :ivar public: Usable by everybody, or of a trusted project: may become
        traits.
    :ivar usable: False with the *reason* in a sentence.
    """

    uuid: str
    name: str
    status: str
    visibility: str
    owner: str | None
    vendor: str | None
    type: str | None
    region_id: str | None
    function_id: str | None
    function_name: str | None
    version: str | None
    driver: str | None
    size: int | None
    checksum: str | None
    hash_algo: str | None
    hash_value: str | None
    public: bool
    usable: bool
    reason: str
    image_updated_at: str
    family: str | None = None
    shell: str | None = None
    signature: Mapping[str, str] | None = dataclasses.field(
        default=None, hash=False
    )

    @property
    def handled_by(self) -> str | None:
        """The only driver whose cards it is for; None: any driver's.

        Cyborg's specification has the guest's software under the same name:
        what is none of ours is for people.
        """
        return self.driver if self.driver in DRIVERS else None

    @property
    def made_for(self) -> tuple[str | None, ...]:
        """What decides which regions it fits."""
        return self.region_id, self.vendor, self.family, self.handled_by

    @property
    def content(self) -> str | None:
        """What hosts that hold its bytes call them; None: it has no hash."""
        if not self.hash_algo or not self.hash_value:
            return None
        return content_name(self.hash_algo, self.hash_value)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What somebody holds. See ``model.ClaimState`` for its life.

    :ivar allocation: ``own``: we made the Placement allocation;
        ``adopted``: an instance's; ``gone``: that has ended.
    :ivar fault_code: With *fault_message*, why it failed or is being undone.
    :ivar wipe_level: At least so are its deployables wiped.
    """

    id: int
    uuid: str
    origin: model.Origin
    state: model.ClaimState
    project_id: str | None
    user_id: str | None
    hostname: str | None
    resource_class: str | None
    type: str | None
    image_uuid: str | None
    traits: tuple[str, ...]
    count: int
    instance_uuid: str | None
    allocation: str
    fault_code: str | None
    fault_message: str | None
    addresses: tuple[str, ...]
    deployable_uuids: tuple[str, ...]
    operation_uuids: tuple[str, ...]
    state_changed_at: float
    created_at: str | None
    updated_at: str | None
    wipe_level: model.WipeLevel | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Arq:
    """A claim that came through Nova's door, of one unit.

    :ivar group: Which group of the device profile it is of.
    :ivar device_rp_uuid: The provider that Nova took it from.
    :ivar handle_uuid: With *address* and *kind*, what it holds.
    """

    uuid: str
    state: model.ClaimState
    project_id: str | None
    device_profile_name: str
    group: int
    hostname: str | None
    device_rp_uuid: str | None
    instance_uuid: str | None
    handle_uuid: str | None
    address: model.PciAddress | None
    kind: model.HandleKind | None
    created_at: str | None
    updated_at: str | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BoundEvent:
    """What Nova is owed about an ARQ.

    :ivar attempt: How often it was taken to be sent.
    """

    arq_uuid: str
    instance_uuid: str
    bound: bool
    attempt: int
