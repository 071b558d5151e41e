"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = '0001'
down_revision = None


def upgrade() -> None:
    op.create_table(
        'bitstreams',
        sa.Column('name', sa.String(length=255), nullable=False),
        sa.Column('status', sa.String(length=32), nullable=False),
        sa.Column('visibility', sa.String(length=16), nullable=False),
        sa.Column('owner', sa.String(length=255), nullable=True),
        sa.Column('vendor', sa.String(length=64), nullable=True),
        sa.Column('type', sa.String(length=32), nullable=True),
        sa.Column('region_id', sa.String(length=64), nullable=True),
        sa.Column('function_id', sa.String(length=64), nullable=True),
        sa.Column('function_name', sa.String(length=255), nullable=True),
        sa.Column('version', sa.String(length=64), nullable=True),
        sa.Column('driver', sa.String(length=64), nullable=True),
        sa.Column('size', sa.BigInteger(), nullable=True),
        sa.Column('checksum', sa.String(length=32), nullable=True),
        sa.Column('hash_algo', sa.String(length=16), nullable=True),
        sa.Column('hash_value', sa.String(length=128), nullable=True),
        sa.Column('public', sa.Boolean(), nullable=False),
        sa.Column('usable', sa.Boolean(), nullable=False),
        sa.Column('reason', sa.String(length=255), nullable=False),
        sa.Column('image_updated_at', sa.String(length=32), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('uuid', sa.String(length=36), nullable=False),
        sa.Column('created_at', sa.DateTime(), nullable=True),
        sa.Column('updated_at', sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('uuid'),
        mysql_charset='utf8mb4',
        mysql_engine='InnoDB',
    )
    op.create_index(
        op.f('ix_bitstreams_owner'), 'bitstreams', ['owner'], unique=False
    )
    op.create_index(
        op.f('ix_bitstreams_region_id'),
        'bitstreams',
        ['region_id'],
        unique=False,
    )
    op.create_index(
        op.f('ix_bitstreams_type'), 'bitstreams', ['type'], unique=False
    )
    op.create_table(
        'cursors',
        sa.Column('name', sa.String(length=64), nullable=False),
        sa.Column('value', sa.String(length=255), nullable=True),
        sa.Column('lease_owner', sa.String(length=64), nullable=True),
        sa.Column('lease_expires', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('name'),
        mysql_charset='utf8mb4',
        mysql_engine='InnoDB',
    )
    op.create_table(
        'device_profiles',
        sa.Column('name', sa.String(length=255), nullable=False),
        sa.Column('description', sa.Text(), nullable=True),
        sa.Column('groups', sa.Text(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('uuid', sa.String(length=36), nullable=False),
        sa.Column('created_at', sa.DateTime(), nullable=True),
        sa.Column('updated_at', sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('name'),
        sa.UniqueConstraint('uuid'),
        mysql_charset='utf8mb4',
        mysql_engine='InnoDB',
    )
    op.create_table(
        'hosts',
        sa.Column('hostname', sa.String(length=255), nullable=False),
        sa.Column('status', sa.String(length=16), nullable=False),
        sa.Column('disabled_reason', sa.String(length=255), nullable=True),
        sa.Column('up', sa.Boolean(), nullable=False),
        sa.Column('layout', sa.String(length=16), nullable=False),
        sa.Column('rp_name', sa.String(length=200), nullable=False),
        sa.Column('rp_uuid', sa.String(length=36), nullable=True),
        sa.Column('boot_id', sa.BigInteger(), nullable=False),
        sa.Column('report_sequence', sa.BigInteger(), nullable=False),
        sa.Column('report_digest', sa.String(length=64), nullable=True),
        sa.Column('placement_digest', sa.String(length=64), nullable=True),
        sa.Column('placement_stale', sa.Boolean(), nullable=False),
        sa.Column('placement_teller', sa.String(length=64), nullable=True),
        sa.Column('placement_teller_until', sa.Double(), nullable=False),
        sa.Column('last_seen', sa.Double(), nullable=True),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('uuid', sa.String(length=36), nullable=False),
        sa.Column('created_at', sa.DateTime(), nullable=True),
        sa.Column('updated_at', sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('hostname'),
        sa.UniqueConstraint('uuid'),
        mysql_charset='utf8mb4',
        mysql_engine='InnoDB',
    )
    op.create_table(
        'claims',
        sa.Column('origin', sa.String(length=8), nullable=False),
        sa.Column('state', sa.String(length=16), nullable=False),
        sa.Column('state_changed_at', sa.Double(), nullable=False),
        sa.Column('project_id', sa.String(length=64), nullable=True),
        sa.Column('user_id', sa.String(length=64), nullable=True),
        sa.Column('host_id', sa.Integer(), nullable=True),
        sa.Column('resource_class', sa.String(length=255), nullable=True),
        sa.Column('type', sa.String(length=32), nullable=True),
        sa.Column('image_uuid', sa.String(length=36), nullable=True),
        sa.Column('traits', sa.Text(), nullable=False),
        sa.Column('count', sa.Integer(), nullable=False),
        sa.Column('instance_uuid', sa.String(length=36), nullable=True),
        sa.Column('device_profile_name', sa.String(length=255), nullable=True),
        sa.Column('device_profile_group_id', sa.Integer(), nullable=True),
        sa.Column('device_rp_uuid', sa.String(length=36), nullable=True),
        sa.Column('allocation', sa.String(length=8), nullable=False),
        sa.Column('rp_uuid', sa.String(length=36), nullable=True),
        sa.Column('fault_code', sa.String(length=64), nullable=True),
        sa.Column('fault_message', sa.Text(), nullable=True),
        sa.Column('lease_owner', sa.String(length=64), nullable=True),
        sa.Column('lease_expires', sa.Double(), nullable=False),
        sa.Column('instance_guard', sa.String(length=36), nullable=True),
        sa.Column('event_due', sa.Double(), nullable=True),
        sa.Column('event_attempts', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('uuid', sa.String(length=36), nullable=False),
        sa.Column('created_at', sa.DateTime(), nullable=True),
        sa.Column('updated_at', sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ['host_id'],
            ['hosts.id'],
        ),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('instance_guard'),
        sa.UniqueConstraint('uuid'),
        mysql_charset='utf8mb4',
        mysql_engine='InnoDB',
    )
    op.create_index(
        op.f('ix_claims_event_due'), 'claims', ['event_due'], unique=False
    )
    op.create_index(
        op.f('ix_claims_instance_uuid'),
        'claims',
        ['instance_uuid'],
        unique=False,
    )
    op.create_index(
        op.f('ix_claims_project_id'), 'claims', ['project_id'], unique=False
    )
    op.create_index(op.f('ix_claims_state'), 'claims', ['state'], unique=False)
    op.create_table(
        'devices',
        sa.Column('host_id', sa.Integer(), nullable=False),
        sa.Column('pci_address', sa.String(length=16), nullable=False),
        sa.Column('driver', sa.String(length=64), nullable=False),
        sa.Column('type', sa.String(length=16), nullable=False),
        sa.Column('vendor', sa.String(length=64), nullable=False),
        sa.Column('vendor_id', sa.String(length=8), nullable=False),
        sa.Column('product_id', sa.String(length=8), nullable=False),
        sa.Column('family', sa.String(length=64), nullable=False),
        sa.Column('model', sa.String(length=255), nullable=False),
        sa.Column('serial', sa.String(length=255), nullable=True),
        sa.Column('numa_node', sa.Integer(), nullable=True),
        sa.Column('status', sa.String(length=16), nullable=False),
        sa.Column('health', sa.String(length=16), nullable=False),
        sa.Column('failures', sa.Integer(), nullable=False),
        sa.Column('attributes', sa.Text(), nullable=False),
        sa.Column('traits', sa.Text(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('uuid', sa.String(length=36), nullable=False),
        sa.Column('created_at', sa.DateTime(), nullable=True),
        sa.Column('updated_at', sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ['host_id'],
            ['hosts.id'],
        ),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('host_id', 'pci_address'),
        sa.UniqueConstraint('uuid'),
        mysql_charset='utf8mb4',
        mysql_engine='InnoDB',
    )
    op.create_table(
        'deployables',
        sa.Column('host_id', sa.Integer(), nullable=False),
        sa.Column('device_id', sa.Integer(), nullable=False),
        sa.Column('name', sa.String(length=190), nullable=False),
        sa.Column('region_id', sa.String(length=64), nullable=True),
        sa.Column('resource_class', sa.String(length=255), nullable=False),
        sa.Column('rp_name', sa.String(length=200), nullable=False),
        sa.Column('rp_uuid', sa.String(length=36), nullable=False),
        sa.Column('state', sa.String(length=16), nullable=False),
        sa.Column('function_id', sa.String(length=64), nullable=True),
        sa.Column('bitstream_id', sa.String(length=36), nullable=True),
        sa.Column('bitstream_private', sa.Boolean(), nullable=False),
        sa.Column('wipe_pending', sa.Boolean(), nullable=False),
        sa.Column('wipe_levels', sa.String(length=64), nullable=False),
        sa.Column('fence', sa.BigInteger(), nullable=False),
        sa.Column('program_fixed', sa.Double(), nullable=False),
        sa.Column('program_rate', sa.Double(), nullable=False),
        sa.Column('last_used', sa.Double(), nullable=False),
        sa.Column('added_traits', sa.Text(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('uuid', sa.String(length=36), nullable=False),
        sa.Column('created_at', sa.DateTime(), nullable=True),
        sa.Column('updated_at', sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ['device_id'],
            ['devices.id'],
        ),
        sa.ForeignKeyConstraint(
            ['host_id'],
            ['hosts.id'],
        ),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('host_id', 'name'),
        sa.UniqueConstraint('uuid'),
        mysql_charset='utf8mb4',
        mysql_engine='InnoDB',
    )
    op.create_index(
        op.f('ix_deployables_bitstream_id'),
        'deployables',
        ['bitstream_id'],
        unique=False,
    )
    op.create_index(
        op.f('ix_deployables_device_id'),
        'deployables',
        ['device_id'],
        unique=False,
    )
    op.create_index(
        'ix_deployables_resource_class_last_used',
        'deployables',
        ['resource_class', 'last_used'],
        unique=False,
    )
    op.create_index(
        op.f('ix_deployables_rp_uuid'),
        'deployables',
        ['rp_uuid'],
        unique=False,
    )
    op.create_index(
        op.f('ix_deployables_wipe_pending'),
        'deployables',
        ['wipe_pending'],
        unique=False,
    )
    op.create_table(
        'attach_handles',
        sa.Column('host_id', sa.Integer(), nullable=False),
        sa.Column('deployable_id', sa.Integer(), nullable=False),
        sa.Column('pci_address', sa.String(length=16), nullable=False),
        sa.Column('kind', sa.String(length=8), nullable=False),
        sa.Column('present', sa.Boolean(), nullable=False),
        sa.Column('claim_id', sa.Integer(), nullable=True),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('uuid', sa.String(length=36), nullable=False),
        sa.Column('created_at', sa.DateTime(), nullable=True),
        sa.Column('updated_at', sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ['claim_id'],
            ['claims.id'],
        ),
        sa.ForeignKeyConstraint(
            ['deployable_id'],
            ['deployables.id'],
        ),
        sa.ForeignKeyConstraint(
            ['host_id'],
            ['hosts.id'],
        ),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('host_id', 'pci_address'),
        sa.UniqueConstraint('uuid'),
        mysql_charset='utf8mb4',
        mysql_engine='InnoDB',
    )
    op.create_index(
        op.f('ix_attach_handles_claim_id'),
        'attach_handles',
        ['claim_id'],
        unique=False,
    )
    op.create_index(
        op.f('ix_attach_handles_deployable_id'),
        'attach_handles',
        ['deployable_id'],
        unique=False,
    )
    op.create_table(
        'attributes',
        sa.Column('deployable_id', sa.Integer(), nullable=False),
        sa.Column('key', sa.String(length=255), nullable=False),
        sa.Column('value', sa.Text(), nullable=False),
        sa.Column('reported', sa.Boolean(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('uuid', sa.String(length=36), nullable=False),
        sa.Column('created_at', sa.DateTime(), nullable=True),
        sa.Column('updated_at', sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ['deployable_id'],
            ['deployables.id'],
        ),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('uuid'),
        mysql_charset='utf8mb4',
        mysql_engine='InnoDB',
    )
    op.create_index(
        op.f('ix_attributes_deployable_id'),
        'attributes',
        ['deployable_id'],
        unique=False,
    )
    op.create_table(
        'operations',
        sa.Column('kind', sa.String(length=16), nullable=False),
        sa.Column('deployable_id', sa.Integer(), nullable=False),
        sa.Column('claim_uuid', sa.String(length=36), nullable=True),
        sa.Column('project_id', sa.String(length=64), nullable=True),
        sa.Column('user_id', sa.String(length=64), nullable=True),
        sa.Column('state', sa.String(length=16), nullable=False),
        sa.Column('fence', sa.BigInteger(), nullable=False),
        sa.Column('attempt', sa.String(length=36), nullable=True),
        sa.Column('image_uuid', sa.String(length=36), nullable=True),
        sa.Column('image_hash_algo', sa.String(length=16), nullable=True),
        sa.Column('image_hash_value', sa.String(length=128), nullable=True),
        sa.Column('image_size', sa.BigInteger(), nullable=True),
        sa.Column('image_private', sa.Boolean(), nullable=False),
        sa.Column('expected_function', sa.String(length=64), nullable=True),
        sa.Column('wipe_level', sa.String(length=8), nullable=True),
        sa.Column('touched', sa.Boolean(), nullable=False),
        sa.Column('progress', sa.Integer(), nullable=False),
        sa.Column('step', sa.String(length=64), nullable=False),
        sa.Column('cause', sa.String(length=32), nullable=True),
        sa.Column('detail', sa.Text(), nullable=False),
        sa.Column('deadline', sa.Double(), nullable=False),
        sa.Column('lease_owner', sa.String(length=64), nullable=True),
        sa.Column('lease_expires', sa.Double(), nullable=False),
        sa.Column('started_at', sa.Double(), nullable=True),
        sa.Column('finished_at', sa.Double(), nullable=True),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('uuid', sa.String(length=36), nullable=False),
        sa.Column('created_at', sa.DateTime(), nullable=True),
        sa.Column('updated_at', sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ['deployable_id'],
            ['deployables.id'],
        ),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('uuid'),
        mysql_charset='utf8mb4',
        mysql_engine='InnoDB',
    )
    op.create_index(
        op.f('ix_operations_claim_uuid'),
        'operations',
        ['claim_uuid'],
        unique=False,
    )
    op.create_index(
        op.f('ix_operations_deployable_id'),
        'operations',
        ['deployable_id'],
        unique=False,
    )
    op.create_index(
        op.f('ix_operations_project_id'),
        'operations',
        ['project_id'],
        unique=False,
    )
    op.create_index(
        op.f('ix_operations_state'), 'operations', ['state'], unique=False
    )
