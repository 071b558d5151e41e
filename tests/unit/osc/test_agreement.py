"""The commands and the API mean the same: columns, filters and bodies.

Neither side imports the other, so only this notices when one is renamed.
"""

import argparse
import importlib
import inspect

import jsonschema

from cyborg_fpga.api.schemas import bitstreams as bitstream_schema
from cyborg_fpga.api.schemas import claims as claim_schema
from cyborg_fpga.api.schemas import deployables as deployable_schema
from cyborg_fpga.api.schemas import devices as device_schema
from cyborg_fpga.api.schemas import hosts as host_schema
from cyborg_fpga.api.schemas import operations as operation_schema
from cyborg_fpga.osc import bitstream
from cyborg_fpga.osc import claim
from cyborg_fpga.osc import client
from cyborg_fpga.osc import deployable
from cyborg_fpga.osc import device
from cyborg_fpga.osc import host
from cyborg_fpga.osc import operation
from tests.unit.osc import base

UUID = '11111111-1111-1111-1111-111111111111'

#: Collection -> list command, answer's and query's schema.
LISTS = {
    'bitstreams': (
        bitstream.ListBitstream,
        bitstream_schema.BITSTREAM,
        bitstream_schema.QUERY,
    ),
    'claims': (
        claim.ListClaim,
        claim_schema.CLAIM,
        claim_schema.QUERY,
    ),
    'deployables': (
        deployable.ListDeployable,
        deployable_schema.DEPLOYABLE,
        deployable_schema.QUERY,
    ),
    'devices': (
        device.ListDevice,
        device_schema.DEVICE,
        device_schema.QUERY,
    ),
    'hosts': (host.ListHost, host_schema.HOST, host_schema.QUERY),
    'operations': (
        operation.ListOperation,
        operation_schema.OPERATION,
        operation_schema.QUERY,
    ),
}
#: Columns that a command makes of others.
MADE = {'deployables': {'addresses', 'claimed'}}


def every_option(cls):
    """Calls of a list command that between them use every filter."""
    # This one has none of its own.
    plain = bitstream.ListType(None, None).get_parser('x')
    common = {action.dest for action in plain._actions}
    common |= {'long', 'limit', 'marker'}
    mine = [a for a in cls(None, None).get_parser('x')._actions
            if a.dest not in common]  # fmt: skip
    for action in mine:
        name = action.option_strings[-1]
        if isinstance(action, argparse._StoreConstAction):
            yield [name]
        elif action.dest == 'sort':
            yield [name, 'created_at:asc']
        else:
            values = action.choices or [
                UUID if action.metavar == '<uuid>' else 'word'
            ]
            yield from ([name, value] for value in values)


class TestAgreement(base.CommandTest):
    def test_every_column_is_a_member_of_the_answer(self):
        newest = int(client.MICROVERSION.split('.')[1])
        for name, (cls, versions, _) in LISTS.items():
            schema = [s for first, s in versions if first <= newest][-1]
            known = set(schema['properties']) | MADE.get(name, set())
            self.assertEqual(set(), set(cls.long) - known, name)

    def test_every_filter_is_one_that_the_api_takes(self):
        for name, (cls, _, query) in LISTS.items():
            self.server.answers('GET', f'/v2/{name}', {name: []})
            calls = list(every_option(cls))
            self.assertGreater(len(calls), 3)
            for argv in calls:
                self.run_json(cls, *argv)
                asked = self.server.requests[-1][2]
                self.assertTrue(asked, argv)
                jsonschema.validate(asked, query)

    def test_the_order_that_help_tells_is_the_servers(self):
        for name, (cls, _, _) in LISTS.items():
            module = importlib.import_module(f'cyborg_fpga.db.{name}')
            given = inspect.signature(module.list_page).parameters
            self.assertEqual(
                f'{given["sort_key"].default}:{given["sort_dir"].default}',
                cls.order,
                name,
            )

    def test_the_types_have_the_columns_of_their_list(self):
        schema = bitstream_schema.TYPES[0][1]
        item = schema['properties']['types']['items']
        found = dict.fromkeys(item['properties'], 1)
        self.server.answers('GET', '/v2/types', {'types': [found]})
        self.assertEqual([found], self.run_json(bitstream.ListType))

    def test_the_bodies_are_what_the_api_takes(self):
        made = {'uuid': UUID, 'state': 'ready'}
        program = f'/v2/claims/{UUID}/program'
        self.server.answers('POST', '/v2/claims', made)
        self.server.answers('POST', program, made)
        self.server.answers('POST', '/v2/hosts/n/disable', {})
        for schema, argv in (
            (
                claim_schema.CREATE,
                [
                    *(claim.CreateClaim, '--host', 'n', '--type', 't'),
                    *('--image', UUID, '--trait', 'CUSTOM_A'),
                    *('--resource-class', 'FPGA', '--count', '2'),
                    *('--instance', UUID, '--function', 'aes'),
                ],
            ),
            (
                claim_schema.CREATE,
                [claim.CreateClaim, '--function', UUID],
            ),
            (
                claim_schema.PROGRAM,
                [claim.ProgramClaim, UUID, UUID, '--deployable', UUID],
            ),
            (
                host_schema.DISABLE,
                [host.SetHost, 'n', '--disable', '--reason', 'why'],
            ),
        ):
            self.run_command(*argv)
            jsonschema.validate(self.server.requests[-1][3], schema[-1][1])

    def test_the_list_that_programs_is_what_the_api_takes(self):
        location = f'http://x/v2/operations/{UUID}'
        self.server.answers(
            'PATCH',
            f'/v2/deployables/{UUID}/program',
            {},
            headers={'Location': location},
        )
        self.server.answers('GET', f'/v2/operations/{UUID}', {'uuid': UUID})
        self.run_command(deployable.ProgramDeployable, UUID, UUID)
        jsonschema.validate(
            self.server.requests[0][3], deployable_schema.PROGRAM[-1][1]
        )
