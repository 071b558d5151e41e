"""Cyborg itself, in a process of its own; ``--help`` names the arguments.

Run by a Python that has openstack-cyborg and none of ours. API, conductor
and what is left of an agent are threads of one process, behind the web
server that ours has. The host, which must be in Placement, has the card of
Cyborg's driver ``fake``. Who calls is what his token says,
``user:project:roles``.
"""

import argparse
import pathlib
import sqlite3
import sys
import threading

# Chooses threads for oslo.service; the others must find that done.
import cyborg.cmd  # noqa: F401  # isort: skip
import oslo_messaging as messaging
import sqlalchemy as sa
from cheroot import wsgi
from cyborg import context
from cyborg.accelerator.drivers import fake
from cyborg.api import wsgi_app
from cyborg.common import constants
from cyborg.common import rpc
from cyborg.common import service
from cyborg.conductor import manager
from cyborg.db import migration
from cyborg.objects import base

_CONF = """
[DEFAULT]
host = {host}
transport_url = {transport}
use_stderr = true
[api]
api_paste_config = {folder}/api-paste.ini
[database]
connection = {connection}
[placement]
auth_type = admin_token
token = admin
endpoint = {placement}
endpoint_override = {placement}
[nova]
auth_type = admin_token
token = admin
endpoint = {nova}
endpoint_override = {nova}
[oslo_policy]
enforce_new_defaults = true
"""
# Its own pipeline but for keystonemiddleware.
_PASTE = """
[pipeline:main]
pipeline = cors http_proxy_to_wsgi request_id api
[app:api]
paste.app_factory = cyborg.api.app:app_factory
[filter:request_id]
paste.filter_factory = oslo_middleware:RequestId.factory
[filter:cors]
paste.filter_factory = oslo_middleware.cors:filter_factory
oslo_config_project = cyborg
[filter:http_proxy_to_wsgi]
paste.filter_factory = oslo_middleware:HTTPProxyToWSGI.factory
"""


class _Agent:
    """Programs whatever it is told."""

    target = messaging.Target(version='1.0')

    def fpga_program(self, _context, **_what):
        return True


def main():
    asked = _parse()
    conf = asked.folder / 'cyborg.conf'
    conf.write_text(_CONF.format(**vars(asked)))
    (asked.folder / 'api-paste.ini').write_text(_PASTE)
    sys.argv = ['cyborg', f'--config-file={conf}']
    service.prepare_service(sys.argv)
    _make_tables(asked.connection)
    if asked.statements:
        _record(asked.statements)
    _serve_messages(asked.host)
    application = _believe(wsgi_app.init_application())
    wsgi.Server(
        ('127.0.0.1', asked.port), application, numthreads=asked.threads
    ).start()


def _parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folder', type=pathlib.Path, help='of its files')
    parser.add_argument('port', type=int)
    parser.add_argument('host')
    parser.add_argument('placement')
    parser.add_argument('nova')
    parser.add_argument('--connection', help='a database; default: a file')
    parser.add_argument('--transport', default='fake://')
    parser.add_argument('--statements', help='a file that SQL is written to')
    parser.add_argument('--threads', type=int, default=16)
    asked = parser.parse_args()
    if asked.connection is None:
        asked.connection = f'sqlite:///{asked.folder}/cyborg.db'
    return asked


def _make_tables(connection):
    kind, _, path = connection.partition(':///')
    if kind != 'sqlite':
        migration.upgrade('head')
        return
    # Its migrations know no SQLite, its models not all that they make.
    migration.create_schema()
    with sqlite3.connect(path) as tables:
        tables.execute('CREATE UNIQUE INDEX u ON device_profiles (uuid)')


def _record(path):
    log = open(path, 'w', buffering=1)  # noqa: SIM115 (as long as we live)

    @sa.event.listens_for(sa.Engine, 'before_cursor_execute')
    def executed(conn, cursor, statement, *rest):
        words = ' '.join(statement.split())
        log.write(f'{threading.current_thread().name}\t{words}\n')


def _serve_messages(host):
    conductor = manager.ConductorManager(constants.CONDUCTOR_TOPIC)
    endpoints = {
        constants.CONDUCTOR_TOPIC: conductor,
        constants.AGENT_TOPIC: _Agent(),
    }
    for topic, endpoint in endpoints.items():
        target = messaging.Target(topic=topic, server=host)
        rpc.get_server(
            target, [endpoint], base.CyborgObjectSerializer()
        ).start()
    conductor.init_host()
    conductor.report_data(
        context.get_admin_context(), host, fake.FakeDriver().discover()
    )


def _believe(app):
    """*app* with a stand-in for keystonemiddleware."""

    def believing(environ, start):
        user, project, roles = _parts(environ.get('HTTP_X_AUTH_TOKEN'))
        environ['HTTP_X_USER_ID'] = user
        environ['HTTP_X_PROJECT_ID'] = project
        environ['HTTP_X_ROLES'] = roles
        environ['HTTP_X_IDENTITY_STATUS'] = 'Confirmed'
        _, _, roles = _parts(environ.get('HTTP_X_SERVICE_TOKEN'))
        environ['HTTP_X_SERVICE_ROLES'] = roles
        return app(environ, start)

    return believing


def _parts(token):
    return (*(token or '').split(':'), '', '', '')[:3]


if __name__ == '__main__':
    main()
