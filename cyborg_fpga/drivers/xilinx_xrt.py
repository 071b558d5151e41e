"""Alveo and VCK cards through the Xilinx Runtime (XRT).

Such a card has two physical functions: the management function, which can
flash the card and is nobody's, and the user function, which is what a tenant
is given. In a guest only the latter may be there. What is loaded says the
user function's ``xclbinuuid``; it is loaded by XRT's own tools.
"""

import errno
import json
import pathlib
import re
from typing import Any
from typing import NoReturn

from oslo_log import log as logging

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.bitstream import formats
from cyborg_fpga.bitstream import header
from cyborg_fpga.drivers import base
from cyborg_fpga.drivers import holders
from cyborg_fpga.drivers import pci_health
from cyborg_fpga.drivers import sysfs
from cyborg_fpga.drivers import xrt_card

LOG = logging.getLogger(__name__)

#: The user tool, under its newer name too; then the management tool.
_USER_TOOLS = ('xbutil', 'xrt-smi')
_MANAGEMENT_TOOL = 'xbmgmt'
#: Seconds: a large card has been seen to take one minute for 43 MB.
_LOAD_SECONDS = 600.0
_EXAMINE_SECONDS = 60.0
_WORDS_LIMIT = 500

_CAUSES = (
    (re.compile('resource busy|in-?use', re.I), model.Cause.DEVICE_BUSY),
    (re.compile('timed out', re.I), model.Cause.TIMEOUT),
    (
        re.compile('not found|No such device|No devices found', re.I),
        model.Cause.DEVICE_GONE,
    ),
)
_ERRNOS = {
    errno.ETIMEDOUT: model.Cause.TIMEOUT,
    errno.ENODEV: model.Cause.DEVICE_GONE,
    errno.ENOENT: model.Cause.DEVICE_GONE,
    errno.EBUSY: model.Cause.DEVICE_BUSY,
}


