import types

from openstack import proxy
from osc_lib import exceptions

from cyborg_fpga import profiles
from cyborg_fpga.osc import claim
from cyborg_fpga.osc import flavor
from tests.unit.osc import base

IMAGE = '44444444-4444-4444-4444-444444444444'
SERVER = '55555555-5555-5555-5555-555555555555'
REGION = '9346116da52d5ca8b06aa9a389ef7c8d'
FUNCTION = 'ab' * 16
PF = 'CUSTOM_FPGA_INTEL_PF'
FLAVORS = '/compute/flavors'


class FlavorTest(base.CommandTest):
    def setUp(self):
        super().setUp()
        self.with_compute()
        self.server.answers('POST', '/v2/device_profiles', {'name': 'fast'})
        self.server.answers('POST', FLAVORS, {'flavor': self.flavor()})

    def flavor(self, ident='f1'):
        return {
            'id': ident,
            'name': 'fast',
            'vcpus': 1,
            'ram': 256,
            'disk': 0,
            'links': [],
        }

    def specs_of(self, ident='f1'):
        self.server.answers('POST', f'{FLAVORS}/{ident}/os-extra_specs', {})

    def sent(self, method, path):
        return [
            body
            for how, where, _, body in self.server.requests
            if (how, where) == (method, path)
        ]

    def make(self, *words):
        self.specs_of()
        return self.run_json(flavor.CreateFlavor, 'fast', *words)

    def group(self, *words):
        """The group of the profile that is made."""
        self.make(*words)
        ((profile,),) = self.sent('POST', '/v2/device_profiles')
        # The service takes it.
        profiles.normalised(profile['groups'])
        (group,) = profile['groups']
        return group

    def specs(self, *words):
        self.make(*words)
        (body,) = self.sent('POST', f'{FLAVORS}/f1/os-extra_specs')
        return body['extra_specs']

    def refused(self, *words):
        exc = self.assertRaises(
            exceptions.CommandError,
            self.run_json,
            flavor.CreateFlavor,
            'fast',
            *words,
        )
        return str(exc)


class TestCreate(FlavorTest):
    def test_profile_says_what_is_wanted_and_the_flavor_names_it(self):
        shown = self.make('--vendor', 'intel', '--type', 'crypto')
        ((profile,),) = self.sent('POST', '/v2/device_profiles')
        self.assertEqual('fast', profile['name'])
        group = {
            f'resources:{PF}': '1',
            'trait:CUSTOM_HW_INTEL': 'required',
            'trait:CUSTOM_ACCELERATOR_CRYPTO': 'required',
            'accel:type': 'crypto',
        }
        self.assertEqual([group], profile['groups'])
        self.assertEqual([group], shown['groups'])
        self.assertEqual('fast', shown['device_profile'])
        specs = {'accel:device_profile': 'fast'}
        self.assertEqual(specs, shown['properties'])
        self.assertEqual(
            [{'extra_specs': specs}],
            self.sent('POST', f'{FLAVORS}/f1/os-extra_specs'),
        )

    def test_machine_is_as_asked_for(self):
        self.make(
            *('--vendor', 'intel', '--vcpus', '4', '--ram', '8192'),
            *('--disk', '40', '--private'),
        )
        (body,) = self.sent('POST', FLAVORS)
        made = body['flavor']
        self.assertEqual(
            (4, 8192, 40, False),
            (
                made['vcpus'],
                made['ram'],
                made['disk'],
                made['os-flavor-access:is_public'],
            ),
        )

    def test_profile_may_have_another_name(self):
        specs = self.specs('--vendor', 'intel', '--profile', 'p')
        self.assertEqual({'accel:device_profile': 'p'}, specs)

    def test_class_count_and_traits_may_be_named(self):
        group = self.group(
            *('--resource-class', 'FPGA', '--count', '2'),
            *('--trait', 'CUSTOM_A', '--trait', 'CUSTOM_B'),
        )
        self.assertEqual(
            {
                'resources:FPGA': '2',
                'trait:CUSTOM_A': 'required',
                'trait:CUSTOM_B': 'required',
            },
            group,
        )

    def test_function_is_loaded_by_the_profile(self):
        group = self.group('--vendor', 'intel', '--function', FUNCTION)
        self.assertEqual(FUNCTION, group['accel:function_id'])

    def test_bitstream_says_whose_cards_and_where_it_fits(self):
        found = {'uuid': IMAGE, 'vendor': 'intel', 'region_id': REGION}
        self.server.answers(
            'GET', '/v2/bitstreams', {'bitstreams': [{'uuid': IMAGE}]}
        )
        self.server.answers('GET', f'/v2/bitstreams/{IMAGE}', found)
        self.assertEqual(
            {
                f'resources:{PF}': '1',
                'trait:CUSTOM_HW_INTEL': 'required',
                f'trait:CUSTOM_FPGA_REGION_INTEL_{REGION.upper()}': 'required',
                'accel:bitstream_id': IMAGE,
            },
            self.group('--bitstream', 'crypto'),
        )

    def test_proof_of_concepts_flavor_has_no_profile(self):
        specs = self.specs(
            *('--style', 'resources', '--vendor', 'intel'),
            *('--type', 'crypto', '--count', '2'),
            *('--property', 'hw:numa_nodes=1'),
        )
        self.assertEqual(
            {
                f'resources:{PF}': '2',
                'trait:CUSTOM_HW_INTEL': 'required',
                'trait:CUSTOM_HW_CRYPTO': 'required',
                'hw:numa_nodes': '1',
            },
            specs,
        )
        self.assertEqual([], self.sent('POST', '/v2/device_profiles'))

    def test_proof_of_concepts_flavor_finds_a_function_that_is_loaded(self):
        words = ('--style', 'resources', '--function', FUNCTION)
        said = self.refused(*words, '--resource-class', PF)
        self.assertIn('say --vendor', said)
        specs = self.specs(*words, '--vendor', 'intel')
        trait = f'trait:CUSTOM_FPGA_FUNCTION_ID_INTEL_{FUNCTION.upper()}'
        self.assertEqual('required', specs[trait])


