"""Deployables that keep the provider that another service gave them."""

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'


def upgrade() -> None:
    op.add_column(
        'deployables',
        sa.Column(
            'rp_fixed',
            sa.Boolean(),
            nullable=False,
            server_default=sa.false(),
        ),
    )
