"""Tables. One class per table; no behaviour.

Times that are compared are seconds since 1970 by the database's own clock
(:mod:`cyborg_fpga.db.clock`), so that no two processes' clocks matter.
"""

import datetime
import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from oslo_db.sqlalchemy import models as oslo_models
from sqlalchemy import orm

_MYSQL = {'mysql_engine': 'InnoDB', 'mysql_charset': 'utf8mb4'}


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


class _Words(sa.types.TypeDecorator[Mapping[str, str]]):
    """A few words by name, as JSON; NULL: none."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(
        self, value: Mapping[str, str] | None, dialect: sa.Dialect
    ) -> str | None:
        return json.dumps(value, sort_keys=True) if value else None

    def process_result_value(
        self, value: str | None, dialect: sa.Dialect
    ) -> Mapping[str, str] | None:
        found: Mapping[str, str] | None = json.loads(value) if value else None
        return found


class Base(orm.DeclarativeBase, oslo_models.ModelBase):
    __table_args__: Any = _MYSQL


class _Row:
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    uuid: orm.Mapped[str] = orm.mapped_column(sa.String(36), unique=True)
    created_at: orm.Mapped[datetime.datetime | None] = orm.mapped_column(
        sa.DateTime, default=_now
    )
    updated_at: orm.Mapped[datetime.datetime | None] = orm.mapped_column(
        sa.DateTime, onupdate=_now
    )


class Host(_Row, Base):
    __tablename__ = 'hosts'
    hostname: orm.Mapped[str] = orm.mapped_column(sa.String(255), unique=True)
    status: orm.Mapped[str] = orm.mapped_column(
        sa.String(16), default='enabled'
    )
    disabled_reason: orm.Mapped[str | None] = orm.mapped_column(sa.String(255))
    # False once a conductor has noticed the silence; the next report or
    # the reconciler flips it by compare-and-swap.
    up: orm.Mapped[bool] = orm.mapped_column(sa.Boolean, default=True)
    layout: orm.Mapped[str] = orm.mapped_column(sa.String(16))
    rp_name: orm.Mapped[str] = orm.mapped_column(sa.String(200))
    rp_uuid: orm.Mapped[str | None] = orm.mapped_column(sa.String(36))
    boot_id: orm.Mapped[int] = orm.mapped_column(sa.BigInteger, default=0)
    report_sequence: orm.Mapped[int] = orm.mapped_column(
        sa.BigInteger, default=0
    )
    # NULL makes the next report be read whole, whatever it says.
    report_digest: orm.Mapped[str | None] = orm.mapped_column(sa.String(64))
    # What Placement was last told (NULL: nobody knows how much of it), and
    # whether it must be told again.
    placement_digest: orm.Mapped[str | None] = orm.mapped_column(sa.String(64))
    placement_stale: orm.Mapped[bool] = orm.mapped_column(
        sa.Boolean, default=True
    )
    # The one conductor that tells it, and until when it is alone.
    placement_teller: orm.Mapped[str | None] = orm.mapped_column(sa.String(64))
    placement_teller_until: orm.Mapped[float] = orm.mapped_column(
        sa.Double, default=0.0
    )
    last_seen: orm.Mapped[float | None] = orm.mapped_column(sa.Double)
    # Figures of its bitstream cache, and a hash over its rows of
    # cached_bitstreams, which are only read where another is reported.
    cache: orm.Mapped[str | None] = orm.mapped_column(sa.Text)
    cached_digest: orm.Mapped[str | None] = orm.mapped_column(sa.String(64))


class CachedBitstream(Base):
    """A file that a host has: *name* as ``nouns.content_name`` makes it."""

    __tablename__ = 'cached_bitstreams'
    host_id: orm.Mapped[int] = orm.mapped_column(
        sa.ForeignKey('hosts.id'), primary_key=True
    )
    name: orm.Mapped[str] = orm.mapped_column(
        sa.String(160), primary_key=True, index=True
    )


class Device(_Row, Base):
    __tablename__ = 'devices'
    __table_args__: Any = (
        sa.UniqueConstraint('host_id', 'pci_address'),
        _MYSQL,
    )
    host_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey('hosts.id'))
    pci_address: orm.Mapped[str] = orm.mapped_column(sa.String(16))
    driver: orm.Mapped[str] = orm.mapped_column(sa.String(64))
    type: orm.Mapped[str] = orm.mapped_column(sa.String(16), default='FPGA')
    vendor: orm.Mapped[str] = orm.mapped_column(sa.String(64))
    vendor_id: orm.Mapped[str] = orm.mapped_column(sa.String(8))
    product_id: orm.Mapped[str] = orm.mapped_column(sa.String(8))
    family: orm.Mapped[str] = orm.mapped_column(sa.String(64))
    model: orm.Mapped[str] = orm.mapped_column(sa.String(255), default='')
    serial: orm.Mapped[str | None] = orm.mapped_column(sa.String(255))
    numa_node: orm.Mapped[int | None]
    status: orm.Mapped[str] = orm.mapped_column(
        sa.String(16), default='enabled'
    )
    health: orm.Mapped[str] = orm.mapped_column(sa.String(16), default='ok')
    # In words; empty while it is well.
    health_reason: orm.Mapped[str] = orm.mapped_column(
        sa.String(1024), default=''
    )
    failures: orm.Mapped[int] = orm.mapped_column(default=0)
    attributes: orm.Mapped[str] = orm.mapped_column(sa.Text, default='{}')
    # Those that its driver reports, in order.
    traits: orm.Mapped[str] = orm.mapped_column(sa.Text, default='')


class Deployable(_Row, Base):
    __tablename__ = 'deployables'
    __table_args__: Any = (
        sa.UniqueConstraint('host_id', 'name'),
        # What a claim takes is the least recently used of a class, of a kind
        # of region, or of what holds an image.
        sa.Index(
            'ix_deployables_resource_class_last_used',
            'resource_class',
            'last_used',
        ),
        sa.Index(
            'ix_deployables_region_id_last_used', 'region_id', 'last_used'
        ),
        sa.Index(
            'ix_deployables_bitstream_id_last_used',
            'bitstream_id',
            'last_used',
        ),
        _MYSQL,
    )
    host_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey('hosts.id'))
    device_id: orm.Mapped[int] = orm.mapped_column(
        sa.ForeignKey('devices.id'), index=True
    )
    name: orm.Mapped[str] = orm.mapped_column(sa.String(190))
    region_id: orm.Mapped[str | None] = orm.mapped_column(sa.String(64))
    resource_class: orm.Mapped[str] = orm.mapped_column(
        sa.String(255), default=''
    )
    rp_name: orm.Mapped[str] = orm.mapped_column(sa.String(200), default='')
    rp_uuid: orm.Mapped[str] = orm.mapped_column(
        sa.String(36), default='', index=True
    )
    state: orm.Mapped[str] = orm.mapped_column(sa.String(16), default='idle')
    function_id: orm.Mapped[str | None] = orm.mapped_column(sa.String(64))
    bitstream_id: orm.Mapped[str | None] = orm.mapped_column(sa.String(36))
    bitstream_private: orm.Mapped[bool] = orm.mapped_column(
        sa.Boolean, default=False
    )
    wipe_pending: orm.Mapped[bool] = orm.mapped_column(
        sa.Boolean, default=False, index=True
    )
    wipe_levels: orm.Mapped[str] = orm.mapped_column(sa.String(64), default='')
    # The strongest that was asked for by who had it since the last wipe.
    wipe_at_least: orm.Mapped[str | None] = orm.mapped_column(sa.String(8))
    fence: orm.Mapped[int] = orm.mapped_column(sa.BigInteger, default=0)
    program_fixed: orm.Mapped[float] = orm.mapped_column(
        sa.Double, default=1.0
    )
    program_rate: orm.Mapped[float] = orm.mapped_column(sa.Double, default=5e7)
    last_used: orm.Mapped[float] = orm.mapped_column(sa.Double, default=0.0)
    # Provider and class are what they were where it was imported from.
    rp_fixed: orm.Mapped[bool] = orm.mapped_column(sa.Boolean, default=False)
    # Those among its attributes that administrators made, in order.
    added_traits: orm.Mapped[str] = orm.mapped_column(sa.Text, default='')


class Attribute(_Row, Base):
    """*reported*: kept as the records say; else an administrator's."""

    __tablename__ = 'attributes'
    deployable_id: orm.Mapped[int] = orm.mapped_column(
        sa.ForeignKey('deployables.id'), index=True
    )
    key: orm.Mapped[str] = orm.mapped_column(sa.String(255))
    value: orm.Mapped[str] = orm.mapped_column(sa.Text)
    reported: orm.Mapped[bool] = orm.mapped_column(sa.Boolean, default=False)


