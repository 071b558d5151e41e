"""Cards behind the kernel's Device Feature List (DFL) drivers.

A card is a PCI function with an FPGA management engine (FME). Its
reconfigurable regions are its ports; what runs in one says the port's
``afu_id``. A port belongs to the PF or has been released to a VF, where it
then shows up with a number of its own.
"""

import dataclasses
import errno
import pathlib
import re
import struct
from typing import NoReturn

from oslo_log import log as logging

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.bitstream import formats
from cyborg_fpga.bitstream import header
from cyborg_fpga.drivers import base
from cyborg_fpga.drivers import dfl_ports
from cyborg_fpga.drivers import dfl_tree
from cyborg_fpga.drivers import families
from cyborg_fpga.drivers import holders
from cyborg_fpga.drivers import pci_function
from cyborg_fpga.drivers import pci_health

LOG = logging.getLogger(__name__)

_FME_PORT_PR = 0xB680
#: argsz, flags, port id, buffer size, buffer address
_PORT_PR = struct.Struct('<IIIIQ')
#: The driver of before has one of its own, with a status at the end.
_OLD_FME_PORT_PR = 0xB580
_OLD_PORT_PR = struct.Struct('<IIIIQQ')
#: By the bits of that status, from the lowest on.
_STATUS = (
    'reconfig operation error',
    'reconfig CRC error',
    'reconfig incompatible image',
    'reconfig IP protocol error',
    'reconfig fifo overflow error',
    'timeout',
    'secure load error',
)

_NAME = re.compile(r'(?P<card>[0-9a-f:.]+)/port(?P<port>[0-9]{1,4})')
_BLANK = ('0' * 32, 'f' * 32)

_CAUSES = {
    errno.EBUSY: model.Cause.DEVICE_BUSY,
    errno.ETIMEDOUT: model.Cause.TIMEOUT,
    errno.ENODEV: model.Cause.DEVICE_GONE,
    errno.ENOENT: model.Cause.DEVICE_GONE,
    errno.ENXIO: model.Cause.DEVICE_GONE,
}


