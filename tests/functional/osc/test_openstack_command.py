"""The real ``openstack`` command with the plugin as it is installed."""

import json
import os
import pathlib
import subprocess
import sys

import yaml
from oslotest import base

from tests.unit.osc import server

UUID = '11111111-1111-1111-1111-111111111111'


class TestOpenstackCommand(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.server = self.useFixture(server.Server())
        self.config = self._clouds(self.server.url)

    def _clouds(self, url):
        cloud = {
            'auth_type': 'admin_token',
            'auth': {'token': 'admin', 'endpoint': 'http://127.0.0.1:1'},
            'accelerator_endpoint_override': url,
        }
        text = yaml.safe_dump({'clouds': {'canned': cloud}})
        return self.create_tempfiles([('clouds', text)], '.yaml')[0]

    def _openstack(self, *words):
        command = pathlib.Path(sys.executable).with_name('openstack')
        return subprocess.run(
            [command, '--os-cloud', 'canned', *words],
            env={**os.environ, 'OS_CLIENT_CONFIG_FILE': self.config},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def test_a_list_in_json_is_only_json(self):
        claims = [{'uuid': UUID, 'state': 'ready', 'addresses': ['a']}]
        self.server.answers('GET', '/v2/claims', {'claims': claims})
        done = self._openstack('fpga', 'claim', 'list', '-f', 'json')
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(UUID, json.loads(done.stdout)[0]['uuid'])
        self.assertEqual('', done.stderr)

    def test_a_refusal_is_one_sentence_and_exit_code_1(self):
        self.server.refuses(
            'POST', '/v2/claims', 409, 'Host n is down.', 'fpga.down'
        )
        done = self._openstack('fpga', 'claim', 'create', '--host', 'n')
        self.assertEqual(1, done.returncode)
        self.assertEqual(
            'Host n is down. (HTTP 409, fpga.down)\n', done.stderr
        )
        self.assertEqual('', done.stdout)

    def test_a_file_is_uploaded_with_its_words(self):
        [path] = self.create_tempfiles([('aes', 'x' * 3_000_000)], '.gbs')
        made = {'uuid': UUID, 'usable': True, 'links': []}
        self.server.answers('POST', '/v2/bitstreams', made, status=201)
        done = self._openstack(
            *('fpga', 'bitstream', 'create', path, '--type', 'crypto'),
            *('--function-version', '2', '--progress', '-f', 'json'),
        )
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(UUID, json.loads(done.stdout)['uuid'])
        [(_, _, query, body)] = self.server.requests
        self.assertEqual(('crypto', '2'), (query['type'], query['version']))
        self.assertEqual(3_000_000, len(body))

    def test_a_claim_that_fails_while_it_is_awaited_is_exit_code_1(self):
        fault = {'code': 'device_error', 'message': 'The card refused.'}
        claim = {'uuid': UUID, 'state': 'programming', 'operation_uuids': []}
        self.server.answers('POST', '/v2/claims', claim, status=202)
        self.server.answers(
            'GET',
            f'/v2/claims/{UUID}',
            {**claim, 'state': 'failed', 'fault': fault},
        )
        done = self._openstack('fpga', 'claim', 'create', '--wait')
        self.assertEqual(1, done.returncode)
        self.assertIn('The card refused.', done.stderr)
        self.assertNotIn('Traceback', done.stderr)

    def test_in_is_not_short_for_insecure(self):
        path = f'/v2/deployables/{UUID}/run'
        self.server.answers('POST', path, b'answer')
        given, answer = self.create_tempfiles([('a', 'in'), ('b', '')])
        for words in (('--in', given), (f'--in={given}',)):
            done = self._openstack(
                *('fpga', 'deployable', 'run', UUID, '--out', answer), *words
            )
            self.assertEqual(0, done.returncode, done.stderr)
            self.assertEqual('answer', pathlib.Path(answer).read_text())
        self.assertEqual(b'in', self.server.requests[-1][3])
        # What is shorter or longer still is.
        done = self._openstack('fpga', 'device', 'list', '--inse')
        self.assertNotIn('unrecognized', done.stderr)

    def test_a_service_that_is_away_is_one_sentence(self):
        self.config = self._clouds('http://127.0.0.1:1')
        done = self._openstack('fpga', 'device', 'list')
        self.assertEqual(1, done.returncode)
        self.assertIn('does not answer', done.stderr)
        self.assertNotIn('Traceback', done.stderr)
