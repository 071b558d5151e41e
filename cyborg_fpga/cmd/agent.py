"""``cyborg-fpga-agent``: discovers, reports and programs one host's cards."""

import os
import sys
from collections.abc import Sequence

from oslo_config import cfg
from oslo_privsep import daemon
from oslo_privsep import priv_context

from cyborg_fpga import errors
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
    """Choose how the cards are reached.

    :raises errors.ServiceUnavailable: The privileged helper does not start.
    """
    if conf.agent.simulator:
        return accessor.SimulatedSysfs(conf.agent.simulator)
    if os.geteuid() == 0:
        # Nothing to gain by sudo; an empty prefix would be ignored.
        priv_context.init(root_helper=['env'])
    try:
        return privileged.PrivilegedSysfs(
            conf.agent.sysroot,
            conf.agent.devroot,
            cache=conf.agent.cache_path,
            firmware=conf.agent.firmware_path,
        )
    except daemon.FailedToDropPrivileges as exc:
        raise errors.ServiceUnavailable(
            service='the privileged helper', reason=str(exc)
        ) from exc


if __name__ == '__main__':
    sys.exit(main())
