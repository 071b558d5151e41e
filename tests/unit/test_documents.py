"""What is written about the service is true of it, and whole."""

import configparser
import pathlib
import re

from castellan import options as castellan_options
from keystonemiddleware import opts as auth_token
from oslotest import base

from cyborg_fpga import conf
from cyborg_fpga import model
from cyborg_fpga.api import routes

ROOT = pathlib.Path(__file__).parents[2]
DOC = ROOT / 'doc' / 'source'


def entry_points(group):
    setup = configparser.ConfigParser()
    setup.read(ROOT / 'setup.cfg')
    lines = setup['entry_points'][group].strip().splitlines()
    return [line.partition('=')[0].strip() for line in lines]


class TestPages(base.BaseTestCase):
    def test_every_url_is_in_the_api_guide(self):
        page = (DOC / 'user' / 'api.rst').read_text()
        for url, methods in routes.table(None).items():
            # An alias for one client library.
            if url.endswith('/{again}'):
                continue
            for method in methods:
                # The method may stand in a sentence of its own.
                self.assertIn(url, page)
                self.assertIn(method, page)

    def test_the_api_guide_names_no_url_that_is_not_there(self):
        page = (DOC / 'user' / 'api.rst').read_text()
        named = set(re.findall(r'``(?:[A-Z]+) (/[^`?]*)``', page))
        self.assertEqual(set(), named - set(routes.table(None)))

    def test_the_api_reference_is_whole_in_both_places(self):
        folder = ROOT / 'api-ref' / 'source'
        there = {path.name for path in folder.glob('*.inc')}
        for page in (folder / 'index.rst', DOC / 'user' / 'api-reference.rst'):
            text = page.read_text()
            included = set(re.findall(r'include:: (?:\S*/)?(\S+)', text))
            self.assertEqual(there, included, page)

    def test_every_cause_is_explained(self):
        page = (DOC / 'user' / 'claims.rst').read_text()
        for cause in model.Cause:
            self.assertIn(f'* - ``{cause.value}``', page)

    def test_every_state_is_explained(self):
        page = (DOC / 'user' / 'claims.rst').read_text()
        for states in (
            model.ClaimState,
            model.OperationState,
            model.DeployableState,
        ):
            for state in states:
                self.assertIn(f'``{state.value}``', page)

    def test_every_process_is_in_the_installation_guide(self):
        page = (DOC / 'admin' / 'installation.rst').read_text()
        for name in entry_points('console_scripts'):
            self.assertIn(f'``{name}``', page)

    def test_every_way_out_is_a_command_that_there_is(self):
        commands = {
            name.replace('_', ' ')
            for name in entry_points('openstack.fpga.v2')
        }
        for path in (*DOC.rglob('*.rst'), ROOT / 'README.rst'):
            text = ' '.join(path.read_text().split())
            for found in re.findall(
                r'openstack (?:--os-cloud [a-z-]+ )?'
                r'(fpga [a-z]+ [a-z]+)(?![a-z])',
                text,
            ):
                self.assertIn(found, commands, path)

    def test_every_file_that_is_named_is_there(self):
        for path in (
            DOC / 'contributor' / 'where-do-i.rst',
            DOC / 'contributor' / 'writing-a-driver.rst',
        ):
            for name in re.findall(r'``([a-z_/-]+(?:\.(?:py|cfg|rst)|/))``',
                                   path.read_text()):  # fmt: skip
                there = [(ROOT / name).exists(),
                         (ROOT / 'cyborg_fpga' / name).exists()]  # fmt: skip
                self.assertTrue(any(there), f'{path} names {name}')

    def test_every_link_of_the_readme_leads_somewhere(self):
        for path in (ROOT / 'README.rst', ROOT / 'CONTRIBUTING.rst'):
            for target in re.findall(r'<(doc/[^>]+)>`_', path.read_text()):
                self.assertTrue((ROOT / target).exists(), target)

    def test_the_option_groups_that_are_named_have_the_options(self):
        known = {
            (name, option.dest)
            for name, options in _options()
            for option in options
        }
        for path in DOC.rglob('*.rst'):
            text = ' '.join(path.read_text().split())
            for group, option in re.findall(r'``\[(\w+)\] (\w+)``', text):
                self.assertIn((group, option), known, path)


def _options():
    for group, options in (
        *conf.list_opts(),
        *auth_token.list_auth_token_opts(),
        *castellan_options.list_opts(),
    ):
        yield getattr(group, 'name', group), options
