"""Who is asking, and their database session."""

from typing import Any

from oslo_context import context
from oslo_db.sqlalchemy import enginefacade
from sqlalchemy import orm


@enginefacade.transaction_context_provider
class RequestContext(context.RequestContext):
    """A caller; travels with every RPC."""

    # Supplied by enginefacade inside a reader/writer function.
    session: orm.Session


def service() -> RequestContext:
    """The context of work that nobody asked for: reports, reconciliation."""
    return RequestContext(
        is_admin=True, roles=['admin', 'service'], overwrite=False
    )


def from_wire(values: dict[str, Any]) -> RequestContext:
    return RequestContext.from_dict(values)
