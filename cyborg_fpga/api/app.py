"""Put the WSGI application together."""

from typing import Any

import oslo_messaging as messaging
from oslo_config import cfg
from oslo_middleware import cors
from oslo_middleware import http_proxy_to_wsgi
from oslo_middleware import request_id

from cyborg_fpga import policy
from cyborg_fpga.api import auth
from cyborg_fpga.api import faults
from cyborg_fpga.api import handler
from cyborg_fpga.api import octets
from cyborg_fpga.api import routes
from cyborg_fpga.api import sizelimit
from cyborg_fpga.rpc import conductor


def make_app(conf: cfg.ConfigOpts, transport: messaging.Transport) -> Any:
    """The API as *conf* says, asking conductors through *transport*.

    The database must have been configured with ``db.engine.configure``.
    """
    auth.register_opts(conf)
    services = handler.Services(
        conf=conf,
        conductor=conductor.ConductorAPI(
            transport, timeout=conf.api.conductor_timeout
        ),
        policy=policy.Policy(conf),
    )
    app: Any = routes.Root(routes.table(services))
    whole = app = auth.protect(app, conf)
    app = sizelimit.SizeLimit(
        app, conf.api.max_body_bytes, {'run': conf.api.max_function_bytes}
    )
    app = octets.Lift(app, whole, conf.api.max_upload_bytes)
    app = faults.Barrier(app)
    app = request_id.RequestId(app, conf)
    return _cors(_proxied(app, conf), conf)


# Each middleware of oslo's costs as much as a request of the database's: they
# are passed by where they would do nothing.


def _proxied(app: Any, conf: cfg.ConfigOpts) -> Any:
    proxied = http_proxy_to_wsgi.HTTPProxyToWSGI(app, conf)
    on = conf.oslo_middleware.enable_proxy_headers_parsing
    return proxied if on else app


def _cors(app: Any, conf: cfg.ConfigOpts) -> Any:
    crossed = cors.CORS(app, conf)

    def call(environ: dict[str, Any], start: Any) -> Any:
        asked = environ['REQUEST_METHOD'] == 'OPTIONS'
        whole = crossed if asked or 'HTTP_ORIGIN' in environ else app
        return whole(environ, start)

    return call
