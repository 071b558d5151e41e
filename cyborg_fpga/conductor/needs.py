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
from cyborg_fpga.db import bitstreams
from cyborg_fpga.db import device_profiles

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

    def read(self, arqs: Sequence[nouns.Arq]) -> None:
        """Look up what *arqs* need.

        :raises errors.NotFound: Their profile is gone.
        :raises errors.BitstreamUnusable: Or not for the caller.
        :raises errors.NoCapacity: There is no bitstream for a group.
        :raises errors.Ambiguous: A group's name means several.
        """
        groups: dict[str, Sequence[Mapping[str, str]]] = {}
        for arq in arqs:
            name = arq.device_profile_name
            if name not in groups:
                found = device_profiles.by_name(self._ctx, name)
                groups[name] = found.groups
            key = (name, arq.group)
            if key not in self._needs:
                self._needs[key] = self._need(
                    profiles.read(groups[name][arq.group])
                )

    def of(self, arq: nouns.Arq) -> placing.Need:
        return self._needs[arq.device_profile_name, arq.group]

    def may_use(self, images: Collection[nouns.Bitstream]) -> bool:
        """Ask Glance, as the caller, for what the catalogue only remembers.

        False: one has changed, or is wished for no more; look again.

        :raises errors.NoCapacity: It was the last.
        """
        for image in images:
            if image.uuid in self._checked:
                continue
            try:
                found = self._catalogue.usable(self._ctx, image.uuid)
            except (errors.NotFound, errors.BitstreamUnusable) as exc:
                LOG.info('Not for %s: %s', self._project_id, exc.message)
                found = None
            if found is None or found.made_for != image.made_for:
                self._drop(image)
                return False
            self._checked.add(image.uuid)
            if found != image:
                self._renew(found)
                return False
        return True

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
        known = (
            bitstreams.types(self._ctx, self._project_id)
            if group.perhaps_types
            else []
        )
        wanted = group.type_among([name for name, _ in known])
        if wanted is not None:
            return self._wish('type', wanted)
        function = _required_function(group.required)
        if function is not None:
            return self._wish('function_id', function)
        return placing.Need()

    def _image(self, image_uuid: str) -> placing.Need:
        try:
            image = self._catalogue.usable(self._ctx, image_uuid)
        except errors.NotFound as exc:
            # A 404 would say that an ARQ is not there.
            raise errors.BitstreamUnusable(
                image=image_uuid, reason=exc.message
            ) from exc
        self._checked.add(image_uuid)
        return placing.Need(what=f'with image {image_uuid}', wishes=(image,))

    def _wish(self, column: str, value: str) -> placing.Need:
        found = selection.unambiguous(
            selection.preferred(
                bitstreams.offered(self._ctx, self._project_id, column, value),
                self._project_id,
            ),
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


def _nothing(what: str) -> errors.NoCapacity:
    return errors.NoCapacity(reason=f'there is no usable bitstream {what}')


def _required_function(required: Collection[str]) -> str | None:
    """The function that a required trait names; None: none does."""
    for name in sorted(required):
        if name.startswith(_FUNCTION_TRAIT):
            return name[-_ID_LENGTH:].lower()
    return None