class DeviceProfile(_Row, Base):
    __tablename__ = 'device_profiles'
    name: orm.Mapped[str] = orm.mapped_column(sa.String(255), unique=True)
    description: orm.Mapped[str | None] = orm.mapped_column(sa.Text)
    groups: orm.Mapped[str] = orm.mapped_column(sa.Text)


class Claim(_Row, Base):
    __tablename__ = 'claims'
    origin: orm.Mapped[str] = orm.mapped_column(sa.String(8))
    state: orm.Mapped[str] = orm.mapped_column(sa.String(16), index=True)
    state_changed_at: orm.Mapped[float] = orm.mapped_column(
        sa.Double, default=0.0
    )
    project_id: orm.Mapped[str | None] = orm.mapped_column(
        sa.String(64), index=True
    )
    user_id: orm.Mapped[str | None] = orm.mapped_column(sa.String(64))
    host_id: orm.Mapped[int | None] = orm.mapped_column(
        sa.ForeignKey('hosts.id')
    )
    resource_class: orm.Mapped[str | None] = orm.mapped_column(sa.String(255))
    type: orm.Mapped[str | None] = orm.mapped_column(sa.String(32))
    image_uuid: orm.Mapped[str | None] = orm.mapped_column(sa.String(36))
    traits: orm.Mapped[str] = orm.mapped_column(sa.Text, default='[]')
    wipe_level: orm.Mapped[str | None] = orm.mapped_column(sa.String(8))
    count: orm.Mapped[int] = orm.mapped_column(default=1)
    instance_uuid: orm.Mapped[str | None] = orm.mapped_column(
        sa.String(36), index=True
    )
    # Nova's door: which group of which profile, and where Nova put it.
    device_profile_name: orm.Mapped[str | None] = orm.mapped_column(
        sa.String(255)
    )
    device_profile_group_id: orm.Mapped[int | None]
    device_rp_uuid: orm.Mapped[str | None] = orm.mapped_column(sa.String(36))
    # 'own', 'adopted' (an instance's) or 'gone' (that has ended); rp_uuid is
    # the provider it was taken from.
    allocation: orm.Mapped[str] = orm.mapped_column(
        sa.String(8), default='own'
    )
    rp_uuid: orm.Mapped[str | None] = orm.mapped_column(sa.String(36))
    fault_code: orm.Mapped[str | None] = orm.mapped_column(sa.String(64))
    fault_message: orm.Mapped[str | None] = orm.mapped_column(sa.Text)
    lease_owner: orm.Mapped[str | None] = orm.mapped_column(sa.String(64))
    lease_expires: orm.Mapped[float] = orm.mapped_column(
        sa.Double, default=0.0
    )
    # Of the first of an instance's: UNIQUE makes "one bind per instance" the
    # database's promise rather than ours. See also adoptions.
    instance_guard: orm.Mapped[str | None] = orm.mapped_column(
        sa.String(36), unique=True
    )
    # When Nova is to be told (again) how a bind ended; NULL: nothing is owed.
    event_due: orm.Mapped[float | None] = orm.mapped_column(
        sa.Double, index=True
    )
    event_attempts: orm.Mapped[int] = orm.mapped_column(default=0)


