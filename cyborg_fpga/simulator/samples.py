"""Bitstream files that the simulated cards can load.

They are written as a build would write them, with what the service has for
that; how the cards read them is not to be found there.
"""

import hashlib

from cyborg_fpga.bitstream import afi
from cyborg_fpga.bitstream import gbs
from cyborg_fpga.bitstream import ice40
from cyborg_fpga.bitstream import xclbin
from cyborg_fpga.bitstream import xilinx_bit
from cyborg_fpga.simulator import aws
from cyborg_fpga.simulator import families
from cyborg_fpga.simulator import payload
from cyborg_fpga.simulator import virtual
from cyborg_fpga.simulator import zynq

BLANK = '0' * 32
_BLANK_XCLBIN = 'b1a4' * 8
#: Functions of blank images; they overwrite the card's memory.
BLANKS = (BLANK, _BLANK_XCLBIN)
_PARTS = {'03727093': '7z020clg484-1', '04738093': 'xczu9eg-ffvb1156-2-e'}
#: Columns and rows of a bank of an iCE40 HX8K's configuration memory.
_WIDTH, _HEIGHT, _BANKS = 872, 272, 4
#: What the default scenario's two like cards have, and a function for it.
EXAMPLE_REGION = '69528db6eb31577a8c3668f9faa081f6'
EXAMPLE_FUNCTION = 'd8424dc4a4a3c413f89e433683f9040b'


def sample_gbs(
    region_id: str, function_id: str, *, size: int = 65536, name: str = 'afu'
) -> bytes:
    """Make a whole file whose function is *function_id*.

    The same arguments make the same bytes.

    :param size: Bytes of the raw image's body; those of a virtual FPGA are
        all of one size.
    """
    if region_id == virtual.REGION:
        raw = sample_virtual(region_id, function_id)
        return gbs.build(region_id, function_id, raw, name=name)
    seed = f'{region_id}/{function_id}/{name}'.encode()
    body = hashlib.shake_128(seed).digest(size)
    raw = payload.build(region_id, function_id, body)
    return gbs.build(region_id, function_id, raw, name=name)


def virtual_image(bitstream: bytes, region_id: str, function_id: str) -> bytes:
    """What a region that computes takes: *bitstream* with its comment.

    :raises errors.BadBitstream: It is not for an iCE40.
    """
    text = f'interface {region_id} function {function_id}'
    return ice40.with_comment(bitstream, text)


def sample_virtual(region_id: str, function_id: str) -> bytes:
    """An image that configures nothing, for regions that need not compute."""
    bank = bytes(_WIDTH * _HEIGHT // 8)
    made = ice40.build(_WIDTH, _HEIGHT, [bank] * _BANKS)
    return virtual_image(made, region_id, function_id)


def sample_for(family: str, function_id: str, *, size: int = 65536) -> bytes:
    """Make a whole file that cards of *family* can load.

    :raises ValueError: There is no such family, or its cards load none.
    """
    members = families.FAMILIES.get(family, {})
    region = members.get('region_id') or ''
    match members.get('kind'):
        case 'dfl':
            return sample_gbs(region, function_id, size=size)
        case 'xrt':
            return sample_xclbin(region, function_id, size=size)
        case 'zynq':
            idcode = members['idcode'] or ''
            part = _PARTS[idcode]
            return sample_bit(part, idcode, name=function_id, size=size)
        case 'aws':
            shell = int(members['platform'] or '', 16)
            return afi.build(aws.image_id(function_id), shell)
    raise ValueError(f'cards of family {family} load no images')


def blank_gbs(region_id: str) -> bytes:
    """Make a whole file that leaves the region without a function."""
    return sample_gbs(region_id, BLANK, size=4096, name='blank')


def blank_xclbin(region_id: str) -> bytes:
    """The same for an Alveo card; it has a uuid like any xclbin."""
    return sample_xclbin(region_id, _BLANK_XCLBIN, size=4096)


def blank_bit(family: str) -> bytes:
    """The same for a chip of *family*."""
    return sample_for(family, 'blank', size=4096)


def sample_bit(
    part: str, idcode: str, *, name: str = 'top', size: int = 65536
) -> bytes:
    """Make a whole ``.bit`` file for a chip; what it does says *name*.

    The same arguments make the same bytes.
    """
    body = hashlib.shake_128(name.encode()).digest(size)
    return xilinx_bit.build(part, zynq.build(idcode, body), name=name)


def sample_xclbin(
    region_id: str, function_id: str, *, platform: str = '', size: int = 65536
) -> bytes:
    """Make a whole xclbin for the shell whose interface is *region_id*.

    The same arguments make the same bytes.
    """
    body = hashlib.shake_128(function_id.encode()).digest(size)
    raw = payload.build(region_id, function_id, body)
    return xclbin.build(region_id, function_id, raw, platform=platform)
