"""How much a project may hold, by a real Keystone's unified limits."""

import concurrent.futures
import uuid
from unittest import mock

import fixtures
from keystoneauth1 import loading
from oslo_config import cfg
from oslo_limit import limit

from tests.fixtures import inprocess
from tests.fixtures import keystone
from tests.functional.service import base
from tests.functional.service import novas
from tests.functional.service import test_adoption

#: Of one class.
CARDS = """
cards:
  - {address: '0000:3b:00.0', family: PAC_A10, program_fixed: 0}
  - {address: '0000:5e:00.0', family: PAC_A10, program_fixed: 0}
  - {address: '0000:86:00.0', family: PAC_A10, program_fixed: 0}
  - {address: '0000:af:00.0', family: PAC_A10, program_fixed: 0}
"""
ENDPOINT = {
    'endpoint_service_type': 'accelerator',
    'endpoint_region_name': keystone.REGION,
}


class QuotaTest(base.ServiceTest):
    """:ivar asked: How many more oslo.limit was asked for, in order."""

    scenario = CARDS
    settings = {'oslo_limit': ENDPOINT}

    def setUp(self):
        super().setUp()
        self.keystone = self.useFixture(keystone.Keystone())
        self.keystone.register('accelerator', 'cyborg', 'http://here/v2')
        self.let_it_read_limits()
        self.configure(self.keystone.credentials('cyborg'))
        project = self.keystone.project('member')
        self.token = f'alice:{project}:member,reader'
        self.project = project
        self.asked = []
        enforce = limit.Enforcer.enforce

        def noted(enforcer, whose, deltas):
            self.asked.append(deltas['deployables'])
            enforce(enforcer, whose, deltas)

        self.useFixture(
            fixtures.MockPatchObject(limit.Enforcer, 'enforce', noted)
        )

    def let_it_read_limits(self):
        """Everybody's: its role is the system's."""
        roles = {
            r['name']: r['id'] for r in self.keystone.ask('GET', '/roles')
        }
        (user,) = self.keystone.ask('GET', '/users?name=cyborg')
        self.keystone.ask(
            'PUT', f'/system/users/{user["id"]}/roles/{roles["reader"]}'
        )

    def configure(self, credentials):
        """oslo.limit reads the global options, and connects but once."""
        values = {**credentials, **ENDPOINT, 'system_scope': 'all'}
        del values['project_name'], values['project_domain_name']
        plugin = loading.get_auth_plugin_conf_options('password')
        cfg.CONF.register_opts(plugin, group='oslo_limit')
        for name, value in values.items():
            cfg.CONF.set_override(name, value, 'oslo_limit')
            self.addCleanup(cfg.CONF.clear_override, name, 'oslo_limit')
        self.useFixture(fixtures.MonkeyPatch(
            'oslo_limit.limit._SDK_CONNECTION', None
        ))  # fmt: skip

    def allow(self, everybody, project=None):
        """Register a limit, and one of the project's own."""
        (service,) = self.keystone.ask('GET', '/services?type=accelerator')
        same = {
            'service_id': service['id'],
            'region_id': keystone.REGION,
            'resource_name': 'deployables',
        }
        self.keystone.ask(
            'POST',
            '/registered_limits',
            json={'registered_limits': [{**same, 'default_limit': everybody}]},
        )
        if project is not None:
            own = {
                **same,
                'project_id': self.project,
                'resource_limit': project,
            }
            self.keystone.ask('POST', '/limits', json={'limits': [own]})

    def over(self, **wanted):
        code, sentence = self.refused(
            403, self.service.ask(token=self.token, **wanted)
        )
        self.assertEqual('fpga.over_quota', code)
        return sentence


class TestQuota(QuotaTest):
    def test_a_project_holds_no_more_than_its_limit(self):
        self.allow(3, project=2)
        first = self.service.claim(token=self.token)
        sentence = self.over(count=2)
        self.assertIn('hold 2', sentence)
        self.assertIn('holds 1', sentence)
        self.assertIn('wants 2', sentence)
        # Before anything was taken.
        self.assertEqual(2, self.asked[-1])
        second = self.service.claim(token=self.token)
        self.over()
        # Another project has the limit of everybody.
        other = f'mallory:{self.keystone.project("stranger")}:member,reader'
        self.service.claim(token=other, count=2)
        self.service.released(first['uuid'], token=self.token)
        third = self.service.claim(token=self.token)
        for claim in (second, third):
            self.service.released(claim['uuid'], token=self.token)

    def test_a_changed_limit_holds_at_once(self):
        self.allow(0)
        self.over()
        (known,) = self.keystone.ask('GET', '/registered_limits')
        self.keystone.ask(
            'PATCH',
            f'/registered_limits/{known["id"]}',
            json={'registered_limit': {'default_limit': -1}},
        )
        self.service.claim(token=self.token, count=4)

    def test_of_several_at_a_time_none_gets_past_it(self):
        self.allow(1)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            answers = list(
                pool.map(
                    lambda _: self.service.ask(token=self.token), range(4)
                )
            )
        won = [a for a in answers if a.status_int in (201, 202)]
        self.assertLessEqual(len(won), 1)
        for answer in answers:
            if answer not in won:
                self.assertEqual(403, answer.status_int, answer.text)
        self.assertEqual(len(won), self.service.stock()[2])

    def test_who_saw_a_share_that_others_took_gives_back(self):
        self.allow(1)
        enforce, seen = limit.Enforcer.enforce, []

        def late(enforcer, project, deltas):
            """Whoever comes first sees that nothing is held."""
            enforce(enforcer, project, deltas)
            if not seen:
                seen.append(deltas)
                self.service.claim(token=self.token)

        with mock.patch.object(
            limit.Enforcer, 'enforce', autospec=True, side_effect=late
        ):
            sentence = self.over()
        self.assertIn('holds 1 and wants 1', sentence)
        self.assertEqual(1, len(self.service.get('/claims')['claims']))
        self.assertEqual((4, 0, 1), self.service.stock())

    def test_without_a_registered_limit_nothing_is_given(self):
        self.over()

    def test_a_keystone_that_does_not_answer_gives_nothing(self):
        self.allow(1)
        cfg.CONF.set_override(
            'auth_url', 'http://127.0.0.1:9/v3', 'oslo_limit'
        )
        code, _ = self.refused(503, self.service.ask(token=self.token))
        self.assertEqual('fpga.service_unavailable', code)
        self.assert_untouched()


