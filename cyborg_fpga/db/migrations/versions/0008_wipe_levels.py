"""How deep those who claim want it wiped, by claim and by deployable."""

import sqlalchemy as sa
from alembic import op

revision = '0008'
down_revision = '0007'


def upgrade() -> None:
    op.add_column('claims', sa.Column('wipe_level', sa.String(length=8)))
    op.add_column(
        'deployables', sa.Column('wipe_at_least', sa.String(length=8))
    )
