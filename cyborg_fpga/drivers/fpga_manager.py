"""Chips that the kernel's generic FPGA manager loads: Zynq and its kin.

It is the vendor's kernel that lets a file be loaded from outside, through
the attribute ``firmware``; the mainline one has no such door. What is loaded
cannot be read back from the chip, only whether it works: so a function is
known by the hash of its file, and by the record of the last load.

Such a chip is no PCI device. It goes by an address that no bus can have,
which says the number of its manager.
"""

import errno
import hashlib
import pathlib
import re
from typing import NoReturn

from oslo_log import log as logging

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.bitstream import formats
from cyborg_fpga.bitstream import header
from cyborg_fpga.drivers import base
from cyborg_fpga.drivers import families
from cyborg_fpga.drivers import sysfs

LOG = logging.getLogger(__name__)

_CLASS = 'class/fpga_manager'
_MANAGER = re.compile('fpga(?P<number>[0-9]{1,3})')
_NOWHERE = ('ffffffff', 'ff')
_LAST = 0xFF
_BLANK = '0' * 32
_IDS = re.compile('[0-9a-f]{32}')
_OPERATING = 'operating'
#: States in which nothing has been loaded since power came.
_EMPTY = ('unknown', 'power off', 'power up', 'reset')

_CAUSES = {
    errno.EBUSY: model.Cause.DEVICE_BUSY,
    errno.ETIMEDOUT: model.Cause.TIMEOUT,
    errno.ENODEV: model.Cause.DEVICE_GONE,
    errno.ENXIO: model.Cause.DEVICE_GONE,
}