class AttachHandle(_Row, Base):
    __tablename__ = 'attach_handles'
    __table_args__: Any = (
        # One function of a host is one row, so it is handed out at most
        # once: claim_id holds one claim or NULL (free).
        sa.UniqueConstraint('host_id', 'pci_address'),
        _MYSQL,
    )
    host_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey('hosts.id'))
    deployable_id: orm.Mapped[int] = orm.mapped_column(
        sa.ForeignKey('deployables.id'), index=True
    )
    pci_address: orm.Mapped[str] = orm.mapped_column(sa.String(16))
    kind: orm.Mapped[str] = orm.mapped_column(sa.String(8))
    present: orm.Mapped[bool] = orm.mapped_column(sa.Boolean, default=True)
    claim_id: orm.Mapped[int | None] = orm.mapped_column(
        sa.ForeignKey('claims.id'), index=True
    )


class Operation(_Row, Base):
    __tablename__ = 'operations'
    __table_args__: Any = (
        # What is popular is counted from it alone.
        sa.Index(
            'ix_operations_started_at_image_uuid', 'started_at', 'image_uuid'
        ),
        _MYSQL,
    )
    kind: orm.Mapped[str] = orm.mapped_column(sa.String(16))
    deployable_id: orm.Mapped[int] = orm.mapped_column(
        sa.ForeignKey('deployables.id'), index=True
    )
    # No foreign key: an operation's record outlives its claim's.
    claim_uuid: orm.Mapped[str | None] = orm.mapped_column(
        sa.String(36), index=True
    )
    project_id: orm.Mapped[str | None] = orm.mapped_column(
        sa.String(64), index=True
    )
    user_id: orm.Mapped[str | None] = orm.mapped_column(sa.String(64))
    state: orm.Mapped[str] = orm.mapped_column(sa.String(16), index=True)
    fence: orm.Mapped[int] = orm.mapped_column(sa.BigInteger)
    # Who began it may ask for leave again; nobody else may.
    attempt: orm.Mapped[str | None] = orm.mapped_column(sa.String(36))
    image_uuid: orm.Mapped[str | None] = orm.mapped_column(sa.String(36))
    image_hash_algo: orm.Mapped[str | None] = orm.mapped_column(sa.String(16))
    image_hash_value: orm.Mapped[str | None] = orm.mapped_column(
        sa.String(128)
    )
    image_size: orm.Mapped[int | None] = orm.mapped_column(sa.BigInteger)
    image_private: orm.Mapped[bool] = orm.mapped_column(
        sa.Boolean, default=False
    )
    image_signature: orm.Mapped[Mapping[str, str] | None] = orm.mapped_column(
        _Words
    )
    expected_function: orm.Mapped[str | None] = orm.mapped_column(
        sa.String(64)
    )
    wipe_level: orm.Mapped[str | None] = orm.mapped_column(sa.String(8))
    # When it had ended: the card had been written to.
    touched: orm.Mapped[bool] = orm.mapped_column(sa.Boolean, default=False)
    progress: orm.Mapped[int] = orm.mapped_column(default=0)
    step: orm.Mapped[str] = orm.mapped_column(sa.String(64), default='')
    cause: orm.Mapped[str | None] = orm.mapped_column(sa.String(32))
    detail: orm.Mapped[str] = orm.mapped_column(sa.Text, default='')
    deadline: orm.Mapped[float] = orm.mapped_column(sa.Double)
    lease_owner: orm.Mapped[str | None] = orm.mapped_column(sa.String(64))
    lease_expires: orm.Mapped[float] = orm.mapped_column(
        sa.Double, default=0.0
    )
    started_at: orm.Mapped[float | None] = orm.mapped_column(sa.Double)
    finished_at: orm.Mapped[float | None] = orm.mapped_column(sa.Double)


