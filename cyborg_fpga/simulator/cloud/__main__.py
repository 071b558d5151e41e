"""The child process: real Placement and real Glance on loopback ports.

usage: python -m cyborg_fpga.simulator.cloud DATADIR
           [--placement-port N] [--glance-port N]

Prints one line of JSON, URLs by service type, when both answer; logs to its
standard error. Ends when its standard input closes, on SIGTERM, and when its
parent is gone.
"""

import argparse
import errno
import importlib.metadata
import json
import logging
import os
import pathlib
import select
import signal
import socket
import sqlite3
import string
import sys
import threading
import traceback
import urllib.request
from collections.abc import Callable
from typing import Any
from typing import TextIO

import placement.wsgi
import sqlalchemy
from alembic import command
from cheroot import wsgi
from glance.common import wsgi_app
from glance.db.sqlalchemy import alembic_migrations
from oslo_config import cfg
from oslo_db import options as db_options
from sqlalchemy import event

_LOOPBACK = '127.0.0.1'
_PARENT_POLL_SECONDS = 1.0
_KEYSTONE_FILTER = 'keystonemiddleware.auth_token:filter_factory'
_OUR_FILTER = 'cyborg_fpga.simulator.cloud.auth:filter_factory'

# SQLite takes one writer at a time and refuses the loser of a race at once:
# several threads would answer 500 to half of concurrent writes.
_PLACEMENT_THREADS = 1
_GLANCE_THREADS = 4

_PROBES = {'placement': '/', 'image': '/versions'}

_PLACEMENT_CONF = string.Template("""\
[api]
auth_strategy = noauth2
[placement_database]
connection = sqlite:///$data/placement.db
sqlite_synchronous = false
sync_on_startup = true
""")

_GLANCE_CONF = string.Template("""\
[DEFAULT]
enabled_backends = files:file
worker_self_reference_url = http://127.0.0.1
[database]
connection = sqlite:///$data/glance.db
sqlite_synchronous = false
[glance_store]
default_backend = files
[files]
filesystem_store_datadir = $data/images
[os_glance_staging_store]
filesystem_store_datadir = $data/staging
[os_glance_tasks_store]
filesystem_store_datadir = $data/tasks
[paste_deploy]
flavor = keystone
config_file = $data/glance-paste.ini
[oslo_concurrency]
lock_path = $data/locks
""")


def main() -> None:
    args = _arguments()
    parent = os.getppid()
    # Libraries print: the one line that the parent reads must stay alone.
    answer = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    data = args.datadir.resolve()
    _prepare(data)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    endpoints = {
        'placement': _serve(
            _placement(data), args.placement_port, _PLACEMENT_THREADS
        ),
        'image': _serve(_glance(data), args.glance_port, _GLANCE_THREADS),
    }
    logging.getLogger().setLevel(logging.WARNING)
    for service, url in endpoints.items():
        _probe(url + _PROBES[service])
    _say(answer, endpoints)
    _wait(parent)


@event.listens_for(sqlalchemy.Engine, 'before_cursor_execute', retval=True)
def _write_at_once(
    connection: Any,
    cursor: Any,
    statement: str,
    parameters: Any,
    context: Any,
    executemany: bool,
) -> tuple[str, Any]:
    """Have every transaction wait for its turn when it begins.

    One that reads first and then writes is refused by SQLite at once if
    another has written in between; Glance then answers 500.
    """
    if statement == 'BEGIN':
        statement = 'BEGIN IMMEDIATE'
    return statement, parameters


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='cyborg_fpga.simulator.cloud')
    parser.add_argument('datadir', type=pathlib.Path)
    parser.add_argument('--placement-port', type=int, default=0)
    parser.add_argument('--glance-port', type=int, default=0)
    args = parser.parse_args()
    # Glance and Placement read the command line as well.
    del sys.argv[1:]
    return args


def _prepare(data: pathlib.Path) -> None:
    for name in ('images', 'staging', 'tasks', 'locks'):
        (data / name).mkdir(parents=True, exist_ok=True)


def _placement(data: pathlib.Path) -> Callable[..., Any]:
    (data / 'placement.conf').write_text(_PLACEMENT_CONF.substitute(data=data))
    _write_ahead(data / 'placement.db')
    os.environ['OS_PLACEMENT_CONFIG_DIR'] = str(data)
    app: Callable[..., Any] = placement.wsgi.init_application()
    return app


def _glance(data: pathlib.Path) -> Callable[..., Any]:
    (data / 'glance-api.conf').write_text(_GLANCE_CONF.substitute(data=data))
    (data / 'glance-paste.ini').write_text(
        _glance_paste().replace(_KEYSTONE_FILTER, _OUR_FILTER)
    )
    _write_ahead(data / 'glance.db')
    os.environ['OS_GLANCE_CONFIG_DIR'] = str(data)
    # The tables must be there before Glance starts; the options that say
    # where are read again by init_app().
    db_options.set_defaults(cfg.CONF)
    cfg.CONF(
        [],
        project='glance',
        default_config_files=[str(data / 'glance-api.conf')],
    )
    command.upgrade(alembic_migrations.get_alembic_config(), 'heads')
    app: Callable[..., Any] = wsgi_app.init_app()
    return app


def _glance_paste() -> str:
    """Find the paste configuration, wherever this Glance was installed."""
    name = 'etc/glance/glance-api-paste.ini'
    installed = importlib.metadata.distribution('glance').files or []
    candidates = [
        pathlib.Path(str(path.locate()))
        for path in installed
        if path.match(name)
    ]
    candidates += [
        pathlib.Path(sys.prefix, name),
        pathlib.Path('/', name),
        pathlib.Path('/usr/share/glance/glance-api-paste.ini'),
    ]
    for path in candidates:
        if path.is_file():
            return path.read_text()
    raise FileNotFoundError(errno.ENOENT, 'Glance has no', name)


def _write_ahead(path: pathlib.Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute('PRAGMA journal_mode=WAL')
    connection.close()


def _serve(app: Callable[..., Any], port: int, threads: int) -> str:
    """Serve *app* from threads of this process; return its URL."""
    server = wsgi.Server(
        (_LOOPBACK, port if _is_free(port) else 0),
        app,
        numthreads=threads,
        max=threads,
        request_queue_size=64,
    )
    server.prepare()
    threading.Thread(target=server.serve, daemon=True).start()
    return f'http://{_LOOPBACK}:{server.bind_addr[1]}'


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return False
    return True


def _probe(url: str) -> None:
    urllib.request.urlopen(url, timeout=10).close()  # noqa: S310


def _say(answer: TextIO, endpoints: dict[str, str]) -> None:
    with answer:
        print(json.dumps(endpoints), file=answer)


def _wait(parent: int) -> None:
    """Return when standard input ends or the parent process has ended.

    Both, because a forked sibling may hold the pipe's other end open.
    """
    while os.getppid() == parent:
        ready, _, _ = select.select([0], [], [], _PARENT_POLL_SECONDS)
        if ready and not os.read(0, 4096):
            return


# cheroot's worker threads are not daemons: nothing less ends the process.
try:
    main()
except BaseException:
    traceback.print_exc()
    os._exit(1)
os._exit(0)
