"""Tables: what cliff's listers and showers return."""

from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

from osc_lib.cli import format_columns

Row = tuple[Any, ...]


def table(
    items: Iterable[dict[str, Any]], names: Sequence[str]
) -> tuple[Sequence[str], list[Row]]:
    """Pick the members *names* of each item, for a lister."""
    return names, [_row(item, names) for item in items]


def record(
    item: dict[str, Any], leave_out: Iterable[str] = ('links',)
) -> tuple[list[str], Row]:
    """Show every member of *item* in the server's order."""
    names = [name for name in item if name not in set(leave_out)]
    return names, _row(item, names)


def _row(item: dict[str, Any], names: Iterable[str]) -> Row:
    return tuple(_cell(item.get(name)) for name in names)


def _cell(value: Any) -> Any:
    """Let ``-f json`` keep its structure where a person wants a line."""
    if isinstance(value, dict):
        return format_columns.DictColumn(value)
    if isinstance(value, list):
        if value and isinstance(value[0], dict):
            return format_columns.ListDictColumn(value)
        return format_columns.ListColumn(value)
    return value
