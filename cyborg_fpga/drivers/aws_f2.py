"""FPGAs of an AWS instance: slots into which AWS loads its images by id.

The instance gets no bits into its hands: it names an image, and AWS's tools
have it loaded. The PCI ids of a slot's function change with the image, its
address does not. Nothing in sysfs says what is loaded, only AWS's tools do,
one slot at a time; but a load removes the slot's function and finds it again,
and that shows. So what a slot was last seen to hold is remembered, and each
look at the cards asks about one slot, in turn, besides those that changed.
"""

import errno
import itertools
import pathlib
import re
from typing import NamedTuple
from typing import NoReturn

from oslo_log import log as logging

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.bitstream import afi
from cyborg_fpga.bitstream import formats
from cyborg_fpga.bitstream import header
from cyborg_fpga.drivers import base
from cyborg_fpga.drivers import families
from cyborg_fpga.drivers import pci_function
from cyborg_fpga.drivers import sysfs

LOG = logging.getLogger(__name__)

_SECONDS = 60.0
_LOAD_SECONDS = 300.0
_WORDS_LIMIT = 500
_NAME = re.compile(r'(?P<card>[0-9a-f:.]+)/slot(?P<slot>[0-9]{1,2})')
_SLOT = re.compile(
    r'^AFIDEVICE\s+([0-9]+)\s+0x[0-9a-f]{4}\s+0x[0-9a-f]{4}\s+(\S+)', re.M
)
_IMAGE = re.compile(
    r'^AFI\s+[0-9]+\s+(\S+|No AFI)\s+\S+\s+([0-9]+)\s+\S+\s+([0-9]+)\s+'
    r'0x([0-9a-f]+)\s*$',
    re.M,
)
_ID = re.compile('agfi-([0-9a-f]{17})')
_CODE = re.compile(r'^Error: \((-?[0-9]+)\)', re.M)

_LOADED, _CLEARED, _NOT_PROGRAMMED = 0, 1, 3
#: Being loaded, its image being fetched into AWS's cache, being reloaded.
_BUSY = (2, 4, 5)
#: What the tools' error codes mean; they are exit codes too.
_CAUSES = {
    3: model.Cause.DEVICE_BUSY,
    5: model.Cause.IMAGE_UNAVAILABLE,
    6: model.Cause.TIMEOUT,
    12: model.Cause.IMAGE_MISMATCH,
    16: model.Cause.DOES_NOT_FIT,
    19: model.Cause.DEVICE_BUSY,
    20: model.Cause.DEVICE_GONE,
    25: model.Cause.TIMEOUT,
}
_ERRNOS = {
    errno.ETIMEDOUT: model.Cause.TIMEOUT,
    errno.ENOENT: model.Cause.DEVICE_GONE,
    errno.ENODEV: model.Cause.DEVICE_GONE,
    errno.EBUSY: model.Cause.DEVICE_BUSY,
}


class _Slot(NamedTuple):
    number: int
    address: model.PciAddress


class _Refused(OSError):
    """A tool ended with an error, which may say what of the request was."""

    def __init__(self, number: int, words: str) -> None:
        super().__init__(errno.EIO, words)
        self.cause = _CAUSES.get(number, model.Cause.DEVICE_ERROR)


class _State(NamedTuple):
    """What is in a slot.

    :ivar shell: Version of the shell.
    """

    image: str
    status: int
    error: int
    shell: int


class _Seen(NamedTuple):
    """A slot as it was last seen.

    :ivar sign: What sysfs showed before, and which of our loads was the
        last; where either is another now, *state* is not to be trusted.
    :ivar state: None: the slot's function was gone.
    """

    sign: tuple[object, ...]
    state: _State | None


