"""What the reports of many hosts cost that have nothing new to say.

``tools/bench discover`` measures the same with a thousand of them.
"""

import pathlib
import threading
import time
import uuid

import fixtures
import sqlalchemy as sa
from oslotest import base

from cyborg_fpga import context
from cyborg_fpga import model
from cyborg_fpga.agent import executor
from cyborg_fpga.agent import journal
from cyborg_fpga.agent import reporter
from cyborg_fpga.clients import placement
from cyborg_fpga.conductor import inventory
from cyborg_fpga.db import engine
from cyborg_fpga.db import hosts
from cyborg_fpga.drivers import intel_dfl
from tests.fixtures import cloud
from tests.fixtures import database
from tests.fixtures import handing
from tests.fixtures import simulated_host

HOSTS = 20
CARDS = 8
ALIKE = f"cards: [{{address: '0000:10:00.0', count: {CARDS}}}]"
AROUND = ('BEGIN', 'COMMIT', 'ROLLBACK', 'PRAGMA', 'SELECT 1')
CTX = context.service()


class Records:
    """A conductor that only keeps what it is told, and counts.

    :ivar reports: Per report: its host and the statements that it took.
    """

    def __init__(self, stock):
        self.reports = []
        self._stock = stock
        self._local = threading.local()

    def report(self, ctx, report):
        self._local.statements = statements = []
        fences = self._stock.report(
            ctx, model.HostReport.from_wire(report.to_wire())
        )
        self.reports.append((report.hostname, statements))
        return fences or {}

    def heartbeat(self, ctx, report):
        self._local.statements = statements = []
        taken = hosts.heartbeat(ctx, report)
        if taken:
            self.reports.append((report.hostname, statements))
        return taken

    def executed(self, conn, cursor, statement, *rest):
        if not statement.startswith(AROUND):
            getattr(self._local, 'statements', []).append(statement)


class TestManyHosts(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        conf = self.useFixture(cloud.Cloud()).conf
        conf.set_override('create_root_provider', True, 'placement')
        db = self.useFixture(database.Database())
        conf.set_override('connection', db.url, 'database')
        engine.configure(conf)
        self.rooms = placement.Placement(conf)
        self.stock = inventory.Inventory(conf, self.rooms)
        self.records = Records(self.stock)
        sa.event.listen(
            sa.Engine, 'before_cursor_execute', self.records.executed
        )
        self.addCleanup(
            sa.event.remove,
            sa.Engine,
            'before_cursor_execute',
            self.records.executed,
        )
        self.prefix = f'many{uuid.uuid4().hex[:8]}-'
        self.agents = [self.agent(number) for number in range(HOSTS)]
        self.heard(HOSTS)

    def agent(self, number):
        """A host's reporter, at work."""
        host = self.useFixture(simulated_host.SimulatedHost(ALIKE))
        if not number:
            self.first = host.simulator
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        drivers = {'intel_dfl': intel_dfl.IntelDFLDriver(host.fs)}
        name = f'{self.prefix}{number}'
        made = reporter.Reporter(
            name,
            drivers,
            self.records,
            resource_provider_name=name,
            interval=3600,
        )
        entries = journal.Journal(folder / 'journal')
        entries.open()
        self.addCleanup(entries.close)
        self.addCleanup(made.stop)
        made.start(
            executor.Executor(
                entries,
                drivers,
                handing.custody_of(folder, 1, None)[1],
                self.records,
                changed=made.wake,
            ),
            entries.next_boot(),
        )
        return made

    def heard(self, count):
        """Wait for so many reports in all; the last of them."""
        end = time.monotonic() + 60
        while len(self.records.reports) < count:
            self.assertLess(time.monotonic(), end, 'not all have reported')
            time.sleep(0.01)
        return self.records.reports[-HOSTS:]

    def everybody(self):
        """Have each host report once more."""
        before = len(self.records.reports)
        for agent in self.agents:
            agent.wake()
        return self.heard(before + HOSTS)

    def tell_placement(self):
        """As the reconciler does; the hosts that it was told of."""
        names = hosts.stale(CTX)
        for name in names:
            self.stock.sync_host(CTX, name)
        return names

    def test_only_news_cost_more_than_a_statement(self):
        # Of every host the first report is news to everybody.
        self.assertEqual(HOSTS, len(self.tell_placement()))
        self.assertGreaterEqual(self.rooms.requests, 3 * HOSTS)
        for name, statements in self.records.reports:
            self.assertGreater(len(statements), CARDS, name)
        # Then nothing is.
        asked = self.rooms.requests
        for _ in range(2):
            for name, statements in self.everybody():
                self.assertLessEqual(len(statements), 2, (name, statements))
            self.assertEqual([], self.tell_placement())
        self.assertEqual(asked, self.rooms.requests)
        # Until a card of one of them goes.
        self.first.fault('0000:10:00.0', 'vanish')
        costly = [
            name
            for name, statements in self.everybody()
            if len(statements) > 2
        ]
        self.assertEqual([f'{self.prefix}0'], costly)
        self.assertEqual(costly, self.tell_placement())
        self.assertGreater(self.rooms.requests, asked)
