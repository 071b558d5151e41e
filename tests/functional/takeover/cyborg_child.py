"""A cloud's Cyborg: ``cyborg_child.py FILE``, where FILE is JSON.

Run by a Python that has openstack-cyborg and none of ours. API and conductor
are threads of one process; the conductor is told of the cards of one host by
Cyborg's own drivers, and tells Placement. FILE has *folder*, *port*, *host*,
*placement*, *nova*, *database* and *cards*: for each its address, the
addresses of its virtual functions, its traits, resource class and type. Who
calls is what his token says, ``user:project:roles``.
"""

import json
import pathlib
import socketserver
import sys
from wsgiref import simple_server

# Chooses threads for oslo.service; the others must find that done.
import cyborg.cmd  # noqa: F401  # isort: skip
import oslo_messaging as messaging
from cyborg import context
from cyborg.accelerator.drivers import fake
from cyborg.accelerator.drivers.fpga.intel import sysinfo
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
transport_url = fake://
use_stderr = true
[api]
api_paste_config = {folder}/api-paste.ini
[database]
connection = {database}
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
_PASTE = """
[pipeline:main]
pipeline = request_id api
[app:api]
paste.app_factory = cyborg.api.app:app_factory
[filter:request_id]
paste.filter_factory = oslo_middleware:RequestId.factory
"""


class _Server(socketserver.ThreadingMixIn, simple_server.WSGIServer):
    daemon_threads = True


def main():
    wanted = json.loads(pathlib.Path(sys.argv[1]).read_text())
    folder = pathlib.Path(wanted['folder'])
    conf = folder / 'cyborg.conf'
    conf.write_text(_CONF.format(**wanted))
    (folder / 'api-paste.ini').write_text(_PASTE)
    sys.argv = ['cyborg', f'--config-file={conf}']
    service.prepare_service(sys.argv)
    if migration.version() is None:
        migration.upgrade()
    _report(wanted['host'], wanted['cards'])
    app = _believe(wsgi_app.init_application())
    server = simple_server.make_server(
        '127.0.0.1', wanted['port'], app, _Server
    )
    server.serve_forever()


def _report(host, cards):
    conductor = manager.ConductorManager(constants.CONDUCTOR_TOPIC)
    target = messaging.Target(topic=constants.CONDUCTOR_TOPIC, server=host)
    rpc.get_server(target, [conductor], base.CyborgObjectSerializer()).start()
    conductor.init_host()
    found = [_intel(host, card) for card in cards]
    found += fake.FakeDriver().discover()
    conductor.report_data(context.get_admin_context(), host, found)


def _intel(host, card):
    """What its driver makes of what it reads below /sys."""

    def function(address):
        return {
            'type': card['type'],
            'devices': address,
            'stub': False,
            'name': f'{host}_{address}',
            'vendor': '0x8086',
            'product_id': '0x09c4',
            'rc': card['class'],
        }

    found = {**function(card['address']), 'traits': card['traits']}
    if card['vfs']:
        found['regions'] = [function(address) for address in card['vfs']]
    return sysinfo._generate_driver_device(found, bool(card['vfs']))


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
