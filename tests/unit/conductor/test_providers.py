import dataclasses
import uuid

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from oslotest import base

from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.conductor import choice
from cyborg_fpga.conductor import providers
from cyborg_fpga.conductor import wipes

RESET = model.WipeLevel.RESET
R1 = '1' * 32
R2 = '2' * 32
F1 = 'a' * 32
F2 = 'b' * 32


def host(**changes):
    values = {
        'uuid': 'h',
        'hostname': 'node1',
        'status': model.HostStatus.ENABLED,
        'disabled_reason': None,
        'up': True,
        'layout': model.Layout.POOL,
        'rp_name': 'node1',
        'rp_uuid': None,
        'boot_id': 1,
        'report_sequence': 1,
        'last_seen': None,
        'created_at': None,
        'updated_at': None,
    }
    return nouns.Host(**{**values, **changes})


def handles(*claims, kind=model.HandleKind.PF, present=True):
    """One handle per argument: the claim that has it, or None."""
    return tuple(
        nouns.AttachHandle(
            uuid=f'handle-{n}',
            pci_address=model.PciAddress.parse(f'0000:5e:00.{n}'),
            kind=kind,
            claim_uuid=claim,
            present=present,
        )
        for n, claim in enumerate(claims)
    )


def region(name='d1', *claims, **changes):
    values = {
        'id': 1,
        'uuid': name,
        'name': name,
        'hostname': 'node1',
        'device_id': 1,
        'device_uuid': 'c',
        'device_address': model.PciAddress.parse('0000:5e:00.0'),
        'driver': 'intel_dfl',
        'vendor': 'intel',
        'family': 'PAC_D5005',
        'vendor_id': '8086',
        'product_id': 'bcce',
        'device_status': model.DeviceStatus.ENABLED,
        'health': model.Health.OK,
        'numa_node': 0,
        'region_id': R1,
        'resource_class': '',
        'rp_name': '',
        'rp_uuid': '',
        'state': model.DeployableState.IDLE,
        'function_id': None,
        'bitstream_id': None,
        'bitstream_private': False,
        'wipe_pending': False,
        'wipe_levels': (),
        'fence': 0,
        'program_fixed': 1.0,
        'program_rate': 1.0,
        'last_used': 0.0,
        'handles': handles(*(claims or (None,))),
        'created_at': None,
        'updated_at': None,
    }
    return nouns.Deployable(**{**values, **changes})


def vfs(name, *claims, **changes):
    return region(
        name, handles=handles(*claims, kind=model.HandleKind.VF), **changes
    )


def image(name='i1', **changes):
    values = {
        'uuid': name,
        'name': name,
        'status': 'active',
        'visibility': 'public',
        'owner': None,
        'vendor': 'intel',
        'type': 'crypto',
        'region_id': R1,
        'function_id': F1,
        'function_name': None,
        'version': None,
        'driver': None,
        'size': 1,
        'checksum': None,
        'hash_algo': 'sha512',
        'hash_value': 'x',
        'public': True,
        'usable': True,
        'reason': '',
        'image_updated_at': '',
    }
    return nouns.Bitstream(**{**values, **changes})


def lay_out(regions, public=(), *, overrides=None, **kwargs):
    where = kwargs.pop('host', host())
    return providers.layout(
        where, regions, public, overrides=overrides or {}, **kwargs
    )


def stored(regions, public=(), **kwargs):
    """*regions* as they are once their layout is recorded."""
    _, places, classes = lay_out(regions, public, **kwargs)
    return [
        dataclasses.replace(
            item,
            rp_uuid=places[item.uuid][0],
            rp_name=places[item.uuid][1],
            resource_class=classes[item.uuid],
        )
        for item in regions
    ]


def only(regions, public=(), **kwargs):
    [provider] = lay_out(regions, public, **kwargs)[0]
    return provider


