"""The commands about cards, hosts, deployables and operations."""

from osc_lib import exceptions

from cyborg_fpga.osc import bitstream
from cyborg_fpga.osc import deployable
from cyborg_fpga.osc import device
from cyborg_fpga.osc import host
from cyborg_fpga.osc import operation
from tests.unit.osc import base

UUID = '11111111-1111-1111-1111-111111111111'
IMAGE = '44444444-4444-4444-4444-444444444444'
OPERATION = '33333333-3333-3333-3333-333333333333'


def handle(address, *, claimed=False, present=True, claim_uuid=None):
    return {
        'kind': 'VF',
        'pci_address': address,
        'claimed': claimed,
        'present': present,
        'claim_uuid': claim_uuid,
    }


HANDLES = [
    handle('0000:3b:00.1', claimed=True),
    handle('0000:3b:00.2'),
    handle('0000:3b:00.3', present=False),
]


class TestDevice(base.CommandTest):
    def test_list_asks_for_what_was_named(self):
        self.server.answers('GET', '/v2/devices', {'devices': []})
        self.run_json(
            device.ListDevice,
            *('--host', 'n', '--vendor', 'intel', '--family', 'F'),
            *('--status', 'enabled', '--health', 'lost'),
        )
        self.assertEqual(
            {
                'hostname': 'n',
                'vendor': 'intel',
                'family': 'F',
                'status': 'enabled',
                'health': 'lost',
            },
            self.server.requests[0][2],
        )

    def test_show_leaves_out_what_is_said_twice(self):
        self.server.answers(
            'GET',
            f'/v2/devices/{UUID}',
            {'uuid': UUID, 'std_board_info': '{}', 'links': [],
             'attributes': {'bmc': '1'}},
        )  # fmt: skip
        shown = self.run_json(device.ShowDevice, UUID)
        self.assertEqual({'uuid': UUID, 'attributes': {'bmc': '1'}}, shown)

    def test_set_enables_or_disables(self):
        for verb in ('enable', 'disable'):
            path = f'/v2/devices/{UUID}/{verb}'
            self.server.answers('POST', path, (204, None))
            self.run_command(device.SetDevice, UUID, f'--{verb}')
            self.assertEqual(path, self.server.requests[-1][1])

    def test_set_wants_to_know_which(self):
        self.assertIn('--enable', self.refused_options(device.SetDevice, UUID))


class TestHost(base.CommandTest):
    def test_list_asks_for_what_was_named(self):
        self.server.answers('GET', '/v2/hosts', {'hosts': []})
        self.run_json(host.ListHost, '--down', '--status', 'disabled')
        self.run_json(host.ListHost, '--up')
        self.run_json(host.ListHost)
        self.assertEqual(
            [{'up': 'false', 'status': 'disabled'}, {'up': 'true'}, {}],
            [query for _, _, query, _ in self.server.requests],
        )

    def test_show_takes_a_name_with_dots(self):
        self.server.answers(
            'GET', '/v2/hosts/node1.example.com', {'hostname': 'x'}
        )
        shown = self.run_json(host.ShowHost, 'node1.example.com')
        self.assertEqual({'hostname': 'x'}, shown)

    def test_show_tells_of_the_cache(self):
        told = {'hostname': 'x', 'cache': {'files': 2, 'hits': 7}}
        self.server.answers('GET', '/v2/hosts/x', told)
        self.assertEqual(told, self.run_json(host.ShowHost, 'x'))

    def test_disabling_may_say_why(self):
        self.server.answers('POST', '/v2/hosts/n/disable', {})
        self.server.answers('POST', '/v2/hosts/n/enable', {})
        self.run_command(host.SetHost, 'n', '--disable', '--reason', 'fan')
        self.run_command(host.SetHost, 'n', '--disable')
        self.run_command(host.SetHost, 'n', '--enable')
        self.assertEqual(
            [{'disabled_reason': 'fan'}, {}, {}],
            [body for _, _, _, body in self.server.requests],
        )


