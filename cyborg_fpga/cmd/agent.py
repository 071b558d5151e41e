"""``cyborg-fpga-agent``: discovers, reports and programs one host's cards."""

import sys
from collections.abc import Sequence

from oslo_config import cfg

from cyborg_fpga.agent import manager
from cyborg_fpga.cmd import service
from cyborg_fpga.drivers import privileged
from cyborg_fpga.drivers import sysfs
from cyborg_fpga.simulator import accessor


def main(argv: Sequence[str] | None = None) -> int:
    return service.main('cyborg-fpga-agent', build, argv)


def build(conf: cfg.ConfigOpts) -> manager.Agent:
    """Put together the agent of this host, on real or simulated cards."""
    return manager.build(conf, service.transport(conf), filesystem(conf))


def filesystem(conf: cfg.ConfigOpts) -> sysfs.Sysfs:
    """Choose how the cards are reached."""
    if conf.agent.simulator:
        return accessor.SimulatedSysfs(conf.agent.simulator)
    return privileged.PrivilegedSysfs(conf.agent.sysroot, conf.agent.devroot)


if __name__ == '__main__':
    sys.exit(main())