class TestNames(base.BaseTestCase):
    def test_a_trait_has_only_what_placement_accepts(self):
        self.assertEqual(
            'CUSTOM_HW_ACME_INC_X_1',
            providers.trait('CUSTOM_HW', 'Acme-inc x.1'),
        )
        self.assertEqual(255, len(providers.trait('CUSTOM', 'x' * 300)))

    def test_fixed_traits_are_those_of_the_proof_of_concept_and_cyborg(self):
        self.assertLessEqual(
            {
                'CUSTOM_FPGA',
                'CUSTOM_HW_INTEL',
                'CUSTOM_FPGA_INTEL',
                'CUSTOM_FPGA_INTEL_PAC_D5005',
                f'CUSTOM_FPGA_REGION_INTEL_{R1}',
                'CUSTOM_PROGRAMMABLE',
                'OWNER_CYBORG',
            },
            providers.fixed_traits(region()),
        )

    def test_what_fits_no_image_is_not_called_programmable(self):
        found = providers.fixed_traits(region(region_id=None))
        self.assertNotIn('CUSTOM_PROGRAMMABLE', found)
        self.assertIn('CUSTOM_FPGA_INTEL', found)
        self.assertFalse([t for t in found if 'REGION' in t])

    def test_the_numa_node_is_a_trait_where_all_cards_share_it(self):
        for nodes, expected in (
            ([0, 0], {'CUSTOM_FPGA_NUMA_NODE_0'}),
            ([1, 1], {'CUSTOM_FPGA_NUMA_NODE_1'}),
            ([0, 1], set()),
            ([0, None], set()),
            ([None, None], set()),
        ):
            provider = only(
                [region(f'd{n}', numa_node=x) for n, x in enumerate(nodes)]
            )
            self.assertEqual(2, provider.total)
            found = {t for t in provider.traits if 'NUMA' in t}
            self.assertEqual(expected, found)

    def test_a_provider_is_named_by_host_class_family_and_region(self):
        provider = only([region()])
        self.assertEqual(
            f'node1:fpga:CUSTOM_FPGA_INTEL_PF:intel:PAC_D5005:{R1}',
            provider.name,
        )
        self.assertEqual(provider, only([region()]))
        uuid.UUID(provider.uuid)

    def test_a_long_name_is_cut_and_stays_unlike_others(self):
        where = host(hostname='x' * 250)
        found, *_ = lay_out(
            [region('d1'), region('d2', region_id=R2)], host=where
        )
        self.assertEqual([200, 200], [len(p.name) for p in found])
        self.assertEqual(2, len({p.uuid for p in found}))


class TestClass(base.BaseTestCase):
    def test_whole_functions_and_virtual_ones_have_classes_of_their_own(self):
        self.assertEqual(
            ['CUSTOM_FPGA_INTEL_PF', 'CUSTOM_FPGA_INTEL_VF'],
            [
                providers.resource_class(item, {})
                for item in (region(), vfs('v', None))
            ],
        )

    def test_a_driver_or_a_pci_id_can_override_it(self):
        by_driver = {'intel_dfl': 'FPGA'}
        self.assertEqual(
            'FPGA', only([region()], overrides=by_driver).resource_class
        )
        both = {**by_driver, '8086/bcce': 'custom-x'}
        self.assertEqual(
            'CUSTOM_X', only([region()], overrides=both).resource_class
        )


