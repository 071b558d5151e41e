"""Which bitstreams a claim means that names no image: pure functions.

A project's own go before public ones, newer versions of a function before
older. What could be one or the other is reported, not guessed.
"""

import collections
import re
from collections.abc import Iterable
from collections.abc import Sequence

from cyborg_fpga import errors
from cyborg_fpga import nouns

#: Columns by which people name a function; several may have the name.
_NAMES = ('name', 'function_name')

_Version = tuple[tuple[int, str], ...]


def preferred(
    found: Iterable[nouns.Bitstream], project_id: str | None
) -> list[nouns.Bitstream]:
    """Any of these will do, the best first.

    Of a function's versions for one region only the newest is among them, and
    no public ones for a region for which the project has its own: an older or
    a public one must not be taken since it happens to be loaded.

    :param found: The most recent first.
    """
    ranked = sorted(
        found, key=lambda image: _version(image.version), reverse=True
    )
    ranked.sort(key=lambda image: image.owner != project_id)
    own = [image for image in ranked if image.owner == project_id]
    newest: dict[tuple[object, ...], _Version] = {}
    kept = []
    for image in ranked:
        if image.owner != project_id and any(_for_all(i, image) for i in own):
            continue
        what = (
            image.region_id,
            image.function_name or image.function_id or image.uuid,
        )
        version = _version(image.version)
        if newest.setdefault(what, version) == version:
            kept.append(image)
    return kept


def unambiguous(
    wishes: Sequence[nouns.Bitstream],
    project_id: str | None,
    column: str,
    value: str,
) -> list[nouns.Bitstream]:
    """*wishes*, all of which *value* of *column* means.

    Where a name means the project's own, public ones of that name are not
    meant.

    :raises errors.Ambiguous: It names several functions for one region.
    """
    if column not in _NAMES:
        return list(wishes)
    own = [image for image in wishes if image.owner == project_id]
    meant = own or list(wishes)
    functions = collections.defaultdict(set)
    for image in meant:
        functions[image.region_id].add(image.function_id)
    for region, several in functions.items():
        if len(several) > 1:
            uuids = sorted(i.uuid for i in meant if i.region_id == region)
            raise errors.Ambiguous(
                what=f'{column.replace("_", " ")} {value}',
                candidates=', '.join(uuids),
            )
    return meant


def _for_all(one: nouns.Bitstream, other: nouns.Bitstream) -> bool:
    """*one* fits whatever *other* is made for."""
    return (
        one.region_id == other.region_id
        and one.family in (None, other.family)
        and one.handled_by in (None, other.handled_by)
    )


def _version(text: str | None) -> _Version:
    """Numbers by their value: 1.10 is newer than 1.9; none is oldest."""
    parts = re.findall(r'\d+|[a-z]+', (text or '').lower().removeprefix('v'))
    return tuple(
        (int(part), '') if part.isdecimal() else (-1, part) for part in parts
    )
