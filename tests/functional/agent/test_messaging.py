"""Whole agents over in-process messaging, several in one process."""

import os
import pathlib
import tempfile
import uuid

import oslo_messaging as messaging
from oslo_config import cfg
from oslo_messaging import conffixture
from oslotest import base

from cyborg_fpga import conf as our_conf
from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga import rpc
from cyborg_fpga.agent import manager
from cyborg_fpga.rpc import agent as agent_rpc
from cyborg_fpga.rpc import conductor as conductor_rpc
from cyborg_fpga.rpc import serializer
from tests.unit.agent import fakes


class Endpoint:
    """The conductor's server side, in front of a stand-in."""

    target = messaging.Target(version='1.0')

    def __init__(self, conductor):
        self._conductor = conductor

    @messaging.expected_exceptions(errors.FPGAError)
    def begin(self, ctx, uuid, fence, attempt):
        self._conductor.begin(ctx, uuid, fence, attempt=attempt)

    def progress(self, ctx, status):
        self._conductor.progress(ctx, model.OperationStatus.from_wire(status))

    def finish(self, ctx, status):
        self._conductor.finish(ctx, model.OperationStatus.from_wire(status))

    def report(self, ctx, report):
        return self._conductor.report(ctx, model.HostReport.from_wire(report))

    def heartbeat(self, ctx, **report):
        return self._conductor.heartbeat(ctx, report)


class AgentTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = pathlib.Path(directory.name)
        self.images = fakes.Images()
        self.conductor = fakes.Conductor()
        # A bus of its own: in-process messaging is shared by its URL.
        self.url = f'fake://{uuid.uuid4()}/'
        self.transport = self.connected(self.configured('conductor'))
        server = messaging.get_rpc_server(
            self.transport,
            messaging.Target(topic=conductor_rpc.TOPIC, server='conductor'),
            [Endpoint(self.conductor)],
            executor='threading',
            serializer=serializer.ContextSerializer(),
        )
        server.start()
        self.addCleanup(server.stop)
        self.client = agent_rpc.AgentAPI(self.transport, timeout=5)
        self.ctx = context.service()

    def configured(self, host, **values):
        conf = cfg.ConfigOpts()
        self.useFixture(conffixture.ConfFixture(conf))
        our_conf.register_opts(conf)
        conf([], default_config_files=[])
        conf.set_override('host', host)
        values = {
            'state_path': str(self.path / host / 'state'),
            'cache_path': str(self.path / host / 'cache'),
            'report_interval': 60.0,
            **values,
        }
        for name, value in values.items():
            conf.set_override(name, value, group='agent')
        return conf

    def connected(self, conf):
        return messaging.get_rpc_transport(
            conf, self.url, allowed_remote_exmods=rpc.ALLOWED_REMOTE_EXMODS
        )

    def agent(self, host, cards, **values):
        conf = self.configured(host, **values)
        started = manager.Agent(
            conf,
            self.connected(conf),
            {'fake': cards},
            self.images.download,
        )
        started.start()
        self.addCleanup(started.stop)
        return started

    def reports_of(self, host):
        return [r for r in self.conductor.reports if r.hostname == host]

    def test_operation_runs_on_its_host_alone(self):
        here, there = fakes.Cards(), fakes.Cards()
        self.agent('host1', here)
        self.agent('host2', there)
        operation = fakes.program(self.images, hostname='host2')
        status = self.client.run(self.ctx, operation)
        self.assertEqual(operation.uuid, status.uuid)
        self.assertTrue(self.conductor.outcome(operation.uuid).succeeded)
        self.assertEqual([], here.acts())
        self.assertEqual(1, len(there.acts()))
        self.assertTrue(
            self.client.status(self.ctx, 'host2', operation.uuid).done
        )
        self.assertIsNone(
            self.client.status(self.ctx, 'host1', operation.uuid)
        )

    def test_refusals_keep_their_class_over_rpc(self):
        self.agent('host1', fakes.Cards())
        self.client.run(self.ctx, fakes.program(self.images, fence=2))
        refused = self.assertRaises(
            errors.StaleFence,
            self.client.run,
            self.ctx,
            fakes.program(self.images, fence=1),
        )
        self.assertNotIn('Traceback', refused.message)

    def test_refused_leave_crosses_rpc_too(self):
        cards = fakes.Cards()
        self.agent('host1', cards)
        operation = fakes.program(self.images)
        self.conductor.ended.add(operation.uuid)
        self.client.run(self.ctx, operation)
        outcome = self.conductor.outcome(operation.uuid)
        self.assertEqual(model.Cause.STALE, outcome.cause)
        self.assertEqual([], cards.acts())

    def test_message_that_is_no_operation_is_refused(self):
        self.agent('host1', fakes.Cards())
        operation = fakes.program(self.images).to_wire()
        for change in ({'device': 'nonsense'}, {'kind': 'burn'}):
            client = messaging.get_rpc_client(
                self.transport,
                messaging.Target(topic=agent_rpc.TOPIC, server='host1'),
                serializer=serializer.ContextSerializer(),
            )
            self.assertRaises(
                errors.InvalidInput,
                client.call,
                self.ctx,
                'run',
                operation={**operation, **change},
            )

    def test_cancel_and_report_soon_reach_the_host(self):
        cards = fakes.Cards()
        self.agent('host1', cards)
        fakes.wait_for(lambda: self.reports_of('host1'))
        operation = fakes.program(self.images)
        self.images.before_chunk = lambda: (
            self.client.cancel(self.ctx, 'host1', operation.uuid)
            or fakes.wait_for(lambda: False, 0.2)
        )
        self.client.run(self.ctx, operation)
        outcome = self.conductor.outcome(operation.uuid)
        self.assertEqual(model.Cause.CANCELLED, outcome.cause)
        count = len(self.reports_of('host1'))
        self.client.report_soon(self.ctx, 'host1')
        self.assertTrue(
            fakes.wait_for(lambda: len(self.reports_of('host1')) > count)
        )

    def test_restarted_agent_reports_under_a_higher_boot(self):
        for _ in range(2):
            agent = self.agent('host1', fakes.Cards())
            count = len(self.reports_of('host1'))
            fakes.wait_for(lambda n=count: len(self.reports_of('host1')) > n)
            agent.stop()
        boots = [report.boot_id for report in self.reports_of('host1')]
        self.assertEqual(sorted(boots), boots)
        self.assertEqual(2, len(set(boots)))

    def test_host_with_a_name_of_its_own_has_a_provider_of_its_own(self):
        self.agent('host1', fakes.Cards())
        self.agent('host2', fakes.Cards(), resource_provider_name='rack2')
        fakes.wait_for(lambda: self.reports_of('host2'))
        fakes.wait_for(lambda: self.reports_of('host1'))
        [first, *_] = self.reports_of('host1')
        [second, *_] = self.reports_of('host2')
        self.assertEqual('host1', first.resource_provider_name)
        self.assertEqual('rack2', second.resource_provider_name)

    def test_blank_images_are_where_privileged_code_may_read_them(self):
        blank = self.path / 'blank.gbs'
        blank.write_bytes(b'blank')
        cards = fakes.Cards()
        self.agent('host1', cards, blank_bitstreams={'a' * 32: str(blank)})
        kept = cards.blank_images['a' * 32]
        self.assertEqual(f'/proc/{os.getpid()}/fd', str(kept.parent))
        # Nobody alters it from now on.
        blank.write_bytes(b'other')
        self.assertEqual(b'blank', kept.read_bytes())

    def test_missing_blank_image_keeps_the_agent_from_starting(self):
        missing = {'a' * 32: str(self.path / 'missing')}
        self.assertRaises(
            OSError,
            self.agent,
            'host1',
            fakes.Cards(),
            blank_bitstreams=missing,
        )

    def test_nothing_is_opened_before_start(self):
        conf = self.configured('host1')
        manager.Agent(conf, self.connected(conf), {}, self.images.download)
        self.assertEqual([], list(self.path.iterdir()))
