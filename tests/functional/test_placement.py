"""Our Placement client against a real Placement."""

import concurrent.futures
import dataclasses
import uuid

from keystoneauth1 import adapter
from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga.clients import placement
from cyborg_fpga.clients import session
from tests.fixtures import cloud

PF = 'CUSTOM_FPGA_INTEL_PF'
VF = 'CUSTOM_FPGA_INTEL_VF'
ME = {'project_id': 'demo', 'user_id': 'me'}


def fresh() -> str:
    return str(uuid.uuid4())


def gone(port: int = 9) -> dict[str, dict[str, str]]:
    """Options that point at a port where nobody listens."""
    url = f'http://127.0.0.1:{port}'
    return {
        'placement': {
            'auth_type': 'admin_token',
            'endpoint': url,
            'token': 'admin',
        }
    }


class PlacementCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.conf = self.useFixture(cloud.Cloud()).conf
        self.client = placement.Placement(self.conf)
        self.host = f'node-{uuid.uuid4().hex[:8]}'
        self.root = self.client.create_root(self.host)
        self.prefix = f'{self.host}_FPGA_'

    def provider(self, key='a', **changes):
        values = {
            'name': f'{self.prefix}{key}',
            'uuid': str(uuid.uuid5(uuid.UUID(self.root), key)),
            'resource_class': PF,
            'total': 4,
            'max_unit': 4,
            'traits': frozenset({'CUSTOM_FPGA', 'CUSTOM_HW_INTEL'}),
        }
        return placement.Provider(**{**values, **changes})

    def sync(self, *desired, client=None, root=None):
        return (client or self.client).sync_tree(
            root or self.root, desired, prefix=self.prefix
        )

    def raw(self) -> adapter.Adapter:
        """Placement as somebody else would use it."""
        service = session.Service(self.conf, 'placement', 'Placement')
        return adapter.Adapter(
            service.session,
            auth=service.auth,
            service_type='placement',
            default_microversion='1.39',
        )

    def get(self, path):
        return self.raw().get(path).json()

    def path(self, provider, rest=''):
        return f'/resource_providers/{provider.uuid}{rest}'

    def exists(self, provider):
        answer = self.raw().get(self.path(provider), raise_exc=False)
        return answer.status_code == 200

    def traits(self, provider):
        return set(self.get(self.path(provider, '/traits'))['traits'])

    def inventories(self, provider):
        return self.get(self.path(provider, '/inventories'))['inventories']

    def usages(self, provider):
        return self.get(self.path(provider, '/usages'))['usages']

    def put_traits(self, provider, traits):
        generation = self.get(self.path(provider))['generation']
        for trait in traits:
            self.raw().put(f'/traits/{trait}')
        self.raw().put(
            self.path(provider, '/traits'),
            json={
                'resource_provider_generation': generation,
                'traits': sorted(traits),
            },
        )

    def claim(self, provider, amount=1, *, consumer=None, rc=PF):
        consumer = consumer or fresh()
        self.client.claim(consumer, {provider.uuid: {rc: amount}}, **ME)
        return consumer


class TestRoot(PlacementCase):
    def test_a_provider_is_found_by_its_name(self):
        self.assertEqual(self.root, self.client.find_provider(self.host))

    def test_an_unknown_name_finds_nothing(self):
        self.assertIsNone(self.client.find_provider(fresh()))

    def test_creating_a_root_again_finds_it(self):
        self.assertEqual(self.root, self.client.create_root(self.host))

    def test_a_tree_without_its_root_is_not_found(self):
        self.assertRaises(
            errors.NotFound,
            self.sync,
            self.provider(),
            root=fresh(),
        )


