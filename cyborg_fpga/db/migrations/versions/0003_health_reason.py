"""Why a card is not well, in words."""

import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'


def upgrade() -> None:
    op.add_column(
        'devices',
        sa.Column(
            'health_reason',
            sa.String(length=1024),
            nullable=False,
            server_default='',
        ),
    )
