"""The database's clock, in seconds since 1970."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext import compiler
from sqlalchemy.sql import functions


class now(functions.GenericFunction[float]):
    """Time of the statement's execution, not of the transaction's start."""

    type = sa.Double()
    inherit_cache = True
    name = 'cyborg_fpga_now'


@compiler.compiles(now, 'sqlite')
def _sqlite(element: Any, comp: Any, **kwargs: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiler.compiles(now, 'mysql')
@compiler.compiles(now, 'mariadb')
def _mysql(element: Any, comp: Any, **kwargs: Any) -> str:
    return '(UNIX_TIMESTAMP(SYSDATE(6)) + 0e0)'


@compiler.compiles(now, 'postgresql')
def _postgresql(element: Any, comp: Any, **kwargs: Any) -> str:
    return 'CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)'
