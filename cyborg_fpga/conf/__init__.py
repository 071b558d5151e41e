"""Every configuration option, one module per group.

Modules elsewhere are handed a ``ConfigOpts``; only ``cmd/`` touches the
global one. Each is given groups of its own: a registered ``OptGroup`` keeps
the values that were set, so a shared one would carry them from one
configuration to the next.
"""

import socket
from typing import Any

from oslo_config import cfg
from oslo_db import options as db_options
from oslo_limit import opts as limit_opts
from oslo_log import log as logging
from oslo_middleware import cors
from oslo_policy import opts as policy_opts

from cyborg_fpga.conf import agent
from cyborg_fpga.conf import api
from cyborg_fpga.conf import bitstream
from cyborg_fpga.conf import conductor
from cyborg_fpga.conf import devices
from cyborg_fpga.conf import glance
from cyborg_fpga.conf import nova
from cyborg_fpga.conf import placement

_CORS_HEADERS = ['OpenStack-API-Version', 'X-OpenStack-Request-ID']
_MODULES = (
    agent,
    api,
    bitstream,
    conductor,
    devices,
    glance,
    nova,
    placement,
)

DEFAULT_OPTS: list[cfg.Opt] = [
    cfg.HostAddressOpt(
        'host',
        default=socket.gethostname(),
        sample_default='<hostname>',
        help="""
Name of this host: the queue its agent listens on, and ``hostname`` in the
API. Must be unique in the cloud and must not change while anything on the
host is claimed.
""",
    ),
]


# Kept open by each process. One more than are kept is opened and closed for
# a single transaction, which takes longer than most transactions.
_CONNECTIONS = 20


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register every option of ours, and those of libraries that we use."""
    conf.register_opts(DEFAULT_OPTS)
    for module in _MODULES:
        module.register_opts(conf)
    db_options.set_defaults(conf)
    limit_opts.register_opts(conf)
    if 'debug' not in conf:
        logging.register_options(conf)


def list_opts() -> list[tuple[Any, list[cfg.Opt]]]:
    listed: list[tuple[Any, list[cfg.Opt]]] = [('DEFAULT', DEFAULT_OPTS)]
    for module in _MODULES:
        listed += module.list_opts()
    return listed


def set_defaults() -> None:
    """Defaults of libraries that we change, for sample files too."""
    policy_opts.set_defaults(cfg.CONF, 'policy.yaml')
    cfg.set_defaults(db_options.database_opts, max_pool_size=_CONNECTIONS)
    cors.set_defaults(
        allow_headers=['X-Auth-Token', *_CORS_HEADERS],
        expose_headers=['Location', *_CORS_HEADERS],
        allow_methods=['GET', 'POST', 'PATCH', 'DELETE'],
    )