class TestTree(PlacementCase):
    def test_a_provider_is_created_as_desired(self):
        desired = self.provider(reserved=1)
        self.sync(desired)
        self.assertEqual(
            {
                'total': 4,
                'reserved': 1,
                'min_unit': 1,
                'max_unit': 4,
                'step_size': 1,
                'allocation_ratio': 1.0,
            },
            self.inventories(desired)[PF],
        )
        self.assertEqual(set(desired.traits), self.traits(desired))
        self.assertEqual(
            self.root, self.get(self.path(desired))['parent_provider_uuid']
        )

    def test_a_second_sync_writes_nothing(self):
        desired = [self.provider('a'), self.provider('b', total=1, max_unit=1)]
        self.assertGreater(self.sync(*desired), 0)
        before = self.client.requests
        self.assertEqual(0, self.sync(*desired))
        self.assertEqual(5, self.client.requests - before)

    def test_another_process_writes_nothing_either(self):
        desired = [self.provider()]
        self.sync(*desired)
        other = placement.Placement(self.conf)
        self.assertEqual(0, self.sync(*desired, client=other))

    def test_only_the_difference_is_written(self):
        desired = self.provider()
        self.sync(desired, self.provider('b'))
        changed = dataclasses.replace(desired, reserved=2)
        writes = self.sync(changed, self.provider('b'))
        self.assertEqual(1, writes)
        self.assertEqual(2, self.inventories(desired)[PF]['reserved'])

    def test_a_foreign_trait_is_kept_and_our_old_one_goes(self):
        desired = self.provider()
        self.sync(desired)
        self.put_traits(
            desired, desired.traits | {'CUSTOM_RACK_7', 'CUSTOM_FPGA_OLD'}
        )
        self.sync(desired)
        self.assertEqual(
            desired.traits | {'CUSTOM_RACK_7'}, self.traits(desired)
        )

    def test_a_foreign_child_is_left_alone(self):
        other = self.provider('x', name=f'{self.host}_numa0')
        self.sync(other)
        self.sync(self.provider())
        self.assertEqual(4, self.inventories(other)[PF]['total'])

    def test_a_provider_no_longer_desired_is_deleted(self):
        old, new = self.provider('old'), self.provider('new')
        self.sync(old)
        self.assertTrue(self.exists(old))
        self.sync(new)
        self.assertFalse(self.exists(old))

    def test_a_provider_may_be_ours_by_another_name(self):
        other = self.provider('x', name=f'{self.host}_0000:5e:00.0')
        self.sync(other)
        self.client.sync_tree(
            self.root, [], prefix=self.prefix, ours=[other.uuid]
        )
        self.assertFalse(self.exists(other))

    def test_the_root_is_never_deleted(self):
        self.client.sync_tree(self.root, [], prefix=self.host)
        self.assertEqual(self.root, self.client.find_provider(self.host))

    def test_an_obsolete_provider_in_use_offers_nothing_more(self):
        old = self.provider('old')
        self.sync(old)
        consumer = self.claim(old)
        self.sync()
        self.assertEqual(4, self.inventories(old)[PF]['reserved'])
        self.assertRaises(errors.NoCapacity, self.claim, old)
        self.client.release(consumer)
        self.sync()
        self.assertFalse(self.exists(old))

    def test_a_class_in_use_is_closed_and_not_offered_twice(self):
        before = self.provider()
        self.sync(before)
        consumer = self.claim(before, 3)
        after = dataclasses.replace(before, resource_class=VF)
        self.sync(after)
        found = self.inventories(after)
        self.assertEqual(4, found[PF]['reserved'])
        self.assertEqual(3, found[VF]['reserved'])
        self.assertEqual(0, self.sync(after))
        self.client.release(consumer)
        self.sync(after)
        self.assertEqual({VF}, set(self.inventories(after)))

    def test_a_total_below_what_is_used_can_be_written(self):
        desired = self.provider()
        self.sync(desired)
        self.claim(desired, 3)
        small = dataclasses.replace(desired, total=2, reserved=2, max_unit=2)
        self.assertEqual(1, self.sync(small))

    def test_a_provider_is_renamed(self):
        desired = self.provider()
        self.sync(desired)
        renamed = dataclasses.replace(desired, name=f'{self.prefix}z')
        self.assertEqual(1, self.sync(renamed))
        self.assertEqual(renamed.name, self.get(self.path(desired))['name'])

    def test_a_name_taken_elsewhere_is_said(self):
        desired = self.provider()
        self.client.create_root(desired.name)
        exc = self.assertRaises(errors.Duplicate, self.sync, desired)
        self.assertIn(desired.name, exc.message)

    def test_our_provider_follows_a_root_that_was_made_anew(self):
        desired = self.provider()
        self.sync(desired)
        new_root = self.client.create_root(f'{self.host}-again')
        self.sync(desired, root=new_root)
        self.assertEqual(
            new_root, self.get(self.path(desired))['root_provider_uuid']
        )
        self.assertEqual(0, self.sync(desired, root=new_root))

    def test_a_deleted_trait_is_made_again(self):
        desired = self.provider(traits=frozenset({'CUSTOM_FPGA_ODD_ONE'}))
        self.sync(desired)
        self.put_traits(desired, {'CUSTOM_FPGA'})
        self.raw().delete('/traits/CUSTOM_FPGA_ODD_ONE')
        self.sync(desired)
        self.assertEqual({'CUSTOM_FPGA_ODD_ONE'}, self.traits(desired))

    def test_a_standard_trait_this_placement_lacks_is_left_out(self):
        desired = self.provider(
            traits=frozenset({'CUSTOM_FPGA', 'OWNER_SOMEBODY_OF_2099'})
        )
        self.sync(desired)
        self.assertEqual({'CUSTOM_FPGA'}, self.traits(desired))
        self.assertEqual(0, self.sync(desired))

    def test_many_syncs_at_once_end_in_the_desired_tree(self):
        desired = [self.provider(str(n)) for n in range(3)]
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            runs = [
                pool.submit(
                    self.sync,
                    *desired,
                    client=placement.Placement(self.conf),
                )
                for _ in range(6)
            ]
        for run in runs:
            run.result()
        self.assertEqual(0, self.sync(*desired))


