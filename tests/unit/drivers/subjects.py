"""The drivers that the contract suite runs, each with cards of its own."""

import dataclasses
import pathlib
from collections.abc import Callable

from cyborg_fpga import model
from cyborg_fpga.bitstream import afi
from cyborg_fpga.drivers import aws_f2
from cyborg_fpga.drivers import base
from cyborg_fpga.drivers import families
from cyborg_fpga.drivers import fpga_manager
from cyborg_fpga.drivers import intel_dfl
from cyborg_fpga.drivers import pci
from cyborg_fpga.drivers import xilinx_xrt
from cyborg_fpga.simulator import samples

FUNCTION = 'd8424dc4a4a3c413f89e433683f9040b'
OTHER_FUNCTION = 'f7df405cbd7acf7222f144b0b93acd18'

_A10 = '69528db6eb31577a8c3668f9faa081f6'
_D5005 = '9346116da52d5ca8b06aa9a389ef7c8d'
_N6000 = 'ce3139c959cf528ca27751c50829797a'
_ZYNQ = 'a1b2c3d4' * 4
_U250 = 'f2b82d53372f41a4bbe93dfe1c0b3c8e'


def _bit(part: str, *, name: str) -> bytes:
    return samples.sample_bit(part, '03727093', name=name)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subject:
    """One driver and a host for it.

    :ivar scenario: At least two cards.
    :ivar card: Address of the card that is worked on; simulated cards are
        named after it too.
    :ivar deployable: Of that card.
    :ivar handles: All of that deployable.
    :ivar levels: What it can be wiped to.
    :ivar image: Makes a file of a function; None: it loads none.
    :ivar misfit: Makes a file for another kind of region.
    :ivar blank: A file without a function, for the region of the site.
    :ivar readable: What is loaded can be read from the card itself.
    :ivar tools: How many are run to look at two cards.
    :ivar site: What the site's table of families says.
    """

    driver: type[base.Driver]
    scenario: str
    card: str
    deployable: str
    handles: tuple[str, ...]
    levels: tuple[model.WipeLevel, ...] = (model.WipeLevel.RESET,)
    image: Callable[[str], bytes] | None = None
    misfit: Callable[[str], bytes] | None = None
    blank: bytes = b''
    readable: bool = True
    tools: int = 0
    site: str = ''

    def table(self, folder: pathlib.Path) -> families.Table:
        if not self.site:
            return families.shipped()
        path = folder / 'families.yaml'
        path.write_text(self.site)
        return families.Table.read(path)


_ALL = (
    model.WipeLevel.RESET,
    model.WipeLevel.CLEAR,
    model.WipeLevel.BLANK,
)
_QUICK = 'program_fixed: 0, program_rate: 1000000000'

