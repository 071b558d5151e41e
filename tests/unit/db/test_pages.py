"""Lists of every noun: filters, order, pages."""

import datetime
import json

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.api.schemas import attributes as attribute_schemas
from cyborg_fpga.api.schemas import bitstreams as bitstream_schemas
from cyborg_fpga.api.schemas import claims as claim_schemas
from cyborg_fpga.api.schemas import deployables as deployable_schemas
from cyborg_fpga.api.schemas import device_profiles as profile_schemas
from cyborg_fpga.api.schemas import devices as device_schemas
from cyborg_fpga.api.schemas import hosts as host_schemas
from cyborg_fpga.api.schemas import operations as operation_schemas
from cyborg_fpga.db import attributes
from cyborg_fpga.db import bitstreams
from cyborg_fpga.db import claims
from cyborg_fpga.db import deployables
from cyborg_fpga.db import device_profiles
from cyborg_fpga.db import devices
from cyborg_fpga.db import hosts
from cyborg_fpga.db import models
from cyborg_fpga.db import offers
from cyborg_fpga.db import operations
from tests.unit.db import base
from tests.unit.db import test_bitstreams

#: Each query module, and what its callers may ask of it.
_QUERIES = {
    attributes: attribute_schemas.QUERY,
    bitstreams: bitstream_schemas.QUERY,
    claims: claim_schemas.QUERY,
    deployables: deployable_schemas.QUERY,
    device_profiles: profile_schemas.QUERY,
    devices: device_schemas.QUERY,
    hosts: host_schemas.QUERY,
    operations: operation_schemas.QUERY,
}
_CONTROLS = {'limit', 'marker', 'sort_key', 'sort_dir'}


def _sort_keys(module):
    return _QUERIES[module]['properties']['sort_key']['enum']


def _filters(module):
    return set(_QUERIES[module]['properties']) - _CONTROLS


class PagesTest(base.DatabaseTest):
    """Seven of everything, on two hosts."""

    def setUp(self):
        super().setUp()
        self.store(
            *(
                base.card(
                    f'0000:{bus:02x}:00.0', family='B' if bus % 2 else 'A'
                )
                for bus in range(6)
            )
        )
        self.store(base.card(vendor='other'), hostname='other')
        for n in range(5):
            self.store(hostname=f'host{n}')
        for found in [*self.regions(), *self.regions('other')]:
            uuid = self.reserve(found, project_id='p')
            self.operation(found, claim_uuid=uuid, project_id='p')
            image = test_bitstreams._image(name=f'image {found.id}')
            bitstreams.upsert(self.ctx, [image])
            attributes.report(self.ctx, {found.id: [('rc', 'FPGA')]})
            device_profiles.create(
                self.ctx, base.new_uuid(), name=f'p{found.id}', groups=[]
            )


class TestPages(PagesTest):
    def _walk(self, module, **arguments):
        """uuids, page by page."""
        seen, marker = [], None
        while True:
            page = module.list_page(
                self.ctx, filters={}, limit=3, marker=marker, **arguments
            )
            if not page:
                return seen
            self.assertLessEqual(len(page), 3)
            seen += [row.uuid for row in page]
            marker = page[-1].uuid

    def test_pages_cover_everything_once_by_every_key_both_ways(self):
        for module in _QUERIES:
            for key in _sort_keys(module):
                with self.subTest(module=module.__name__, key=key):
                    up = self._walk(module, sort_key=key, sort_dir='asc')
                    down = self._walk(module, sort_key=key, sort_dir='desc')
                    self.assertGreaterEqual(len(up), 7)
                    self.assertEqual(len(set(up)), len(up))
                    self.assertEqual(up[::-1], down)

    def test_list_says_of_each_what_one_alone_says(self):
        """Whatever stands in it, and however it is read."""
        every = ''.join(map(chr, range(1, 0x180))) + '\U0001f600\u2028\uffff'
        self.change(
            models.Device,
            models.Device.family == 'A',
            attributes=json.dumps({'said': every}),
            health_reason=f'"{every}\\" \\u0041 \\',
            serial='null',
            numa_node=0,
            failures=2**31 - 1,
            updated_at=datetime.datetime(2026, 2, 28, 23, 59, 59),
        )
        found = devices.list_page(self.ctx, filters={}, limit=99)
        self.assertEqual(
            {device.uuid: devices.get(self.ctx, device.uuid)
             for device in found},
            {device.uuid: device for device in found},
        )  # fmt: skip
        self.assertIn(every, [d.attributes.get('said') for d in found])

    def test_pages_are_in_the_order_asked_for(self):
        found = devices.list_page(
            self.ctx, filters={}, limit=99, sort_key='family'
        )
        families = [device.family for device in found]
        self.assertEqual(sorted(families), families)
        found = hosts.list_page(
            self.ctx, filters={}, limit=99, sort_dir='desc'
        )
        names = [host.hostname for host in found]
        self.assertEqual(sorted(names, reverse=True), names)

    def test_unknown_marker_is_refused(self):
        for module in _QUERIES:
            with self.subTest(module=module.__name__):
                self.assertRaises(
                    errors.InvalidInput,
                    module.list_page,
                    self.ctx,
                    filters={},
                    limit=3,
                    marker=base.new_uuid(),
                )

    def test_marker_outside_the_filter_is_refused(self):
        mine = claims.list_page(self.ctx, filters={}, limit=1)[0]
        self.assertRaises(
            errors.InvalidInput,
            claims.list_page,
            self.ctx,
            filters={'project_id': 'other'},
            limit=3,
            marker=mine.uuid,
        )

    def test_marker_that_left_the_filter_still_says_where_to_go_on(self):
        asked = {
            'filters': {'state': 'claiming', 'hostname': base.HOST},
            'sort_dir': 'asc',
        }
        every = claims.list_page(self.ctx, limit=9, **asked)
        first = claims.list_page(self.ctx, limit=2, **asked)
        claims.start_release(self.ctx, first[-1].uuid)
        rest = claims.list_page(
            self.ctx, limit=9, marker=first[-1].uuid, **asked
        )
        self.assertGreater(len(rest), 2)
        self.assertEqual(
            [claim.uuid for claim in every],
            [claim.uuid for claim in [*first, *rest]],
        )

    def test_every_filter_finds_what_it_names_and_nothing_else(self):
        for module in _QUERIES:
            row = module.list_page(self.ctx, filters={}, limit=1)[0]
            for name in _filters(module):
                with self.subTest(module=module.__name__, filter=name):
                    value = getattr(row, name, None)
                    asked = 'p' if value is None else value
                    if (module, name) == (device_profiles, 'name'):
                        asked = [value]
                    if name == 'fits':
                        # The API looks it up.
                        asked = self.regions()[0]
                    found = module.list_page(
                        self.ctx, filters={name: asked}, limit=99
                    )
                    if value is not None:
                        self.assertIn(row.uuid, [r.uuid for r in found])
                        self.assertEqual(
                            {value}, {getattr(r, name) for r in found}
                        )

    def test_filters_are_combined(self):
        found = devices.list_page(
            self.ctx,
            filters={'hostname': base.HOST, 'family': 'B'},
            limit=99,
        )
        self.assertEqual(3, len(found))

    def test_filter_that_fits_nothing_gives_nothing(self):
        found = operations.list_page(
            self.ctx, filters={'hostname': 'nowhere'}, limit=9
        )
        self.assertEqual([], found)