class TestOrder(PlacementCase):
    """What others could see between two of our writes must be true too."""

    def writes(self, *desired):
        """Sync, and tell the writes as (method, path's end, body)."""
        http = self.client._http
        real, seen = http.call, []

        def call(method, path, body=None, **options):
            if method != 'GET':
                seen.append((path.removeprefix('/resource_providers'), body))
            return real(method, path, body, **options)

        http.call = call
        self.sync(*desired)
        http.call = real
        return seen

    def test_a_deployable_that_moves_is_never_offered_twice(self):
        from_, to = self.provider('z'), self.provider('a', total=1, max_unit=1)
        self.sync(from_, to)
        seen = self.writes(
            dataclasses.replace(to, total=2, max_unit=2),
            dataclasses.replace(from_, total=3, max_unit=3),
        )
        self.assertEqual(
            [f'/{from_.uuid}/inventories', f'/{to.uuid}/inventories'],
            [path for path, _ in seen],
        )

    def test_an_obsolete_provider_goes_before_its_successor_comes(self):
        old = self.provider('z')
        self.sync(old)
        seen = self.writes(self.provider('a'))
        self.assertEqual(f'/{old.uuid}', seen[0][0])

    def test_a_promise_goes_before_more_is_offered_and_comes_after(self):
        before = self.provider(
            traits=frozenset({'CUSTOM_FPGA', 'CUSTOM_HW_A'})
        )
        self.sync(before)
        seen = self.writes(
            dataclasses.replace(
                before,
                total=5,
                traits=frozenset({'CUSTOM_FPGA', 'CUSTOM_HW_B'}),
            )
        )
        seen = [
            body.get('traits') or 'inventories'
            for path, body in seen
            if before.uuid in path
        ]
        self.assertEqual(
            [
                ['CUSTOM_FPGA'],
                'inventories',
                ['CUSTOM_FPGA', 'CUSTOM_HW_B'],
            ],
            seen,
        )


class TestForeignWriter(PlacementCase):
    """Somebody changes a provider between our read and our write."""

    def test_a_generation_conflict_is_retried_with_fresh_data(self):
        desired = self.provider()
        self.sync(desired)
        changed = dataclasses.replace(desired, reserved=3)
        interfered = self._between_read_and_write(desired)
        self.sync(changed)
        self.assertEqual([desired.uuid], interfered)
        self.assertEqual(3, self.inventories(desired)[PF]['reserved'])
        self.assertIn('CUSTOM_RACK_9', self.traits(desired))

    def _between_read_and_write(self, provider):
        """Change *provider* once, just before our first write of it."""
        http = self.client._http
        real, done = http.call, []

        def call(method, path, *args, **kwargs):
            if method == 'PUT' and not done:
                done.append(provider.uuid)
                self.put_traits(
                    provider, self.traits(provider) | {'CUSTOM_RACK_9'}
                )
            return real(method, path, *args, **kwargs)

        http.call = call
        return done


