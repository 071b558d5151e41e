"""What the service does while nothing happens, and how it ends."""

import signal
import time

import sqlalchemy as sa

from cyborg_fpga import context
from cyborg_fpga.db import engine
from cyborg_fpga.db import hosts
from tests.fixtures import cloud
from tests.fixtures import gate
from tests.fixtures import stack
from tests.functional.stack import base

_CTX = context.service()
_INTERVAL = 0.4
_REPORTS = 8
#: What belongs to a transaction or a connection rather than to a report.
_AROUND = ('BEGIN', 'COMMIT', 'ROLLBACK', 'SET ', 'SELECT 1')


class IdleTest(base.StackTest):
    backend = 'mariadb'
    # Only reports are to be seen: everything else looks rarely.
    settings = {
        'agent': {'report_interval': _INTERVAL},
        'conductor': {'reconcile_interval': 20, 'host_down_after': 60},
        'bitstream': {'sync_interval': 60},
    }

    @classmethod
    def setUpClass(cls):
        cls.placement = gate.Gate(cloud.shared().endpoints['placement'])
        cls.placement.setUp()
        cls.addClassCleanup(cls.placement.cleanUp)
        cls.settings = {
            **cls.settings,
            'placement': {'endpoint': cls.placement.url},
        }
        super().setUpClass()

    def sequence(self):
        return hosts.get(_CTX, self.stack.hostname).report_sequence

    def statements(self, connection):
        """What our processes have asked of our database, by the server's
        general log; other databases' connections are not ours.
        """
        rows = connection.execute(
            sa.text(
                'SELECT g.argument FROM mysql.general_log g'
                ' JOIN information_schema.processlist p'
                ' ON p.id = g.thread_id'
                " WHERE g.command_type IN ('Query', 'Execute')"
                ' AND p.db = DATABASE() AND p.id != CONNECTION_ID()'
            )
        ).scalars()
        texts = [
            row.decode() if isinstance(row, bytes) else row for row in rows
        ]
        return [text for text in texts if not text.startswith(_AROUND)]

    def observed(self, wait):
        """The statements while *wait* runs."""
        log = sa.create_engine(
            engine.get_engine().url, isolation_level='AUTOCOMMIT'
        )
        self.addCleanup(log.dispose)
        with log.connect() as connection:

            def run(statement):
                connection.execute(sa.text(statement))

            run("SET GLOBAL log_output = 'TABLE'")
            run('TRUNCATE mysql.general_log')
            run('SET GLOBAL general_log = 1')
            try:
                wait()
            finally:
                run('SET GLOBAL general_log = 0')
            return self.statements(connection)

    def test_unchanged_report_is_one_statement_and_asks_nothing(self):
        self.agree()
        first = self.sequence()
        # Whatever the last change set going has ended by then.
        self.stack.until('it is idle', lambda: self.sequence() > first + 3)
        # Our own questions are not to be counted.
        engine.dispose()
        asked, before = self.placement.asked, []

        def wait():
            before.append(time.monotonic())
            time.sleep(_REPORTS * _INTERVAL)

        statements = self.observed(wait)
        self.assertEqual(0, self.placement.asked - asked)
        self.assertGreaterEqual(len(statements), _REPORTS // 2)
        for statement in statements:
            self.assertRegex(statement, '^UPDATE hosts SET .*report_digest')

    def test_placement_is_asked_when_something_changes(self):
        """Or the test above could not fail."""
        asked = self.placement.asked
        self.claim()
        self.assertGreater(self.placement.asked, asked)

    def test_every_process_ends_when_told(self):
        stopped = self.stack.processes[-3:]
        for process in stopped:
            process.signal(signal.SIGTERM)
        for process in stopped:
            self.assertEqual(0, process.exit_code(), process.name)
            self.assertNotIn('Traceback', process.words(), process.name)
        self.addCleanup(self.restart)

    def restart(self):
        names = ('conductor', 'agent', 'api')
        for process in [self.stack.start(name) for name in names]:
            process.says(stack.READY[process.name])