class TestServers(QuotaTest, novas.NovaTest):
    """What Nova binds for servers counts too."""

    def ask_for(self, amount, arqs=None):
        """The answer to a server's bind, the server and its ARQs."""
        server = str(uuid.uuid4())
        provider = self.allocate(server, amount)
        if arqs is None:
            arqs = self.request(self.profile(amount=amount), token=self.token)
        return (
            self.bind(arqs, server, provider, token=self.token),
            server,
            arqs,
        )

    def too_many(self, amount):
        answer, server, arqs = self.ask_for(amount)
        code, sentence = self.refused(403, answer)
        self.assertEqual('fpga.over_quota', code)
        self.assertIn(f'wants {amount}', sentence)
        # Before anything was taken.
        self.assertEqual(amount, self.asked[-1])
        self.assertEqual({}, self.of(server))
        self.assertEqual({}, self.service.nova.told(server))
        self.service.rooms.release(server)
        return arqs

    def bound(self, amount, arqs=None):
        answer, server, arqs = self.ask_for(amount, arqs)
        self.assertEqual(202, answer.status_int, answer.text)
        found = self.of(server, token=self.token)
        self.assertEqual({'Bound'}, {arq['state'] for arq in found.values()})
        self.told(server, 'completed', arqs)
        return server

    def test_all_of_a_server_count_whatever_the_door(self):
        self.allow(2)
        claim = self.service.claim(token=self.token)
        refused = self.too_many(2)
        server = self.bound(1)
        self.too_many(1)
        self.over()
        self.service.released(claim['uuid'], token=self.token)
        path = f'/accelerator_requests?instance={server}'
        answer = self.nova('DELETE', path, token=self.token)
        self.assertEqual(204, answer.status_int, answer.text)
        self.service.rooms.release(server)
        # What was refused is as it was before.
        self.bound(2, refused)

    def test_who_saw_a_share_that_others_took_gives_back(self):
        self.allow(1)
        enforce, seen = limit.Enforcer.enforce, []

        def late(enforcer, project, deltas):
            """Whoever comes first sees that nothing is held."""
            enforce(enforcer, project, deltas)
            if not seen:
                seen.append(deltas)
                self.service.claim(token=self.token)

        with mock.patch.object(
            limit.Enforcer, 'enforce', autospec=True, side_effect=late
        ):
            answer, server, arqs = self.ask_for(1)
        _, sentence = self.refused(403, answer)
        self.assertIn('holds 1 and wants 1', sentence)
        shown = self.service.get(f'/accelerator_requests/{arqs[0]["uuid"]}')
        self.assertEqual('Initial', shown['state'])
        self.assertEqual({}, self.service.nova.told(server))

    def test_a_keystone_that_does_not_answer_binds_nothing(self):
        self.allow(1)
        cfg.CONF.set_override(
            'auth_url', 'http://127.0.0.1:9/v3', 'oslo_limit'
        )
        answer, server, _ = self.ask_for(1)
        code, _ = self.refused(503, answer)
        self.assertEqual('fpga.service_unavailable', code)
        self.assertEqual({}, self.of(server))


class TestServersThatAreClaimed(QuotaTest, test_adoption.AdoptionTest):
    """How much that is nobody says when he claims it."""

    def test_one_that_holds_too_much_is_refused_and_keeps_it(self):
        self.allow(3, project=2)
        first = self.service.claim(token=self.token)
        server = self.boot(2, project=self.project)
        code, sentence = self.refused(403, self.ask(server, token=self.token))
        self.assertEqual('fpga.over_quota', code)
        self.assertIn('hold 2 deployables, holds 1 and wants 2', sentence)
        self.assertEqual([], self.claims_of(server))
        self.assertEqual(2, self.service.allocated(server))
        self.service.released(first['uuid'], token=self.token)
        answer = self.ask(server, token=self.token)
        self.assertEqual(201, answer.status_int, answer.text)
        self.assertEqual(2, answer.json['count'])

    def claims_of(self, server):
        return self.service.get(f'/claims?instance_uuid={server}')['claims']


class TestNoQuota(base.ServiceTest):
    scenario = CARDS

    def test_without_an_endpoint_there_is_no_limit(self):
        with mock.patch.object(limit, 'Enforcer', autospec=True) as enforcer:
            self.service.claim(token=inprocess.ALICE, count=4)
        enforcer.assert_not_called()