class TestGrouping(base.BaseTestCase):
    def test_like_deployables_with_one_handle_share_a_provider(self):
        provider = only([region(f'd{n}') for n in range(4)])
        self.assertEqual(
            (4, 4, 0), (provider.total, provider.max_unit, provider.reserved)
        )

    def test_unlike_ones_do_not(self):
        found, *_ = lay_out(
            [
                region('d1'),
                region('d2', region_id=R2),
                region('d3', family='N3000'),
                vfs('d4', None),
            ]
        )
        self.assertEqual(4, len(found))

    def test_a_deployable_with_several_handles_has_its_own(self):
        found, *_ = lay_out([vfs('d1', None, None), vfs('d2', None, None)])
        self.assertEqual([2, 2], [provider.total for provider in found])

    def test_in_the_region_layout_each_has_its_own(self):
        where = host(layout=model.Layout.REGION)
        found, *_ = lay_out([region('d1'), region('d2')], host=where)
        self.assertEqual(
            {'node1:fpga:d1', 'node1:fpga:d2'}, {p.name for p in found}
        )

    def test_a_deployable_without_handles_has_a_place_but_no_provider(self):
        found, places, classes = lay_out([region('d1', handles=())])
        self.assertEqual([], found)
        self.assertIn('d1', places)
        self.assertIn('d1', classes)

    def test_names_of_ours_begin_with_the_prefix(self):
        for layout in model.Layout:
            provider = only([region()], host=host(layout=layout))
            self.assertTrue(
                provider.name.startswith(providers.name_prefix('node1'))
            )

    def test_what_is_claimed_keeps_its_provider_and_class(self):
        one, two = stored([region('d1', 'claim'), region('d2')])
        where = host(layout=model.Layout.REGION)
        _, places, classes = lay_out(
            [one, two], host=where, overrides={'intel_dfl': 'FPGA'}
        )
        self.assertEqual((one.rp_uuid, one.rp_name), places['d1'])
        self.assertEqual('CUSTOM_FPGA_INTEL_PF', classes['d1'])
        self.assertEqual('node1:fpga:d2', places['d2'][1])
        self.assertEqual('FPGA', classes['d2'])

    def test_a_shared_provider_keeps_all_its_members_while_one_is_claimed(
        self,
    ):
        regions = [region('d1', 'claim'), region('d2')]
        regions = [
            dataclasses.replace(
                item, rp_uuid='old', rp_name='Old', resource_class='FPGA'
            )
            for item in regions
        ]
        provider = only(regions)
        self.assertEqual(
            ('old', 'Old', 'FPGA', 2),
            (
                provider.uuid,
                provider.name,
                provider.resource_class,
                provider.total,
            ),
        )
        freed = [
            dataclasses.replace(item, handles=handles(None))
            for item in regions
        ]
        self.assertEqual('CUSTOM_FPGA_INTEL_PF', only(freed).resource_class)

    def test_a_new_card_joins_the_provider_that_is_kept(self):
        held = dataclasses.replace(
            region('d1', 'claim'),
            rp_uuid='old',
            rp_name='Old',
            resource_class='FPGA',
        )
        _, places, classes = lay_out([held, region('d2')])
        self.assertEqual(('old', 'Old'), places['d2'])
        self.assertEqual('FPGA', classes['d2'])

    def test_a_provider_held_under_another_class_has_one_class(self):
        [held] = stored([region('d1', 'claim')])
        # Its shell has changed since; a new card has the old one.
        held = dataclasses.replace(
            held, region_id=R2, resource_class='CUSTOM_OLD'
        )
        _, places, classes = lay_out([held, region('d2')])
        self.assertEqual(places['d1'], places['d2'])
        self.assertEqual('CUSTOM_OLD', classes['d2'])


class TestReserved(base.BaseTestCase):
    def test_what_cannot_be_claimed_now_is_reserved(self):
        for changes in (
            {'device_status': model.DeviceStatus.MAINTAINING},
            {'health': model.Health.QUARANTINED},
            {'health': model.Health.LOST},
            {'state': model.DeployableState.PROGRAMMING},
            {'state': model.DeployableState.UNKNOWN},
            {'wipe_pending': True},
        ):
            provider = only([region('d1', **changes), region('d2')])
            self.assertEqual(
                (2, 1), (provider.total, provider.reserved), changes
            )

    def test_a_suspect_card_is_not_offered(self):
        provider = only([region(health=model.Health.SUSPECT), region('d2')])
        self.assertEqual((2, 1), (provider.total, provider.reserved))

    def test_a_host_that_is_down_or_disabled_offers_nothing(self):
        for where in (
            host(up=False),
            host(status=model.HostStatus.DISABLED),
        ):
            provider = only([region('d1'), region('d2')], host=where)
            self.assertEqual(2, provider.reserved)

    def test_what_is_claimed_is_not_reserved_as_well(self):
        provider = only(
            stored(
                [
                    region(
                        'd1', 'claim', state=model.DeployableState.PROGRAMMING
                    )
                ]
            )
        )
        self.assertEqual((1, 0), (provider.total, provider.reserved))

    def test_what_no_allocation_covers_is_reserved(self):
        provider = only(
            stored([region('d1', 'claim'), region('d2')]),
            uncovered={'d1': 1},
        )
        self.assertEqual((2, 1), (provider.total, provider.reserved))

    def test_an_absent_handle_does_not_count_unless_claimed(self):
        gone = handles(None, present=False)
        self.assertEqual([], lay_out([region(handles=gone)])[0])
        held = handles('claim', present=False)
        self.assertEqual(1, only([region(handles=held)]).total)


