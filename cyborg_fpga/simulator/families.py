"""The families of simulated cards, with ids of their own.

A driver's table has no part in it: a mistake there must show.
"""

from typing import Any

#: Family -> its kind, which it cannot change, and defaults of members.
FAMILIES: dict[str, dict[str, Any]] = {
    'PAC_A10': {
        'kind': 'dfl',
        'device': '09c4',
        'vf_device': '09c5',
        'region_id': '69528db6eb31577a8c3668f9faa081f6',
    },
    'PAC_D5005': {
        'kind': 'dfl',
        'device': '0b2b',
        'vf_device': '0b2c',
        'region_id': '9346116da52d5ca8b06aa9a389ef7c8d',
    },
    'N6001': {
        'kind': 'dfl',
        'device': 'bcce',
        'vf_device': 'bccf',
        'subsystem_device': '1771',
        'region_id': 'ce3139c959cf528ca27751c50829797a',
    },
    # The same card as its shell of the Open FPGA Stack shows it.
    'N6000': {
        'kind': 'dfl',
        'device': 'bcce',
        'vf_device': 'bccf',
        'subsystem_device': '1770',
        'region_id': 'ce3139c959cf528ca27751c50829797a',
        'ofs': True,
        'total_vfs': 3,
        'vf_offset': 5,
        'vf_stride': 1,
    },
    'PAC_N3000': {
        'kind': 'dfl',
        'device': '0b30',
        'vf_device': '0b31',
        'region_id': 'a5d72a3cc8b04939912cf715e5dc10ca',
    },
    # Nobody has published the region ids of these two.
    'N5010': {
        'kind': 'dfl',
        'vendor': '1c2c',
        'device': '1000',
        'vf_device': '1000',
        'region_id': '5010' * 8,
    },
    'F5': {
        'kind': 'dfl',
        'vendor': '1ded',
        'device': '8103',
        'vf_device': '8103',
        'region_id': 'f5' * 16,
    },
    # Its regions compute what they are loaded with, see virtual.py.
    'VIRTUAL': {
        'kind': 'dfl',
        'device': 'bcce',
        'vf_device': 'bccf',
        'subsystem_device': '1ce4',
        'region_id': '6d5e0a3c1ce44b8a9f0c2d7e8a41b6f3',
    },
    # Any SR-IOV card: nothing but PCI is known of it.
    'SRIOV': {
        'kind': 'pci',
        'vendor': '1172',
        'device': 'e001',
        'vf_device': 'e002',
        'total_vfs': 8,
        'region_id': None,
    },
    # Two functions: the one for management and, in its slot, the user's.
    'U250': {
        'kind': 'xrt',
        'vendor': '10ee',
        'device': '5004',
        'user_device': '5005',
        'platform': 'xilinx_u250_gen3x16_xdma_shell_4_1',
        'region_id': 'f2b82d53372f41a4bbe93dfe1c0b3c8e',
    },
    # A Versal card: its sensors are shown in another way.
    'VCK5000': {
        'kind': 'xrt',
        'vendor': '10ee',
        'device': '5048',
        'user_device': '5049',
        'platform': 'xilinx_vck5000_gen4x8_qdma_base_2',
        'region_id': '5049' * 8,
    },
    # A slot of an AWS instance; what its shell calls itself is a version.
    'F2': {
        'kind': 'aws',
        'vendor': '1d0f',
        'device': '9048',
        'platform': '10212415',
        'region_id': None,
    },
    # Chips on a board of their own, see zynq.py: 7z020 and zu9eg.
    'ZYNQ7000': {'kind': 'zynq', 'region_id': None, 'idcode': '03727093'},
    'ZYNQMP': {'kind': 'zynq', 'region_id': None, 'idcode': '04738093'},
}

#: Family -> seconds for a load of any size, and bytes per second on top.
#: Whole loads are published to take 1.9 s on a D5005 and 0.9 s on an N6001
#: (OFS getting started guides); of an Alveo card its configuration port is
#: the limit (UG909), of a Zynq its own (UG585). The others are like their kin.
_SPEEDS: dict[str, tuple[float, float]] = {
    'PAC_A10': (0.2, 40e6),
    'PAC_D5005': (0.4, 20e6),
    'N6001': (0.3, 50e6),
    'U250': (0.5, 30e6),
    'F2': (1.0, 1e12),
    'ZYNQ7000': (0.1, 100e6),
    'ZYNQMP': (0.1, 150e6),
}


def speed(family: str) -> dict[str, float]:
    """Members that say how fast cards of *family* are loaded."""
    fixed, rate = _SPEEDS.get(family, _SPEEDS['PAC_A10'])
    return {'program_fixed': fixed, 'program_rate': rate}
