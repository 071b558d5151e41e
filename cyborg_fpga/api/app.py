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
    app = http_proxy_to_wsgi.HTTPProxyToWSGI(app, conf)
    return cors.CORS(app, conf)