SUBJECTS = {
    'intel_dfl': Subject(
        driver=intel_dfl.IntelDFLDriver,
        scenario=f"""
        cards:
          - {{address: '0000:3b:00.0', family: PAC_A10, {_QUICK}}}
          - {{address: '0000:5e:00.0', family: PAC_A10, {_QUICK}}}
        """,
        card='0000:3b:00.0',
        deployable='0000:3b:00.0/port0',
        handles=('0000:3b:00.0',),
        image=lambda function: samples.sample_gbs(_A10, function),
        misfit=lambda function: samples.sample_gbs(_D5005, function),
    ),
    'intel_dfl_vfs': Subject(
        driver=intel_dfl.IntelDFLDriver,
        scenario=f"""
        cards:
          - {{address: '0000:3b:00.0', family: PAC_D5005, vfs: 3, {_QUICK}}}
          - {{address: '0000:5e:00.0', family: PAC_A10, {_QUICK}}}
        """,
        card='0000:3b:00.0',
        deployable='0000:3b:00.0/port0',
        handles=('0000:3b:10.0', '0000:3b:10.2', '0000:3b:10.4'),
        image=lambda function: samples.sample_gbs(_D5005, function),
        misfit=lambda function: samples.sample_gbs(_A10, function),
    ),
    'intel_dfl_old': Subject(
        driver=intel_dfl.IntelDFLDriver,
        scenario=f"""
        cards:
          - {{address: '0000:3b:00.0', old_names: true, {_QUICK}}}
          - {{address: '0000:5e:00.0', family: PAC_A10, {_QUICK}}}
        """,
        card='0000:3b:00.0',
        deployable='0000:3b:00.0/port0',
        handles=('0000:3b:00.0',),
        image=lambda function: samples.sample_gbs(_A10, function),
        misfit=lambda function: samples.sample_gbs(_D5005, function),
        levels=_ALL,
        blank=samples.blank_gbs(_A10),
    ),
    'intel_dfl_ofs': Subject(
        driver=intel_dfl.IntelDFLDriver,
        scenario=f"""
        cards:
          - {{address: '0000:3b:00.0', family: N6000, vfs: 3, {_QUICK}}}
          - {{address: '0000:5e:00.0', family: PAC_A10, {_QUICK}}}
        """,
        card='0000:3b:00.0',
        deployable='0000:3b:00.0/port0',
        handles=('0000:3b:00.5', '0000:3b:00.6', '0000:3b:00.7'),
        image=lambda function: samples.sample_gbs(_N6000, function),
        misfit=lambda function: samples.sample_gbs(_A10, function),
        levels=_ALL,
        blank=samples.blank_gbs(_N6000),
    ),
    'aws_f2': Subject(
        driver=aws_f2.AWSF2Driver,
        scenario=f"""
        cards:
          - {{address: '0000:34:00.0', family: F2, {_QUICK}}}
          - {{address: '0000:5e:00.0', family: F2, {_QUICK}}}
        """,
        card='0000:34:00.0',
        deployable='0000:34:00.0/slot0',
        handles=('0000:34:00.0',),
        levels=(model.WipeLevel.CLEAR,),
        image=lambda function: afi.build(f'agfi-{function[-17:]}', 0x10212415),
        misfit=lambda function: afi.build(
            f'agfi-{function[-17:]}', 0x04261818
        ),
        # One for the slots, and one for each of them.
        tools=3,
    ),
    'fpga_manager': Subject(
        driver=fpga_manager.FPGAManagerDriver,
        scenario=f"""
        cards:
          - {{address: 'ffffffff:ff:00.0', family: ZYNQ7000, {_QUICK}}}
          - {{address: 'ffffffff:ff:00.1', family: ZYNQMP, {_QUICK}}}
        """,
        card='ffffffff:ff:00.0',
        deployable='ffffffff:ff:00.0/full',
        handles=('ffffffff:ff:00.0',),
        levels=_ALL,
        image=lambda function: _bit('7z020clg484-1', name=function),
        misfit=lambda function: _bit('xczu9eg-ffvb1156-2-e', name=function),
        blank=samples.sample_bit('7z020clg484-1', '03727093', name='blank'),
        readable=False,
        site=f"""
        families:
          - driver: fpga_manager
            vendor: xilinx
            name: ZYNQ7000
            managers: ['Xilinx Zynq FPGA Manager']
            part: 7z020
            region: {_ZYNQ}
        """,
    ),
    'xilinx_xrt': Subject(
        driver=xilinx_xrt.XilinxXRTDriver,
        scenario=f"""
        cards:
          - {{address: '0000:3b:00.0', family: U250, {_QUICK}}}
          - {{address: '0000:5e:00.0', family: U250, {_QUICK}}}
        """,
        card='0000:3b:00.0',
        deployable='0000:3b:00.0/user',
        handles=('0000:3b:00.1',),
        levels=_ALL,
        image=lambda function: samples.sample_xclbin(_U250, function),
        misfit=lambda function: samples.sample_xclbin(_A10, function),
        blank=samples.sample_xclbin(_U250, 'b1a4' * 8),
    ),
    'pci': Subject(
        driver=pci.PciDriver,
        scenario="""
        cards:
          - {address: '0000:3b:00.0', family: SRIOV, vfs: 4}
          - {address: '0000:5e:00.0', family: SRIOV}
        """,
        card='0000:3b:00.0',
        deployable='0000:3b:00.0/0000:3b:10.2',
        handles=('0000:3b:10.2',),
        site="""
        families:
          - {driver: pci, vendor: altera, name: X1, ids: ['1172/e001'],
             vf: 'e002'}
        """,
    ),
}
