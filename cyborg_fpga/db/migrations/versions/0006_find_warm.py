"""Find what holds an image, or was not used for long, without a scan."""

from alembic import op

revision = '0006'
down_revision = '0005'


def upgrade() -> None:
    op.create_index(
        'ix_deployables_region_id_last_used',
        'deployables',
        ['region_id', 'last_used'],
    )
    op.create_index(
        'ix_deployables_bitstream_id_last_used',
        'deployables',
        ['bitstream_id', 'last_used'],
    )
    # The last begins with the same.
    op.drop_index('ix_deployables_bitstream_id', 'deployables')
    op.create_index('ix_bitstreams_function_id', 'bitstreams', ['function_id'])
