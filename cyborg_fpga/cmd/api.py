"""``cyborg-fpga-api``: the REST API, served by itself or by a web server."""

import sys
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging

from cyborg_fpga.api import app
from cyborg_fpga.cmd import http
from cyborg_fpga.cmd import service
from cyborg_fpga.db import engine

LOG = logging.getLogger(__name__)

_PROGRAM = 'cyborg-fpga-api'


class Server:
    """The API on the address that ``[api]`` names."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._http: Any = None

    def start(self) -> None:
        where = self._conf.api
        self._http = http.serve(
            _application(self._conf),
            where.host_ip,
            where.port,
            where.threads,
        )
        LOG.info('Listening on %s port %s', where.host_ip, where.port)

    def stop(self) -> None:
        self._http.stop()


def main(argv: Sequence[str] | None = None) -> int:
    return service.main(_PROGRAM, Server, argv)


def application() -> Any:
    """For :mod:`cyborg_fpga.wsgi`: the command line is the web server's."""
    service.configure(cfg.CONF, _PROGRAM, [])
    return _application(cfg.CONF)


def _application(conf: cfg.ConfigOpts) -> Any:
    engine.configure(conf)
    return app.make_app(conf, service.transport(conf))


if __name__ == '__main__':
    sys.exit(main())
