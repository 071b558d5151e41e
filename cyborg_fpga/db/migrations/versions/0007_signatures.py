"""What images' properties say of their signatures."""

import sqlalchemy as sa
from alembic import op

revision = '0007'
down_revision = '0006'


def upgrade() -> None:
    op.add_column('bitstreams', sa.Column('signature', sa.Text()))
    op.add_column('operations', sa.Column('image_signature', sa.Text()))
