from osc_lib import exceptions

from cyborg_fpga.osc import claim
from tests.unit.osc import base

UUID = '11111111-1111-1111-1111-111111111111'
OTHER = '22222222-2222-2222-2222-222222222222'
OPERATION = '33333333-3333-3333-3333-333333333333'
IMAGE = '44444444-4444-4444-4444-444444444444'


def body(state='ready', **changes):
    return {
        'uuid': UUID,
        'origin': 'api',
        'state': state,
        'hostname': 'node1',
        'addresses': ['0000:3b:00.1'],
        'deployable_uuids': [OTHER],
        'image_uuid': IMAGE,
        'type': 'crypto',
        'operation_uuids': [OPERATION],
        'fault': None,
        'links': [{'rel': 'self', 'href': 'http://x'}],
        **changes,
    }


def operation(state='running', progress=10, step='programming', **more):
    return {
        'uuid': OPERATION,
        'state': state,
        'progress': progress,
        'step': step,
        'cause': None,
        'detail': '',
        **more,
    }


class TestCreate(base.CommandTest):
    def test_only_what_was_named_is_asked_for(self):
        self.server.answers('POST', '/v2/claims', body(), status=201)
        self.run_json(claim.CreateClaim, '--host', 'node1')
        self.assertEqual(
            ('POST', '/v2/claims', {}, {'hostname': 'node1'}),
            self.server.requests[0],
        )

    def test_every_option_reaches_the_service(self):
        self.server.answers('POST', '/v2/claims', body(), status=201)
        self.run_json(
            claim.CreateClaim,
            *('--host', 'n', '--type', 'crypto', '--image', IMAGE),
            *('--trait', 'CUSTOM_A', '--trait', 'CUSTOM_B'),
            *('--resource-class', 'CUSTOM_FPGA_INTEL_PF', '--count', '2'),
            *('--instance', OTHER, '--wipe-level', 'clear'),
        )
        self.assertEqual(
            {
                'hostname': 'n',
                'type': 'crypto',
                'image_uuid': IMAGE,
                'traits': ['CUSTOM_A', 'CUSTOM_B'],
                'resource_class': 'CUSTOM_FPGA_INTEL_PF',
                'count': 2,
                'instance_uuid': OTHER,
                'wipe_level': 'clear',
            },
            self.server.requests[0][3],
        )

    def test_an_image_may_be_named(self):
        self.server.answers(
            'GET', '/v2/bitstreams', {'bitstreams': [{'uuid': IMAGE}]}
        )
        self.server.answers('POST', '/v2/claims', body())
        self.run_json(claim.CreateClaim, '--image', 'aes')
        self.assertEqual({'name': 'aes'}, self.server.requests[0][2])
        self.assertEqual({'image_uuid': IMAGE}, self.server.requests[1][3])

    def test_a_name_of_two_images_is_refused_with_both(self):
        self.server.answers(
            'GET',
            '/v2/bitstreams',
            {'bitstreams': [{'uuid': OTHER}, {'uuid': IMAGE}]},
        )
        error = self.assertRaises(
            exceptions.CommandError,
            self.run_json,
            claim.CreateClaim,
            *('--image', 'aes'),
        )
        self.assertIn(f'{OTHER}, {IMAGE}', str(error))

    def test_a_name_of_no_image_is_refused(self):
        self.server.answers('GET', '/v2/bitstreams', {'bitstreams': []})
        error = self.assertRaises(
            exceptions.CommandError,
            self.run_json,
            claim.CreateClaim,
            *('--image', 'aes'),
        )
        self.assertEqual('No bitstream is called aes.', str(error))

    def test_lists_stay_lists_in_json_and_links_are_left_out(self):
        self.server.answers('POST', '/v2/claims', body())
        shown = self.run_json(claim.CreateClaim)
        self.assertEqual(['0000:3b:00.1'], shown['addresses'])
        self.assertNotIn('links', shown)

    def test_a_person_reads_addresses_without_brackets(self):
        self.server.answers('POST', '/v2/claims', body())
        shown = self.run_command(claim.CreateClaim)
        self.assertIn('| 0000:3b:00.1 ', shown)

    def test_without_wait_it_answers_while_it_is_programmed(self):
        self.server.answers('POST', '/v2/claims', body('programming'))
        shown = self.run_json(claim.CreateClaim)
        self.assertEqual('programming', shown['state'])
        self.assertEqual(1, len(self.server.requests))

    def test_a_refusal_is_the_sentence_of_the_service(self):
        self.server.refuses('POST', '/v2/claims', 409, 'Host n is down.')
        error = self.assertRaises(
            exceptions.CommandError, self.run_command, claim.CreateClaim
        )
        self.assertTrue(str(error).startswith('Host n is down.'))


