"""Count what was loaded lately without reading all operations."""

from alembic import op

revision = '0009'
down_revision = '0008'


def upgrade() -> None:
    op.create_index(
        'ix_operations_started_at_image_uuid',
        'operations',
        ['started_at', 'image_uuid'],
    )
