"""The agents of the all-in-one: one for each simulated host."""

import pathlib
from typing import Any

import oslo_messaging as messaging
import yaml
from oslo_config import cfg

from cyborg_fpga import conf as our_conf
from cyborg_fpga.agent import manager
from cyborg_fpga.drivers import sysfs
from cyborg_fpga.simulator import accessor
from cyborg_fpga.simulator import samples
from cyborg_fpga.simulator import scenario
from cyborg_fpga.simulator import server

#: Kind of card -> the driver that looks after it.
_DRIVERS = {
    'dfl': 'intel_dfl',
    'xrt': 'xilinx_xrt',
    'aws': 'aws_f2',
    'zynq': 'fpga_manager',
    'pci': 'pci',
}
#: What a site would say of its boards: name of the manager and region id.
BOARDS = {
    'ZYNQ7000': ('Xilinx Zynq FPGA Manager', '2c5a71e0' * 4),
    'ZYNQMP': ('Xilinx ZynqMP FPGA Manager', '2c5a71e1' * 4),
}


def agents(
    file: pathlib.Path,
    folder: pathlib.Path,
    places: list[server.Place],
    transport: messaging.Transport,
    point: pathlib.Path | None = None,
) -> dict[str, manager.Agent]:
    """Put together the agents of the hosts that are served at *places*.

    :param file: The configuration that they share.
    :param folder: Where their journals and caches go.
    :param point: Where the hosts are mounted; None: they are not, and what a
        kernel would be asked the cards are asked directly.
    :returns: By the hosts' names.
    """
    found = {}
    for place in places:
        path = place.directory / 'scenario.yaml'
        cards = scenario.parse(path.read_text()).cards
        conf = cfg.ConfigOpts()
        our_conf.register_opts(conf)
        conf(
            ['--config-file', str(file)],
            project='cyborg_fpga',
            default_config_dirs=[],
        )
        own = place.directory.relative_to(folder / 'host')
        for group, values in _settings(folder, own, place, cards).items():
            for name, value in values.items():
                conf.set_override(name, value, group)
        conf.set_override('host', place.name)
        fs: sysfs.Sysfs = accessor.SimulatedSysfs(place.directory)
        if point is not None:
            fs = accessor.MountedSysfs(place.directory, point / own)
        found[place.name] = manager.build(conf, transport, fs)
    return found


def _settings(
    folder: pathlib.Path,
    own: pathlib.Path,
    place: server.Place,
    cards: tuple[scenario.Card, ...],
) -> dict[str, dict[str, Any]]:
    kinds = {card.kind for card in cards}
    table = place.directory / 'families.yaml'
    table.write_text(yaml.safe_dump({'families': _families(cards)}))
    blanks = place.directory / 'blank'
    for card in cards:
        if card.family in BOARDS:
            path = blanks / f'{BOARDS[card.family][1]}.bit'
            path.write_bytes(samples.blank_bit(card.family))
    return {
        'agent': {
            'enabled_drivers': [
                driver for kind, driver in _DRIVERS.items() if kind in kinds
            ],
            'simulator': str(place.directory),
            'state_path': str(folder / 'agent' / own),
            'cache_path': str(folder / 'cache' / own),
            'blank_bitstreams': {
                path.stem: str(path) for path in sorted(blanks.iterdir())
            },
        },
        'devices': {'families': str(table)},
    }


def _families(cards: tuple[scenario.Card, ...]) -> list[dict[str, Any]]:
    """What only a site can say of its cards."""
    found: list[dict[str, Any]] = [
        {
            'driver': 'pci',
            'vendor': 'simulated',
            'name': 'SRIOV',
            'ids': [f'{card.vendor}/{card.device}'],
            'vf': card.vf_device,
        }
        for card in cards
        if card.kind == 'pci'
    ]
    for name in sorted({card.family for card in cards} & set(BOARDS)):
        manager_name, region = BOARDS[name]
        found.append(
            {
                'driver': 'fpga_manager',
                'vendor': 'xilinx',
                'name': name,
                'managers': [manager_name],
                'region': region,
            }
        )
    return found
