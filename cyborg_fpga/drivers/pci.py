"""Cards that are handed out as they are: claimable, never programmed.

Which they are says the site's table of families, by the PCI ids of their
physical functions. Each virtual function is handed out by itself where there
are any, else each physical one; the operator makes the virtual ones.
"""

import errno
import itertools
import pathlib

from oslo_log import log as logging

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.drivers import base
from cyborg_fpga.drivers import families
from cyborg_fpga.drivers import holders
from cyborg_fpga.drivers import pci_function

LOG = logging.getLogger(__name__)

_CAUSES = {
    errno.EBUSY: model.Cause.DEVICE_BUSY,
    errno.ETIMEDOUT: model.Cause.TIMEOUT,
}

_Known = tuple[pci_function.Function, families.Family]


class PciDriver(base.Driver):
    """Hands functions out and resets them between two holders."""

    name = 'pci'

    def discover(self) -> list[model.DeviceReport]:
        if not any(f.driver == self.name for f in self._families.families):
            return []
        reports = []
        for slots in self._boards():
            try:
                reports.append(self._report(slots))
            except OSError as exc:
                # It went away between two reads.
                LOG.warning('Skipping a card: %s', exc)
        return reports

    def program(
        self, device: model.PciAddress, deployable: str, image: pathlib.Path
    ) -> None:
        raise _cannot()

    def expected_function(
        self, image: pathlib.Path, *, told: str | None = None
    ) -> str | None:
        raise _cannot()

    def identify(
        self, device: model.PciAddress, deployable: str
    ) -> str | None:
        self._find(device, deployable)
        return None

    def wipe(
        self,
        device: model.PciAddress,
        deployable: str,
        level: model.WipeLevel,
        *,
        image: pathlib.Path | None = None,
    ) -> None:
        function = self._find(device, deployable)
        if level == model.WipeLevel.NONE:
            return
        if level != model.WipeLevel.RESET:
            raise errors.DeviceFailed(
                deployable=deployable,
                cause=model.Cause.DEVICE_ERROR,
                detail=f'such a card cannot be wiped at level {level}',
            )
        try:
            owner = pci_function.Function(self._fs, function.physical())
            self.refuse_removal(deployable, owner.vfs().leaving)
            self._fs.write(f'{function.path}/reset', '1')
        except OSError as exc:
            gone = exc.errno in (errno.ENODEV, errno.ENXIO)
            raise errors.DeviceFailed(
                deployable=deployable,
                cause=(
                    model.Cause.DEVICE_GONE
                    if gone
                    else model.Cause.DEVICE_ERROR
                ),
                detail=f'reset: {exc.strerror or exc}',
            ) from exc

    def users(
        self, device: model.PciAddress, deployable: str
    ) -> list[holders.Holder]:
        function = self._find(device, deployable)
        return self._fs.opened_by(function.vfio_nodes())

    def has_vfs(self, device: model.PciAddress, number: int) -> bool:
        vfs = pci_function.Function(self._fs, device).vfs()
        return not vfs.leaving and len(vfs.numbered) == number

    def set_vfs(self, device: model.PciAddress, number: int) -> None:
        if self.has_vfs(device, number):
            return
        card = pci_function.Function(self._fs, device)
        vfs = card.vfs().numbered.values()
        functions = [card, *(pci_function.Function(self._fs, a) for a in vfs)]
        nodes = [node for f in functions for node in f.vfio_nodes()]
        self.refuse_users(device, self._fs.opened_by(nodes))
        try:
            if vfs and number:
                # From one number to another there is no other way.
                self._fs.write(f'{card.path}/sriov_numvfs', '0')
            self._fs.write(f'{card.path}/sriov_numvfs', str(number))
        except OSError as exc:
            raise errors.DeviceFailed(
                deployable=str(device),
                cause=_CAUSES.get(exc.errno or 0, model.Cause.DEVICE_ERROR),
                detail=f'{number} virtual functions: {exc.strerror or exc}',
            ) from exc

    def _boards(self) -> list[list[list[_Known]]]:
        """All cards: what each has in each of the slots that it takes."""
        known = filter(
            None, map(self._known, pci_function.addresses(self._fs))
        )
        slots = itertools.groupby(
            known, key=lambda found: pci_function.slot(found[0].address)
        )
        return pci_function.boards(
            [list(group) for _, group in slots],
            lambda found: (found[0][1].name, found[0][0].serial()),
        )

    def _takes(self, device: model.PciAddress, first: str) -> bool:
        """Whether *first* is the first function of a slot of the card."""
        return any(
            slots[0][0][0].address == device
            and first in [str(known[0][0].address) for known in slots]
            for slots in self._boards()
        )

    def _known(self, address: model.PciAddress) -> _Known | None:
        function = pci_function.Function(self._fs, address)
        try:
            family = self._listed_family(function)
        except OSError as exc:
            LOG.debug('%s: %s', address, exc)
            return None
        if family is None or function.is_vf():
            return None
        return function, family

    def _report(self, slots: list[list[_Known]]) -> model.DeviceReport:
        first, family = slots[0][0]
        leaving, deployables = False, []
        for known in slots:
            handles, some = _handles(known)
            leaving = leaving or some
            deployables += [
                self._deployable(known[0][0].address, handle, kind)
                for handle, kind in handles
            ]
        return model.DeviceReport(
            **self._card(first, family),
            serial=first.serial(),
            health=model.Health.SUSPECT if leaving else model.Health.OK,
            health_reason=pci_function.REMOVAL if leaving else '',
            attributes={
                **pci_function.joined(
                    pci_function.physical_functions(
                        self._fs, known[0][0].address
                    )
                    for known in slots
                ),
                **pci_function.iommu_groups(
                    self._fs, [d.handles[0] for d in deployables]
                ),
            },
            deployables=tuple(deployables),
        )

    def _deployable(
        self,
        first: model.PciAddress,
        handle: model.PciAddress,
        kind: model.HandleKind,
    ) -> model.DeployableReport:
        path = pci_function.Function(self._fs, handle).path
        resets = self._fs.exists(f'{path}/reset')
        return model.DeployableReport(
            name=f'{first}/{handle}',
            handles=(handle,),
            handle_kind=kind,
            wipe_levels=(model.WipeLevel.RESET,) if resets else (),
        )

    def _find(
        self, device: model.PciAddress, deployable: str
    ) -> pci_function.Function:
        first, _, name = deployable.partition('/')
        try:
            function = pci_function.Function(
                self._fs, model.PciAddress.parse(name)
            )
            owner = pci_function.slot(function.physical())
            mine = first == str(device) or self._takes(device, first)
            place = pci_function.slot(model.PciAddress.parse(first))
            if mine and owner == place:
                return function
        except (OSError, ValueError) as exc:
            LOG.debug('%s: %s', deployable, exc)
        raise errors.DeviceFailed(
            deployable=deployable,
            cause=model.Cause.DEVICE_GONE,
            detail=f'card {device} has no such function; is it gone?',
        )


def _handles(
    known: list[_Known],
) -> tuple[list[tuple[model.PciAddress, model.HandleKind]], bool]:
    """What is handed out, and whether VFs are on their way out."""
    handles, leaving = [], False
    for function, _ in known:
        vfs = function.vfs()
        leaving = leaving or bool(vfs.leaving)
        handles += [(vf, model.HandleKind.VF) for vf in vfs.numbered.values()]
        if not vfs.numbered:
            handles.append((function.address, model.HandleKind.PF))
    return handles, leaving


def _cannot() -> errors.BadBitstream:
    return errors.BadBitstream(reason='cards of driver pci load no images')
