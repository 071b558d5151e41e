"""What a controller can ask of a request."""

from oslo_config import cfg
from oslotest import base

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga.api import auth
from cyborg_fpga.api import handler


class TestServiceToken(base.BaseTestCase):
    def call_by(self, *service_roles, roles=('admin', 'member', 'service')):
        conf = cfg.ConfigOpts()
        auth.register_opts(conf)
        conf([], default_config_files=[])
        return handler.Call(
            services=handler.Services(conf, None, None),
            ctx=context.RequestContext(
                roles=list(roles), service_roles=list(service_roles)
            ),
            minor=0,
            query={},
            body=None,
            base_url='',
            path_url='',
        )

    def test_a_service_in_a_users_name_is_let_through(self):
        call = self.call_by('admin', 'service', roles=['member'])
        self.assertTrue(call.by_service)
        call.require_service_token()

    def test_no_role_of_the_caller_stands_for_the_token(self):
        call = self.call_by()
        self.assertFalse(call.by_service)
        exc = self.assertRaises(
            errors.ServiceTokenRequired, call.require_service_token
        )
        self.assertEqual(403, exc.http_status)
        self.assertEqual(
            'This operation requires a service token. Use the Compute API '
            'to manage instance accelerators.',
            exc.message,
        )

    def test_a_token_without_the_right_role_is_not_enough(self):
        # keystonemiddleware hands it on where its roles are not required.
        call = self.call_by('admin', 'member')
        self.assertRaises(
            errors.ServiceTokenRequired, call.require_service_token
        )

    def test_which_roles_are_right_can_be_configured(self):
        call = self.call_by('compute')
        call.services.conf.set_override(
            'service_token_roles', ['compute'], auth.GROUP
        )
        call.require_service_token()
