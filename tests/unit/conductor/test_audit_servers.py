"""Accelerator requests of servers that went without a word."""

import threading
from unittest import mock

import fixtures

from cyborg_fpga import model
from cyborg_fpga.conductor import audit
from cyborg_fpga.db import arqs
from tests.unit.conductor import test_arqs
from tests.unit.db import base as db


class TestServers(test_arqs.ArqTest):
    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(audit, '_PAUSE_SECONDS', 0))
        self.tell_placement()
        self.uuids, self.server = self.request(), db.new_uuid()
        self.bind(self.uuids, self.server)

    def run_audit(self):
        self.manager.reconciler._audit.run(self.ctx, threading.Event())

    def hold(self, provider=None):
        """Have the server hold a unit, of the bound one's unless said."""
        provider = provider or self.regions()[0].rp_uuid
        amounts = {provider: {test_arqs.PF: 1}}
        self.rooms.instance(self.server, 'alice', **amounts)

    def assert_kept(self):
        self.run_audit()
        self.assertEqual([model.ClaimState.READY], self.states(self.uuids))
        self.assertEqual(1, self.held())

    def test_what_one_had_that_nobody_knows_is_taken_and_wiped(self):
        self.run_audit()
        self.assertEqual([], arqs.some(self.ctx, self.uuids))
        self.assertEqual(0, self.held())
        self.assertEqual(1, self.rooms.reserved)

    def test_one_that_holds_its_allocation_keeps_it(self):
        self.hold()
        self.assert_kept()

    def test_one_that_holds_something_else_keeps_it(self):
        self.hold(db.new_uuid())
        self.assert_kept()

    def test_one_that_nova_has_keeps_it(self):
        self.nova.servers.add(self.server)
        with mock.patch.object(audit.LOG, 'error', autospec=True) as said:
            self.assert_kept()
        self.assertIn(self.server, said.call_args.args)

    def test_while_nova_says_nothing_it_keeps_it(self):
        self.nova.away = True
        self.assert_kept()

    def test_what_is_not_bound_yet_is_left_alone(self):
        image = self.image()
        uuids = self.request(self.group(bitstream_id=image))
        self.bind(uuids, db.new_uuid())
        self.run_audit()
        self.assertEqual([model.ClaimState.PROGRAMMING], self.states(uuids))
