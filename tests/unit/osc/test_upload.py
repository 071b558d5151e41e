"""The commands that put bitstreams into Glance and change them there."""

import io
import os
import pathlib

import fixtures
import jsonschema
from osc_lib import exceptions

from cyborg_fpga.api.schemas import bitstreams as schema
from cyborg_fpga.osc import upload
from tests.unit.osc import base

UUID = '11111111-1111-1111-1111-111111111111'
MADE = {'uuid': UUID, 'name': 'aes.gbs', 'links': []}
EVERY_WORD = (
    *('--type', 'crypto', '--vendor', 'intel', '--region-id', '1' * 32),
    *('--function-id', '2' * 32, '--function-name', 'aes'),
    *('--function-version', '2', '--driver', 'intel_dfl'),
    *('--family', 'PAC_A10', '--shell', 'blue'),
    *('--signature', 'x', '--signature-hash-method', 'SHA-256'),
    *('--signature-key-type', 'RSA-PSS', '--signature-certificate', UUID),
    '--private',
)


class Terminal(io.StringIO):
    def isatty(self):
        return True


class TestCreate(base.CommandTest):
    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.file = folder / 'aes.gbs'
        self.file.write_bytes(b'bits' * 1_000_000)

    def test_the_file_is_sent_with_its_words_in_the_query(self):
        self.server.answers('POST', '/v2/bitstreams', MADE, status=201)
        shown = self.run_json(
            upload.CreateBitstream, str(self.file), *EVERY_WORD
        )
        self.assertEqual(UUID, shown['uuid'])
        [(_, _, query, body)] = self.server.requests
        self.assertEqual(self.file.read_bytes(), body)
        self.assertEqual(
            ('aes.gbs', 'crypto', 'private'),
            (query['name'], query['type'], query['visibility']),
        )
        jsonschema.validate(query, schema.CREATE_QUERY)
        self.assertEqual(set(query), set(schema.CREATE_QUERY['properties']))
        headers = self.server.headers[0]
        self.assertEqual('4000000', headers['Content-Length'])
        self.assertNotIn('Transfer-Encoding', headers)

    def test_a_bar_shows_how_far_it_is_on_a_terminal_alone(self):
        self.server.answers('POST', '/v2/bitstreams', MADE, status=201)
        argv = [upload.CreateBitstream, str(self.file), '--progress']
        self.run_command(*argv)
        self.assertEqual('', self.stderr.getvalue())
        terminal = Terminal()
        self.useFixture(
            fixtures.MonkeyPatch(f'{upload.__name__}.sys.stderr', terminal)
        )
        base.run(argv[0], argv[1:], self.client)
        text = terminal.getvalue()
        self.assertIn('26%', text)
        self.assertTrue(text.endswith('100%\n'), text)

    def test_the_bar_ends_its_line_where_the_server_hangs_up(self):
        terminal = Terminal()
        self.useFixture(
            fixtures.MonkeyPatch(f'{upload.__name__}.sys.stderr', terminal)
        )
        with open(self.file, 'rb') as stream:
            pieces = iter(upload._Body(stream, 4_000_000, progress=True))
            next(pieces)
            next(pieces)
            pieces.close()
        text = terminal.getvalue()
        self.assertTrue(text.endswith('26%\n'), text)

    def test_a_name_that_is_not_in_utf8_is_sent_as_text(self):
        self.server.answers('POST', '/v2/bitstreams', MADE, status=201)
        file = os.fsdecode(bytes(self.file.parent) + b'/w\xfcst.gbs')
        os.link(self.file, file)
        self.run_command(upload.CreateBitstream, file)
        self.assertEqual('w\ufffdst.gbs', self.server.requests[0][2]['name'])

    def test_a_refusal_is_said_in_the_services_words(self):
        self.server.refuses(
            'POST', '/v2/bitstreams', 400, 'it is cut off', 'fpga.bad'
        )
        exc = self.assertRaises(
            exceptions.CommandError,
            self.run_command,
            upload.CreateBitstream,
            str(self.file),
        )
        self.assertIn('it is cut off (HTTP 400, fpga.bad)', str(exc))

    def test_a_file_that_is_not_there_is_said(self):
        exc = self.assertRaises(
            exceptions.CommandError,
            self.run_command,
            upload.CreateBitstream,
            '/nowhere/aes.gbs',
        )
        self.assertEqual(
            '/nowhere/aes.gbs: No such file or directory', str(exc)
        )


class TestSet(base.CommandTest):
    def test_what_is_named_is_changed_and_what_is_unset_taken_away(self):
        self.server.answers('PATCH', f'/v2/bitstreams/{UUID}', MADE)
        self.run_command(
            upload.SetBitstream,
            *(UUID, '--name', 'new', *EVERY_WORD, '--unset', 'driver'),
        )
        body = self.server.requests[0][3]
        jsonschema.validate(body, schema.UPDATE[-1][1])
        self.assertEqual(set(schema.UPDATE[-1][1]['properties']), set(body))
        # What is set wins over what is unset.
        self.assertEqual('intel_dfl', body['driver'])
        self.run_command(upload.SetBitstream, UUID, '--unset', 'type')
        self.assertEqual({'type': None}, self.server.requests[1][3])

    def test_nothing_to_change_is_said(self):
        self.assertRaises(
            exceptions.CommandError,
            self.run_command,
            upload.SetBitstream,
            UUID,
        )


class TestDelete(base.CommandTest):
    def test_several_go_by_uuid_or_name(self):
        other = UUID.replace('1', '2')
        self.server.answers(
            'GET', '/v2/bitstreams', {'bitstreams': [{'uuid': other}]}
        )
        for uuid in (UUID, other):
            self.server.answers(
                'DELETE', f'/v2/bitstreams/{uuid}', None, status=204
            )
        self.run_command(upload.DeleteBitstream, UUID, 'aes')
        self.assertEqual(
            [UUID, other],
            [
                path.rpartition('/')[2]
                for method, path, _, _ in self.server.requests
                if method == 'DELETE'
            ],
        )

    def test_one_that_is_not_there_does_not_keep_others(self):
        self.server.answers('GET', '/v2/bitstreams', {'bitstreams': []})
        self.server.answers(
            'DELETE', f'/v2/bitstreams/{UUID}', None, status=204
        )
        exc = self.assertRaises(
            exceptions.CommandError,
            self.run_command,
            upload.DeleteBitstream,
            *('aes', UUID, 'dsp'),
        )
        self.assertEqual(
            'No bitstream is called aes.\nNo bitstream is called dsp.',
            str(exc),
        )
        self.assertEqual(
            ['GET', 'DELETE', 'GET'], [one[0] for one in self.server.requests]
        )


class TestVerify(base.CommandTest):
    def verdict(self, **changes):
        found = {'uuid': UUID, 'good': True, 'reason': '', **changes}
        self.server.answers('POST', f'/v2/bitstreams/{UUID}/verify', found)

    def test_a_good_one_is_shown(self):
        self.verdict()
        self.assertTrue(self.run_json(upload.VerifyBitstream, UUID)['good'])

    def test_another_is_a_failure_with_its_reason(self):
        self.verdict(good=False, reason='it is cut off')
        exc = self.assertRaises(
            exceptions.CommandError,
            self.run_command,
            upload.VerifyBitstream,
            UUID,
        )
        self.assertIn('is not good: it is cut off', str(exc))
