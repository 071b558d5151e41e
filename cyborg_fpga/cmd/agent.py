"""``cyborg-fpga-agent``: discovers, reports and programs one host's cards."""

import json
import os
import sys
from collections.abc import Sequence

from oslo_config import cfg
from oslo_privsep import daemon
from oslo_privsep import priv_context

from cyborg_fpga import conf as our_conf
from cyborg_fpga import errors
from cyborg_fpga.agent import manager
from cyborg_fpga.agent import probe
from cyborg_fpga.cmd import service
from cyborg_fpga.drivers import privileged
from cyborg_fpga.drivers import sysfs
from cyborg_fpga.simulator import accessor

_PROGRAM = 'cyborg-fpga-agent'
_PROBE = cfg.BoolOpt(
    'probe',
    default=False,
    help='Print what is found on this host as JSON and end. Changes nothing, '
    'and asks no other service.',
)


class _ReadOnlySimulator(probe.ReadOnly, accessor.SimulatedSysfs):
    """A simulated host that nobody changes."""


def main(argv: Sequence[str] | None = None) -> int:
    words = sys.argv[1:] if argv is None else list(argv)
    cfg.CONF.register_cli_opt(_PROBE)
    if '--probe' in words:
        return _probe(cfg.CONF, words)
    return service.main(_PROGRAM, build, words)


def _probe(conf: cfg.ConfigOpts, words: list[str]) -> int:
    our_conf.register_opts(conf)
    try:
        # No log: it may be a file of the agent's, which runs beside this.
        conf(words, project='cyborg_fpga', prog=_PROGRAM)
        fs: probe.ReadOnly
        if conf.agent.simulator:
            fs = _ReadOnlySimulator(conf.agent.simulator)
        else:
            fs = probe.ReadOnly(
                conf.agent.sysroot,
                conf.agent.devroot,
                firmware=conf.agent.firmware_path,
                tools=conf.agent.tools_path,
            )
        found = probe.probe(conf, fs)
    except (cfg.Error, ValueError) as exc:
        return service.complain(_PROGRAM, exc)
    print(json.dumps(found, indent=2))
    return 0


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
            firmware=conf.agent.firmware_path,
            tools=conf.agent.tools_path,
        )
    except daemon.FailedToDropPrivileges as exc:
        raise errors.ServiceUnavailable(
            service='the privileged helper', reason=str(exc)
        ) from exc


if __name__ == '__main__':
    sys.exit(main())
