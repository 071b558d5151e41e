"""Who may do what, by default."""

import os
import pathlib
from unittest import mock

import yaml
from oslo_config import cfg
from oslotest import base

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import policies
from cyborg_fpga import policy
from cyborg_fpga.policies import arqs
from cyborg_fpga.policies import bitstreams
from cyborg_fpga.policies import claims
from cyborg_fpga.policies import deployables
from cyborg_fpga.policies import devices
from cyborg_fpga.policies import hosts
from cyborg_fpga.policies import operations

#: What the roles member and service may do to accelerator requests.
ARQS = {arqs.CREATE, arqs.UPDATE, arqs.DELETE}


def caller(*roles, **values):
    values.setdefault('project_id', 'mine')
    return context.RequestContext(roles=list(roles), user_id='u', **values)


class TestDefaults(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        conf = cfg.ConfigOpts()
        conf([], project='cyborg_fpga', default_config_files=[])
        self.policy = policy.Policy(conf)

    def allowed(self, ctx, project_id='mine'):
        return {
            rule.name
            for rule in policies.list_rules()
            if ':' in rule.name
            and self.policy.check(ctx, rule.name, {'project_id': project_id})
        }

    def test_an_administrator_may_do_everything_anywhere(self):
        every = {r.name for r in policies.list_rules() if ':' in r.name}
        # What a project's cards compute is for its members alone. Keystone
        # gives an administrator the role member too.
        elsewhere = every - ARQS - {deployables.RUN}
        self.assertEqual(elsewhere, self.allowed(caller('admin'), 'other'))
        self.assertEqual(every, self.allowed(caller('admin', 'member')))

    def test_another_service_writes_accelerator_requests(self):
        self.assertEqual(ARQS, self.allowed(caller('service'), 'other'))

    def test_readers_see_members_claim_managers_see_cards(self):
        read = {
            'cyborg:arq:get_all',
            'cyborg:arq:get_one',
            'cyborg:device_profile:get_all',
            'cyborg:device_profile:get_one',
            'fpga:bitstream:get_all',
            'fpga:bitstream:get_one',
            'fpga:claim:get_all',
            'fpga:claim:get_one',
            'fpga:operation:get_all',
            'fpga:operation:get_one',
            'fpga:type:get_all',
        }
        write = {claims.CREATE, claims.DELETE, claims.PROGRAM} | ARQS
        write.add(deployables.RUN)
        write |= {
            bitstreams.CREATE,
            bitstreams.UPDATE,
            bitstreams.DELETE,
            bitstreams.VERIFY,
        }
        cards = {
            'cyborg:attribute:get_all',
            'cyborg:attribute:get_one',
            deployables.GET_ALL,
            deployables.GET_ONE,
            devices.GET_ALL,
            devices.GET_ONE,
        }
        self.assertEqual(read, self.allowed(caller('reader')))
        self.assertEqual(write, self.allowed(caller('member')))
        self.assertEqual(cards, self.allowed(caller('manager')))

    def test_an_answer_is_one_callers_about_one_project(self):
        rule = claims.DELETE
        for _ in range(2):
            for roles, project_id, allowed in (
                (('member',), 'mine', True),
                (('member',), 'other', False),
                (('reader',), 'mine', False),
                (('admin',), 'other', True),
            ):
                target = {'project_id': project_id}
                found = self.policy.check(caller(*roles), rule, target)
                self.assertEqual(allowed, found, (roles, project_id))

    def test_cyborgs_rules_have_its_names_and_defaults(self):
        readers, managers = 'rule:project_reader_or_admin', (
            'rule:project_manager_or_admin'
        )  # fmt: skip
        wanted = {
            'device_profile:get_all': readers,
            'device_profile:get_one': readers,
            'device_profile:create': 'rule:admin_api',
            'device_profile:delete': 'rule:admin_api',
            'arq:get_all': readers,
            'arq:get_one': readers,
            'arq:create': 'rule:project_member_or_service',
            'arq:update': 'rule:project_member_or_service',
            'arq:delete': 'rule:project_member_or_service',
            'device:get_all': managers,
            'device:get_one': managers,
            'device:disable': 'rule:admin_api',
            'device:enable': 'rule:admin_api',
            'deployable:get_all': managers,
            'deployable:get_one': managers,
            'deployable:program': 'rule:admin_api',
            'attribute:get_all': managers,
            'attribute:get_one': managers,
            'attribute:create': 'rule:admin_api',
            'attribute:delete': 'rule:admin_api',
        }
        rules = {rule.name: rule.check_str for rule in policies.list_rules()}
        for name, check in wanted.items():
            with self.subTest(name):
                self.assertEqual(check, rules[f'cyborg:{name}'])

    def test_overrides_may_use_every_word_of_cyborgs(self):
        mine, other = caller('reader'), {'project_id': 'other'}
        admin = caller('admin')
        for word, ctx, target, allowed in (
            ('allow', mine, None, True),
            ('deny', admin, None, False),
            ('is_admin', mine, None, False),
            ('is_admin', admin, other, True),
            ('admin_or_owner', mine, None, True),
            ('admin_or_owner', mine, other, False),
            ('admin_or_user', mine, None, True),
            ('admin_or_user', mine, {**other, 'user_id': 'v'}, False),
            ('admin_or_user', mine, other, False),
            ('project_admin_api', admin, None, True),
            ('project_admin_api', admin, other, False),
        ):
            with self.subTest(word, target=target):
                overridden = self.overridden(devices.GET_ALL, f'rule:{word}')
                self.assertEqual(
                    allowed, overridden.check(ctx, devices.GET_ALL, target)
                )

    def overridden(self, rule, check):
        """The policy with a file that says otherwise of one rule."""
        conf = cfg.ConfigOpts()
        conf([], project='cyborg_fpga', default_config_files=[])
        text = yaml.safe_dump({rule: check})
        [path] = self.create_tempfiles([('policy', text)], '.yaml')
        # The first has the option registered.
        policy.Policy(conf)
        conf.set_override('policy_file', path, 'oslo_policy')
        return policy.Policy(conf)

    @mock.patch.object(policy, '_LOOK_SECONDS', -1)
    def test_a_file_holds_as_soon_as_it_is_there_or_changed(self):
        path = pathlib.Path(self.create_tempfiles([('policy', '')])[0])
        path.unlink()
        self.policy.enforcer.policy_file = str(path)
        ctx = caller('reader')
        self.assertFalse(self.policy.check(ctx, devices.GET_ALL))
        for times, check in enumerate(('@', '!', 'role:reader'), 1):
            path.write_text(yaml.safe_dump({devices.GET_ALL: check}))
            # Two changes of a file may bear the same time.
            os.utime(path, (times, times))
            self.assertEqual(
                check != '!', self.policy.check(ctx, devices.GET_ALL), check
            )

    def test_another_project_gives_nothing(self):
        ctx = caller('reader', 'member', 'manager')
        self.assertEqual(set(), self.allowed(ctx, 'other'))

    def test_without_a_role_nothing_is_allowed(self):
        self.assertEqual(set(), self.allowed(caller()))

    def test_system_and_domain_tokens_are_refused(self):
        for scope in (
            {'system_scope': 'all', 'project_id': None},
            {'domain_id': 'd', 'project_id': None},
        ):
            with self.subTest(scope):
                self.assertEqual(set(), self.allowed(caller('admin', **scope)))

    def test_a_refusal_names_the_rule(self):
        exc = self.assertRaises(
            errors.Forbidden,
            self.policy.authorize,
            caller('member'),
            hosts.UPDATE,
        )
        self.assertEqual(
            f'Access was denied to the following resource: {hosts.UPDATE}',
            exc.message,
        )
        self.policy.authorize(caller('reader'), operations.GET_ALL)

    def test_every_rule_is_documented_and_for_projects(self):
        for rule in policies.list_rules():
            with self.subTest(rule.name):
                self.assertTrue(rule.description)
                if ':' in rule.name:
                    self.assertEqual(['project'], rule.scope_types)
                    self.assertTrue(rule.operations)
