"""Who a caller is."""

import pathlib

import fixtures
import webob
from oslo_config import cfg
from oslotest import base

from cyborg_fpga import conf as options
from cyborg_fpga.api import auth


class TestNoAuth(base.BaseTestCase):
    def identity(self, token, **headers):
        seen = {}

        def application(environ, start):
            seen.update(environ)
            return webob.Response('')(environ, start)

        headers['X-Auth-Token'] = token
        req = webob.Request.blank('/v2/x', headers=headers)
        wrapped = auth.NoAuth(application, ['service'])
        status = req.get_response(wrapped).status_int
        return status, {
            name.removeprefix('HTTP_'): seen[name]
            for name in seen
            if name.startswith(('HTTP_X_', 'HTTP_OPENSTACK'))
        }

    def test_the_token_says_everything(self):
        status, identity = self.identity('u:p:admin,member')
        self.assertEqual(200, status)
        self.assertEqual('u', identity['X_USER_ID'])
        self.assertEqual('p', identity['X_PROJECT_ID'])
        self.assertEqual('admin,member', identity['X_ROLES'])
        self.assertEqual('u:p:admin,member', identity['X_AUTH_TOKEN'])

    def test_a_name_alone_is_a_member_and_admin_is_all(self):
        self.assertEqual('member,reader', self.identity('u')[1]['X_ROLES'])
        self.assertEqual('u', self.identity('u')[1]['X_PROJECT_ID'])
        self.assertEqual(
            'admin,member,reader', self.identity('admin')[1]['X_ROLES']
        )
        self.assertEqual('', self.identity('u:p:')[1]['X_ROLES'])

    def test_headers_that_claim_an_identity_are_dropped(self):
        _, identity = self.identity(
            'u',
            **{
                'X-Roles': 'admin',
                'X-Service-Roles': 'service',
                'X-Domain-Id': 'd',
                'OpenStack-System-Scope': 'all',
            },
        )
        self.assertEqual(
            {
                'X_AUTH_TOKEN',
                'X_IDENTITY_STATUS',
                'X_USER_ID',
                'X_PROJECT_ID',
                'X_ROLES',
            },
            set(identity),
        )

    def test_a_service_token_brings_its_roles(self):
        status, identity = self.identity(
            'u', **{'X-Service-Token': 'nova:service:admin,service'}
        )
        self.assertEqual(200, status)
        self.assertEqual('u', identity['X_USER_ID'])
        self.assertEqual('member,reader', identity['X_ROLES'])
        self.assertEqual('admin,service', identity['X_SERVICE_ROLES'])

    def test_a_service_token_of_no_service_is_unauthorized(self):
        for token in ('', 'admin', 'u:p:member', 'nova:service:'):
            with self.subTest(token):
                status, _ = self.identity('u', **{'X-Service-Token': token})
                self.assertEqual(401, status)
        status, _ = self.identity(
            '', **{'X-Service-Token': 'nova:service:service'}
        )
        self.assertEqual(401, status)

    def test_no_user_is_unauthorized(self):
        for token in ('', ':p:admin'):
            self.assertEqual(401, self.identity(token)[0])


class TestKeystone(base.BaseTestCase):
    def test_without_a_token_nothing_but_discovery_is_reached(self):
        path = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (path / 'x.conf').write_text(
            '[keystone_authtoken]\nwww_authenticate_uri = http://keystone\n'
        )
        conf = cfg.ConfigOpts()
        options.register_opts(conf)
        conf([], default_config_files=[str(path / 'x.conf')])
        auth.register_opts(conf)
        application = auth.protect(webob.Response('reached'), conf)
        for path, status in (
            ('/', 200),
            ('/v2', 200),
            ('/v2/', 200),
            ('/v2/claims', 401),
            ('//v2/claims', 401),
        ):
            with self.subTest(path):
                req = webob.Request.blank(path)
                self.assertEqual(
                    status, req.get_response(application).status_int
                )