class TestChangingTraits(base.BaseTestCase):
    CRYPTO = {'CUSTOM_ACCELERATOR_CRYPTO', 'CUSTOM_HW_CRYPTO'}
    FUNCTION = f'CUSTOM_FPGA_FUNCTION_ID_INTEL_{F1.upper()}'

    def loaded(self, name='d1', *claims, **changes):
        changes = {'function_id': F1, 'bitstream_id': 'i1', **changes}
        return region(name, *claims, **changes)

    def test_a_type_is_there_while_a_public_bitstream_fits(self):
        self.assertLessEqual(self.CRYPTO, only([region()], [image()]).traits)
        for other in (
            image(region_id=R2),
            image(region_id=None),
            image(vendor='xilinx'),
            image(family='PAC_A10'),
            image(type='Not A Type'),
            image(type=None),
        ):
            self.assertFalse(
                self.CRYPTO & only([region()], [other]).traits, other
            )

    def test_a_type_of_its_family_is_there(self):
        for vendor in ('intel', None):
            one = image(family='PAC_D5005', vendor=vendor)
            found = only([self.loaded()], [one]).traits
            self.assertLessEqual(self.CRYPTO | {self.FUNCTION}, found)

    def test_an_image_without_vendor_and_driver_fits_by_its_region(self):
        found = only([self.loaded()], [image(vendor=None)]).traits
        self.assertLessEqual(self.CRYPTO | {self.FUNCTION}, found)

    def test_types_can_be_limited(self):
        found = only([region()], [image()], allowed_types=['dpi'])
        self.assertFalse(self.CRYPTO & found.traits)

    def test_a_function_is_there_while_all_free_are_or_can_be_it(self):
        pool = [self.loaded('d1'), region('d2')]
        self.assertIn(self.FUNCTION, only(pool, [image()]).traits)
        self.assertNotIn(self.FUNCTION, only(pool).traits)
        self.assertIn(self.FUNCTION, only(pool[:1]).traits)
        self.assertNotIn(self.FUNCTION, only(pool[1:], [image()]).traits)

    def test_a_function_is_gone_while_it_is_not_known_to_be_loaded(self):
        for state in (
            model.DeployableState.PROGRAMMING,
            model.DeployableState.UNKNOWN,
        ):
            found = only([self.loaded(state=state)], [image()]).traits
            self.assertNotIn(self.FUNCTION, found)
            self.assertLessEqual(self.CRYPTO, found)

    def test_the_rest_of_a_claimed_region_is_what_is_loaded(self):
        both = handles('claim', None, kind=model.HandleKind.VF)
        held = self.loaded(handles=both)
        dpi = image('i2', type='dpi', function_id=F2)
        found = only([held], [image(), dpi]).traits
        self.assertLessEqual(self.CRYPTO | {self.FUNCTION}, found)
        self.assertNotIn('CUSTOM_ACCELERATOR_DPI', found)

    def test_an_image_that_names_no_function_is_known_by_its_uuid(self):
        both = handles('claim', None, kind=model.HandleKind.VF)
        held = self.loaded(handles=both)
        found = only([held], [image(function_id=None)]).traits
        self.assertLessEqual(self.CRYPTO, found)

    def test_what_a_tenant_loaded_for_itself_does_not_show(self):
        both = handles('claim', None, kind=model.HandleKind.VF)
        for held in (
            self.loaded(handles=both, bitstream_id='secret'),
            self.loaded('d1', 'claim', bitstream_id='secret'),
        ):
            self.assertNotIn(self.FUNCTION, only([held]).traits)

    def test_traits_do_not_change_when_all_of_a_pool_is_claimed(self):
        free = [self.loaded('d1'), region('d2')]
        claimed = [self.loaded('d1', 'claim'), region('d2', 'claim')]
        self.assertEqual(
            only(free, [image()]).traits, only(claimed, [image()]).traits
        )

    def test_a_card_out_of_use_does_not_decide_for_the_others(self):
        pool = [
            self.loaded('d1'),
            region('d2', health=model.Health.QUARANTINED),
        ]
        self.assertIn(self.FUNCTION, only(pool).traits)

    def test_traits_of_a_deployable_alone(self):
        types = providers.types_by_region([image()])
        self.assertNotIn(
            self.FUNCTION, providers.deployable_traits(region(), types)
        )
        self.assertLessEqual(
            self.CRYPTO, providers.deployable_traits(region(), types)
        )
        self.assertIn(
            self.FUNCTION, providers.deployable_traits(self.loaded(), types)
        )

    def test_what_another_driver_loads_is_no_promise(self):
        for driver, promised in (('pci', False), ('intel_dfl', True)):
            with self.subTest(driver):
                types = providers.types_by_region([image(driver=driver)])
                found = providers.deployable_traits(region(), types)
                self.assertEqual(promised, found >= self.CRYPTO)


