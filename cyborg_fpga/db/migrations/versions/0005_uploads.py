"""Images that uploads have begun, and which cards a bitstream is for."""

import sqlalchemy as sa
from alembic import op

revision = '0005'
down_revision = '0004'


def upgrade() -> None:
    op.create_table(
        'uploads',
        sa.Column('id', sa.Integer(), primary_key=True),
        sa.Column('uuid', sa.String(36), nullable=False, unique=True),
        sa.Column('project_id', sa.String(255)),
        sa.Column('seen', sa.Double(), nullable=False),
        sa.Column('created_at', sa.DateTime()),
        sa.Column('updated_at', sa.DateTime()),
        mysql_engine='InnoDB',
        mysql_charset='utf8mb4',
    )
    op.add_column('bitstreams', sa.Column('family', sa.String(64)))
    op.add_column('bitstreams', sa.Column('shell', sa.String(255)))
