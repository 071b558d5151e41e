"""The service as one process: API, conductor and agent are its threads.

``python -m benchmarks.ours_child STATEMENTS --config-file FILE``. Cyborg is
measured in the same shape.
"""

import sys
import threading

import sqlalchemy as sa

from cyborg_fpga.agent import manager
from cyborg_fpga.cmd import api
from cyborg_fpga.cmd import conductor
from cyborg_fpga.cmd import service
from cyborg_fpga.db import schema
from cyborg_fpga.drivers import sysfs


class _All:
    def __init__(self, conf):
        self._conf = conf
        self._parts = []

    def start(self):
        for build in (conductor.build, _agent, api.Server):
            part = build(self._conf)
            if not self._parts:
                schema.upgrade()
            part.start()
            self._parts.append(part)

    def stop(self):
        for part in reversed(self._parts):
            part.stop()


def _agent(conf):
    # The fake card needs nothing of the machine's.
    return manager.build(conf, service.transport(conf), sysfs.Sysfs())


def _record(path):
    log = open(path, 'w', buffering=1)  # noqa: SIM115 (as long as we live)

    @sa.event.listens_for(sa.Engine, 'before_cursor_execute')
    def executed(conn, cursor, statement, *rest):
        words = ' '.join(statement.split())
        log.write(f'{threading.current_thread().name}\t{words}\n')


if __name__ == '__main__':
    _record(sys.argv[1])
    sys.exit(service.main('cyborg-fpga-bench', _All, sys.argv[2:]))