IMAGES = ['i1', 'i2', 'i3', 'i4']
TYPES = ['crypto', 'dpi']


@st.composite
def images(draw):
    return [
        image(
            name,
            type=draw(st.sampled_from([*TYPES, None])),
            region_id=draw(st.sampled_from([R1, R2, None])),
            function_id=draw(st.sampled_from([F1, F2, None])),
            vendor=draw(st.sampled_from(['intel', 'xilinx', None])),
            family=draw(st.sampled_from(['PAC_D5005', 'PAC_A10', None])),
            driver=draw(st.sampled_from(['intel_dfl', 'pci', 'DPDK', None])),
        )
        for name in draw(st.lists(st.sampled_from(IMAGES), unique=True))
    ]


@st.composite
def region_lists(draw):
    found = []
    for n in range(draw(st.integers(1, 5))):
        claims = draw(
            st.lists(st.sampled_from(['claim', None]), min_size=1, max_size=3)
        )
        # Sound records only: what is loaded was made for the region.
        function = draw(st.sampled_from([F1, F2, None]))
        found.append(
            region(
                f'd{n}',
                *claims,
                id=n,
                region_id=draw(st.sampled_from([R1, R2, None])),
                function_id=function,
                bitstream_id=(
                    draw(st.sampled_from([*IMAGES, None]))
                    if function
                    else None
                ),
                health=draw(st.sampled_from(list(model.Health))),
                state=draw(st.sampled_from(list(model.DeployableState))),
                wipe_pending=draw(st.booleans()),
                device_status=draw(st.sampled_from(list(model.DeviceStatus))),
            )
        )
    return found


def claimable(item):
    return (
        item.device_status is model.DeviceStatus.ENABLED
        and item.health is model.Health.OK
        and item.state is model.DeployableState.IDLE
        and not item.wipe_pending
    )


