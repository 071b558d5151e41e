import concurrent.futures
import http.server
import json
import threading

from keystoneauth1 import fixture
from keystoneauth1 import loading
from oslo_config import cfg
from oslotest import base

from cyborg_fpga import conf as options
from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga.clients import session


class _Handler(http.server.BaseHTTPRequestHandler):
    """The least Keystone, and a service that answers what it was asked."""

    protocol_version = 'HTTP/1.1'

    def do_POST(self):
        self.rfile.read(int(self.headers['Content-Length']))
        self.server.logins += 1
        token = fixture.V3Token()
        service = token.add_service('image', 'glance')
        service.add_standard_endpoints(public=f'{self.server.url}/image/v2')
        self._answer(
            201, token, {'X-Subject-Token': f'token-{self.server.logins}'}
        )

    def do_GET(self):
        token = self.headers.get('X-Auth-Token')
        if self.path == '/v3':
            self._answer(200, fixture.V3Discovery(f'{self.server.url}/v3'))
        elif token in self.server.refused:
            self._answer(401, {})
        elif self.path.endswith('/broken'):
            self._answer(503, {})
        else:
            self._answer(200, {'path': self.path, 'token': token})

    def _answer(self, status, body, headers=None):
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


class TestService(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.server = http.server.ThreadingHTTPServer(
            ('127.0.0.1', 0), _Handler
        )
        self.server.daemon_threads = True
        self.server.url = f'http://127.0.0.1:{self.server.server_port}'
        self.server.logins = 0
        self.server.refused = set()
        thread = threading.Thread(
            target=self.server.serve_forever, args=(0.01,)
        )
        thread.start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(self.server.shutdown)

    def service(self, **values):
        values = {
            'auth_type': 'password',
            'auth_url': f'{self.server.url}/v3',
            'username': 'cyborg',
            'password': 'secret',
            'project_name': 'service',
            'user_domain_name': 'Default',
            'project_domain_name': 'Default',
            **values,
        }
        conf = cfg.ConfigOpts()
        options.register_opts(conf)
        conf([], project='cyborg_fpga', default_config_files=[])
        plugin = values['auth_type']
        conf.register_opts(
            loading.get_auth_plugin_conf_options(plugin), group='glance'
        )
        known = {
            opt.dest for opt in loading.get_auth_plugin_conf_options(plugin)
        }
        for name, value in values.items():
            if name in known or name in conf.glance:
                conf.set_override(name, value, group='glance')
        return session.Service(conf, 'glance', 'Glance')

    def ask(self, service, path='/x'):
        return service.request('GET', path).json()

    def test_nothing_is_asked_before_the_first_request(self):
        self.service()
        self.assertEqual(0, self.server.logins)

    def test_keystone_is_asked_for_token_and_address_once(self):
        service = self.service()
        for _ in range(3):
            self.assertEqual(
                {'path': '/image/v2/x', 'token': 'token-1'}, self.ask(service)
            )
        self.assertEqual(1, self.server.logins)

    def test_threads_that_come_together_log_in_once(self):
        service = self.service()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: self.ask(service), range(32)))
        self.assertEqual({'token-1'}, {answer['token'] for answer in found})
        self.assertEqual(1, self.server.logins)

    def test_an_expired_token_is_replaced(self):
        service = self.service()
        self.ask(service)
        self.server.refused.add('token-1')
        self.assertEqual('token-2', self.ask(service)['token'])

    def test_a_configured_address_goes_before_the_catalogue(self):
        service = self.service(endpoint_override=f'{self.server.url}/other')
        self.assertEqual('/other/x', self.ask(service)['path'])

    def test_the_embedded_mode_needs_no_keystone(self):
        service = self.service(
            auth_type='admin_token', token='admin', endpoint=self.server.url
        )
        self.assertEqual({'path': '/x', 'token': 'admin'}, self.ask(service))
        self.assertEqual(0, self.server.logins)

    def test_a_callers_token_goes_to_our_own_address(self):
        service = self.service()
        ctx = context.RequestContext(auth_token='callers', overwrite=False)
        found = service.adapter_options(ctx)['auth']
        headers = found.get_headers(service.session)
        self.assertEqual({'X-Auth-Token': 'callers'}, headers)
        self.assertEqual(
            f'{self.server.url}/image/v2',
            found.get_endpoint(service.session),
        )

    def test_every_request_has_a_time_limit(self):
        self.assertEqual(30, self.service().session.timeout)
        self.assertEqual(7, self.service(timeout=7).session.timeout)

    def test_what_goes_wrong_is_one_error_with_a_sentence(self):
        refused = self.service(
            auth_type='admin_token', token='no', endpoint=self.server.url
        )
        self.server.refused.add('no')
        for service, path, said in (
            (self.service(), '/broken', 'it answered 503'),
            (refused, '/x', 'it refused our credentials'),
            (
                self.service(auth_url='http://127.0.0.1:9/v3'),
                '/x',
                'it cannot be reached',
            ),
            (
                self.service(service_type='fpga-of-2099'),
                '/x',
                'it has no endpoint in the catalog',
            ),
        ):
            exc = self.assertRaises(
                errors.ServiceUnavailable, service.request, 'GET', path
            )
            self.assertEqual(f'Glance cannot be used now: {said}', exc.message)
