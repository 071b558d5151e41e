"""What the installation guide says about Keystone works with one."""

import configparser
import pathlib
import textwrap

import fixtures
from keystoneauth1 import loading
from keystoneauth1 import session
from oslo_config import cfg

from tests.fixtures import inifile
from tests.functional.keystone import base

PAGE = pathlib.Path(__file__).parents[3].joinpath(
    'doc', 'source', 'admin', 'authentication.rst'
)  # fmt: skip


class TestGuide(base.ServedTest):
    def authtoken(self):
        values = self.group('keystone_authtoken')
        # There is none here.
        del values['memcached_servers']
        return values

    def group(self, name):
        """The options of a section of the page, with what is so here."""
        _, _, text = PAGE.read_text().partition(f'\n    [{name}]\n')
        block, _, _ = text.partition('\n\n')
        parser = configparser.ConfigParser()
        parser.read_string(f'[{name}]\n{textwrap.dedent(block)}')
        values = dict(parser[name])
        for key, value in values.items():
            if value == 'http://controller:5000/v3':
                values[key] = self.keystone.url
            elif value == 'secret':
                values[key] = values['username']
        return values

    def test_the_api_checks_tokens_as_configured(self):
        self.assertEqual(200, self.claims('reader').status_code)
        self.assertEqual(401, self.claims().status_code)

    def test_nova_gets_the_token_that_it_must_send(self):
        values = self.group('service_user')
        self.assertEqual('true', values['send_service_user_token'])
        token = self.logged_in('service_user', values)
        answer = self.claims('member', headers={'X-Service-Token': token})
        self.assertEqual(200, answer.status_code, answer.text)

    def claims(self, *args, **kwargs):
        return self.ask('GET', '/v2/claims', *args, **kwargs)

    def logged_in(self, group, values):
        path = pathlib.Path(self.useFixture(fixtures.TempDir()).path, 'conf')
        inifile.write(path, {group: values})
        conf = cfg.ConfigOpts()
        loading.register_auth_conf_options(conf, group)
        conf([], default_config_files=[str(path)])
        plugin = loading.load_auth_from_conf_options(conf, group)
        return plugin.get_token(session.Session())
