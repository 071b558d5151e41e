"""A conductor that notes what it asks of others.

``python -m benchmarks.conductor_child FILE --config-file CONF`` is one, whose
FILE gets a line for each statement and each request to another service.
"""

import http.client
import sys

import sqlalchemy as sa

from cyborg_fpga.cmd import conductor
from cyborg_fpga.cmd import service


def _note(path):
    log = open(path, 'w', buffering=1)  # noqa: SIM115 (as long as we live)

    @sa.event.listens_for(sa.Engine, 'before_cursor_execute')
    def executed(conn, cursor, statement, *rest):
        log.write(f'sql {" ".join(statement.split())}\n')

    ask = http.client.HTTPConnection.putrequest

    def asked(self, method, url, *args, **how):
        log.write(f'http {self.port} {method} {url}\n')
        return ask(self, method, url, *args, **how)

    http.client.HTTPConnection.putrequest = asked


if __name__ == '__main__':
    _note(sys.argv[1])
    sys.exit(service.main('cyborg-fpga-bench', conductor.build, sys.argv[2:]))