class TestClaim(PlacementCase):
    def setUp(self):
        super().setUp()
        self.pool = self.provider(total=2, max_unit=2)
        self.sync(self.pool)

    def test_a_claim_is_an_allocation_of_our_consumer_type(self):
        consumer = self.claim(self.pool, 2)
        held = self.client.allocations(consumer)
        self.assertEqual({self.pool.uuid: {PF: 2}}, held.resources)
        self.assertEqual('FPGA_CLAIM', held.consumer_type)
        self.assertEqual(('demo', 'me'), (held.project_id, held.user_id))
        self.assertEqual({PF: 2}, self.usages(self.pool))
        self.assertEqual(
            {consumer: {PF: 2}},
            self.client.provider_allocations(self.pool.uuid),
        )

    def test_the_same_claim_again_changes_nothing(self):
        consumer = self.claim(self.pool, 2)
        self.claim(self.pool, 2, consumer=consumer)
        self.assertEqual({PF: 2}, self.usages(self.pool))

    def test_another_claim_of_the_same_consumer_is_refused(self):
        consumer = self.claim(self.pool, 1)
        self.assertRaises(
            errors.Duplicate, self.claim, self.pool, 2, consumer=consumer
        )

    def test_more_than_there_is_is_refused_and_nothing_held(self):
        consumer = fresh()
        exc = self.assertRaises(
            errors.NoCapacity, self.claim, self.pool, 3, consumer=consumer
        )
        self.assertIn(PF, exc.message)
        self.assertEqual({}, self.client.allocations(consumer).resources)

    def test_an_unknown_provider_is_not_found(self):
        exc = self.assertRaises(
            errors.NotFound, self.claim, self.provider('absent')
        )
        self.assertIn('does not exist', exc.message)

    def test_a_claim_of_what_was_unknown_can_be_repeated(self):
        late, consumer = self.provider('late'), fresh()
        self.assertRaises(errors.NotFound, self.claim, late, consumer=consumer)
        self.sync(self.pool, late)
        self.claim(late, consumer=consumer)
        self.assertEqual({PF: 1}, self.usages(late))

    def test_release_may_be_repeated(self):
        consumer = self.claim(self.pool, 2)
        self.client.release(consumer)
        self.client.release(consumer)
        self.assertEqual({PF: 0}, self.usages(self.pool))

    def test_eight_claims_for_two_units_have_two_winners(self):
        def attempt(consumer):
            try:
                return self.claim(self.pool, consumer=consumer)
            except errors.NoCapacity:
                return None

        consumers = [fresh() for _ in range(8)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            won = [c for c in pool.map(attempt, consumers) if c]
        self.assertEqual(2, len(won))
        self.assertEqual(
            set(won), set(self.client.provider_allocations(self.pool.uuid))
        )

    def test_racing_puts_of_one_consumer_both_succeed(self):
        consumer = fresh()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            runs = [
                pool.submit(self.claim, self.pool, consumer=consumer)
                for _ in range(2)
            ]
        self.assertEqual([consumer] * 2, [run.result() for run in runs])
        self.assertEqual({PF: 1}, self.usages(self.pool))


class TestAway(base.BaseTestCase):
    def test_a_placement_that_is_away_is_said_in_a_sentence(self):
        conf = cloud.configuration(gone())
        exc = self.assertRaises(
            errors.ServiceUnavailable,
            placement.Placement(conf).find_provider,
            'node1',
        )
        self.assertEqual(
            'Placement cannot be used now: it cannot be reached', exc.message
        )

    def test_wrong_credentials_are_said_in_a_sentence(self):
        shared = cloud.shared().options()
        shared['placement']['token'] = ''
        conf = cloud.configuration(shared)
        exc = self.assertRaises(
            errors.ServiceUnavailable,
            placement.Placement(conf).find_provider,
            'node1',
        )
        self.assertIn('Placement cannot be used now', exc.message)