class XilinxXRTDriver(base.Driver):
    """Loads xclbin files into the user function's region."""

    name = 'xilinx_xrt'

    def discover(self) -> list[model.DeviceReport]:
        reports = []
        for cards in self._boards():
            try:
                report = self._report(cards)
            except OSError as exc:
                # It went away between two reads.
                LOG.warning('Skipping a card: %s', exc)
                continue
            if report is not None:
                reports.append(report)
        return reports

    def readings(self, card: model.DeviceReport) -> pci_health.Readings:
        problems = [
            problem
            for cards in self._boards()
            for each in cards
            if cards[0].first.address == card.pci_address
            for problem in each.problems()
        ]
        return super().readings(card).plus(problems)

    def program(
        self, device: model.PciAddress, deployable: str, image: pathlib.Path
    ) -> None:
        said = formats.parse(image, only=header.Format.XCLBIN)
        card = self._find(device, deployable)
        try:
            reason = header.fits(said, card.target(deployable))
            users = card.users()
        except OSError as exc:
            self._failed(deployable, exc)
        if reason:
            raise errors.DoesNotFit(reason=reason)
        if users:
            raise errors.DeviceFailed(
                deployable=deployable,
                cause=model.Cause.DEVICE_BUSY,
                detail=f'{users} programs on this host have it open',
            )
        try:
            self._load(deployable, card, image)
        except OSError as exc:
            self._failed(deployable, exc)

    def expected_function(
        self, image: pathlib.Path, *, told: str | None = None
    ) -> str | None:
        return self._named(
            formats.function(image, told, only=header.Format.XCLBIN)
        )

    def identify(
        self, device: model.PciAddress, deployable: str
    ) -> str | None:
        card = self._find(device, deployable)
        try:
            return self._named(card.function())
        except OSError as exc:
            self._failed(deployable, exc)

    def wipe(
        self,
        device: model.PciAddress,
        deployable: str,
        level: model.WipeLevel,
        *,
        image: pathlib.Path | None = None,
    ) -> None:
        card = self._find(device, deployable)
        if level == model.WipeLevel.NONE:
            return
        blank = self.blank_images.get(card.region_id() or '')
        if blank is None:
            raise errors.DeviceFailed(
                deployable=deployable,
                cause=model.Cause.IMAGE_UNAVAILABLE,
                detail='only a blank xclbin wipes such a card, and none is '
                'configured',
            )
        try:
            if self._holds(deployable, card, blank):
                # XRT does not load again what is loaded.
                self._reset(deployable, card)
            # No reset empties the card's memory: the blank xclbin has to.
            self.program(device, deployable, blank)
        except errors.InvalidInput as exc:
            raise errors.DeviceFailed(
                deployable=deployable,
                cause=model.Cause.IMAGE_CORRUPT,
                detail=f'blank xclbin: {exc.message}',
            ) from exc
        found = self.identify(device, deployable)
        if found is not None:
            raise errors.DeviceFailed(
                deployable=deployable,
                cause=model.Cause.READBACK_MISMATCH,
                detail=f'function {found} after a blank xclbin',
            )
        if level == model.WipeLevel.RESET and image is not None:
            self._again(device, deployable, image)

    def _named(self, function: str | None) -> str | None:
        """A blank xclbin has a uuid like any other: it counts as none."""
        for image in self.blank_images.values() if function else ():
            try:
                said = formats.parse(image)
            except errors.BadBitstream as exc:
                LOG.warning('Blank bitstream %s: %s', image, exc.message)
                continue
            if said.function_id == function:
                return None
        return function

    def _boards(self) -> list[list[xrt_card.Card]]:
        return xrt_card.boards(self._fs, self._families, self.name)

    def _report(self, cards: list[xrt_card.Card]) -> model.DeviceReport | None:
        deployables = tuple(filter(None, map(self._deployable, cards)))
        if not deployables:
            return None
        family, first = cards[0].family, cards[0].first
        return model.DeviceReport(
            **self._card(first, family),
            serial=cards[0].serial,
            **xrt_card.health(cards),
            attributes=xrt_card.attributes(self._fs, cards),
            deployables=deployables,
        )

    def _deployable(
        self, card: xrt_card.Card
    ) -> model.DeployableReport | None:
        if card.user is None:
            # Nothing of it could be given to anybody.
            LOG.debug('No user function beside %s', card.first.address)
            return None
        family, first = card.family, card.first
        function, readable = None, True
        try:
            function = self._named(card.function())
        except OSError as exc:
            LOG.debug('%s: %s', first.address, exc)
            readable = False
        region = card.region_id()
        levels: tuple[model.WipeLevel, ...] = ()
        if region in self.blank_images:
            levels = base.LEVELS_OF_BLANKS
        return model.DeployableReport(
            name=_name(first.address),
            handles=(card.user.address,),
            region_id=region,
            function_id=function,
            readable=readable,
            program_fixed=family.program_fixed,
            program_rate=family.program_rate,
            wipe_levels=levels,
        )

    def _load(
        self, deployable: str, card: xrt_card.Card, image: pathlib.Path
    ) -> None:
        """:raises OSError: There is no tool, or it does not end."""
        tool = next(filter(self._fs.has_tool, _USER_TOOLS), None)
        if tool is not None and card.user is not None:
            target, option = card.user.address, '-u'
            self._check_ready(deployable, tool, target)
        elif card.management is not None:
            target, option = card.management.address, '--user'
            tool = _MANAGEMENT_TOOL
        else:
            raise OSError(errno.EIO, "none of XRT's tools is installed")
        # Never --base nor --shell: these write the card's flash.
        ended = self._fs.run(
            tool,
            ('program', '-d', str(target), option, sysfs.IMAGE),
            image=image,
            seconds=_LOAD_SECONDS,
        )
        if ended.code:
            self._refused(deployable, tool, ended)

    def _holds(
        self, deployable: str, card: xrt_card.Card, image: pathlib.Path
    ) -> bool:
        """:raises errors.BadBitstream: *image* is none."""
        try:
            found = card.function()
        except OSError as exc:
            self._failed(deployable, exc)
        return found is not None and found == formats.parse(image).function_id

    def _reset(self, deployable: str, card: xrt_card.Card) -> None:
        """Reset the card, which holds nothing afterwards."""
        tool = next(filter(self._fs.has_tool, _USER_TOOLS), None)
        if tool is None or card.user is None:
            raise errors.DeviceFailed(
                deployable=deployable,
                cause=model.Cause.DEVICE_ERROR,
                detail='the blank xclbin is loaded already, and without '
                f'{" or ".join(_USER_TOOLS)} the card cannot be reset',
            )
        try:
            ended = self._fs.run(
                tool,
                ('reset', '-d', str(card.user.address)),
                seconds=_LOAD_SECONDS,
            )
        except OSError as exc:
            self._failed(deployable, exc)
        # It ends with 0 even where the reset failed.
        if ended.code or 'Successfully reset' not in ended.output:
            self._refused(deployable, tool, ended)

    def _check_ready(
        self, deployable: str, tool: str, target: model.PciAddress
    ) -> None:
        """Let XRT say what it thinks of the card before it is touched."""
        words = f'examine -d {target} -r platform -f JSON -o {sysfs.REPORT}'
        ended = self._fs.run(tool, words.split(), seconds=_EXAMINE_SECONDS)
        if ended.code:
            self._refused(deployable, tool, ended)
        platform = _platform(ended.report)
        calibrated = platform.get('status', {}).get('mig_calibrated')
        if str(calibrated).lower() != 'true':
            raise errors.DeviceFailed(
                deployable=deployable,
                cause=model.Cause.DEVICE_ERROR,
                detail=f'{tool} says that its memory is not calibrated',
            )

    def users(
        self, device: model.PciAddress, deployable: str
    ) -> list[holders.Holder]:
        user = self._find(device, deployable).user
        return self._fs.opened_by(user.vfio_nodes() if user else [])

    def _find(
        self, device: model.PciAddress, deployable: str
    ) -> xrt_card.Card:
        for cards in self._boards():
            for card in cards:
                mine = cards[0].first.address == device
                named = deployable == _name(card.first.address)
                if mine and named and card.user is not None:
                    return card
        raise errors.DeviceFailed(
            deployable=deployable,
            cause=model.Cause.DEVICE_GONE,
            detail=f'card {device} has no such region; is it gone?',
        )

    def _refused(
        self, deployable: str, tool: str, ended: sysfs.Ended
    ) -> NoReturn:
        words = ' '.join(ended.output.split())[-_WORDS_LIMIT:]
        cause = next(
            (cause for pattern, cause in _CAUSES if pattern.search(words)),
            model.Cause.DEVICE_ERROR,
        )
        raise errors.DeviceFailed(
            deployable=deployable,
            cause=cause,
            detail=f'{tool} ended with {ended.code}: {words}',
        )

    def _failed(self, deployable: str, exc: OSError) -> NoReturn:
        raise errors.DeviceFailed(
            deployable=deployable,
            cause=_ERRNOS.get(exc.errno or 0, model.Cause.DEVICE_ERROR),
            detail=exc.strerror or str(exc),
        ) from exc


def _platform(report: str) -> dict[str, Any]:
    """The first platform of XRT's JSON; {} where it is none."""
    try:
        (device,) = json.loads(report)['devices']
        platform = device['platforms'][0]
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}
    return platform if isinstance(platform, dict) else {}


def _name(address: model.PciAddress) -> str:
    return f'{address}/user'
