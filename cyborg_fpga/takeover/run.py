"""Take over what Cyborg knows: all in one transaction, or nothing."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from cyborg_fpga import context
from cyborg_fpga.db import engine
from cyborg_fpga.db import models
from cyborg_fpga.takeover import arqs
from cyborg_fpga.takeover import cards
from cyborg_fpga.takeover import records
from cyborg_fpga.takeover import source
from cyborg_fpga.takeover import translate

# Rows at a time. A device has many others.
_DEVICES = 100
_ROWS = 500

_MAX_REASONS = 20


class Refused(Exception):
    """Nothing was imported.

    :ivar reasons: One line each.
    """

    def __init__(self, reasons: Sequence[str]) -> None:
        more = len(reasons) - _MAX_REASONS
        rest = [f'and {more} more'] if more > 0 else []
        self.reasons = [*reasons[:_MAX_REASONS], *rest]
        super().__init__('; '.join(self.reasons))


class _TakenBack(Exception):
    """All was done, and is not to be kept."""

    def __init__(self, summary: records.Summary) -> None:
        super().__init__()
        self.summary = summary


def run(
    ctx: context.RequestContext,
    cyborg: source.Cyborg,
    *,
    dry_run: bool = False,
    skip_other_types: bool = False,
) -> records.Summary:
    """Import all of *cyborg*, or nothing.

    Repeating it changes nothing. A dry run does all of it, and takes it back.

    :param skip_other_types: Leave out what instances have of devices that
        are no FPGAs; else there must be none of that.
    :raises Refused: With the reasons.
    """
    try:
        return _run(ctx, cyborg, dry_run, skip_other_types)
    except _TakenBack as exc:
        return exc.summary


@engine.writer
def _run(
    ctx: context.RequestContext,
    cyborg: source.Cyborg,
    dry_run: bool,
    skip_other_types: bool,
) -> records.Summary:
    made = records.Records(ctx)
    for rows in cyborg.profiles(_ROWS):
        _store_profiles(made, rows)
    for rows in cyborg.devices(_DEVICES):
        cards.store(made, cyborg, rows)
    # What is missing because of that need not be told too.
    _refuse_damage(made)
    for rows in cyborg.arqs(_ROWS):
        arqs.store(made, rows)
    _refuse_damage(made)
    _refuse(made.summary, skip_other_types)
    arqs.guard_instances(made)
    _tell_more(made.summary, cyborg)
    if dry_run:
        raise _TakenBack(made.summary)
    return made.summary


def _store_profiles(made: records.Records, rows: Sequence[Any]) -> None:
    table = models.DeviceProfile
    rows = made.new(table, rows)
    taken = set(
        made.session.execute(
            sa.select(table.name).where(
                table.name.in_([row.name for row in rows])
            )
        ).scalars()
    )
    values = []
    for row in rows:
        if row.name in taken:
            made.conflicts.append(
                f'another device profile {row.name} is here already'
            )
            continue
        try:
            value, refusal = translate.profile(row)
        except translate.Damaged as exc:
            made.damage.append(str(exc))
            continue
        values.append(value)
        if refusal:
            made.summary.notes.append(f'{refusal}; it is kept as it is')
    made.add(table, values)


def _refuse_damage(made: records.Records) -> None:
    if made.damage or made.conflicts:
        raise Refused([*made.damage, *made.conflicts])


def _refuse(summary: records.Summary, skip_other_types: bool) -> None:
    """:raises Refused: It may not be kept."""
    others = summary.left_out.get(arqs.OF_OTHERS, 0)
    if others and not skip_other_types:
        raise Refused(
            [
                f'{others} accelerator requests are bound to devices that are '
                'no FPGAs, and would be lost: --skip-other-types leaves them '
                'out'
            ]
        )
    new = {noun: n for noun, n in summary.added.items() if n}
    if summary.there and new:
        raise Refused(
            [
                f'{summary.there.get(noun, 0)} {noun} were imported '
                f'before, {number} are not here'
                for noun, number in new.items()
            ]
            + [
                'what has happened since an import cannot be told from what '
                'has not: import into an empty database'
            ]
        )


def _tell_more(summary: records.Summary, cyborg: source.Cyborg) -> None:
    for kind, number in sorted(cyborg.device_types().items()):
        if kind != source.FPGA:
            summary.left_out[f'devices of type {kind}'] = number
    unheld = cyborg.unheld()
    if unheld:
        summary.notes.append(
            f'{unheld} attach handles were marked in use, and no bound '
            'accelerator request has them: they are free'
        )
