"""``cyborg-fpga-conductor``: claims, programming, inventory, Placement."""

import sys
from collections.abc import Sequence

from oslo_config import cfg

from cyborg_fpga.cmd import service
from cyborg_fpga.conductor import manager
from cyborg_fpga.db import engine


def main(argv: Sequence[str] | None = None) -> int:
    return service.main('cyborg-fpga-conductor', build, argv)


def build(conf: cfg.ConfigOpts) -> manager.Conductor:
    """Put together one of any number of conductors."""
    engine.configure(conf)
    return manager.Conductor(conf, service.transport(conf))


if __name__ == '__main__':
    sys.exit(main())