class Bitstream(_Row, Base):
    """*uuid* is the image's."""

    __tablename__ = 'bitstreams'
    name: orm.Mapped[str] = orm.mapped_column(sa.String(255), default='')
    status: orm.Mapped[str] = orm.mapped_column(sa.String(32))
    visibility: orm.Mapped[str] = orm.mapped_column(sa.String(16))
    owner: orm.Mapped[str | None] = orm.mapped_column(
        sa.String(255), index=True
    )
    vendor: orm.Mapped[str | None] = orm.mapped_column(sa.String(64))
    family: orm.Mapped[str | None] = orm.mapped_column(sa.String(64))
    shell: orm.Mapped[str | None] = orm.mapped_column(sa.String(255))
    type: orm.Mapped[str | None] = orm.mapped_column(sa.String(32), index=True)
    region_id: orm.Mapped[str | None] = orm.mapped_column(
        sa.String(64), index=True
    )
    function_id: orm.Mapped[str | None] = orm.mapped_column(
        sa.String(64), index=True
    )
    function_name: orm.Mapped[str | None] = orm.mapped_column(sa.String(255))
    version: orm.Mapped[str | None] = orm.mapped_column(sa.String(64))
    driver: orm.Mapped[str | None] = orm.mapped_column(sa.String(64))
    size: orm.Mapped[int | None] = orm.mapped_column(sa.BigInteger)
    checksum: orm.Mapped[str | None] = orm.mapped_column(sa.String(32))
    hash_algo: orm.Mapped[str | None] = orm.mapped_column(sa.String(16))
    hash_value: orm.Mapped[str | None] = orm.mapped_column(sa.String(128))
    public: orm.Mapped[bool] = orm.mapped_column(sa.Boolean, default=False)
    signature: orm.Mapped[Mapping[str, str] | None] = orm.mapped_column(_Words)
    usable: orm.Mapped[bool] = orm.mapped_column(sa.Boolean, default=False)
    reason: orm.Mapped[str] = orm.mapped_column(sa.String(255), default='')
    image_updated_at: orm.Mapped[str] = orm.mapped_column(sa.String(32))


class Upload(_Row, Base):
    """*uuid* is the image's; *seen*: when somebody was at it last."""

    __tablename__ = 'uploads'
    project_id: orm.Mapped[str | None] = orm.mapped_column(sa.String(255))
    seen: orm.Mapped[float] = orm.mapped_column(sa.Double)


class Cursor(Base):
    """How far a conductor's periodic work has come, one row per work."""

    __tablename__ = 'cursors'
    name: orm.Mapped[str] = orm.mapped_column(sa.String(64), primary_key=True)
    value: orm.Mapped[str | None] = orm.mapped_column(sa.String(255))
    lease_owner: orm.Mapped[str | None] = orm.mapped_column(sa.String(64))
    lease_expires: orm.Mapped[float] = orm.mapped_column(
        sa.Double, default=0.0
    )