class TestDeployable(base.CommandTest):
    def test_list_counts_the_claimed_handles_that_are_there(self):
        self.server.answers(
            'GET',
            '/v2/deployables',
            {'deployables': [{'uuid': UUID, 'handles': HANDLES}]},
        )
        shown = self.run_json(deployable.ListDeployable)[0]
        self.assertEqual('1/2', shown['claimed'])
        self.assertEqual(['0000:3b:00.1', '0000:3b:00.2'], shown['addresses'])

    def test_show_keeps_the_handles_in_json(self):
        self.server.answers(
            'GET',
            f'/v2/deployables/{UUID}',
            {'uuid': UUID, 'handles': HANDLES, 'parent_id': None},
        )
        shown = self.run_json(deployable.ShowDeployable, UUID)
        self.assertEqual({'uuid': UUID, 'handles': HANDLES}, shown)

    def test_a_person_reads_a_line_per_handle(self):
        shown = [handle('0000:3b:00.4', claimed=True, claim_uuid='c1')]
        self.server.answers(
            'GET',
            f'/v2/deployables/{UUID}',
            {'uuid': UUID, 'handles': HANDLES + shown},
        )
        text = self.run_command(deployable.ShowDeployable, UUID)
        for line in (
            'VF 0000:3b:00.1: claimed ',
            'VF 0000:3b:00.2: free ',
            'VF 0000:3b:00.3: free, not there ',
            'VF 0000:3b:00.4: claim c1 ',
        ):
            self.assertIn(line, text)

    def _program(self, *argv):
        self.server.answers(
            'PATCH',
            f'/v2/deployables/{UUID}/program',
            {'uuid': UUID},
            headers={'Location': f'http://x/v2/operations/{OPERATION}'},
        )
        return self.run_json(deployable.ProgramDeployable, UUID, IMAGE, *argv)

    def test_program_sends_the_list_of_cyborg_and_answers_the_operation(self):
        self.server.answers(
            'GET', f'/v2/operations/{OPERATION}', {'uuid': OPERATION}
        )
        self.assertEqual({'uuid': OPERATION}, self._program())
        self.assertEqual(
            [
                {
                    'path': '/program',
                    'op': 'replace',
                    'value': [{'image_uuid': IMAGE}],
                }
            ],
            self.server.requests[0][3],
        )

    def test_program_can_wait(self):
        self.server.answers(
            'GET',
            f'/v2/operations/{OPERATION}',
            {'uuid': OPERATION, 'state': 'pending'},
            {'uuid': OPERATION, 'state': 'running', 'progress': 50},
            {'uuid': OPERATION, 'state': 'succeeded', 'progress': 100},
        )
        self.assertEqual('succeeded', self._program('--wait')['state'])
        self.assertEqual(
            ['pending (0 %)', 'running (50 %)', 'succeeded (100 %)'],
            self.stderr.getvalue().splitlines(),
        )

    def test_an_answer_without_its_operation_is_a_sentence(self):
        self.server.answers('PATCH', f'/v2/deployables/{UUID}/program', {})
        error = self.assertRaises(
            exceptions.CommandError,
            self.run_command,
            deployable.ProgramDeployable,
            *(UUID, IMAGE),
        )
        self.assertIn('which operation', str(error))


class TestOperation(base.CommandTest):
    def test_list_asks_for_what_was_named(self):
        self.server.answers('GET', '/v2/operations', {'operations': []})
        self.run_json(
            operation.ListOperation,
            *('--host', 'n', '--deployable', UUID, '--claim', IMAGE),
            *('--kind', 'wipe', '--state', 'failed'),
        )
        self.assertEqual(
            {
                'hostname': 'n',
                'deployable_uuid': UUID,
                'claim_uuid': IMAGE,
                'kind': 'wipe',
                'state': 'failed',
            },
            self.server.requests[0][2],
        )

    def test_cancel(self):
        path = f'/v2/operations/{UUID}/cancel'
        self.server.answers('POST', path, {}, status=202)
        self.run_command(operation.CancelOperation, UUID)
        self.assertEqual(('POST', path, {}, {}), self.server.requests[0])


class TestBitstream(base.CommandTest):
    def test_list_asks_for_what_was_named(self):
        self.server.answers('GET', '/v2/bitstreams', {'bitstreams': []})
        self.run_json(
            bitstream.ListBitstream,
            *('--type', 'crypto', '--vendor', 'intel', '--unusable'),
        )
        self.assertEqual(
            {'type': 'crypto', 'vendor': 'intel', 'usable': 'false'},
            self.server.requests[0][2],
        )

    def test_show_takes_a_uuid_without_looking_it_up(self):
        self.server.answers('GET', f'/v2/bitstreams/{UUID}', {'uuid': UUID})
        self.run_json(bitstream.ShowBitstream, UUID)
        self.assertEqual(1, len(self.server.requests))

    def test_types_are_listed_with_their_bitstreams(self):
        types = [{'type': 'crypto', 'bitstreams': 2}]
        self.server.answers('GET', '/v2/types', {'types': types})
        self.assertEqual(types, self.run_json(bitstream.ListType))
