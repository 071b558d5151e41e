"""What a vendor driver must provide. Read this file to write one."""

import abc
import pathlib
import types
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import ClassVar

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.drivers import families
from cyborg_fpga.drivers import holders
from cyborg_fpga.drivers import pci_function
from cyborg_fpga.drivers import pci_health
from cyborg_fpga.drivers import sysfs

#: Of a card that a blank image empties: after it, what was there before can
#: be loaded again.
LEVELS_OF_BLANKS = (
    model.WipeLevel.RESET,
    model.WipeLevel.CLEAR,
    model.WipeLevel.BLANK,
)


class Driver(abc.ABC):
    """One family of FPGA cards on one host.

    The agent makes one instance per enabled driver. It calls
    :meth:`discover` once at a time and the others from one thread per
    card, so a driver keeps no state but its accessor, through which it does
    all input and output, and what it can do without.
    """

    #: Name in ``[agent] enabled_drivers`` and in ``devices.driver``.
    name: ClassVar[str]

    #: Region id -> file that leaves the region without a function. The agent
    #: sets it once from ``[agent] blank_bitstreams`` before the first call.
    blank_images: Mapping[str, pathlib.Path] = types.MappingProxyType({})

    def __init__(
        self, fs: sysfs.Sysfs, table: families.Table | None = None
    ) -> None:
        self._fs = fs
        self._families = table or families.shipped()

    @abc.abstractmethod
    def discover(self) -> list[model.DeviceReport]:
        """Report every card of this family present now.

        Must not change any hardware. An absent card is left out; an
        attribute that cannot be read is a normal state of that attribute,
        never the end of the scan.

        :returns: Cards ordered by PCI address; [] when there are none.
        """

    def readings(self, card: model.DeviceReport) -> pci_health.Readings:
        """Read how *card* is now: sensors, counters, error registers.

        For what does not say it itself in :meth:`discover`, as the state of
        a card's last load is. Must not change any hardware. This one reads
        what the kernel has of any PCI function; a driver that knows more adds
        to it.

        :param card: From the :meth:`discover` just before.
        """
        return pci_health.read(self._fs, pci_health.physical(card))

    @abc.abstractmethod
    def program(
        self, device: model.PciAddress, deployable: str, image: pathlib.Path
    ) -> None:
        """Load *image* into *deployable*; return once the kernel says done.

        Blocks for as long as the hardware takes. Repeating a call that
        succeeded must be harmless. The caller reads back what was loaded.

        :param deployable: ``DeployableReport.name`` from :meth:`discover`.
        :param image: A local, checksum-verified file.
        :raises errors.BadBitstream: Not a file of this driver's formats.
        :raises errors.DoesNotFit: Made for another region. Neither has
            touched the card.
        :raises errors.DeviceFailed: The card or kernel refused; the region's
            contents are then unknown.
        """

    @abc.abstractmethod
    def expected_function(
        self, image: pathlib.Path, *, told: str | None = None
    ) -> str | None:
        """The function id that *image* must show once loaded.

        :param told: What the catalogue says of it, for formats that do not
            name their function; a file's own word goes before it.
        :returns: None for an image that leaves the region blank.
        :raises errors.BadBitstream: Not a file of this driver's formats, or
            nobody says which function it is.
        """

    @abc.abstractmethod
    def identify(
        self, device: model.PciAddress, deployable: str
    ) -> str | None:
        """Read the loaded function back from the card; None when blank.

        :raises errors.DeviceFailed: It cannot be read now.
        """

    @abc.abstractmethod
    def wipe(
        self,
        device: model.PciAddress,
        deployable: str,
        level: model.WipeLevel,
        *,
        image: pathlib.Path | None = None,
    ) -> None:
        """Remove what the last user left, as *level* says.

        All of it: registers and block memory of the logic, and the card's
        own memory. A driver must not offer a level at which something of it
        stays. On most hardware nothing but a configuration empties block
        memory, so ``reset`` loads once more what is loaded.

        :param level: One of the report's ``wipe_levels``.
        :param image: With ``reset``, the verified file of what is loaded;
            None: nothing is loaded, or that file cannot be had.
        :raises errors.DeviceFailed: It did not work; the region must not be
            offered to anybody.
        """

    def users(
        self, device: model.PciAddress, deployable: str
    ) -> list[holders.Holder]:
        """Processes that use *deployable* now, guests among them.

        The kernel stops nobody from reprogramming it under them; the agent
        asks this before it calls :meth:`program` or :meth:`wipe`.
        """
        return self._fs.opened_by(
            pci_function.Function(self._fs, device).vfio_nodes()
        )

    def has_vfs(self, device: model.PciAddress, number: int) -> bool:
        """Whether :meth:`set_vfs` would have nothing to do.

        Asked with every scan, so it reads little, and nothing that blocks
        while somebody writes.
        """
        return not number

    def set_vfs(self, device: model.PciAddress, number: int) -> None:
        """Give a card *number* virtual functions, in place of what it has.

        Blocks for seconds. The caller sees to it that nobody has claimed
        anything of the card. Repeating it is harmless, also after it failed.

        :raises errors.DeviceFailed: It did not work; ``device_busy`` where
            somebody uses the card, which is then left as it was.
        """
        raise errors.DeviceFailed(
            deployable=str(device),
            cause=model.Cause.DEVICE_ERROR,
            detail=f'driver {self.name} makes no virtual functions',
        )

    def _again(
        self, device: model.PciAddress, deployable: str, image: pathlib.Path
    ) -> None:
        """Load *image*, which was loaded before it was wiped.

        :raises errors.DeviceFailed: Also where the file is at fault: the card
            is not what it was any more.
        """
        try:
            self.program(device, deployable, image)
        except errors.InvalidInput as exc:
            raise errors.DeviceFailed(
                deployable=deployable,
                cause=model.Cause.IMAGE_CORRUPT,
                detail=exc.message,
            ) from exc

    @staticmethod
    def refuse_users(
        device: model.PciAddress, found: Sequence[holders.Holder]
    ) -> None:
        """Go on only where nobody was found.

        :raises errors.DeviceFailed: ``device_busy``, naming them.
        """
        if found:
            raise errors.DeviceFailed(
                deployable=str(device),
                cause=model.Cause.DEVICE_BUSY,
                detail=f'in use: {"; ".join(map(str, found))}',
            )

    @staticmethod
    def refuse_removal(
        deployable: str, leaving: Sequence[model.PciAddress]
    ) -> None:
        """Go on only where no virtual function is on its way out.

        :raises errors.DeviceFailed: ``device_busy``, naming them.
        """
        if leaving:
            raise errors.DeviceFailed(
                deployable=deployable,
                cause=model.Cause.DEVICE_BUSY,
                detail=f'{pci_function.REMOVAL}: '
                f'{", ".join(map(str, leaving))}',
            )

    def _listed_family(
        self, function: pci_function.Function
    ) -> families.Family | None:
        """The listed family of a PCI function; OSError: no ids to be read."""
        return self._families.find(
            self.name,
            function.id('vendor'),
            function.id('device'),
            function.subsystem(),
        )

    def _card(
        self, first: pci_function.Function, family: families.Family
    ) -> dict[str, Any]:
        """Members of a card's report: what its first function says.

        :raises OSError: It has gone.
        """
        return {
            'driver': self.name,
            'pci_address': first.address,
            'vendor': family.vendor,
            'family': family.name,
            'vendor_id': first.id('vendor'),
            'product_id': first.id('device'),
            'model': family.model,
            'numa_node': first.numa_node(),
        }