class TestDeployables(base.DatabaseTest):
    def _claimable(self, **filters):
        wanted = {'hostname': None, 'resource_class': None, **filters}
        wanted['limit'] = 99
        return [found.name for found in offers.claimable(self.ctx, **wanted)]

    def test_claimable_are_the_idle_healthy_and_free(self):
        self.store(base.card(), base.card(base.OTHER_CARD))
        one, two = self.regions()
        self.assertEqual(2, len(self._claimable()))
        self.reserve(one)
        self.assertEqual([two.name], self._claimable())
        mine = self.operation(two)
        self.assertEqual([], self._claimable())
        self.finish(mine, succeeded=True)
        self.assertEqual([two.name], self._claimable())
        devices.update(
            self.ctx,
            two.device_uuid,
            status=model.DeviceStatus.MAINTAINING,
        )
        self.assertEqual([], self._claimable())

    def test_least_recently_used_comes_first(self):
        self.store(base.card(), base.card(base.OTHER_CARD))
        one, two = self.regions()
        self.finish(self.operation(one), succeeded=True)
        self.assertEqual([two.name, one.name], self._claimable())

    def test_host_that_is_down_or_disabled_offers_nothing(self):
        self.store()
        hosts.mark_silent(self.ctx, -1)
        self.assertEqual([], self._claimable())
        self.store()
        hosts.set_status(self.ctx, base.HOST, model.HostStatus.DISABLED, None)
        self.assertEqual([], self._claimable())

    def test_host_and_class_narrow_it(self):
        found = self.stored()
        self.store(hostname='other')
        deployables.set_providers(
            self.ctx, {found.uuid: ('rp', 'pool')}, {found.uuid: 'CLASS'}
        )
        self.assertEqual(1, len(self._claimable(hostname='other')))
        self.assertEqual(1, len(self._claimable(resource_class='CLASS')))
        now = self.again(found)
        self.assertEqual(('rp', 'pool'), (now.rp_uuid, now.rp_name))

    def test_host_costs_two_statements(self):
        self.store(*(base.card(f'0000:{b:02x}:00.0') for b in range(8)))
        with self.statements() as seen:
            self.assertEqual(8, len(self.regions()))
        self.assertEqual(2, len(seen), seen)

    def test_wipes_wait_for_idle_healthy_and_free(self):
        found = self.stored()
        uuid = self.reserve(found)
        claims.start_release(self.ctx, uuid)
        self.assertEqual([], deployables.wipes_pending(self.ctx))
        claims.finish_release(self.ctx, uuid)
        self.assertEqual(
            [found.uuid],
            [r.uuid for r in deployables.wipes_pending(self.ctx)],
        )
        mine = self.operation(found, kind='wipe')
        self.assertEqual([], deployables.wipes_pending(self.ctx))
        self.finish(mine, succeeded=True)
        self.assertEqual([], deployables.wipes_pending(self.ctx))

    def test_unknown_deployable_is_said_to_be_unknown(self):
        self.assertRaises(
            errors.NotFound, deployables.get, self.ctx, base.new_uuid()
        )


class TestDevices(base.DatabaseTest):
    def test_unknown_device_is_said_to_be_unknown(self):
        uuid = base.new_uuid()
        self.assertRaises(errors.NotFound, devices.get, self.ctx, uuid)
        self.assertRaises(
            errors.NotFound,
            devices.update,
            self.ctx,
            uuid,
            status=model.DeviceStatus.ENABLED,
        )

    def test_maintenance_and_health_are_told_apart(self):
        uuid = self.stored().device_uuid
        devices.update(self.ctx, uuid, status=model.DeviceStatus.MAINTAINING)
        device = devices.get(self.ctx, uuid)
        self.assertIs(model.Health.OK, device.health)
        devices.update(self.ctx, uuid, health=model.Health.QUARANTINED)
        device = devices.get(self.ctx, uuid)
        self.assertIs(model.DeviceStatus.MAINTAINING, device.status)