class AWSF2Driver(base.Driver):
    """Has AFIs loaded into local slots."""

    name = 'aws_f2'

    def __init__(
        self, fs: sysfs.Sysfs, table: families.Table | None = None
    ) -> None:
        super().__init__(fs, table)
        #: Which functions for management there were when slots were listed.
        self._host: list[model.PciAddress] = []
        #: The one that was asked about longest ago first.
        self._seen: dict[_Slot, _Seen | None] = {}
        self._loads = itertools.count()
        self._loaded: dict[model.PciAddress, int] = {}

    def discover(self) -> list[model.DeviceReport]:
        known = self._known()
        if not known:
            self._host, self._seen = [], {}
            return []
        self._look([function.address for function, _ in known])
        reports = []
        for slot in sorted(self._seen, key=lambda slot: slot.address):
            seen = self._seen[slot]
            if seen is not None and seen.state is not None:
                reports.append(self._report(slot, seen.state, *known[0]))
        return reports

    def _look(self, host: list[model.PciAddress]) -> None:
        """Bring what is remembered of each slot up to date.

        :param host: The functions for management, one for each slot.
        :raises OSError: What the tools say of a slot that is there.
        """
        if host != self._host:
            slots = self._slots()
            self._seen = {slot: self._seen.get(slot) for slot in slots}
            self._host = host
        signs = {slot: self._sign(slot) for slot in self._seen}
        changed = [
            slot
            for slot, seen in self._seen.items()
            if seen is None or seen.sign != signs[slot]
        ]
        # One besides: a load that did not rescan the bus shows nowhere else.
        for slot in changed or list(self._seen)[:1]:
            self._ask(slot, signs[slot])

    def _sign(self, slot: _Slot) -> tuple[object, ...]:
        card = pci_function.Function(self._fs, slot.address)
        try:
            return (
                self._loaded.get(slot.address),
                self._fs.instance(card.path),
                card.id('vendor'),
                card.id('device'),
                card.driver(),
            )
        except OSError:
            return ()

    def _ask(self, slot: _Slot, sign: tuple[object, ...]) -> None:
        """Ask the tools about *slot*, which had *sign* before that."""
        # To its end: whatever comes of it, the others are next.
        self._seen.pop(slot)
        self._seen[slot] = None
        try:
            self._seen[slot] = _Seen(sign, self._state(slot))
        except OSError as exc:
            if self._sign(slot):
                # It is there, so it must not look as if it were not.
                raise
            LOG.warning('Skipping slot %s: %s', slot.number, exc)
            self._seen[slot] = _Seen((), None)

    def program(
        self, device: model.PciAddress, deployable: str, image: pathlib.Path
    ) -> None:
        said = formats.parse(image, only=header.Format.AFI)
        slot = self._find(device, deployable)
        try:
            shell = self._state(slot).shell
            target = header.Target(
                name=deployable, region_ids=(afi.shell_region(shell),)
            )
            reason = header.fits(said, target)
            if reason:
                raise errors.DoesNotFit(reason=reason)
            words = ('-S', str(slot.number), '-I', said.name)
            self._change(slot, 'fpga-load-local-image', *words)
        except OSError as exc:
            self._failed(deployable, exc)

    def expected_function(
        self, image: pathlib.Path, *, told: str | None = None
    ) -> str | None:
        return formats.function(image, told, only=header.Format.AFI)

    def identify(
        self, device: model.PciAddress, deployable: str
    ) -> str | None:
        slot = self._find(device, deployable)
        try:
            return _function(self._state(slot))
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
        slot = self._find(device, deployable)
        if level == model.WipeLevel.NONE:
            return
        if level != model.WipeLevel.CLEAR:
            raise errors.DeviceFailed(
                deployable=deployable,
                cause=model.Cause.DEVICE_ERROR,
                detail=f'a slot cannot be wiped at level {level}',
            )
        try:
            words = ('-S', str(slot.number))
            self._change(slot, 'fpga-clear-local-image', *words)
        except OSError as exc:
            self._failed(deployable, exc)

    def _change(self, slot: _Slot, tool: str, *words: str) -> None:
        """Let *tool* change what is in *slot*.

        :raises OSError: As :meth:`_tell`.
        """
        try:
            self._tell(tool, *words, seconds=_LOAD_SECONDS)
        finally:
            # What a look that is under way sees is of before.
            self._loaded[slot.address] = next(self._loads)

    def _report(
        self,
        slot: _Slot,
        state: _State,
        management: pci_function.Function,
        family: families.Family,
    ) -> model.DeviceReport:
        function, readable = None, True
        try:
            function = _function(state)
        except OSError as exc:
            LOG.debug('Slot %s: %s', slot.number, exc)
            readable = False
        card = pci_function.Function(self._fs, slot.address)
        failed = not readable and state.status not in _BUSY
        return model.DeviceReport(
            driver=self.name,
            pci_address=slot.address,
            vendor=family.vendor,
            family=family.name,
            # The function's own ids change with what is loaded.
            vendor_id=management.id('vendor'),
            product_id=management.id('device'),
            model=family.model,
            numa_node=card.numa_node(),
            health=model.Health.SUSPECT if failed else model.Health.OK,
            health_reason=f'its last load: status {state.status}'
            if failed
            else '',
            attributes={
                **pci_function.physical_functions(self._fs, slot.address),
                **pci_function.iommu_groups(self._fs, [slot.address]),
            },
            deployables=(
                model.DeployableReport(
                    name=f'{slot.address}/slot{slot.number}',
                    handles=(slot.address,),
                    region_id=afi.shell_region(state.shell),
                    function_id=function,
                    readable=readable,
                    program_fixed=family.program_fixed,
                    program_rate=family.program_rate,
                    wipe_levels=(model.WipeLevel.CLEAR,),
                ),
            ),
        )

    def _known(self) -> list[tuple[pci_function.Function, families.Family]]:
        """The functions for management, which every such instance has."""
        found = []
        for address in pci_function.addresses(self._fs):
            function = pci_function.Function(self._fs, address)
            try:
                vendor, device = function.id('vendor'), function.id('device')
            except OSError as exc:
                LOG.debug('%s: %s', address, exc)
                continue
            family = self._families.find(self.name, vendor, device)
            if family is not None:
                found.append((function, family))
        return found

    def _slots(self) -> list[_Slot]:
        """:raises OSError: The tools are missing or fail."""
        found = []
        said = self._tell('fpga-describe-local-image-slots')
        for number, address in _SLOT.findall(said):
            try:
                parsed = model.PciAddress.parse(address)
            except ValueError:
                LOG.debug('Slot %s is at %s', number, address)
                continue
            found.append(_Slot(int(number), parsed))
        return found

    def _state(self, slot: _Slot) -> _State:
        """:raises OSError: EIO where AWS's words are not understood."""
        said = self._tell('fpga-describe-local-image', '-S', str(slot.number))
        match = _IMAGE.search(said)
        if match is None:
            raise OSError(errno.EIO, f'not understood: {said[:80]!r}')
        image, status, error, shell = match.groups()
        return _State(image, int(status), int(error), int(shell, 16))

    def _find(self, device: model.PciAddress, deployable: str) -> _Slot:
        match = _NAME.fullmatch(deployable)
        try:
            if match and match['card'] == str(device) and self._known():
                for slot in self._slots():
                    if (slot.address, slot.number) == (
                        device,
                        int(match['slot']),
                    ):
                        return slot
        except OSError as exc:
            self._failed(deployable, exc)
        raise errors.DeviceFailed(
            deployable=deployable,
            cause=model.Cause.DEVICE_GONE,
            detail=f'there is no such slot at {device}; is it gone?',
        )

    def _tell(
        self, tool: str, *arguments: str, seconds: float = _SECONDS
    ) -> str:
        """What a tool says.

        :raises OSError: It ended with an error, is missing or does not end.
        """
        ended = self._fs.run(tool, arguments, seconds=seconds)
        if ended.code:
            said = _CODE.search(ended.output)
            words = ' '.join(ended.output.split())[-_WORDS_LIMIT:]
            raise _Refused(
                int(said[1]) if said else ended.code,
                f'{tool} ended with {ended.code}: {words}',
            )
        return ended.output

    def _failed(self, deployable: str, exc: OSError) -> NoReturn:
        cause = _ERRNOS.get(exc.errno or 0, model.Cause.DEVICE_ERROR)
        if isinstance(exc, _Refused):
            cause = exc.cause
        raise errors.DeviceFailed(
            deployable=deployable,
            cause=cause,
            detail=exc.strerror or str(exc),
        ) from exc


def _function(state: _State) -> str | None:
    """:raises OSError: EBUSY while it is loaded, EIO after that failed."""
    if state.status in (_CLEARED, _NOT_PROGRAMMED):
        return None
    match = _ID.fullmatch(state.image)
    if state.status == _LOADED and not state.error and match:
        return f'{match[1]:0>32}'
    words = f'status {state.status}, error {state.error}'
    raise OSError(errno.EBUSY if state.status in _BUSY else errno.EIO, words)