class TestWhateverIsAdvertisedCanBeBound(base.BaseTestCase):
    """Placement's view of a random host against the chooser of claims."""

    BUDGET = settings(max_examples=150, deadline=None)

    def members(self, regions, places, provider):
        return [r for r in regions if places[r.uuid][0] == provider.uuid]

    @BUDGET
    @given(region_lists(), images(), st.sampled_from(list(model.Layout)))
    def test_offered_units_are_the_handles_that_can_be_claimed(
        self, regions, public, layout
    ):
        where = host(layout=layout)
        regions = stored(regions, public, host=where)
        found, places, _ = lay_out(regions, public, host=where)
        for provider in found:
            pool = self.members(regions, places, provider)
            allocated = sum(1 for r in pool for h in r.handles if h.claim_uuid)
            free = sum(
                1
                for r in pool
                for h in r.handles
                if claimable(r) and not h.claim_uuid
            )
            offered = provider.total - provider.reserved - allocated
            self.assertEqual(free, offered)
        self.assertEqual(
            sum(len(r.handles) for r in regions),
            sum(provider.total for provider in found),
        )

    @BUDGET
    @given(region_lists(), images(), st.sampled_from(list(model.Layout)))
    def test_every_unit_with_a_type_trait_can_be_had_as_that_type(
        self, regions, public, layout
    ):
        where = host(layout=layout)
        regions = stored(regions, public, host=where)
        found, places, _ = lay_out(regions, public, host=where)
        for provider in found:
            pool = [
                r
                for r in self.members(regions, places, provider)
                if claimable(r)
            ]
            free = sum(1 for r in pool for h in r.handles if not h.claim_uuid)
            for name in TYPES:
                if f'CUSTOM_ACCELERATOR_{name.upper()}' in provider.traits:
                    self._check(pool, public, name, free)

    def _check(self, pool, public, name, free):
        wishes = [i for i in public if i.type == name]
        for count in range(1, free + 1):
            pick = choice.best(
                [r for r in pool if any(not h.claim_uuid for h in r.handles)],
                wishes,
                traits=[],
                count=count,
                types={},
                rules=wipes.Rules(RESET, RESET),
            )
            self.assertIsNotNone(pick, (count, name))

    @BUDGET
    @given(region_lists(), images())
    def test_every_unit_with_a_function_trait_is_or_can_be_that(
        self, regions, public
    ):
        regions = stored(regions, public)
        found, places, _ = lay_out(regions, public)
        for provider in found:
            for function in (F1, F2):
                name = providers.function_trait('intel', function)
                if name not in provider.traits:
                    continue
                for item in self.members(regions, places, provider):
                    free = any(not h.claim_uuid for h in item.handles)
                    if claimable(item) and free:
                        self._is_or_can_be(item, public, function)

    def _is_or_can_be(self, item, public, function):
        held = any(h.claim_uuid for h in item.handles)
        can = not held and any(
            choice.fits(item, i) for i in public if i.function_id == function
        )
        self.assertTrue(item.function_id == function or can)

    @BUDGET
    @given(region_lists(), images(), st.randoms())
    def test_the_order_of_records_does_not_matter(
        self, regions, public, random
    ):
        regions = stored(regions, public)
        before = lay_out(regions, public)
        random.shuffle(regions)
        random.shuffle(public)
        self.assertEqual(before, lay_out(regions, public))

    @BUDGET
    @given(region_lists(), region_lists(), st.booleans())
    def test_what_is_held_stays_where_its_allocation_is(
        self, before, after, override
    ):
        """Everything else about the host may change at once."""
        places = {r.uuid: r for r in stored(before)}
        regions = [
            dataclasses.replace(
                r,
                rp_uuid=places[r.uuid].rp_uuid,
                rp_name=places[r.uuid].rp_name,
                resource_class=places[r.uuid].resource_class,
            )
            for r in after
            if r.uuid in places
        ]
        found, now, classes = lay_out(
            regions,
            host=host(layout=model.Layout.REGION),
            overrides={'intel_dfl': 'FPGA'} if override else {},
        )
        by_uuid = {provider.uuid: provider for provider in found}
        for item in regions:
            if any(h.claim_uuid for h in item.handles):
                self.assertEqual((item.rp_uuid, item.rp_name), now[item.uuid])
                self.assertEqual(item.resource_class, classes[item.uuid])
            provider = by_uuid[now[item.uuid][0]]
            self.assertEqual(classes[item.uuid], provider.resource_class)
            lasting = {
                name for name in provider.traits if 'FUNCTION_ID' not in name
            }
            self.assertLessEqual(lasting, providers.fixed_traits(item))
