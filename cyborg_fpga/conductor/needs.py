"""What the groups of device profiles need loaded, from the catalogue."""

import dataclasses
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence

from oslo_log import log as logging

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga import profiles
from cyborg_fpga.conductor import catalogue
from cyborg_fpga.conductor import choice
from cyborg_fpga.conductor import placing
from cyborg_fpga.conductor import selection
from cyborg_fpga.db import arqs
from cyborg_fpga.db import bitstreams

LOG = logging.getLogger(__name__)

_FUNCTION_TRAIT = 'CUSTOM_FPGA_FUNCTION_ID_'
_ID_LENGTH = 32

#: Members of a group that name something the catalogue knows by a column.
_COLUMNS: Mapping[str, str] = {
    'bitstream_name': 'name',
    'function_name': 'function_name',
    'function_id': 'function_id',
}

#: Profile and index of a group.
Key = tuple[str, int]


class Needs:
    """Of one bind: the images that its caller may use."""

    def __init__(
        self,
        ctx: context.RequestContext,
        images: catalogue.Catalogue,
        project_id: str | None,
    ) -> None:
        self._ctx = ctx
        self._catalogue = images
        self._project_id = project_id
        self._needs: dict[Key, placing.Need] = {}
        self._checked: set[str] = set()
        self._images: dict[str, nouns.Bitstream] = {}
        self._refused: dict[str, errors.FPGAError] = {}
        self._offers: dict[tuple[str, str], list[nouns.Bitstream]] = {}

    def read(
        self, found: Sequence[nouns.Arq], said: Mapping[str, arqs.Groups]
    ) -> None:
        """Look up what ARQs need.

        :param said: By their profiles, by name.
        :raises errors.BitstreamUnusable: Or not for the caller.
        :raises errors.NoCapacity: There is no bitstream for a group.
        :raises errors.Ambiguous: A group's name means several.
        """
        keys = {(arq.device_profile_name, arq.group) for arq in found}
        groups = {
            (name, index): profiles.read(said[name][index])
            for name, index in sorted(keys)
        }
        self._look(groups.values())
        for key, group in groups.items():
            self._needs[key] = self._need(group)

    def _look(self, groups: Collection[profiles.Group]) -> None:
        """Ask for all that *groups* name, in two statements."""
        images = {g.bitstream_id for g in groups if g.bitstream_id is not None}
        if images:
            self._images, self._refused = self._catalogue.usable_among(
                self._ctx, sorted(images)
            )
        asked = {pair for group in groups for pair in _named(group)}
        if asked:
            self._offers = bitstreams.offers(
                self._ctx, self._project_id, asked
            )

    def of(self, arq: nouns.Arq) -> placing.Need:
        return self._needs[arq.device_profile_name, arq.group]

    def may_use(self, images: Collection[nouns.Bitstream]) -> bool:
        """Ask Glance, as the caller, for what the catalogue only remembers.

        False: one has changed, or is wished for no more; look again.

        :raises errors.NoCapacity: It was the last.
        """
        unchecked = [i for i in images if i.uuid not in self._checked]
        if not unchecked:
            return True
        found, refused = self._catalogue.usable_among(
            self._ctx, [image.uuid for image in unchecked]
        )
        for exc in refused.values():
            LOG.info('Not for %s: %s', self._project_id, exc.message)
        for image in unchecked:
            now = found.get(image.uuid)
            if now is None or now.made_for != image.made_for:
                self._drop(image)
                continue
            self._checked.add(image.uuid)
            if now != image:
                self._renew(now)
        return all(image == found.get(image.uuid) for image in unchecked)

    def _renew(self, image: nouns.Bitstream) -> None:
        """What is loaded is what *image* is now."""
        for key, need in self._needs.items():
            wishes = tuple(choice.renewed(need.wishes, image))
            self._needs[key] = dataclasses.replace(need, wishes=wishes)

    def _drop(self, image: nouns.Bitstream) -> None:
        for key, need in self._needs.items():
            if image in need.wishes:
                left = tuple(w for w in need.wishes if w != image)
                if not left and need.function_id is None:
                    raise _nothing(need.what)
                self._needs[key] = dataclasses.replace(need, wishes=left)

    def _need(self, group: profiles.Group) -> placing.Need:
        need, level = self._load(group), group.wipe_level
        if level is None:
            return need
        return dataclasses.replace(need, wipe_level=model.WipeLevel(level))

    def _load(self, group: profiles.Group) -> placing.Need:
        if group.loaded_later:
            return placing.Need()
        if group.bitstream_id is not None:
            return self._image(group.bitstream_id)
        for member, column in _COLUMNS.items():
            value = getattr(group, member)
            if value is not None:
                return self._wish(column, value)
        wanted = group.type_among(
            [t for t in group.perhaps_types if self._offers['type', t]]
        )
        if wanted is not None:
            return self._wish('type', wanted)
        function = _required_function(group.required)
        if function is not None:
            return self._wish('function_id', function)
        return placing.Need()

    def _image(self, image_uuid: str) -> placing.Need:
        reason = self._refused.get(image_uuid)
        if isinstance(reason, errors.NotFound):
            # A 404 would say that an ARQ is not there.
            raise errors.BitstreamUnusable(
                image=image_uuid, reason=reason.message
            )
        if reason is not None:
            raise reason
        self._checked.add(image_uuid)
        return placing.Need(
            what=f'with image {image_uuid}', wishes=(self._images[image_uuid],)
        )

    def _wish(self, column: str, value: str) -> placing.Need:
        found = selection.unambiguous(
            selection.preferred(self._offers[column, value], self._project_id),
            self._project_id,
            column,
            value,
        )
        what = f'with {column.replace("_", " ")} {value}'
        function = value if column == 'function_id' else None
        if not found and function is None:
            raise _nothing(what)
        return placing.Need(
            what=what, wishes=tuple(found), function_id=function
        )


def _named(group: profiles.Group) -> list[tuple[str, str]]:
    """Columns of the catalogue, and values in them, that a group may mean."""
    if group.loaded_later or group.bitstream_id is not None:
        return []
    asked = [
        (column, getattr(group, member)) for member, column in _COLUMNS.items()
    ]
    asked.append(('function_id', _required_function(group.required)))
    types = group.perhaps_types if group.type is None else {group.type}
    asked += [('type', name) for name in types]
    return [(column, value) for column, value in asked if value is not None]


def _nothing(what: str) -> errors.NoCapacity:
    return errors.NoCapacity(reason=f'there is no usable bitstream {what}')


def _required_function(required: Collection[str]) -> str | None:
    """The function that a required trait names; None: none does."""
    for name in sorted(required):
        if name.startswith(_FUNCTION_TRAIT):
            return name[-_ID_LENGTH:].lower()
    return None
