"""Who is asking, and their database session."""

from typing import Any

import sqlalchemy as sa
from oslo_context import context
from oslo_db.sqlalchemy import enginefacade
from sqlalchemy import orm


@enginefacade.transaction_context_provider
class RequestContext(context.RequestContext):
    """A caller; travels with every RPC."""

    FROM_DICT_EXTRA_KEYS: list[str] = ['service_roles']

    # Supplied by enginefacade: the session inside a reader/writer function,
    # the connection inside one that reads columns.
    session: orm.Session
    connection: sa.Connection

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), 'service_roles': self.service_roles}


def service() -> RequestContext:
    """The context of work that nobody asked for: reports, reconciliation."""
    return RequestContext(
        is_admin=True, roles=['admin', 'service'], overwrite=False
    )


def from_wire(values: dict[str, Any]) -> RequestContext:
    return RequestContext.from_dict(values)