class IntelDFLDriver(base.Driver):
    """Partial reconfiguration of ports through their card's FME."""

    name = 'intel_dfl'

    def discover(self) -> list[model.DeviceReport]:
        reports = []
        seen = dfl_tree.addresses(self._fs)
        for address in seen:
            try:
                report = self._report(address)
            except OSError as exc:
                # It went away between two reads.
                LOG.warning('Skipping card %s: %s', address, exc)
                continue
            if report is not None:
                reports.append(report)
        for address, driver in dfl_tree.unseen(self._fs):
            report = self._unseen(address, driver)
            if report is not None and address not in seen:
                reports.append(report)
        return sorted(reports, key=lambda report: report.pci_address)

    def readings(self, card: model.DeviceReport) -> pci_health.Readings:
        found = super().readings(card)
        try:
            tree = dfl_tree.Card(self._fs, card.pci_address)
        except OSError as exc:
            # It went away after it was found.
            LOG.debug('%s: %s', card.pci_address, exc)
            return found
        return found.plus(tree.problems(), tree.sensors())

    def program(
        self, device: model.PciAddress, deployable: str, image: pathlib.Path
    ) -> None:
        said = formats.parse(image, only=header.Format.GBS)
        card, port = self._find(device, deployable)
        self.refuse_removal(deployable, card.leaving)
        try:
            region = card.region_id(port)
        except OSError as exc:
            self._failed(deployable, exc, 'its region id cannot be read')
        target = header.Target(name=deployable, region_ids=(region,))
        reason = header.fits(said, target)
        if reason:
            raise errors.DoesNotFit(reason=reason)
        formats.verify(image)
        try:
            self._load(card, port, image, said)
        except OSError as exc:
            self._failed(deployable, exc, card.manager_words())

    def _load(
        self,
        card: dfl_tree.Card,
        port: int,
        image: pathlib.Path,
        said: header.Header,
    ) -> None:
        head = 0, port, said.payload_size, 0
        request, arg = _FME_PORT_PR, _PORT_PR.pack(_PORT_PR.size, *head)
        if card.old:
            request = _OLD_FME_PORT_PR
            arg = _OLD_PORT_PR.pack(_OLD_PORT_PR.size, *head, 0)
        answer = self._fs.ioctl(
            card.fme_node,
            request,
            arg,
            image=image,
            offset=said.payload_offset,
        )
        status = _OLD_PORT_PR.unpack(answer)[-1] if card.old else 0
        if status:
            words = [w for n, w in enumerate(_STATUS) if status >> n & 1]
            raise OSError(errno.EIO, ', '.join(words) or f'status {status:#x}')

    def expected_function(
        self, image: pathlib.Path, *, told: str | None = None
    ) -> str | None:
        return _function(formats.function(image, told, only=header.Format.GBS))

    def identify(
        self, device: model.PciAddress, deployable: str
    ) -> str | None:
        card, port = self._find(device, deployable)
        try:
            return _function(card.afu_id(port))
        except OSError as exc:
            if exc.errno == errno.EBUSY and card.manager_failed():
                # Not a passing state: a failed load leaves the port in reset.
                exc = OSError(errno.EIO, 'the port is held in reset')
            self._failed(deployable, exc, card.manager_words())

    def wipe(
        self,
        device: model.PciAddress,
        deployable: str,
        level: model.WipeLevel,
        *,
        image: pathlib.Path | None = None,
    ) -> None:
        if level == model.WipeLevel.NONE:
            return
        card, port = self._find(device, deployable)
        self.refuse_removal(deployable, card.leaving)
        again = image if level == model.WipeLevel.RESET else None
        if level != model.WipeLevel.RESET or not card.memory_doors():
            self._blank(device, deployable)
        elif again is None:
            self._reset(deployable, card, port)
        else:
            self._again(device, deployable, again)
            again = None
        try:
            # Not while the last user's logic could still write there.
            card.overwrite_memory()
        except OSError as exc:
            self._failed(deployable, exc, "overwriting the card's memory")
        if again is not None:
            self._again(device, deployable, again)

    def users(
        self, device: model.PciAddress, deployable: str
    ) -> list[holders.Holder]:
        function = pci_function.Function(self._fs, device)
        # With the whole card in a guest, nothing else is to be seen of it.
        found = self._fs.opened_by(function.vfio_nodes())
        if found:
            return found
        card, port = self._find(device, deployable)
        return self._fs.opened_by(card.users_nodes(port))

    def has_vfs(self, device: model.PciAddress, number: int) -> bool:
        try:
            card = dfl_tree.Card(self._fs, device)
            return dfl_ports.settled(self._fs, card, number)
        except OSError as exc:
            self._failed(str(device), exc, 'the card cannot be read')

    def set_vfs(self, device: model.PciAddress, number: int) -> None:
        if self.has_vfs(device, number):
            return
        card = dfl_tree.Card(self._fs, device)
        nodes = [n for port in card.ports() for n in card.users_nodes(port)]
        self.refuse_users(device, self._fs.opened_by(nodes))
        try:
            dfl_ports.Ports(self._fs, device).set_vfs(number)
        except OSError as exc:
            self._failed(str(device), exc, f'{number} virtual functions')

    def _report(self, address: model.PciAddress) -> model.DeviceReport | None:
        card = dfl_tree.Card(self._fs, address)
        function = card.function
        vendor, product = function.id('vendor'), function.id('device')
        family = self._families.find(
            self.name, vendor, product, function.subsystem()
        ) or self._families.unlisted(self.name, vendor, product, 'DFL')
        if family is None:
            LOG.debug('No driver knows card %s (%s)', address, vendor)
            return None
        handles = card.handles()
        plain = self._plain(function, family)
        return dataclasses.replace(
            plain,
            health=model.Health.SUSPECT if card.leaving else model.Health.OK,
            health_reason=pci_function.REMOVAL if card.leaving else '',
            attributes={
                **plain.attributes,
                **card.attributes(),
                **pci_function.iommu_groups(
                    self._fs, [h for found in handles.values() for h in found]
                ),
            },
            deployables=tuple(
                self._deployable(card, family, port, found)
                for port, found in sorted(handles.items())
            ),
        )

    def _plain(
        self, function: pci_function.Function, family: families.Family
    ) -> model.DeviceReport:
        return model.DeviceReport(
            **self._card(function, family),
            serial=function.serial(),
            attributes=pci_function.physical_functions(
                self._fs, function.address
            ),
            deployables=(),
        )

    def _unseen(
        self, address: model.PciAddress, driver: str | None
    ) -> model.DeviceReport | None:
        """A card that shows its ids alone.

        It is in a guest as a whole, or without the kernel's DFL driver.

        :param driver: What has it instead.
        """
        function = pci_function.Function(self._fs, address)
        try:
            family = self._listed_family(function)
            if family is None or function.is_vf():
                return None
            plain = self._plain(function, family)
        except OSError as exc:
            LOG.debug('%s: %s', address, exc)
            return None
        if driver != dfl_tree.GUESTS:
            return dataclasses.replace(
                plain,
                health=model.Health.SUSPECT,
                health_reason=pci_function.not_bound(address, driver),
            )
        region = model.DeployableReport(
            name=f'{address}/port0',
            handles=(address,),
            readable=False,
            program_fixed=family.program_fixed,
            program_rate=family.program_rate,
            wipe_levels=(model.WipeLevel.RESET,),
        )
        return dataclasses.replace(plain, deployables=(region,))

    def _deployable(
        self,
        card: dfl_tree.Card,
        family: families.Family,
        port: int,
        handles: tuple[model.PciAddress, ...],
    ) -> model.DeployableReport:
        function, readable = None, True
        try:
            function = _function(card.afu_id(port))
        except OSError as exc:
            LOG.debug('Port %s of %s: %s', port, card.address, exc)
            readable = False
        try:
            region = card.region_id(port)
        except OSError:
            region = None
        levels: tuple[model.WipeLevel, ...] = ()
        if region in self.blank_images:
            levels = base.LEVELS_OF_BLANKS
        elif card.memory_doors():
            levels = (model.WipeLevel.RESET,)
        return model.DeployableReport(
            name=f'{card.address}/port{port}',
            handles=handles,
            handle_kind=(
                model.HandleKind.PF
                if handles == (card.address,)
                else model.HandleKind.VF
            ),
            region_id=region,
            function_id=function,
            readable=readable,
            program_fixed=family.program_fixed,
            program_rate=family.program_rate,
            wipe_levels=levels,
        )

    def _find(
        self, device: model.PciAddress, deployable: str
    ) -> tuple[dfl_tree.Card, int]:
        match = _NAME.fullmatch(deployable)
        if match and match['card'] == str(device):
            try:
                card = dfl_tree.Card(self._fs, device)
                if int(match['port']) in card.ports():
                    return card, int(match['port'])
            except OSError as exc:
                self._failed(deployable, exc, 'the card cannot be read')
        raise errors.DeviceFailed(
            deployable=deployable,
            cause=model.Cause.DEVICE_GONE,
            detail=f'card {device} has no such region',
        )

    def _reset(self, deployable: str, card: dfl_tree.Card, port: int) -> None:
        """Reset a port without a function, in which nothing else can be."""
        try:
            dfl_ports.reset(self._fs, card, port)
            loaded = _function(card.afu_id(port))
        except OSError as exc:
            self._failed(deployable, exc, f'reset of port {port}')
        if loaded is not None:
            raise errors.DeviceFailed(
                deployable=deployable,
                cause=model.Cause.IMAGE_UNAVAILABLE,
                detail='no reset empties its block memory, and there is no '
                'file to load its function again',
            )

    def _blank(self, device: model.PciAddress, deployable: str) -> None:
        card, port = self._find(device, deployable)
        try:
            image = self.blank_images[card.region_id(port)]
        except (OSError, KeyError) as exc:
            raise errors.DeviceFailed(
                deployable=deployable,
                cause=model.Cause.IMAGE_UNAVAILABLE,
                detail='no blank bitstream is configured for its region',
            ) from exc
        try:
            self.program(device, deployable, image)
            wanted = self.expected_function(image)
        except errors.InvalidInput as exc:
            raise errors.DeviceFailed(
                deployable=deployable,
                cause=model.Cause.IMAGE_CORRUPT,
                detail=f'blank bitstream: {exc.message}',
            ) from exc
        found = self.identify(device, deployable)
        if found != wanted:
            raise errors.DeviceFailed(
                deployable=deployable,
                cause=model.Cause.READBACK_MISMATCH,
                detail=f'function {found} after a blank bitstream',
            )

    def _failed(self, deployable: str, exc: OSError, words: str) -> NoReturn:
        cause = _CAUSES.get(exc.errno or 0, model.Cause.DEVICE_ERROR)
        detail = '; '.join(filter(None, (exc.strerror or str(exc), words)))
        raise errors.DeviceFailed(
            deployable=deployable, cause=cause, detail=detail
        ) from exc


def _function(afu_id: str) -> str | None:
    return None if afu_id in _BLANK else afu_id
