"""Who a caller is, by a real Keystone's word."""

import time

import requests
from keystoneauth1 import session
from keystoneauth1.identity import v3

from cyborg_fpga import context
from tests.functional.keystone import base


class TestContext(base.ServedTest):
    def seen(self, *args, **kwargs) -> context.RequestContext:
        """What a conductor is told of who sent a claim."""
        answer = self.ask('POST', '/v2/claims', *args, json={}, **kwargs)
        self.assertEqual(201, answer.status_code, answer.text)
        return self.api.conductor.contexts[-1]

    def test_user_project_and_roles_are_the_tokens(self):
        ctx = self.seen('member')
        project = self.keystone.project('member')
        self.assertEqual(project, ctx.project_id)
        self.assertEqual({'member', 'reader'}, set(ctx.roles))
        (user,) = self.keystone.ask('GET', '/users?name=member')
        self.assertEqual(user['id'], ctx.user_id)
        self.assertEqual([], ctx.service_roles)

    def test_a_service_token_brings_its_roles_and_no_rights(self):
        ctx = self.seen('member', service='nova')
        self.assertLessEqual({'admin', 'service'}, set(ctx.service_roles))
        self.assertEqual({'member', 'reader'}, set(ctx.roles))
        answer = self.ask('GET', '/v2/hosts', 'member', service='nova')
        self.assertEqual(403, answer.status_code)

    def test_no_header_of_a_caller_claims_an_identity(self):
        forged = {
            'X-Roles': 'admin',
            'X-Role': 'admin',
            'X-Service-Roles': 'service',
            'X-User-Id': 'root',
            'X-Project-Id': 'all',
            'X-Identity-Status': 'Confirmed',
            'X-Service-Identity-Status': 'Confirmed',
        }
        ctx = self.seen('member', headers=forged)
        self.assertEqual({'member', 'reader'}, set(ctx.roles))
        self.assertEqual([], ctx.service_roles)
        self.assertEqual(self.keystone.project('member'), ctx.project_id)
        self.refused(401, headers=forged)

    def refused(self, status, persona=None, **kwargs):
        path = kwargs.pop('path', '/v2/claims')
        answer = self.ask('GET', path, persona, **kwargs)
        self.assertEqual(status, answer.status_code, answer.text)
        return answer

    def test_a_request_without_a_good_token_is_unauthorized(self):
        said = {
            'error': {
                'code': 401,
                'title': 'Unauthorized',
                'message': 'The request you have made requires '
                'authentication.',
            }
        }
        ended = self.keystone.new_token('member')
        self.keystone.ask(
            'DELETE', '/auth/tokens', headers={'X-Subject-Token': ended}
        )
        for token in (None, '', 'admin', 'gAAAAA', ended):
            with self.subTest(token):
                answer = self.refused(401, headers={'X-Auth-Token': token})
                self.assertEqual(
                    f'Keystone uri="{self.keystone.url}"',
                    answer.headers['WWW-Authenticate'],
                )
                self.assertEqual(said, answer.json())
                self.assertEqual(
                    'application/json',
                    answer.headers['Content-Type'].partition(';')[0],
                )

    def test_a_service_token_must_be_a_services(self):
        self.refused(200, 'member', service='service')
        # Good tokens of users, also of an administrator.
        self.refused(401, 'member', service='member')
        self.refused(401, 'member', service='admin')
        self.refused(401, 'member', headers={'X-Service-Token': 'gAAAAA'})
        self.refused(401, service='nova')

    def test_the_system_and_who_has_no_role_are_refused(self):
        for persona in ('system', 'visitor', 'service'):
            for path in ('/v2/claims', '/v2/devices', '/v2/hosts'):
                with self.subTest(f'{persona} {path}'):
                    self.refused(403, persona, path=path)

    def test_discovery_needs_no_token(self):
        for path in ('/', '/v2', '/v2/'):
            self.refused(200, path=path)
            self.refused(200, path=path, headers={'X-Auth-Token': 'gAAAAA'})

    def test_an_application_credential_can_be_limited_to_some_urls(self):
        self.keystone.register('accelerator', 'cyborg', f'{self.url}/v2')
        token = self.limited_token(
            {'service': 'accelerator', 'method': 'GET', 'path': '/v2/claims'}
        )
        headers = {'X-Auth-Token': token}
        self.refused(200, headers=headers)
        self.refused(401, headers=headers, path='/v2/bitstreams')
        answer = self.ask('POST', '/v2/claims', headers=headers, json={})
        self.assertEqual(401, answer.status_code)
        self.assertEqual([], self.api.conductor.calls)

    def limited_token(self, *rules):
        """A member's, of a credential that is good for these URLs only."""
        (user,) = self.keystone.ask('GET', '/users?name=member')
        wanted = {'name': self.id(), 'secret': 'x', 'access_rules': rules}
        made = requests.post(
            f'{self.keystone.url}/users/{user["id"]}/application_credentials',
            json={'application_credential': wanted},
            headers={'X-Auth-Token': self.keystone.token('member')},
            timeout=60,
        ).json()['application_credential']
        plugin = v3.ApplicationCredential(
            self.keystone.url,
            application_credential_id=made['id'],
            application_credential_secret='x',
        )
        return plugin.get_token(session.Session())


class TestExpiry(base.ServedTest):
    seconds = 5

    def test_what_ran_out_is_good_with_a_services_token(self):
        # A server takes longer to build than its user's token lasts.
        token = self.keystone.new_token('member')
        self.until(401, token)
        self.until(200, token, 'nova')
        self.until(401, token, 'admin')

    def until(self, status, token, service=None):
        """Ask until that is the answer; the service's token is a new one."""
        end, found = time.monotonic() + 60, None
        while found != status:
            self.assertLess(time.monotonic(), end, found)
            headers = {'X-Auth-Token': token}
            if service is not None:
                fresh = self.keystone.new_token(service)
                headers['X-Service-Token'] = fresh
            found = self.ask('GET', '/v2/claims', headers=headers).status_code
