"""What hosts have in their bitstream caches."""

import sqlalchemy as sa
from alembic import op

revision = '0004'
down_revision = '0003'


def upgrade() -> None:
    op.add_column('hosts', sa.Column('cache', sa.Text()))
    op.add_column('hosts', sa.Column('cached_digest', sa.String(length=64)))
    op.create_table(
        'cached_bitstreams',
        sa.Column('host_id', sa.Integer(), nullable=False),
        sa.Column('name', sa.String(length=160), nullable=False),
        sa.ForeignKeyConstraint(['host_id'], ['hosts.id']),
        sa.PrimaryKeyConstraint('host_id', 'name'),
        mysql_engine='InnoDB',
        mysql_charset='utf8mb4',
    )
    op.create_index('ix_cached_bitstreams_name', 'cached_bitstreams', ['name'])