class TestWait(base.CommandTest):
    def setUp(self):
        super().setUp()
        self.server.answers(
            'POST', '/v2/claims', body('claiming', operation_uuids=[])
        )
        self.path = f'/v2/claims/{UUID}'

    def test_it_follows_the_claim_to_its_end_and_shows_progress(self):
        self.server.answers(
            'GET',
            self.path,
            body('claiming', operation_uuids=[]),
            body('programming'),
            body('programming'),
            body('ready'),
        )
        self.server.answers(
            'GET',
            f'/v2/operations/{OPERATION}',
            operation(progress=0, step='fetching'),
            operation(progress=40),
        )
        shown = self.run_json(claim.CreateClaim, '--wait')
        self.assertEqual('ready', shown['state'])
        self.assertEqual(
            [
                'pending (0 %)',
                'fetching (0 %)',
                'programming (40 %)',
                'ready (100 %)',
            ],
            self.stderr.getvalue().splitlines(),
        )

    def test_several_cards_are_as_far_as_the_last_one(self):
        both = [OPERATION, OTHER]
        self.server.answers(
            'GET',
            self.path,
            body('programming', operation_uuids=both),
            body('ready'),
        )
        self.server.answers(
            'GET', f'/v2/operations/{OPERATION}', operation(progress=90)
        )
        self.server.answers(
            'GET', f'/v2/operations/{OTHER}', operation(progress=30)
        )
        self.run_json(claim.CreateClaim, '--wait')
        self.assertIn('programming (30 %)', self.stderr.getvalue())

    def test_a_claim_that_fails_ends_with_the_sentence_of_its_fault(self):
        fault = {'code': 'fpga.device_failed', 'message': 'The card lied.'}
        self.server.answers('GET', self.path, body('failed', fault=fault))
        error = self.assertRaises(
            exceptions.CommandError,
            self.run_command,
            claim.CreateClaim,
            '--wait',
        )
        self.assertEqual(f'Claim {UUID} is failed: The card lied.', str(error))

    def test_a_claim_that_is_released_meanwhile_is_not_waited_for(self):
        self.server.refuses('GET', self.path, 404, 'No claim.')
        self.assertRaises(
            exceptions.CommandError,
            self.run_command,
            claim.CreateClaim,
            '--wait',
        )

    def test_an_operation_that_was_purged_meanwhile_does_no_harm(self):
        self.server.answers(
            'GET', self.path, body('programming'), body('ready')
        )
        shown = self.run_json(claim.CreateClaim, '--wait')
        self.assertEqual('ready', shown['state'])


class TestListAndShow(base.CommandTest):
    def test_filters_pages_and_order_become_the_query(self):
        self.server.answers('GET', '/v2/claims', {'claims': []})
        self.run_json(
            claim.ListClaim,
            *('--host', 'n', '--state', 'ready', '--origin', 'api'),
            *('--type', 'crypto', '--project', 'p'),
            *('--limit', '5', '--marker', UUID, '--sort', 'state:asc'),
        )
        self.assertEqual(
            {
                'hostname': 'n',
                'state': 'ready',
                'origin': 'api',
                'type': 'crypto',
                'project_id': 'p',
                'limit': '5',
                'marker': UUID,
                'sort_key': 'state',
                'sort_dir': 'asc',
            },
            self.server.requests[0][2],
        )

    def test_long_shows_more(self):
        self.server.answers('GET', '/v2/claims', {'claims': [body()]})
        short = self.run_json(claim.ListClaim)[0]
        long = self.run_json(claim.ListClaim, '--long')[0]
        self.assertNotIn('fault', short)
        self.assertEqual(short, {name: long[name] for name in short})
        self.assertIn('fault', long)

    def test_a_column_can_be_picked(self):
        self.server.answers('GET', '/v2/claims', {'claims': [body()]})
        shown = self.run_command(claim.ListClaim, '-f', 'value', '-c', 'uuid')
        self.assertEqual(f'{UUID}\n', shown)

    def test_a_limit_of_nothing_is_refused_at_once(self):
        said = self.refused_options(claim.ListClaim, '--limit', '0')
        self.assertIn('must be 1 or more', said)

    def test_show(self):
        self.server.answers('GET', f'/v2/claims/{UUID}', body())
        shown = self.run_json(claim.ShowClaim, UUID)
        self.assertEqual('node1', shown['hostname'])