class TestRefusal(FlavorTest):
    def test_options_that_do_not_go_together_make_nothing(self):
        self.assertIn('--vendor or --resource-class', self.refused())
        for words in (('--bitstream', IMAGE), ('--profile', 'p')):
            said = self.refused('--style', 'resources', *words)
            self.assertIn('--style profile alone', said)
        for words in (
            ('--type', 'Crypto'),
            ('--type', 'a', '--function', FUNCTION),
            ('--function', 'x'),
            ('--count', '0'),
            ('--trait', 'lower'),
            ('--style', 'other'),
        ):
            self.refused_options(flavor.CreateFlavor, 'fast', *words)
        self.assertEqual([], self.server.requests)

    def test_profile_that_is_refused_leaves_no_flavor(self):
        self.server._answers.pop(('POST', '/v2/device_profiles'))
        self.server.refuses(
            'POST', '/v2/device_profiles', 409, 'It exists.', 'fpga.duplicate'
        )
        self.assertIn('It exists.', self.refused('--vendor', 'intel'))
        self.assertEqual([], self.sent('POST', FLAVORS))

    def deleted(self):
        return [
            where.rpartition('/')[0]
            for how, where, _, _ in self.server.requests
            if how == 'DELETE'
        ]

    def test_flavor_that_is_refused_leaves_no_profile(self):
        self.server._answers.pop(('POST', FLAVORS))
        message = {'conflictingRequest': {'message': 'Flavor exists.'}}
        self.server.answers('POST', FLAVORS, message, status=409)
        said = self.refused('--vendor', 'intel')
        self.assertIn('Flavor exists.', said)
        self.assertNotIn('is left', said)
        # No answer may mean that it was made: under a name of our own.
        self.assertEqual([FLAVORS, '/v2/device_profiles'], self.deleted())
        ((profile,),) = self.sent('POST', '/v2/device_profiles')
        (flavor_,) = self.sent('POST', FLAVORS)
        gone = [path for how, path, _, _ in self.server.requests
                if how == 'DELETE']  # fmt: skip
        self.assertTrue(gone[0].endswith(flavor_['flavor']['id']))
        self.assertTrue(gone[1].endswith(profile['uuid']))

    def test_somebody_elses_flavor_of_that_id_is_left_alone(self):
        self.server._answers.pop(('POST', FLAVORS))
        self.server.answers('POST', FLAVORS, {}, status=409)
        self.refused('--vendor', 'intel', '--id', 'f1')
        self.assertEqual(['/v2/device_profiles'], self.deleted())

    def test_extra_specs_that_are_refused_leave_neither(self):
        path = f'{FLAVORS}/f1/os-extra_specs'
        message = {'badRequest': {'message': 'No such spec.'}}
        self.server.answers('POST', path, message, status=400)
        said = self.refused('--vendor', 'intel', '--id', 'f1')
        self.assertIn('No such spec.', said)
        self.assertEqual([FLAVORS, '/v2/device_profiles'], self.deleted())

    def test_without_nova_nothing_is_made(self):
        # What openstacksdk gives where another service answers.
        bare = proxy.Proxy(self.sdk.session)
        self.sdk = types.SimpleNamespace(compute=bare)
        said = self.refused('--vendor', 'intel')
        self.assertIn('compute service is none', said)
        self.assertEqual([], self.sent('POST', '/v2/device_profiles'))

    def test_half_that_cannot_be_deleted_is_named(self):
        self.server._answers.pop(('POST', FLAVORS))
        self.server.answers('POST', FLAVORS, {}, status=403)
        self.client.delete = self.refuse
        said = self.refused('--vendor', 'intel')
        self.assertIn('device profile fast is left, delete it: no', said)
        self.assertIn('Nova', said)

    def refuse(self, path):
        raise exceptions.CommandError('no')


class TestServer(FlavorTest):
    def test_claim_of_a_server_by_its_name(self):
        found = {'id': SERVER, 'name': 'web', 'links': []}
        self.server.answers(
            'GET', '/compute/servers/detail', {'servers': [found]}
        )
        self.server.answers('POST', '/v2/claims', {'uuid': IMAGE}, status=201)
        self.run_json(claim.CreateClaim, '--instance', 'web')
        (body,) = self.sent('POST', '/v2/claims')
        self.assertEqual({'instance_uuid': SERVER}, body)

    def test_server_that_is_not_there_is_named(self):
        self.server.answers('GET', '/compute/servers/detail', {'servers': []})
        exc = self.assertRaises(
            exceptions.CommandError,
            self.run_json,
            claim.CreateClaim,
            *('--instance', 'web'),
        )
        self.assertIn('web', str(exc))
        self.assertEqual([], self.sent('POST', '/v2/claims'))
