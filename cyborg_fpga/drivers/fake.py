"""A card that is not there, for test beds: what Cyborg's of that name is.

One card with one region that sixteen guests can share. Its handles are of
the kind ``TEST_PCI``, which Nova takes and does not attach. It keeps what is
loaded in memory, so the end of the agent is its loss of power.
"""

import pathlib

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.bitstream import formats
from cyborg_fpga.bitstream import header
from cyborg_fpga.drivers import base
from cyborg_fpga.drivers import families
from cyborg_fpga.drivers import sysfs

ADDRESS = model.PciAddress.parse('0000:0c:00.0')
#: What bitstreams for it are made for.
REGION = 'fa4e' * 8

_BLANK = '0' * 32
_DEPLOYABLE = f'{ADDRESS}/region0'
# The first function is the card's own.
_HANDLES = tuple(
    model.PciAddress.parse(f'0000:0c:0{number // 8}.{number % 8}')
    for number in range(1, 17)
)


class FakeDriver(base.Driver):
    """Programs in no time, and does what it is told."""

    name = 'fake'

    def __init__(
        self, fs: sysfs.Sysfs, table: families.Table | None = None
    ) -> None:
        super().__init__(fs, table)
        # What another driver finds on its card.
        self._function: str | None = None

    def discover(self) -> list[model.DeviceReport]:
        region = model.DeployableReport(
            name=_DEPLOYABLE,
            handles=_HANDLES,
            handle_kind=model.HandleKind.TEST_PCI,
            region_id=REGION,
            function_id=self._function,
            program_fixed=0.0,
            wipe_levels=(model.WipeLevel.RESET, model.WipeLevel.CLEAR),
        )
        return [
            model.DeviceReport(
                driver=self.name,
                pci_address=ADDRESS,
                # Test beds look for these very letters.
                vendor='0xABCD',
                family='FAKE',
                vendor_id='abcd',
                product_id='abcd',
                model='Fake device',
                attributes={'class': 'Fake class'},
                traits=('CUSTOM_FAKE_DEVICE',),
                deployables=(region,),
            )
        ]

    def program(
        self, device: model.PciAddress, deployable: str, image: pathlib.Path
    ) -> None:
        said = formats.parse(image, only=header.Format.GBS)
        self._find(device, deployable)
        target = header.Target(name=deployable, region_ids=(REGION,))
        reason = header.fits(said, target)
        if reason:
            raise errors.DoesNotFit(reason=reason)
        self._function = self.expected_function(image)

    def expected_function(
        self, image: pathlib.Path, *, told: str | None = None
    ) -> str | None:
        function = formats.function(image, told, only=header.Format.GBS)
        return None if function == _BLANK else function

    def identify(
        self, device: model.PciAddress, deployable: str
    ) -> str | None:
        self._find(device, deployable)
        return self._function

    def wipe(
        self,
        device: model.PciAddress,
        deployable: str,
        level: model.WipeLevel,
        *,
        image: pathlib.Path | None = None,
    ) -> None:
        self._find(device, deployable)
        if level is model.WipeLevel.CLEAR:
            self._function = None

    def _find(self, device: model.PciAddress, deployable: str) -> None:
        if (device, deployable) != (ADDRESS, _DEPLOYABLE):
            raise errors.DeviceFailed(
                deployable=deployable,
                cause=model.Cause.DEVICE_GONE,
                detail=f'card {device} has no such region',
            )