class TestProgram(base.CommandTest):
    def test_it_answers_the_operation(self):
        self.server.answers(
            'POST', f'/v2/claims/{UUID}/program', operation(), status=202
        )
        shown = self.run_json(claim.ProgramClaim, UUID, IMAGE)
        self.assertEqual(OPERATION, shown['uuid'])
        self.assertEqual({'image_uuid': IMAGE}, self.server.requests[0][3])

    def test_one_of_several_deployables_can_be_meant(self):
        self.server.answers(
            'POST', f'/v2/claims/{UUID}/program', operation(), status=202
        )
        self.run_json(
            claim.ProgramClaim,
            *(UUID, IMAGE, '--deployable', OTHER),
        )
        self.assertEqual(
            {'image_uuid': IMAGE, 'deployable_uuid': OTHER},
            self.server.requests[0][3],
        )

    def test_the_failure_of_an_awaited_operation_names_cause_and_words(self):
        self.server.answers(
            'POST', f'/v2/claims/{UUID}/program', operation(), status=202
        )
        self.server.answers(
            'GET',
            f'/v2/operations/{OPERATION}',
            operation(),
            operation('failed', cause='does_not_fit', detail='other region'),
        )
        error = self.assertRaises(
            exceptions.CommandError,
            self.run_command,
            claim.ProgramClaim,
            *(UUID, IMAGE, '--wait'),
        )
        self.assertEqual(
            f'Operation {OPERATION} failed: does_not_fit: other region',
            str(error),
        )


class TestRelease(base.CommandTest):
    def test_several_are_released(self):
        for uuid in (UUID, OTHER):
            self.server.answers('DELETE', f'/v2/claims/{uuid}', (204, None))
        self.run_command(claim.ReleaseClaim, UUID, OTHER)
        self.assertEqual(2, len(self.server.requests))

    def test_force_is_said_only_when_it_is_meant(self):
        self.server.answers('DELETE', f'/v2/claims/{UUID}', (202, body()))
        self.run_command(claim.ReleaseClaim, UUID)
        self.run_command(claim.ReleaseClaim, UUID, '--force')
        queries = [query for _, _, query, _ in self.server.requests]
        self.assertEqual([{}, {'force': 'true'}], queries)

    def test_it_can_wait_until_the_claim_is_gone(self):
        path = f'/v2/claims/{UUID}'
        self.server.answers('DELETE', path, (202, body('releasing')))
        self.server.answers(
            'GET',
            path,
            body('releasing'),
            body('releasing'),
            (404, {'error_message': 'gone'}),
        )
        self.server.answers(
            'GET', f'/v2/operations/{OPERATION}', operation(step='wiping')
        )
        self.run_command(claim.ReleaseClaim, UUID, '--wait')
        self.assertEqual(
            ['releasing: wiping (10 %)', 'released (100 %)'],
            self.stderr.getvalue().splitlines(),
        )

    def test_one_that_fails_does_not_keep_the_others(self):
        self.server.refuses(
            'DELETE', f'/v2/claims/{UUID}', 409, 'Nova has it.'
        )
        self.server.answers('DELETE', f'/v2/claims/{OTHER}', (204, None))
        error = self.assertRaises(
            exceptions.CommandError,
            self.run_command,
            claim.ReleaseClaim,
            *(UUID, OTHER),
        )
        self.assertIn('Nova has it.', str(error))
        self.assertEqual(2, len(self.server.requests))

    def test_several_that_fail_are_all_named(self):
        for uuid in (UUID, OTHER):
            self.server.refuses(
                'DELETE', f'/v2/claims/{uuid}', 404, f'No claim {uuid}.'
            )
        error = self.assertRaises(
            exceptions.CommandError,
            self.run_command,
            claim.ReleaseClaim,
            *(UUID, OTHER),
        )
        self.assertIn('2 of 2 claims were not released', str(error))
        self.assertIn(f'No claim {OTHER}.', str(error))