class FPGAManagerDriver(base.Driver):
    """Loads ``.bit`` files through the attribute ``firmware``."""

    name = 'fpga_manager'

    def discover(self) -> list[model.DeviceReport]:
        reports = []
        for path in self._fs.glob(f'{_CLASS}/fpga*'):
            match = _MANAGER.fullmatch(path.rpartition('/')[2])
            if match is None or int(match['number']) > _LAST:
                continue
            try:
                report = self._report(int(match['number']))
            except OSError as exc:
                # It went away between two reads.
                LOG.warning('Skipping %s: %s', path, exc)
                continue
            if report is not None:
                reports.append(report)
        return sorted(reports, key=lambda report: report.pci_address)

    def program(
        self, device: model.PciAddress, deployable: str, image: pathlib.Path
    ) -> None:
        self._load(device, deployable, image, function=_hash(image))

    def expected_function(
        self, image: pathlib.Path, *, told: str | None = None
    ) -> str | None:
        formats.parse(image, only=header.Format.BIT)
        return _hash(image)

    def identify(
        self, device: model.PciAddress, deployable: str
    ) -> str | None:
        number, _ = self._find(device, deployable)
        try:
            return self._function(number)
        except OSError as exc:
            self._failed(deployable, exc, '')

    def wipe(
        self,
        device: model.PciAddress,
        deployable: str,
        level: model.WipeLevel,
        *,
        image: pathlib.Path | None = None,
    ) -> None:
        _, family = self._find(device, deployable)
        if level == model.WipeLevel.NONE:
            return
        if level == model.WipeLevel.RESET and image is not None:
            # A configuration sets all that the chip holds.
            self._again(device, deployable, image)
            return
        blank = self.blank_images.get(family.region)
        if blank is None:
            raise errors.DeviceFailed(
                deployable=deployable,
                cause=model.Cause.IMAGE_UNAVAILABLE,
                detail='only a blank bitstream wipes such a chip, and none is '
                'configured',
            )
        try:
            self._load(device, deployable, blank, function=_BLANK)
        except errors.InvalidInput as exc:
            raise errors.DeviceFailed(
                deployable=deployable,
                cause=model.Cause.IMAGE_CORRUPT,
                detail=f'blank bitstream: {exc.message}',
            ) from exc

    def _report(self, number: int) -> model.DeviceReport | None:
        family = self._family(number)
        if family is None:
            return None
        address = _address(number)
        function, readable = None, True
        try:
            function = self._function(number)
        except OSError as exc:
            LOG.debug('fpga%s: %s', number, exc)
            readable = False
        levels: tuple[model.WipeLevel, ...] = ()
        if family.region in self.blank_images:
            levels = base.LEVELS_OF_BLANKS
        state = self._state(number)
        failed = 'error' in state
        return model.DeviceReport(
            driver=self.name,
            pci_address=address,
            vendor=family.vendor,
            family=family.name,
            vendor_id=self._families.vendor_id(family.vendor),
            product_id='0000',
            model=family.model,
            health=model.Health.SUSPECT if failed else model.Health.OK,
            health_reason=f'its last load: {state}' if failed else '',
            deployables=(
                model.DeployableReport(
                    name=_name(address),
                    handles=(address,),
                    handle_kind=model.HandleKind.TEST_PCI,
                    region_id=family.region or None,
                    function_id=function,
                    readable=readable,
                    program_fixed=family.program_fixed,
                    program_rate=family.program_rate,
                    wipe_levels=levels,
                ),
            ),
        )

    def _load(
        self,
        device: model.PciAddress,
        deployable: str,
        image: pathlib.Path,
        *,
        function: str,
    ) -> None:
        said = formats.parse(image, only=header.Format.BIT)
        number, family = self._find(device, deployable)
        if family.part:
            target = header.Target(name=deployable, part=family.part)
            reason = header.fits(said, target)
            if reason:
                raise errors.DoesNotFit(reason=reason)
        try:
            self._fs.load_firmware(
                number,
                image,
                offset=said.payload_offset,
                function=function,
                partial=bool(said.partial),
            )
        except OSError as exc:
            self._failed(deployable, exc, self._words(number))
        state = self._state(number)
        if state != _OPERATING:
            # The write returns the result; a kernel that does not is caught.
            self._failed(deployable, OSError(errno.EIO, state), '')

    def _function(self, number: int) -> str | None:
        """What is loaded.

        :raises OSError: EIO after a load that failed or was refused, EBUSY
            amid one.
        """
        state = self._fs.read(f'{_CLASS}/fpga{number}/state')
        if state in _EMPTY:
            return None
        if state != _OPERATING:
            failed = 'error' in state
            raise OSError(errno.EIO if failed else errno.EBUSY, state)
        found = self._fs.loaded_firmware(number)
        if found == sysfs.UNKNOWN:
            raise OSError(
                errno.EIO,
                'the last load was refused or cut short, so that the chip may '
                'hold what it held before',
            )
        if found is None or found == _BLANK or not _IDS.fullmatch(found):
            return None
        return found

    def _family(self, number: int) -> families.Family | None:
        """:raises OSError: It is gone, or does not say its name."""
        path = f'{_CLASS}/fpga{number}'
        family = self._families.manager(
            self.name, self._fs.read(f'{path}/name')
        )
        if family is not None and not self._fs.exists(f'{path}/firmware'):
            LOG.debug('The kernel lets nobody load %s', path)
            return None
        return family

    def _find(
        self, device: model.PciAddress, deployable: str
    ) -> tuple[int, families.Family]:
        number = _number(device)
        try:
            if number is not None and deployable == _name(device):
                family = self._family(number)
                if family is not None:
                    return number, family
        except OSError as exc:
            LOG.debug('%s: %s', deployable, exc)
        raise errors.DeviceFailed(
            deployable=deployable,
            cause=model.Cause.DEVICE_GONE,
            detail=f'there is no FPGA manager {device}; is it gone?',
        )

    def _state(self, number: int) -> str:
        try:
            return self._fs.read(f'{_CLASS}/fpga{number}/state')
        except OSError as exc:
            return exc.strerror or 'error'

    def _words(self, number: int) -> str:
        """What the manager says of the last load."""
        words = [self._state(number)]
        try:
            words.append(self._fs.read(f'{_CLASS}/fpga{number}/status'))
        except OSError as exc:
            LOG.debug('fpga%s: %s', number, exc)
        return ': '.join(filter(None, words))

    def _failed(self, deployable: str, exc: OSError, words: str) -> NoReturn:
        cause = _CAUSES.get(exc.errno or 0, model.Cause.DEVICE_ERROR)
        detail = '; '.join(filter(None, (exc.strerror or str(exc), words)))
        raise errors.DeviceFailed(
            deployable=deployable, cause=cause, detail=detail
        ) from exc


def _address(number: int) -> model.PciAddress:
    return model.PciAddress(*_NOWHERE, f'{number >> 3:02x}', str(number & 7))


def _number(address: model.PciAddress) -> int | None:
    if (address.domain, address.bus) != _NOWHERE:
        return None
    return int(address.device, 16) << 3 | int(address.function)


def _name(address: model.PciAddress) -> str:
    return f'{address}/full'


def _hash(image: pathlib.Path) -> str:
    """32 hex digits that name a file by its contents."""
    with open(image, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()[:32]
